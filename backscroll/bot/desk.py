"""What a handler does on the platform while it makes an answer: the `Desk` of its `Turn`.

Proved by `tests/unit/bot/test_desk.py` and `test_approvals.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import ParamSpec, TypeVar

from backscroll.bot.approvals import Decision, told
from backscroll.bot.ending import HandlerError, Suspended
from backscroll.bot.handling import Show, own_copy
from backscroll.bot.sending import Sender, posts_of, until_kept
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError, AnswerLostError
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message
from backscroll.storage.records import Approval, Part

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

RETRY_S = 1.0


class AnswerDesk:
    """The desk of one try of one answer.

    Args: closing_s: how long a platform is asked to show what was decided, at most.
    """

    def __init__(self, sender: Sender, turn: Turn, *, closing_s: float) -> None:
        self._sender = sender
        self._turn = turn
        self._closing_s = closing_s
        self._count = 0
        self._asked_count = 0
        self._asking = asyncio.Lock()
        self._has_shown = sender.answer.is_growing
        self._waits_for: str | None = None
        self._lost: AnswerLostError | None = None

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
        with self._noting_loss():
            # What is stored already may have been posted, by a try or a process that is over.
            look = await until_kept(provider.get_message, message.id) is not None
            await self._send(lambda: until_kept(sender.attachments.write, [message], begin), look=look)
            found = await until_kept(provider.get_message, message.id)
        return message if found is None else found[1]

    async def ask_approval(self, question: str, expires_in: timedelta) -> Decision:
        """Return what became of approval number n of this answer; ask for it and end the handler while it is open."""
        async with self._asking:  # one after the other: the second is asked when the first is decided
            self.must_go_on()
            self._asked_count += 1
            with self._noting_loss():
                approval = await self._begin_approval(question, expires_in)
                if approval.outcome is None:
                    self._waits_for = approval.id
                    raise Suspended(approval.id)
                await self._close(approval)
                asked = "".join(part.text for part in await until_kept(self._sender.provider.get_posts, [approval.id]))
            at = approval.decided_at or approval.expires_at
            return Decision(approval.outcome, approval.decided_by, at, asked)

    async def typing(self, text: str | None) -> None:
        """Show that the bot is at work; a platform that does not show it is no reason to fail."""
        try:
            await self._sender.adapter.typing(self._sender.key, text)
        except AdapterError as error:
            log.info("%s", error.message)

    async def keep(self, step: Callable[[], Awaitable[object]]) -> None:
        """Take a step in storage, again and again while storage does not answer."""
        await until_kept(step)

    def must_go_on(self) -> None:
        """Return while this run of the handler counts; after an error it is over, whatever the handler does yet.

        Raises: Suspended: its answer waits for an approval. AnswerLostError: another process may have it by now.
        """
        if self._lost is not None:
            raise self._lost
        if self._waits_for is not None:
            raise Suspended(self._waits_for)

    def watching(self, show: Show | None) -> Show:
        """Return what takes the whole text so far: `show`, but for what comes when the answer waits for an approval."""

        def watch(text: str) -> None:
            self._has_shown = self._has_shown or bool(text.strip())
            if show is not None and self._waits_for is None:
                show(text)

        return watch

    @contextmanager
    def _noting_loss(self) -> Iterator[None]:
        """Note that the answer was lost, also where the handler catches the error."""
        try:
            yield
        except AnswerLostError as error:
            self._lost = error
            raise

    async def _close(self, approval: Approval) -> None:
        """Let a post say what was decided, if the platform takes it in time: the handler goes on in any case."""
        try:
            async with asyncio.timeout(self._closing_s):
                await self._patiently(close_approval, self._sender, approval)
        except TimeoutError:
            log.info("Approval %s does not say that it is decided: the platform did not answer in time.", approval.id)

    async def _begin_approval(self, question: str, expires_in: timedelta) -> Approval:
        """Return approval number n as it stands; one that is open is stored and posted by then."""
        sender, provider = self._sender, self._sender.provider
        approval_id = approval_id_of(sender.answer.id, self._asked_count)
        known = await until_kept(provider.get_approval, approval_id)
        if known is not None and known.outcome is not None:
            return known
        if self._has_shown:
            raise HandlerError("The handler asked for an approval after the first text of its answer; ask before it.")
        message = Message(role="assistant", content=question, id=approval_id)
        texts, lives_s = posts_of(sender.adapter, message), expires_in.total_seconds()
        begin, number = provider.begin_approval, self._asked_count
        approval = await until_kept(begin, sender.answer.id, sender.owner, number, message, texts, lives_s)
        if approval.outcome is None:
            await self._send(lambda: until_kept(provider.get_posts, [approval_id]), look=known is not None)
        return approval

    async def _send(self, read: Callable[[], Awaitable[list[Part]]], *, look: bool) -> None:
        """Bring a message's parts out, as `Sender.send`."""

        async def send() -> None:
            nonlocal look
            parts = await read()
            try:
                await self._sender.send(parts, look=look)
            except AdapterUnavailableError as error:
                look = not error.is_certain
                raise

        await self._patiently(send)

    async def _patiently(self, step: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        """Take a step again while the platform does not answer: the handler's own time is the limit."""
        while True:
            try:
                return await step(*args, **named)
            except AdapterUnavailableError as error:
                wait_s = error.retry_after_s or RETRY_S
            await asyncio.sleep(wait_s)


def approval_id_of(answer_id: str, number: int) -> str:
    """Name approval number n of an answer, and the message that asks for it."""
    return f"{answer_id}.approval.{number}"


async def close_approvals(sender: Sender) -> None:
    """Let the posts of all approvals of an answer that are decided say so.

    Raises: AdapterUnavailableError: the platform does not answer.
    """
    number = 1
    while (
        approval := await until_kept(sender.provider.get_approval, approval_id_of(sender.answer.id, number))
    ) is not None:
        await close_approval(sender, approval)
        number += 1


async def close_approval(sender: Sender, approval: Approval) -> None:
    """Let the post of an approval say what became of it; a platform that refuses is no reason to fail.

    Raises: AdapterUnavailableError: the platform does not answer.
    """
    if approval.outcome is None:
        return
    sender.lease.must_hold(sender.answer.id)
    try:
        post = await _posted(sender, approval)
        if post is None or post.external is None or not post.text:
            return
        text = told(post.text, approval.outcome, await _name_of(sender, approval))
        await sender.adapter.close_approval(sender.key, post.external, text)
    except AdapterUnavailableError:
        raise
    except AdapterError as error:
        log.info("Approval %s does not say that it is decided: %s", approval.id, error.message)


async def _posted(sender: Sender, approval: Approval) -> Part | None:
    """Return the post that asks, also where it is known but to the platform."""
    parts = await until_kept(sender.provider.get_posts, [approval.id])
    if any(part.external is None for part in parts):
        await sender.find(parts)
        parts = await until_kept(sender.provider.get_posts, [approval.id])
    return parts[-1] if parts else None


async def _name_of(sender: Sender, approval: Approval) -> str | None:
    """Return what somebody who decided is called, or their id."""
    if approval.decided_by is None:
        return None
    find = sender.provider.get_author
    author = await until_kept(find, sender.answer.thread_id, sender.key.platform, approval.decided_by)
    return (author or {}).get("name") or approval.decided_by
