"""Claims for what is kept beside threads: it comes out whole, and goes in whole anywhere."""

from backscroll.storage.archive import Loose, LooseMark
from backscroll.storage.memory import Provider as Memory
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import (
    KEY,
    at,
    external,
    recorded,
    said,
)


async def make_loose(provider: StorageProvider) -> None:
    """Keep something of each kind beside threads."""
    await provider.create_thread("t", "U1", "helper")
    await provider.append_message("t", said("one"))
    await provider.fork_thread("t", 0, "f")
    await provider.delete_thread("t")
    await provider.delete_thread("f")
    await provider.create_thread("r", "U1", "helper")
    await provider.append_message("r", said("one"))
    await provider.fork_thread("r", 0, "g")
    await provider.delete_thread("r")
    await provider.save_suspended_state("s1", "g", "helper", "node", {"x": [1, None]})
    await provider.save_checkpoint("c", "", "1", None, {"v": 1}, {"run_id": "r1"})
    await provider.save_checkpoint_writes("c", "", "1", "task", [{"position": -1, "channel": "e", "value": {"a": 1}}])
    await provider.upsert_heartbeat("helper", 12.5)
    await provider.record_edit(external(7), [{"type": "text", "text": "later"}], at(2))
    await provider.record_reaction(external(7), "eyes", "U1", added=True, event_at=at(1))
    await provider.record_clearing(external(7), None, at(3))
    await provider.reject_event("slack", "it has no channel", {"type": "message"})
    await provider.set("contexts", KEY.alias, {"channel": "C1", "key": "its own"})
    await provider.set("watermarks", "w", {"at": "2026"})


async def loose(provider: StorageProvider, limit: int = 500) -> list[Loose]:
    """Read all pages of what is kept beside threads."""
    found: list[Loose] = []
    while page := await provider.read_loose(
        after=LooseMark(found[-1].kind, found[-1].key) if found else None, limit=limit
    ):
        assert len(page) <= limit
        found += page
    return found


async def test_read_loose_tells_all_that_is_kept_beside_threads(provider: StorageProvider) -> None:
    await make_loose(provider)
    things, target = await loose(provider), Memory()

    assert [thing.kind for thing in things] == [
        "lost_thread",
        "suspended_state",
        "checkpoint",
        "checkpoint_write",
        "heartbeat",
        "early_event",
        "rejected_event",
        "value",
        "value",
    ]
    assert await loose(provider, limit=2) == things
    assert await target.merge_loose(things) == 9
    assert await loose(target) == things


async def test_merge_loose_takes_all_in(provider: StorageProvider) -> None:
    source = Memory()
    await make_loose(source)
    things = await loose(source)

    assert await provider.merge_loose(things) == 9
    assert await loose(provider) == things
    assert await provider.merge_loose(things, replace=True) == 0
    state, checkpoint = await provider.get_suspended_state("s1"), await provider.get_checkpoint("c")
    assert (state, checkpoint) == (await source.get_suspended_state("s1"), await source.get_checkpoint("c"))
    assert await provider.get("contexts", KEY.alias) == {"channel": "C1", "key": "its own"}
    first = await recorded(provider, 7, message=said("first"))
    assert (first.message.text, first.message.reactions) == ("later", {})


async def test_merge_loose_replaces_only_when_told_to(provider: StorageProvider) -> None:
    told = {"namespace": "contexts", "key": "k", "value": {"a": 1}}
    thing = Loose(kind="value", key='["contexts","k"]', value=told)
    beat = Loose(kind="heartbeat", key="helper", value={"last_ping_pong_time": 2.0})
    await provider.set("contexts", "k", {"a": 2})
    await provider.upsert_heartbeat("helper", 1.0)

    assert await provider.merge_loose([thing, beat]) == 0
    assert await provider.get("contexts", "k") == {"a": 2}
    assert await provider.merge_loose([thing, beat], replace=True) == 2
    assert await provider.get("contexts", "k") == {"a": 1}
    assert await provider.get_heartbeat("helper") == {"last_ping_pong_time": 2.0}


async def test_merge_loose_lets_changes_wait_from_now_on_where_it_is_not_told_since_when(
    provider: StorageProvider,
) -> None:
    value = {"changes": [{"kind": "delete", "at": at(1)}], "since": None}
    thing = Loose(kind="early_event", key='["slack","T1","C1","7"]', value=value)

    assert await provider.merge_loose([thing]) == 1
    assert await provider.merge_loose([thing], replace=True) == 0
    (kept,) = await loose(provider)
    assert kept.value["since"] is not None


async def test_merge_loose_keeps_the_order_of_lists(provider: StorageProvider) -> None:
    def item(number: int, text: str) -> Loose:
        told = {"namespace": "notes", "key": "k", "item": {"id": text, "text": text}}
        return Loose(kind="item", key=f'["notes","k","{number:012}"]', value=told)

    await provider.append("notes", "k", {"id": "b", "text": "mine"})
    assert await provider.merge_loose([item(0, "c"), item(1, "b"), item(2, "a")]) == 2
    assert await provider.merge_loose([item(0, "c"), item(1, "b"), item(2, "a")]) == 0
    assert [each["text"] for each in await provider.get_list("notes", "k")] == ["mine", "c", "a"]
