"""One answer, from the moment it is taken to its end: made by the handler, stored, posted, marked.

Every step is in storage before it is done outside. A step that storage cannot take for now is tried until it can, so a
handler's work is not lost to an outage; the lease decides whether it is still ours. Proved by
`tests/scenario/test_kill.py` and `tests/unit/bot/test_delivery.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from backscroll.adapters.base import Adapter
from backscroll.adapters.observing import Observer
from backscroll.bot.desk import AnswerDesk, close_approvals
from backscroll.bot.ending import HandlerError, Suspended
from backscroll.bot.growing import Growing
from backscroll.bot.handling import Handler, Show, run_handler
from backscroll.bot.lease import Lease
from backscroll.bot.own_posts import OwnPosts
from backscroll.bot.sending import Sender, posts_of, until_kept
from backscroll.bot.turn import Surroundings, Turn, make_turn
from backscroll.bot.watching.answers import observed_run, tell_end
from backscroll.bot.watching.logs import about
from backscroll.errors import AdapterError, AdapterUnavailableError, AnswerLostError, FileGoneError, StorageError, named
from backscroll.storage.attachments import Attachments
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, FinalState, Part

log = logging.getLogger(__name__)

BACK_OFF_S = (1.0, 4.0)
"""Seconds before the second and the third try; there is no fourth."""

TAKEOVERS = 5
"""How often an answer may be taken over from a process that died with it."""

POST_BACK_OFF_S = 5.0
"""Seconds before a platform that did not answer is tried again, when it does not say how many."""

TOLD_EVERY_S = 60.0
"""Seconds between two warnings that answers wait for one platform; the others are told at level info."""

Fill = Callable[[ThreadKey], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How answers are made, as `bot` in config.yaml says."""

    history_limit: int = 50
    handler_timeout_s: float = 120.0
    max_parallel: int = 16
    lease_s: float = 30.0
    shutdown_grace_s: float = 8.0
    latest: bool = False
    failure_text: str = "Sorry, I could not answer this. The people who run me can see why."


