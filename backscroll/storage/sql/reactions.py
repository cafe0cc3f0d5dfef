"""Reactions in SQL; the contract stands in `provider/reactions.py`."""

from datetime import datetime

from backscroll.storage.keys import ExternalId
from backscroll.storage.sql.editing import clear_reactions, react
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.messages import SqlMessages


class SqlReactions(SqlMessages):
    """The calls for reactions."""

    async def add_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        return await self._react_in(thread_id, message_id, emoji, user_id, True)

    async def remove_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        return await self._react_in(thread_id, message_id, emoji, user_id, False)

    async def record_reaction(
        self, external: ExternalId, emoji: str, user_id: str, *, added: bool, event_at: datetime
    ) -> bool:
        async def apply(connection: Connection, message_id: str) -> bool:
            return await react(connection, message_id, emoji, user_id, added, event_at)

        kind = "add" if added else "remove"
        change = {"kind": kind, "emoji": emoji, "user_id": user_id, "event_at": event_at}
        return await self._change_external(external, apply, change)

    async def record_clearing(self, external: ExternalId, emoji: str | None, event_at: datetime) -> bool:
        async def apply(connection: Connection, message_id: str) -> bool:
            return await clear_reactions(connection, message_id, emoji, event_at)

        return await self._change_external(external, apply, {"kind": "clear", "emoji": emoji, "event_at": event_at})

    async def _react_in(self, thread_id: str, message_id: str, emoji: str, user_id: str, added: bool) -> bool:
        async def work(connection: Connection) -> bool:
            return await react(connection, message_id, emoji, user_id, added, None, thread_id=thread_id)

        return await self.database.change(work)
