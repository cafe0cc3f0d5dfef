"""What the bot is tried on: an adapter that keeps what it posted, and answering with everything short."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from backscroll.adapters.base import Adapter, Inbox, IsKept, Question, Stream
from backscroll.adapters.events import Event
from backscroll.bot.answering import Answering
from backscroll.bot.delivery import Fill, Limits
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Fetch, Turn
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory
from backscroll.storage.attachments import Attachments
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, AnswerState, Part
from backscroll.testing.provider_contract.samples import arriving

T = TypeVar("T")
PATIENCE_S = 20.0
LIMITS = Limits(shutdown_grace_s=0)


class GrowingPost(Stream):
    """One post of the recorder's that grows."""

    def __init__(self, adapter: "Recorder", external: ExternalId) -> None:
        self._adapter = adapter
        self.external = external

    async def show(self, text: str) -> None:
        await self._adapter.change("show", self.external.id, text)

    async def close(self, text: str) -> None:
        await self._adapter.change("close", self.external.id, text)


class Recorder(Adapter):
    """Keeps what it posted. `|` parts a text.

    `outcomes` says for each post, file or stream in turn what becomes of it, and `changes` for each change of one: None
    for a success, an error for a failure, `(error,)` for one that only seems to be. `shown` is what stands there now.
    `histories` has what each thread's place says, in pages; `files` the contents that can be downloaded. An error in
    their place is raised once, and an event waited for. `reacting` has who stands for an emoji on a message, `hidden`
    what stands though no history lists it, `refusals` what is said to such questions instead; `spoke` has the places
    that the platform names.
    """

    platform = "slack"

    def __init__(self, *, streams: bool = False, tells_changes: bool = False, platform: str = "slack") -> None:
        self.streams = streams
        self.tells_changes = tells_changes
        self.platform = platform
        self.reacting: dict[tuple[str, str], list[str]] = {}
        self.asked_for: list[tuple[str, str]] = []
        self.spoke: list[ThreadKey] | Exception = []
        self.spoke_since: list[datetime] = []
        self.hidden: set[str] = set()
        self.refusals: deque[Exception | tuple[Exception] | None] = deque()
        self.posted: list[tuple[ThreadKey, Part]] = []
        self.questions: list[Question] = []
        self.looked: list[list[int]] = []
        self.outcomes: deque[Exception | tuple[Exception] | None] = deque()
        self.changes: deque[Exception | tuple[Exception] | None] = deque()
        self.shown: dict[str, str] = {}
        self.acts: list[tuple[str, str]] = []
        self.uploaded: list[tuple[str, bytes]] = []
        self.reacted: list[tuple[str, str]] = []
        self.typed: list[str | None] = []
        self.histories: dict[ThreadKey, list[list[Event] | Exception | asyncio.Event]] = {}
        self.read: list[tuple[ThreadKey, datetime | None]] = []
        self.files: dict[str, list[bytes | Exception | asyncio.Event]] = {}
        self.downloads: list[str] = []
        self.before_change: Callable[[str, str], Awaitable[None]] | None = None

    @property
    def texts(self) -> list[str]:
        return [part.text for _, part in self.posted]

    @property
    def standing(self) -> list[str]:
        """The texts that stand there now, in the order of their posts."""
        return list(self.shown.values())

    async def serve(self, inbox: Inbox) -> None:
        return

    def split(self, text: str) -> list[str]:
        return text.split("|")

    async def post(self, question: Question, part: Part) -> ExternalId:
        self.questions.append(question)
        return self._put(question.key, part, part.text)

    async def upload(self, question: Question, part: Part, attachment: Attachment, content: bytes) -> ExternalId:
        external = self._put(question.key, part, attachment.name)
        self.uploaded.append((attachment.name, content))
        return external

    async def open_stream(self, question: Question, part: Part) -> Stream:
        return GrowingPost(self, self._put(question.key, part, ""))

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        await self.change("edit", external.id, text)

    async def close_approval(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        await self.change("close approval", external.id, text)

    async def remove(self, key: ThreadKey, external: ExternalId) -> None:
        self.acts.append(("remove", external.id))
        self.shown.pop(external.id, None)

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, ExternalId]:
        self.looked.append([part.number for part in parts])
        there = {part.token for _, part in self.posted}
        return {part.number: question.key.message(part.token) for part in parts if part.token in there}

    async def react(self, key: ThreadKey, external: ExternalId, emoji: str) -> str:
        _raise(self.outcomes)
        self.reacted.append((external.id, emoji))
        return "UBOT"

    async def typing(self, key: ThreadKey, text: str | None = None) -> None:
        self.typed.append(text)

    async def history(self, key: ThreadKey, *, since: datetime | None = None) -> AsyncIterator[list[Event]]:
        self.read.append((key, since))
        pages = self.histories.get(key, [])
        for page in list(pages):
            if isinstance(page, Exception):
                pages.remove(page)
                raise page
            if isinstance(page, asyncio.Event):
                await page.wait()
            else:
                yield page

    async def changed_places(self, workspace: str, since: datetime) -> list[ThreadKey]:
        self.spoke_since.append(since)
        if isinstance(self.spoke, Exception):
            raise self.spoke
        return self.spoke

    async def is_gone(self, external: ExternalId, message: Message) -> bool:
        _raise(self.refusals)
        return external.id not in self.hidden

    async def reactors(self, external: ExternalId, emoji: str) -> list[str]:
        self.asked_for.append((external.id, emoji))
        _raise(self.refusals)
        return self.reacting.get((external.id, emoji), [])

    @asynccontextmanager
    async def download(self, workspace: str, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        self.downloads.append(str(attachment.location))
        yield self._content(self.files[str(attachment.location)])

    async def _content(self, chunks: list[bytes | Exception | asyncio.Event]) -> AsyncIterator[bytes]:
        for chunk in list(chunks):
            if isinstance(chunk, Exception):
                chunks.remove(chunk)
                raise chunk
            if isinstance(chunk, asyncio.Event):
                await chunk.wait()
            else:
                yield chunk

    def _put(self, key: ThreadKey, part: Part, text: str) -> ExternalId:
        seems = _raise(self.outcomes)
        self.posted.append((key, part))
        self.acts.append(("post", part.token))
        self.shown[part.token] = text
        if seems is not None:
            raise seems
        return key.message(part.token)

    async def change(self, act: str, external_id: str, text: str) -> None:
        """Let a post say something else; one that is gone stays gone."""
        if self.before_change is not None:
            await self.before_change(act, external_id)
        seems = _raise(self.changes)
        self.acts.append((act, external_id))
        if external_id in self.shown:
            self.shown[external_id] = text
        if seems is not None:
            raise seems


def _raise(outcomes: deque[Exception | tuple[Exception] | None]) -> Exception | None:
    """Raise the next outcome; return one that is to be raised when all is done."""
    outcome = outcomes.popleft() if outcomes else None
    if isinstance(outcome, Exception):
        raise outcome
    return None if outcome is None else outcome[0]


def answering(
    provider: StorageProvider,
    adapter: Adapter,
    handler: Handler,
    attachments: Attachments | None = None,
    *,
    fetch: Fetch | None = None,
    fill: Fill | None = None,
    **limits: object,
) -> Answering:
    """Make answering on one adapter."""
    these = replace(LIMITS, **limits)  # type: ignore[arg-type]  # mypy cannot tell replace's keywords
    adapters = {adapter.platform: adapter}
    return Answering(provider, adapters, handler, these, attachments, fetch=fetch, fill=fill)


def thread(name: str) -> ThreadKey:
    """Name a thread of the recorder's platform."""
    return ThreadKey(Recorder.platform, "T1", "C1", name)


async def ask(provider: StorageProvider, *texts: str, of: str = "1.0") -> list[str]:
    """Ask in one thread, in this order, and return the messages' ids."""
    ids = []
    for text in texts:
        kept = await provider.record_message(arriving(f"{of}.{text}", text, key=thread(of), asks="yes"))
        assert kept is not None
        ids.append(kept.message.id)
    return ids


async def states(provider: StorageProvider) -> list[AnswerState]:
    """Return the states of all answers, in the order in which they were asked for."""
    return [answer.state for answer in await provider.list_answers(limit=None)]


async def only_answer(provider: StorageProvider) -> Answer:
    """Return the one answer that there is."""
    (answer,) = await provider.list_answers(limit=None)
    return answer


async def until(is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = is_so()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)


async def echo(turn: Turn) -> str:
    return f"+ {turn.message.text}"


async def hang(turn: Turn) -> None:
    await asyncio.Event().wait()


class Gate:
    """A handler that is held up by the questions that are closed, and notes when each began and ended."""

    def __init__(self, *closed: str) -> None:
        self._gates = {text: asyncio.Event() for text in closed}
        self.began: list[str] = []
        self.running: Counter[str] = Counter()
        self.most = 0
        self.most_of_thread = 0

    async def __call__(self, turn: Turn) -> str:
        text = turn.message.text
        self.began.append(text)
        self.running[turn.thread.id] += 1
        self.most = max(self.most, self.running.total())
        self.most_of_thread = max(self.most_of_thread, self.running[turn.thread.id])
        try:
            if text in self._gates:
                await self._gates[text].wait()
        finally:
            self.running[turn.thread.id] -= 1
        return f"+ {text}"

    def open(self, text: str) -> None:
        self._gates[text].set()


class Story:
    """A handler whose text comes in pieces, each when it is let; an error in place of a piece is raised."""

    def __init__(self, *pieces: str | Exception) -> None:
        self._pieces = pieces
        self._let = asyncio.Semaphore(0)

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self._let.release()

    async def tell(self, turn: Turn) -> AsyncIterator[str]:
        for piece in self._pieces:
            await self._let.acquire()
            if isinstance(piece, Exception):
                raise piece
            yield piece
        await self._let.acquire()


class Flaky(memory.Provider):
    """The memory provider, whose calls fail as `faults` says: before they do anything, or after they did it all."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, list[Exception]] = {}
        self.late_faults: dict[str, list[Exception]] = {}

    def _raise(self, faults: dict[str, list[Exception]], call: str) -> None:
        if faults.get(call):
            raise faults[call].pop(0)

    async def _call(self, name: str, call: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
        self._raise(self.faults, name)
        result = await call(*arguments, **options)
        self._raise(self.late_faults, name)
        return result

    async def take_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("take_answer", super().take_answer, *arguments, **options)

    async def renew_leases(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("renew_leases", super().renew_leases, *arguments, **options)

    async def expire_approvals(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("expire_approvals", super().expire_approvals, *arguments, **options)

    async def begin_sending(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("begin_sending", super().begin_sending, *arguments, **options)

    async def grow_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("grow_answer", super().grow_answer, *arguments, **options)

    async def get_approval(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("get_approval", super().get_approval, *arguments, **options)

    async def begin_approval(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("begin_approval", super().begin_approval, *arguments, **options)

    async def append_block(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("append_block", super().append_block, *arguments, **options)

    async def suspend_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("suspend_answer", super().suspend_answer, *arguments, **options)

    async def list_wanted_files(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("list_wanted_files", super().list_wanted_files, *arguments, **options)

    async def mark_sent(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("mark_sent", super().mark_sent, *arguments, **options)

    async def finish_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("finish_answer", super().finish_answer, *arguments, **options)

    async def postpone_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("postpone_answer", super().postpone_answer, *arguments, **options)

    async def get_thread(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("get_thread", super().get_thread, *arguments, **options)


def away(times: int) -> list[Exception]:
    return [StorageUnavailableError("The storage is away.") for _ in range(times)]
