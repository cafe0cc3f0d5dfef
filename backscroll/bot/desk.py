"""What a handler does on the platform while it makes an answer: the `Desk` of its `Turn`.

Proved by `tests/unit/bot/test_desk.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ParamSpec, TypeVar

from backscroll.bot.handling import own_copy
from backscroll.bot.sending import Sender, posts_of, until_kept
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

RETRY_S = 1.0


class AnswerDesk:
    """The desk of one try of one answer."""

    def __init__(self, sender: Sender, turn: Turn) -> None:
        self._sender = sender
        self._turn = turn
        self._count = 0

    async def react(self, emoji: str) -> None:
        """Put an emoji on the question, and keep it as the bot's."""
        sender, message = self._sender, self._turn.message
        external = ExternalId.of_message(message.platforms, {})
        if external is None:
            return
        user_id = await self._patiently(sender.adapter.react, sender.key, external, emoji)
        # As old as its message: whatever the platform says of it by itself is later.
        kept = sender.adapter.kept_emoji(emoji)
        await until_kept(
            sender.provider.record_reaction, external, kept, user_id, added=True, event_at=message.created_at
        )

    async def post(self, content: str | Message) -> Message:
        """Post message number n of this answer, unless it is posted already."""
        sender, provider = self._sender, self._sender.provider
        self._count += 1
        given = content if isinstance(content, Message) else Message(role="assistant", content=content)
        message = own_copy(given, id=f"{sender.answer.id}.{self._count}")
        texts = posts_of(sender.adapter, message)
        begin = partial(provider.begin_post, sender.answer.id, sender.owner, message, texts)
        # What is stored already may have been posted, by a try or a process that is over.
        look = await until_kept(provider.get_message, message.id) is not None

        async def send() -> None:
            nonlocal look
            parts = await until_kept(sender.attachments.write, [message], begin)
            try:
                await sender.send(parts, look=look)
            except AdapterUnavailableError as error:
                look = not error.is_certain
                raise

        await self._patiently(send)
        found = await until_kept(provider.get_message, message.id)
        return message if found is None else found[1]

    async def _patiently(self, step: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        """Take a step again while the platform does not answer: the handler's own time is the limit."""
        while True:
            try:
                return await step(*args, **named)
            except AdapterUnavailableError as error:
                wait_s = error.retry_after_s or RETRY_S
            await asyncio.sleep(wait_s)

    async def typing(self, text: str | None) -> None:
        """Show that the bot is at work; a platform that does not show it is no reason to fail."""
        try:
            await self._sender.adapter.typing(self._sender.key, text)
        except AdapterError as error:
            log.info("%s", error.message)
