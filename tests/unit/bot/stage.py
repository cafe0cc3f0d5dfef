"""What the bot is tried on: an adapter that keeps what it posted, and answering with everything short."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from backscroll.adapters.base import Adapter, Inbox, IsKept, Question
from backscroll.bot.answering import Answering
from backscroll.bot.delivery import Limits
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory
from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, AnswerState, Part
from tests.contract.samples import arriving

T = TypeVar("T")
PATIENCE_S = 20.0
LIMITS = Limits(lease_s=0.6, shutdown_grace_s=0)


class Recorder(Adapter):
    """Keeps what it posted. `outcomes` says for each post in turn what becomes of it; `|` parts a text.

    An outcome is None for a success, an error for a post that fails, `(error,)` for one that only seems to.
    """

    platform = "slack"

    def __init__(self) -> None:
        self.posted: list[tuple[ThreadKey, Part]] = []
        self.looked: list[list[int]] = []
        self.outcomes: deque[Exception | tuple[Exception] | None] = deque()

    @property
    def texts(self) -> list[str]:
        return [part.text for _, part in self.posted]

    async def serve(self, inbox: Inbox) -> None:
        return

    def split(self, text: str) -> list[str]:
        return text.split("|")

    async def post(self, key: ThreadKey, part: Part) -> str:
        outcome = self.outcomes.popleft() if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        self.posted.append((key, part))
        if outcome is not None:
            raise outcome[0]
        return part.token

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, str]:
        self.looked.append([part.number for part in parts])
        there = {part.token for _, part in self.posted}
        return {part.number: part.token for part in parts if part.token in there}


def answering(provider: StorageProvider, adapter: Adapter, handler: Handler, **limits: object) -> Answering:
    """Make answering on one adapter."""
    return Answering(provider, {adapter.platform: adapter}, handler, replace(LIMITS, **limits))  # type: ignore[arg-type]  # mypy cannot tell replace's keywords


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

    async def begin_sending(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("begin_sending", super().begin_sending, *arguments, **options)

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
