"""An answer that is posted while its handler still makes it.

`sending` is committed before anything is posted, each post's id before its text grows. What goes wrong on the way is
left to the end, when the whole text is brought out as any answer's. Proved by `tests/unit/bot/test_growing.py`.
"""

import asyncio
import contextlib
import logging

from backscroll.adapters.base import Stream
from backscroll.bot.sending import Sender, until_kept
from backscroll.storage.models import Message
from backscroll.storage.records import Part

log = logging.getLogger(__name__)

STREAM_AFTER_S = 0.5
"""Seconds in which an answer that is whole is posted as any other."""

EVERY_S = 1.0
"""Seconds between two changes of a post, at least: the platforms allow about one a second."""

STOP_S = 1.0
"""Seconds that a step has to finish when the process ends."""


class Growing:
    """Shows one answer's text so far as long as it is entered."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._text = ""
        self._streams: dict[int, Stream] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self.has_failed = False
        """Whether a post may have been opened whose id is not known."""
        self.message: Message | None = None
        """The answer's message, once it is stored."""

    def show(self, text: str) -> None:
        """Take the whole text so far."""
        self._text = text
        if text.strip() and self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Show no more; a step under way is finished."""
        self._stopped.set()
        if self._task is not None:
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError:
                await self.abandon()
                raise

    async def abandon(self) -> None:
        """Show no more; a step under way, which may wait for the storage, has but a moment to finish."""
        self._stopped.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_S)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def finish(self, parts: list[Part]) -> None:
        """Bring out the parts of the whole text; none of them is posted unknown. Errors as `Sender.send`."""
        for part in parts:
            stream = self._streams.get(part.number)
            if stream is not None and part.state == "waiting" and part.external is not None and part.text:
                await stream.close(part.text)
                await self._sender.mark(part, stream.external)
        done = [part.number for part in parts if part.number in self._streams and part.text]
        await self._sender.send([part for part in parts if part.number not in done], look=False)

    async def _run(self) -> None:
        shown, pause_s = "", STREAM_AFTER_S
        try:
            while not await self._is_stopped_within(pause_s):
                pause_s = EVERY_S
                if self._text != shown:
                    shown = self._text
                    await self._flush(shown)
        except Exception as error:  # noqa: BLE001  # the whole text is sent at the end, and says what is wrong
            self.has_failed = True
            log.info("Answer %s does not grow in sight: %s.", self._sender.answer.id, type(error).__name__)

    async def _is_stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        return self._stopped.is_set()

    async def _flush(self, text: str) -> None:
        texts = self._sender.adapter.split(text)
        for part in await self._store(text, texts):
            stream = self._streams.get(part.number)
            if stream is not None and part.number < len(texts):  # it is full
                await self._streams.pop(part.number).close(part.text)
            elif stream is not None:
                await stream.show(part.text)
            elif part.external is None and part.number <= len(texts):
                await self._open(part)

    async def _store(self, text: str, texts: list[str]) -> list[Part]:
        sender = self._sender
        if self.message is not None:
            return await until_kept(
                sender.provider.grow_answer, sender.answer.id, sender.owner, text, texts, is_whole=False
            )
        message = Message(role="assistant", content=text)
        parts = await until_kept(
            sender.provider.begin_sending, sender.answer.id, sender.owner, message, texts, is_growing=True
        )
        self.message = message
        return parts

    async def _open(self, part: Part) -> None:
        sender, question = self._sender, await self._sender.question()
        sender.lease.must_hold(sender.answer.id)
        with sender.own_posts.posting(sender.key):
            stream = await sender.adapter.open_stream(question, part)
            await sender.mark(part, stream.external)
        self._streams[part.number] = stream
        await stream.show(part.text)
