"""Suspended states: what waits for a person, for a while.

Proved by `tests/contract/test_states.py`.
"""

from datetime import datetime, timedelta
from typing import Any

from backscroll.storage.provider.feedback import FeedbackCalls
from backscroll.storage.provider.rows import instant_text
from backscroll.storage.values import check_id, check_type, clean_object, utc_now

TIME_TO_LIVE = timedelta(days=7)


class StateCalls(FeedbackCalls):
    """The calls for states, with defaults on the six primitives.

    A state is `{"approval_id", "thread_id", "agent_name", "node_name", "state", "created_at", "expires_at"}`. From
    `expires_at` on, by the storage's clock, no call finds it, whether it was cleaned up or not.
    """

    async def save_suspended_state(
        self,
        approval_id: str,
        thread_id: str,
        agent_name: str,
        node_name: str,
        state: dict[str, Any],
        ttl: timedelta = TIME_TO_LIVE,
    ) -> dict[str, Any]:
        """Keep a state, and return it. Saved again, all of it is replaced but `created_at`.

        The thread need not be kept here. Where it is, the state goes with it.

        Args: state: any JSON object. ttl: how long it lives from now on.
        Raises: ValueError: the state holds what JSON cannot, and where; or the ttl is not positive.
        """
        value = new_state(approval_id, thread_id, agent_name, node_name, state, ttl)
        async with self._exclusive:
            now = utc_now()
            before = await self._living_state(value["approval_id"], now)
            value["created_at"] = before["created_at"] if before else instant_text(now)
            value["expires_at"] = instant_text(now + ttl)
            await self.set("suspended_states", value["approval_id"], value)
            return _state_of(value)

    async def get_suspended_state(self, approval_id: str) -> dict[str, Any] | None:
        """Return a state, or None when there is none or it has expired."""
        value = await self._living_state(approval_id, utc_now())
        return None if value is None else _state_of(value)

    async def list_suspended_states(
        self, *, thread_id: str | None = None, agent_name: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the states that live, newest first: `created_at`, then `approval_id`, both descending."""
        wanted = {"thread_id": thread_id, "agent_name": agent_name}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        now = instant_text(utc_now())
        living = [row for row in await self.query("suspended_states", wanted) if row["expires_at"] > now]
        living.sort(key=lambda row: (row["created_at"], row["approval_id"]), reverse=True)
        return [_state_of(row) for row in living]

    async def delete_suspended_state(self, approval_id: str) -> bool:
        """Delete a state; False when there is none or it has expired."""
        async with self._exclusive:
            if await self._living_state(approval_id, utc_now()) is None:
                return False
            await self.delete("suspended_states", approval_id)
            return True

    async def cleanup_expired_states(self) -> int:
        """Delete the states that have expired, and return how many there were."""
        async with self._exclusive:
            now = instant_text(utc_now())
            expired = [row for row in await self.query("suspended_states", {}) if row["expires_at"] <= now]
            for row in expired:
                await self.delete("suspended_states", row["approval_id"])
            return len(expired)

    async def _living_state(self, approval_id: str, now: datetime) -> dict[str, Any] | None:
        value = await self.get("suspended_states", approval_id)
        return value if value is not None and value["expires_at"] > instant_text(now) else None


def new_state(
    approval_id: str, thread_id: str, agent_name: str, node_name: str, state: dict[str, Any], ttl: timedelta
) -> dict[str, Any]:
    """Lay out what `save_suspended_state` is given, but for the instants, and check it.

    Raises: ValueError: something in it cannot be.
    """
    if check_type(ttl, timedelta, "ttl") <= timedelta(0):
        raise ValueError("ttl is longer than nothing")
    try:
        utc_now() + ttl
    except OverflowError:
        raise ValueError(f"ttl ends in the year 9999 at the latest, got {ttl.days} days") from None
    return {
        "approval_id": check_id(approval_id, "approval_id"),
        "thread_id": check_id(thread_id, "thread_id"),
        "agent_name": check_id(agent_name, "agent_name"),
        "node_name": check_id(node_name, "node_name"),
        "state": clean_object(state, "state"),
    }


def _state_of(value: dict[str, Any]) -> dict[str, Any]:
    fields = {name: each for name, each in value.items() if name != "key"}
    return fields | {name: datetime.fromisoformat(value[name]) for name in ("created_at", "expires_at")}
