"""Claims for rejected events."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import at


async def test_reject_event_keeps_every_field(provider: StorageProvider) -> None:
    payload = {"text": "👍", "nested": [{"big": 10**300, "float": 1e23, "null": None}]}
    event_id = await provider.reject_event("slack", "no channel", payload)
    (event,) = await provider.list_rejected_events()
    assert (event.id, event.platform, event.reason, event.payload) == (event_id, "slack", "no channel", payload)
    assert event.created_at.utcoffset() == at(0).utcoffset()


async def test_reject_event_cleans_what_no_backend_can_hold(provider: StorageProvider) -> None:
    await provider.reject_event("sl\x00ack", "bad \ud83d", {"text\x00": "\ud83d"})
    (event,) = await provider.list_rejected_events()
    assert (event.platform, event.reason, event.payload) == ("sl\ufffdack", "bad \ufffd", {"text\ufffd": "\ufffd"})


@pytest.mark.parametrize("payload", [[1], None, {"a": {1}}, {"a": float("nan")}], ids=repr)
async def test_reject_event_refuses_what_is_no_json_object(provider: StorageProvider, payload: Any) -> None:
    with pytest.raises(ValueError, match="payload"):
        await provider.reject_event("slack", "reason", payload)
    assert await provider.list_rejected_events() == []


async def test_list_rejected_events_gives_the_newest_first_to_a_limit(provider: StorageProvider) -> None:
    ids = [await provider.reject_event("slack", str(number), {}) for number in range(4)]
    assert [event.id for event in await provider.list_rejected_events(limit=3)] == ids[:0:-1]
    assert [event.id for event in await provider.list_rejected_events(limit=None)] == ids[::-1]


async def test_list_rejected_events_loses_none_under_concurrency(provider: StorageProvider) -> None:
    ids = await asyncio.gather(*(provider.reject_event("slack", "r", {}) for _ in range(20)))
    listed = await provider.list_rejected_events()
    assert {event.id for event in listed} == set(ids)
    assert listed == sorted(listed, key=lambda event: (event.created_at, event.id), reverse=True)


async def test_delete_rejected_event_tells_whether_there_was_one(provider: StorageProvider) -> None:
    kept, gone = [await provider.reject_event("slack", "r", {}) for _ in range(2)]
    assert [await provider.delete_rejected_event(gone), await provider.delete_rejected_event(gone)] == [True, False]
    assert [event.id for event in await provider.list_rejected_events()] == [kept]


async def test_rejected_event_shows_no_payload_in_its_repr(provider: StorageProvider) -> None:
    await provider.reject_event("slack", "r", {"text": "a secret"})
    (event,) = await provider.list_rejected_events()
    assert "secret" not in repr(event)


async def test_get_rejected_event_gives_what_was_put_aside(provider: StorageProvider) -> None:
    event_id = await provider.reject_event("slack", "r", {"text": "hi"})
    assert [await provider.get_rejected_event(event_id)] == await provider.list_rejected_events()
    assert await provider.get_rejected_event("unknown") is None


async def test_explain_rejected_event_changes_the_reason_alone(provider: StorageProvider) -> None:
    event_id = await provider.reject_event("slack", "r", {"text": "hi"})
    (before,) = await provider.list_rejected_events()
    assert await provider.explain_rejected_event(event_id, "another \ud83d")
    assert await provider.list_rejected_events() == [replace(before, reason="another \ufffd")]
    assert not await provider.explain_rejected_event("unknown", "r")
