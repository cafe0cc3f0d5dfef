"""One answer, from the moment it is taken to its end: made by the handler, stored, posted, marked.

Every step is in storage before it is done outside. A step that storage cannot take for now is tried until it can, so a
handler's work is not lost to an outage; the lease decides whether it is still ours. Proved by
`tests/scenario/test_kill.py` and `tests/unit/bot/test_delivery.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from backscroll.adapters.base import Adapter
from backscroll.bot.handling import Handler, HandlerError, place_of, run_handler
from backscroll.bot.turn import make_turn
from backscroll.errors import (
    AdapterError,
    AdapterUnavailableError,
    AnswerLostError,
    StorageUnavailableError,
)
from backscroll.storage.attachments import Attachments
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, FinalState, Part

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

BACK_OFF_S = (1.0, 4.0)
"""Seconds before the second and the third try; there is no fourth."""

TAKEOVERS = 5
"""How often an answer may be taken over from a process that died with it."""

POST_BACK_OFF_S = 5.0
"""Seconds before a platform that did not answer is tried again."""


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
    """Brings answers that this process holds to their end."""

    def __init__(
        self,
        provider: StorageProvider,
        adapters: Mapping[str, Adapter],
        handler: Handler,
        limits: Limits,
        owner: str,
        attachments: Attachments,
    ) -> None:
        self._provider = provider
        self._adapters = adapters
        self._handler = handler
        self._limits = limits
        self._owner = owner
        self._attachments = attachments

    async def deliver(self, answer: Answer) -> None:
        """Bring one answer to its end, or give it back to be taken again.

        Raises: BrokenPipeError: nobody is there any more to whom the adapter could post it.
        """
        try:
            await self._go_on(answer)
        except AnswerLostError:
            log.warning("Answer %s was taken over by another process, or its thread was deleted.", answer.id)

    async def _go_on(self, answer: Answer) -> None:
        try:
            if answer.takeovers > TAKEOVERS:
                await self._fail(answer, f"{answer.takeovers} processes ended while they had it.")
            elif answer.state == "sending":
                await self._send(answer, await self._kept(self._provider.get_parts, answer.id), look=True)
            else:
                await self._make(answer)
        except (AnswerLostError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  # here one answer ends, and the others go on
            await self._count_a_try(answer, f"{type(error).__name__} at {place_of(error)}.")

    async def _make(self, answer: Answer) -> None:
        limits, attempt = self._limits, answer.tries + 1
        thread_id, message_id, files = answer.thread_id, answer.message_id, self._attachments.files
        turn = await self._kept(make_turn, self._provider, thread_id, message_id, limits.history_limit, attempt, files)
        if turn is None:
            await self._finish(answer, "skipped", "The message was deleted.")
            return
        try:
            message = await run_handler(self._handler, turn, limits.handler_timeout_s)
        except HandlerError as error:
            await self._count_a_try(answer, error.message)
            return
        if message is None:
            await self._finish(answer, "skipped", "The handler had no answer.")
        else:
            await self._begin(answer, message, None)

    async def _begin(self, answer: Answer, message: Message, reason: str | None) -> None:
        texts = self._adapters[answer.key.platform].split(message.text)
        begin = partial(self._provider.begin_sending, answer.id, self._owner, message, texts, reason=reason)
        parts = await self._kept(self._attachments.write, [message], begin)
        await self._send(answer, parts, look=False, reason=reason)

    async def _send(self, answer: Answer, parts: list[Part], *, look: bool, reason: str | None = None) -> None:
        """Post the parts that are not marked, and end the answer.

        Args: look: whether a part may have been posted already, by us or by a process that died. reason: why the answer
            failed, when the parts tell the person so.
        """
        reason = reason or (answer.reason if answer.state == "sending" else None)
        adapter = self._adapters[answer.key.platform]
        waiting = [part for part in parts if part.state == "waiting"]
        try:
            posted = await adapter.find_posted(answer.key, waiting) if look and waiting else {}
            for part in waiting:
                external_id = posted.get(part.number) or await adapter.post(answer.key, part)
                external = answer.key.message(external_id)
                await self._kept(self._provider.mark_sent, answer.id, self._owner, part.number, external)
        except AdapterUnavailableError as error:
            log.warning("Answer %s waits for %s: %s", answer.id, answer.key.platform, error.message)
            await self._give_back(answer, POST_BACK_OFF_S, error.message, counts=False)
        except AdapterError as error:
            log.error("Answer %s was refused by %s: %s", answer.id, answer.key.platform, error)
            await self._finish(answer, "failed", error.message)
        else:
            await self._finish(answer, "failed" if reason else "sent", reason)

    async def _count_a_try(self, answer: Answer, reason: str) -> None:
        """Give an answer back after a try that made none, or end it and tell the person after the last."""
        log.error("Answer %s, try %d of %d: %s", answer.id, answer.tries + 1, len(BACK_OFF_S) + 1, reason)
        if answer.tries < len(BACK_OFF_S):
            await self._give_back(answer, BACK_OFF_S[answer.tries], reason, counts=True)
        else:
            await self._fail(answer, reason)

    async def _fail(self, answer: Answer, reason: str) -> None:
        try:
            if not await self._kept(self._provider.get_parts, answer.id):
                await self._begin(answer, Message(role="assistant", content=self._limits.failure_text), reason)
                return
        except (AnswerLostError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  # not even this can be said; the answer must end all the same
            log.error("Answer %s: nobody is told, %s at %s.", answer.id, type(error).__name__, place_of(error))
        # It was made, and may have been posted in part.
        await self._finish(answer, "failed", reason)

    async def _finish(self, answer: Answer, state: FinalState, reason: str | None) -> None:
        await self._kept(self._provider.finish_answer, answer.id, self._owner, state, reason=reason)

    async def _give_back(self, answer: Answer, delay_s: float, reason: str, *, counts: bool) -> None:
        postpone = self._provider.postpone_answer
        await self._kept(postpone, answer.id, self._owner, delay_s, reason=reason, counts=counts)

    async def _kept(self, step: Callable[P, Awaitable[T]], *args: P.args, **named: P.kwargs) -> T:
        """Take a step in storage, again and again while storage does not answer."""
        delay_s = 0.1
        while True:
            try:
                return await step(*args, **named)
            except StorageUnavailableError as error:
                if delay_s == 0.1:
                    log.warning("A step waits for the storage: %s", error.message)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, 5.0)