class Delivery:
    """Brings answers that this process holds to their end.

    Args: fill: keeps what stands in a thread that was begun without us, as `ConversationManager.fill`. observer: is
        told of the handler's runs and of the answers' ends.
    """

    def __init__(
        self,
        provider: StorageProvider,
        adapters: Mapping[str, Adapter],
        handler: Handler,
        limits: Limits,
        owner: str,
        attachments: Attachments,
        around: Surroundings,
        own_posts: OwnPosts,
        lease: Lease,
        fill: Fill | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._provider = provider
        self._adapters = adapters
        self._handler = handler
        self._limits = limits
        self._owner = owner
        self._attachments = attachments
        self._around = around
        self._own_posts = own_posts
        self._lease = lease
        self._fill = fill
        self._observer = observer or Observer()
        self._told_at: dict[str, float] = {}

    async def deliver(self, answer: Answer) -> None:
        """Bring one answer to its end, or give it back to be taken again.

        Raises: BrokenPipeError: nobody is there any more to whom the adapter could post it.
        """
        ids = {"answer_id": answer.id, "thread_id": answer.thread_id, "platform": answer.key.platform}
        with about(**ids, attempt=answer.tries + 1):
            try:
                await self._go_on(answer)
            except AnswerLostError:
                log.warning("Answer %s was taken over by another process, or its thread was deleted.", answer.id)

    async def _go_on(self, answer: Answer) -> None:
        sender = self._sender(answer)
        try:
            if answer.takeovers > TAKEOVERS:
                await self._fail(sender, f"{answer.takeovers} processes ended while they had it.")
            elif answer.state == "sending" and not answer.is_growing:
                parts = await until_kept(self._provider.get_parts, answer.id)
                await self._send(sender, parts, look=not answer.is_certain, reason=answer.reason)
            else:
                await self._make(sender)
        except AdapterUnavailableError as error:  # the thread's beginning cannot be read, or an approval not closed
            await self._wait_for_platform(answer, error)
        except (AnswerLostError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  # here one answer ends, and the others go on
            await self._count_a_try(sender, f"{named(error)}.")

    async def _make(self, sender: Sender) -> None:
        answer = sender.answer
        if answer.is_partial and answer.tries == 0 and self._fill is not None:
            await until_kept(self._fill, answer.key)
        thread_id, message_id, attempt = answer.thread_id, answer.message_id, answer.tries + 1
        context = self._adapters[answer.key.platform].context_key(answer.key).alias
        turn = await until_kept(make_turn, self._around, thread_id, message_id, attempt, context)
        if turn is None and not answer.is_growing:
            await close_approvals(sender)
            await self._pass_over(sender, "The message was deleted.")
            return
        try:
            await self._make_with(sender, turn)
        except HandlerError as error:
            await self._count_a_try(sender, error.message)
        except Suspended as suspended:
            log.info("Answer %s waits for an approval.", answer.id)
            self._lease.let_go(answer.id)
            await until_kept(self._provider.suspend_answer, answer.id, self._owner, suspended.approval_id)

    async def _make_with(self, sender: Sender, turn: Turn | None) -> None:
        """Run the handler, and send what it made.

        Raises: HandlerError, Suspended, AnswerLostError.
        """
        if turn is None:  # the question was deleted while its answer grew
            await self._complete(sender, None)
            return
        sender.take_question(turn.message)
        if sender.answer.is_growing:
            await self._complete(sender, await self._run(sender, turn))
        elif not sender.adapter.streams:
            await self._begin(sender, await self._run(sender, turn), None)
        else:
            growing = Growing(sender)
            try:
                message = await self._run(sender, turn, growing.show)
            except asyncio.CancelledError:
                await growing.abandon()
                raise
            finally:
                await growing.stop()
            if growing.message is None:
                await self._begin(sender, message, None)
            else:
                await self._complete(sender, message, growing)

    async def _run(self, sender: Sender, turn: Turn, show: Show | None = None) -> Message | None:
        return await observed_run(self._observer, sender.answer, self._run_handler(sender, turn, show))

    async def _run_handler(self, sender: Sender, turn: Turn, show: Show | None) -> Message | None:
        desk = AnswerDesk(sender, turn, closing_s=self._limits.handler_timeout_s / 2)
        turn, show = replace(turn, desk=desk), desk.watching(show)
        try:
            async with sender.adapter.working(sender.key, turn.thread):
                message = await run_handler(self._handler, turn, self._limits.handler_timeout_s, show)
        except HandlerError:
            desk.must_go_on()
            raise
        desk.must_go_on()
        return message

    async def _begin(self, sender: Sender, message: Message | None, reason: str | None) -> None:
        """Store a whole answer, and send it."""
        answer = sender.answer
        if message is None:
            await self._pass_over(sender, "The handler had no answer.")
            return
        texts = posts_of(sender.adapter, message)
        begin = partial(self._provider.begin_sending, answer.id, self._owner, message, texts, reason=reason)
        parts = await until_kept(self._attachments.write, [message], begin)
        await self._send(sender, parts, look=False, reason=reason)

    async def _complete(
        self, sender: Sender, message: Message | None, growing: Growing | None = None, reason: str | None = None
    ) -> None:
        """Store the whole text of an answer that grew, and bring its posts to it; None leaves what there is."""
        answer = sender.answer
        parts = await until_kept(self._provider.get_parts, answer.id)
        if growing is None or growing.has_failed:  # or it grew in a process, or a try, that is over
            if not await self._tried(answer, sender.find(parts)):
                return
            parts = await until_kept(self._provider.get_parts, answer.id)
        texts = posts_of(sender.adapter, message) if message else []
        content = message.text if message and texts else await self._text_so_far(parts)
        texts = texts or [part.text for part in parts if part.text]
        grow = self._provider.grow_answer
        parts = await until_kept(grow, answer.id, self._owner, content, texts or [content], is_whole=True)
        await self._send(sender, parts, look=False, reason=reason, growing=growing)

    async def _send(
        self, sender: Sender, parts: list[Part], *, look: bool, reason: str | None, growing: Growing | None = None
    ) -> None:
        """Bring the parts out, and end the answer.

        Args: look: whether a part may have been posted already, by us or by a process that died. reason: why the answer
            failed, when the parts tell the person so.
        """
        sending = growing.finish(parts) if growing else sender.send(parts, look=look)
        if await self._tried(sender.answer, sending):
            await self._finish(sender.answer, "failed" if reason else "sent", reason, sender.asked_at)

    async def _tried(self, answer: Answer, step: Awaitable[object]) -> bool:
        """Take a step on the platform; False when the answer was given back, or ended, because of what it said."""
        try:
            await step
        except AdapterUnavailableError as error:
            await self._wait_for_platform(answer, error)
            return False
        except (AdapterError, FileGoneError) as error:
            if await self._has_moved(answer):
                await self._give_back(answer, 0, error.message, counts=False, is_certain=True)
                return False
            log.error("Answer %s was refused by %s: %s", answer.id, answer.key.platform, error)
            await self._finish(answer, "failed", error.message)
            return False
        return True

    async def _has_moved(self, answer: Answer) -> bool:
        """Tell whether the answer goes somewhere else by now: its channel got another id while it was made."""
        stands = await until_kept(self._provider.get_answer, answer.id)
        return stands is not None and stands.key != answer.key

    async def _wait_for_platform(self, answer: Answer, error: AdapterUnavailableError) -> None:
        platform, now = answer.key.platform, asyncio.get_running_loop().time()
        is_told = now - self._told_at.get(platform, -TOLD_EVERY_S) < TOLD_EVERY_S
        if not is_told:
            self._told_at[platform] = now
        level = logging.INFO if is_told else logging.WARNING
        log.log(level, "Answer %s waits for %s: %s", answer.id, platform, error.message)
        delay_s = POST_BACK_OFF_S if error.retry_after_s is None else error.retry_after_s
        await self._give_back(answer, delay_s, error.message, counts=False, is_certain=error.is_certain)

    async def _count_a_try(self, sender: Sender, reason: str) -> None:
        """Give an answer back after a try that made none, or end it and tell the person after the last."""
        answer = sender.answer
        log.error("Answer %s, try %d of %d: %s", answer.id, answer.tries + 1, len(BACK_OFF_S) + 1, reason)
        if answer.tries < len(BACK_OFF_S):
            await self._give_back(answer, BACK_OFF_S[answer.tries], reason, counts=True)
        else:
            log.error("Answer %s has failed; the person is told so.", answer.id)
            await self._fail(sender, reason)

    async def _fail(self, sender: Sender, reason: str) -> None:
        answer, told = sender.answer, self._limits.failure_text
        try:
            parts = await until_kept(self._provider.get_parts, answer.id)
            if not parts:
                await self._begin(sender, Message(role="assistant", content=told), reason)
                return
            stands = await until_kept(self._provider.get_answer, answer.id)
            if stands is not None and stands.is_growing:
                whole = Message(role="assistant", content=f"{await self._text_so_far(parts)}\n\n{told}")
                await self._complete(sender, whole, reason=reason)
                return
        except (AnswerLostError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  # not even this can be said; the answer must end all the same
            log.error("Answer %s: nobody is told, %s.", answer.id, named(error))
        # It was made, and may have been posted in part.
        await self._finish(answer, "failed", reason)

    async def _pass_over(self, sender: Sender, reason: str) -> None:
        """End an answer without a word, and let the platform know."""
        answer = sender.answer
        await self._finish(answer, "skipped", reason)
        try:
            await sender.adapter.pass_over(await sender.question())
        except (AdapterError, StorageError) as error:
            log.info("Answer %s is skipped, and may still be announced: %s", answer.id, error.message)

    async def _finish(
        self, answer: Answer, state: FinalState, reason: str | None, asked_at: datetime | None = None
    ) -> None:
        await until_kept(self._provider.finish_answer, answer.id, self._owner, state, reason=reason)
        tell_end(self._observer, answer, state, asked_at)

    async def _give_back(
        self, answer: Answer, delay_s: float, reason: str, *, counts: bool, is_certain: bool = False
    ) -> None:
        self._lease.let_go(answer.id)
        postpone = self._provider.postpone_answer
        await until_kept(postpone, answer.id, self._owner, delay_s, reason=reason, counts=counts, is_certain=is_certain)

    async def _text_so_far(self, parts: list[Part]) -> str:
        found = await until_kept(self._provider.get_message, parts[0].message_id) if parts else None
        return "" if found is None else found[1].text

    def _sender(self, answer: Answer) -> Sender:
        adapter = self._adapters[answer.key.platform]
        return Sender(self._provider, adapter, self._attachments, answer, self._owner, self._own_posts, self._lease)
