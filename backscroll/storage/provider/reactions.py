"""Reactions: one user's one emoji on one message.

Proved by `tests/contract/test_reactions.py`.
"""

from datetime import datetime

from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.messages import MessageCalls
from backscroll.storage.provider.rows import clear_reactions_on_row, instant_text, thumbs_of


class ReactionCalls(MessageCalls):
    """The calls for reactions, with defaults on the six primitives."""

    async def add_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        """Add one user's emoji, after those that stand; now, so it wins over what came before.

        Returns: False when it stands already, or the thread has no such message, or it is a tombstone.
        """
        async with self._exclusive:
            return await self._react_in(thread_id, message_id, emoji, user_id, True)

    async def remove_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        """Take one user's emoji away; now, so it wins over what came before.

        Returns: False when it does not stand there.
        """
        async with self._exclusive:
            return await self._react_in(thread_id, message_id, emoji, user_id, False)

    async def record_reaction(
        self, external: ExternalId, emoji: str, user_id: str, *, added: bool, event_at: datetime
    ) -> bool:
        """Keep a reaction, or its removal, that came from outside; before its message, it waits for it.

        Order is the platform's: of two events for the same user and emoji the later `event_at` stands, whichever comes
        first; an equal one is a repeat.

        Returns: whether what stands on a stored message changed.
        """
        async with self._exclusive:
            row = await self._external_row(external)
            if row is not None:
                return await self._react_on(row, emoji, user_id, added, event_at)
            kind = "add" if added else "remove"
            await self._hold_early(external, kind=kind, emoji=emoji, user_id=user_id, at=instant_text(event_at))
            return False

    async def record_clearing(self, external: ExternalId, emoji: str | None, event_at: datetime) -> bool:
        """Keep that all reactions on a message, or all of one emoji, were cleared outside; before it, it waits for it.

        What was added later stays. Of what was added before, only what is known by now is taken off.

        Args: emoji: None means every one.
        Returns: whether what stands on a stored message changed.
        """
        async with self._exclusive:
            row = await self._external_row(external)
            if row is not None:
                before = thumbs_of(row)
                changed = clear_reactions_on_row(row, emoji, event_at)
                await self._settle_thumbs(row, before)
                return await self._change(row, changed)
            await self._hold_early(external, kind="clear", emoji=emoji, at=instant_text(event_at))
            return False

    async def _react_in(self, thread_id: str, message_id: str, emoji: str, user_id: str, added: bool) -> bool:
        row = await self._message_row(message_id)
        return (
            row is not None
            and row["thread_id"] == thread_id
            and await self._react(message_id, emoji, user_id, added, None)
        )
