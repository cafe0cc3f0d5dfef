"""Claims for exports: which conversations are listed, and what is read of them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import at, recorded, said

DAY = datetime(2026, 3, 4, tzinfo=UTC)


def wrote(hours: float, **source: Any) -> Message:
    return said(source={"type": "user"} | source, created_at=DAY + timedelta(hours=hours))


async def kept(store: ThreadStore, name: str, *messages: Message, agent_name: str = "agent") -> None:
    await store.save(Thread(id=name, agent_name=agent_name, messages=list(messages)))


async def listed(store: ThreadStore, **conditions: Any) -> list[str]:
    return [each["id"] for each in await store.get_conversations_for_export("agent", **conditions)]


async def test_export_lists_an_agents_conversations_as_they_were_made(store: ThreadStore) -> None:
    for name, created_at in (("b", at(2)), ("c", at(1)), ("a", at(2))):
        await store.save(Thread(id=name, agent_name="agent", created_at=created_at))
    await kept(store, "other's", agent_name="other")
    assert await listed(store) == ["c", "a", "b"]
    assert await store.get_conversations_for_export("unknown") == []


async def test_export_tells_where_conversations_live(store: ThreadStore) -> None:
    made = await store.get_or_create_conversation("agent", "C1", "1.0", "general")
    places = {
        "1": {"slack": {"channel": "D1"}},
        "2": {"discord": {"channel": "5", "thread": "6"}},
        "3": {},
    }
    for name, platforms in places.items():
        await store.save(Thread(id=name, agent_name="agent", platforms=platforms))
    found = await store.get_conversations_for_export("agent")
    names = ("agent_name", "channel_id", "channel_name", "thread_id")
    assert {each["id"]: tuple(each[name] for name in names) for each in found} == {
        made: ("agent", "C1", "general", "1.0"),
        "1": ("agent", "D1", None, "D1"),
        "2": ("agent", "5", None, "6"),
        "3": ("agent", None, None, None),
    }


async def test_export_lists_what_the_bot_kept(store: ThreadStore, provider: StorageProvider) -> None:
    recorded_ = await recorded(provider, 1, key=ThreadKey("slack", "T1", "C9", "9.0"), agent_name="agent")
    assert await listed(store) == [recorded_.thread_id]


async def test_export_wants_one_message_to_meet_all_conditions(store: ThreadStore) -> None:
    await kept(store, "one", wrote(1, handle="anna"), wrote(50, handle="ben"))
    await kept(store, "two", wrote(50, handle="anna"))
    conditions = {"date_from": DAY + timedelta(hours=49), "date_to": DAY + timedelta(hours=51)}
    assert await listed(store, handle="anna") == ["one", "two"]
    assert await listed(store, **conditions) == ["one", "two"]
    assert await listed(store, handle="anna", **conditions) == ["two"]


async def test_export_knows_an_author_by_handle_or_else_by_name(store: ThreadStore) -> None:
    await kept(store, "handle", wrote(1, handle="anna", name="ben"))
    await kept(store, "name", wrote(1, handle=None, name="anna"))
    await kept(store, "none", said())
    assert await listed(store, handle="anna") == ["handle", "name"]
    assert await listed(store, handle="ben") == await listed(store, handle="Anna") == []


async def test_export_passes_over_tombstones(store: ThreadStore) -> None:
    message = wrote(1, handle="anna")
    await kept(store, "t", message)
    await store.delete_message(message.id)
    assert await listed(store, handle="anna") == await listed(store, date_from=DAY) == []
    assert await listed(store) == ["t"]


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({"date_from": DAY + timedelta(hours=12)}, True),
        ({"date_from": DAY + timedelta(hours=12, microseconds=1)}, False),
        ({"date_to": "2026-03-04T12:00:00"}, True),
        ({"date_to": "2026-03-04T13:00:00+01:30"}, False),
        ({"date_to": datetime(2026, 3, 4, 13, tzinfo=timezone(timedelta(hours=1)))}, True),
        ({"date_from": "2026-03-04", "date_to": "2026-03-04"}, True),
        ({"date_from": date(2026, 3, 5)}, False),
        ({"date_to": date(2026, 3, 3)}, False),
        ({"date_from": "2026-03-04T12:00:00Z"}, True),
    ],
)
async def test_export_reads_dates_inclusively(store: ThreadStore, conditions: dict[str, Any], fits: bool) -> None:
    await kept(store, "t", wrote(12))
    assert await listed(store, **conditions) == (["t"] if fits else [])


@pytest.mark.parametrize("value", ["yesterday", "", 5])
async def test_export_refuses_what_is_no_date(store: ThreadStore, value: Any) -> None:
    with pytest.raises(ValueError, match="date_from is an instant or a date"):
        await store.get_conversations_for_export("agent", date_from=value)


async def test_get_messages_with_blocks_gives_authors_and_blocks(store: ThreadStore) -> None:
    made = await store.get_or_create_conversation("agent", "C1", "1.0")
    first = await store.create_message(made, "U1", "Anna", "anna")
    await store.append_text_block(first, "hello", is_user=True)
    await store.add_message(made, Message(role="assistant", content="hi", created_at=at(1)))
    messages = await store.get_messages(made)
    found = await store.get_messages_with_blocks(made)
    blocks = [its for _, its in await store.get_message_blocks(made)]
    told = {"user_id": "U1", "user_name": "Anna", "user_handle": "anna"}
    assert found == [
        {"id": first, **told, "created_at": messages[0].created_at, "blocks": blocks[0]},
        {"id": messages[1].id, **dict.fromkeys(told), "created_at": at(1), "blocks": blocks[1]},
    ]
    assert [its[0]["content"]["text"] for its in blocks] == ["hello", "hi"]
    assert await store.get_messages_with_blocks("unknown") == []
