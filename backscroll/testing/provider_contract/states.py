"""Claims for suspended states: what waits for a person, for a while."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import eventually

STATE = {"messages": [{"role": "user", "content": "Ship it?"}], "n": 1, "big": 10**30, "": None}


class HumanMessage:
    """What a framework calls a message."""


async def save(store: ThreadStore, approval_id: str = "a", **options: Any) -> dict[str, Any]:
    named = {"thread_id": "t", "agent_name": "helper", "node_name": "ship", "state": STATE} | options
    return await store.save_suspended_state(approval_id, **named)


async def save_expired(store: ThreadStore, approval_id: str) -> None:
    """Save a state, and wait until it has expired."""
    await save(store, approval_id, ttl=timedelta(milliseconds=1))

    async def is_gone() -> bool | None:
        return True if await store.get_suspended_state(approval_id) is None else None

    await eventually(is_gone)


async def test_save_suspended_state_gives_every_field_back(store: ThreadStore) -> None:
    saved = await save(store)

    assert await store.get_suspended_state("a") == saved
    instants = {name: saved.pop(name) for name in ("created_at", "expires_at")}
    names = {"approval_id": "a", "thread_id": "t", "agent_name": "helper", "node_name": "ship"}
    assert saved == names | {"state": STATE}
    assert instants["expires_at"] - instants["created_at"] == timedelta(days=7)
    assert abs(instants["created_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert {each.utcoffset() for each in instants.values()} == {timedelta(0)}


async def test_save_suspended_state_again_replaces_all_but_when_it_was_made(store: ThreadStore) -> None:
    first = await save(store)
    again = await save(store, thread_id="t2", agent_name="other", node_name="n2", state={}, ttl=timedelta(days=30))

    assert [again] == await store.list_suspended_states()
    assert again["created_at"] == first["created_at"]
    assert again["expires_at"] > first["expires_at"] + timedelta(days=20)
    assert [again[name] for name in ("thread_id", "agent_name", "node_name", "state")] == ["t2", "other", "n2", {}]


async def test_save_suspended_state_at_once_keeps_one(store: ThreadStore) -> None:
    saved = await asyncio.gather(*(save(store, state={"n": number}) for number in range(10)))

    assert (await store.get_suspended_state("a")) in saved
    assert len({each["created_at"] for each in saved}) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"state": {"messages": [HumanMessage()]}},
        {"state": {"a": b"x"}},
        {"state": {"a": float("nan")}},
        {"state": {"a": datetime(2026, 1, 1, tzinfo=UTC)}},
        {"state": {5: "a"}},
        {"state": '{"a": 1}'},
        {"ttl": timedelta(0)},
        {"ttl": timedelta(seconds=-1)},
        {"ttl": timedelta.max},
        {"ttl": 60},
        {"node_name": ""},
        {"thread_id": None},
    ],
)
async def test_save_suspended_state_refuses_what_cannot_be(store: ThreadStore, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        await save(store, **options)
    assert await store.get_suspended_state("a") is None


async def test_save_suspended_state_names_the_place_of_what_json_cannot_hold(store: ThreadStore) -> None:
    with pytest.raises(ValueError, match=r"state\.\*\[1\]\.\* is a HumanMessage"):
        await save(store, state={"messages": ["x", {"said": HumanMessage()}]})


async def test_list_suspended_states_gives_what_fits_newest_first(store: ThreadStore) -> None:
    for number in range(4):
        await save(store, f"a{number}", thread_id=f"t{number % 2}", agent_name=f"agent{number // 2}")

    async def found(**filters: str) -> list[str]:
        return [each["approval_id"] for each in await store.list_suspended_states(**filters)]

    assert await found() == ["a3", "a2", "a1", "a0"]
    assert [await found(thread_id="t1"), await found(agent_name="agent0")] == [["a3", "a1"], ["a1", "a0"]]
    assert [await found(thread_id="t1", agent_name="agent1"), await found(thread_id="x")] == [["a3"], []]


async def test_delete_suspended_state_takes_it_away_once(store: ThreadStore) -> None:
    await save(store)

    assert [await store.delete_suspended_state("a") for _ in range(2)] == [True, False]
    assert await store.get_suspended_state("a") is None


async def test_expired_state_is_found_by_no_call(store: ThreadStore) -> None:
    await save_expired(store, "a")
    await save(store, "b")

    assert [each["approval_id"] for each in await store.list_suspended_states()] == ["b"]
    assert not await store.delete_suspended_state("a")
    assert await store.get_suspended_state("a") is None


@pytest.mark.parametrize("is_cleaned", [True, False])
async def test_expired_state_that_is_saved_again_is_a_new_one(store: ThreadStore, *, is_cleaned: bool) -> None:
    before = await save(store, ttl=timedelta(milliseconds=1))
    await save_expired(store, "b")
    if is_cleaned:
        await store.cleanup_expired_states()

    assert (await save(store))["created_at"] > before["created_at"]


async def test_cleanup_expired_states_counts_them(store: ThreadStore) -> None:
    for name in ("a", "b"):
        await save_expired(store, name)
    await save(store, "c")

    assert [await store.cleanup_expired_states() for _ in range(2)] == [2, 0]
    assert await store.get_suspended_state("c") is not None


async def test_states_go_with_their_thread(store: ThreadStore) -> None:
    await store.get_or_create("t")
    await save(store, "a")
    await save(store, "b", thread_id="elsewhere")

    assert [await store.delete("t"), await store.delete("elsewhere")] == [True, False]
    assert [each["approval_id"] for each in await store.list_suspended_states()] == ["b"]
