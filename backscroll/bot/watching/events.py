"""What becomes of each event that an adapter hands over: told to the observer, and logged with its ids.

Proved by `tests/unit/bot/watching/test_events.py` and `tests/scenario/test_watching.py`.
"""

import logging
import time
from collections.abc import Awaitable

from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PlaceDeleted,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.adapters.observing import EventOutcome, Observer
from backscroll.errors import StorageUnavailableError
from backscroll.storage.keys import ChannelMove

log = logging.getLogger(__name__)

Kept = tuple[EventOutcome, str | None]
"""What became of an event, and the id of the thread that has it, where that is known."""

KEPT: Kept = ("kept", None)

_KINDS: dict[type[Event], str] = {
    MessagePosted: "message",
    MessageEdited: "edit",
    MessageDeleted: "deletion",
    ReactionAdded: "reaction",
    ReactionRemoved: "reaction",
    ReactionsCleared: "reaction",
    PlaceDeleted: "place",
    ThreadChanged: "place",
    ChannelMove: "place",
}


async def observed(observer: Observer, event: Event, keeping: Awaitable[Kept]) -> None:
    """Keep an event, and tell what became of it. Errors as those of `keeping`; one that is cancelled tells nothing."""
    began_at = time.monotonic()
    try:
        outcome, thread_id = await keeping
    except StorageUnavailableError:
        observer.event_ended(event, "retried", time.monotonic() - began_at)
        raise
    except Exception:
        observer.event_ended(event, "failed", time.monotonic() - began_at)
        raise
    took_s = time.monotonic() - began_at
    observer.event_ended(event, outcome, took_s)
    if outcome == "kept" and log.isEnabledFor(logging.INFO):
        kind, platform = kind_of(event), platform_of(event)
        ids = _ids_of(event) | {"thread_id": thread_id, "platform": platform, "kind": kind, "outcome": outcome}
        log.info("An event (%s) of %s is kept.", kind, platform, extra=ids | {"duration_s": round(took_s, 4)})


def kind_of(event: Event) -> str:
    """Name the kind of an event."""
    return _KINDS[type(event)]


def platform_of(event: Event) -> str:
    """Name the platform that an event came from."""
    if isinstance(event, MessagePosted | MessageEdited | ThreadChanged):
        return event.key.platform
    return event.platform if isinstance(event, PlaceDeleted | ChannelMove) else event.external.platform


def _ids_of(event: Event) -> dict[str, object]:
    if isinstance(event, PlaceDeleted | ChannelMove):
        return {}
    ids: dict[str, object] = {} if isinstance(event, ThreadChanged) else {"external_id": event.external.id}
    if isinstance(event, MessagePosted | MessageEdited | ThreadChanged):
        ids["thread_key"] = event.key.alias
    return ids
