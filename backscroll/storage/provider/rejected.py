"""Rejected events: what could not be kept, put aside with its reason so that it can be looked at and played again.

Proved by `tests/contract/test_rejected.py`.
"""

from datetime import datetime
from typing import Any

from backscroll.storage.provider.reactions import ReactionCalls
from backscroll.storage.provider.rows import instant_text
from backscroll.storage.records import RejectedEvent
from backscroll.storage.values import clean_object, clean_text, new_id, utc_now


class RejectedCalls(ReactionCalls):
    """The calls for rejected events, with defaults on the six primitives."""

    async def reject_event(self, platform: str, reason: str, payload: dict[str, Any]) -> str:
        """Put an event aside and return its id.

        Args: reason: what was wrong, without any text of the event.
        Raises: ValueError: the payload is no JSON object.
        """
        event: dict[str, Any] = {
            "id": new_id(),
            "platform": clean_text(platform),
            "reason": clean_text(reason),
            "payload": clean_object(payload, "payload"),
            "created_at": instant_text(utc_now()),
        }
        async with self._exclusive:
            await self.set("rejected_events", event["id"], event)
        return str(event["id"])

    async def list_rejected_events(self, *, limit: int | None = 100) -> list[RejectedEvent]:
        """Return the events that were put aside: `created_at`, then `id`, newest first."""
        rows = await self.query("rejected_events", {})
        rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
        return [_event_of(row) for row in rows[:limit]]

    async def get_rejected_event(self, event_id: str) -> RejectedEvent | None:
        """Return one event that was put aside, or None."""
        row = await self.get("rejected_events", event_id)
        return None if row is None else _event_of(row)

    async def explain_rejected_event(self, event_id: str, reason: str) -> bool:
        """Give an event that was put aside another reason; all else stays. False when there is none.

        Args: reason: as of `reject_event`.
        """
        reason = clean_text(reason)
        async with self._exclusive:
            row = await self.get("rejected_events", event_id)
            if row is None:
                return False
            await self.set("rejected_events", event_id, row | {"reason": reason})
            return True

    async def delete_rejected_event(self, event_id: str) -> bool:
        """Forget an event that was put aside; False when there is none."""
        async with self._exclusive:
            known = await self.get("rejected_events", event_id) is not None
            await self.delete("rejected_events", event_id)
            return known


def _event_of(row: dict[str, Any]) -> RejectedEvent:
    at = datetime.fromisoformat(row["created_at"])
    return RejectedEvent(row["id"], row["platform"], row["reason"], row["payload"], at)
