"""Appends: by one writer and by many, to short threads and to a long one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from backscroll import Message, ThreadStore
from backscroll.storage.values import new_id, to_json
from benchmarks.databases import Database, tell
from benchmarks.measure import Line, compare, repeat
from benchmarks.raw import Raw
from benchmarks.sizes import LONG, OURS, SHORT, TEXT, THEIRS, WRITERS, Scale, thread_id, various
from benchmarks.statements import Script, Statement, Values, noted

Append = Callable[[int], Awaitable[None]]


class Writers:
    """Appends through ours and through the raw driver, each to threads of its own."""

    def __init__(self, store: ThreadStore, raw: Raw) -> None:
        self._store = store
        self._raw = raw
        self._last = dict.fromkeys(THEIRS.numbers, THEIRS.messages)
        self._script = Script([], "")

    async def learn(self) -> None:
        """See what ours runs for an append, which the raw driver then runs too."""
        await self.ours(SHORT.first)
        self._script = Script.learn(await self._look(SHORT.first), await self._look(SHORT.first + 1))

    async def ours(self, number: int) -> None:
        """Append one message through ours."""
        await self._store.add_message(thread_id(number), Message(role="user", content=TEXT))

    async def theirs(self, number: int) -> None:
        """Append one message through the raw driver."""
        self._last[number] += 1
        await self._raw.write(self._script, _values(number, new_id(), self._last[number]))

    async def check(self) -> None:
        """Assert that ours still runs the same, and reads what the raw driver wrote as its own."""
        statements, _ = await self._look(SHORT.first)
        self._script.check(statements)
        for number, last in self._last.items():
            messages = await self._store.get_messages(thread_id(number))
            assert [message.sequence for message in messages] == list(range(1, last + 1))
            assert messages[-1].content == TEXT

    @property
    def told(self) -> str:
        """What an append runs."""
        return self._script.told

    async def _look(self, number: int) -> tuple[list[Statement], Values]:
        message = Message(role="user", content=TEXT)
        with noted(self._store) as statements:
            stored = await self._store.add_message(thread_id(number), message)
        assert stored.sequence is not None
        return statements, _values(number, message.id, stored.sequence)


async def append(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the lines for appends."""
    short = iter(SHORT.numbers[2:])
    current = SHORT.first

    async def choose() -> None:
        nonlocal current
        current = next(short)  # a short thread stays short

    async def lone(write: Append, number: int | None = None) -> int:
        return await repeat(scale.appends, partial(write, current if number is None else number))

    async def crowd(write: Append, numbers: range) -> int:
        return sum(await asyncio.gather(*(repeat(scale.appends_each, partial(write, number)) for number in numbers)))

    async with database.both(various(scale)) as (store, raw):
        writers = Writers(store, raw)
        await writers.learn()
        tell(f"{database.name}: an append runs {writers.told}")
        ours_lone, theirs_lone = partial(lone, writers.ours, OURS.first), partial(lone, writers.theirs, THEIRS.first)
        ours_crowd = partial(crowd, writers.ours, OURS.numbers)
        theirs_crowd = partial(crowd, writers.theirs, THEIRS.numbers)

        done = await compare(
            partial(lone, writers.ours, LONG.first), partial(lone, writers.ours), scale.rounds, before=choose
        )
        name = f"append to {LONG.messages:,} messages / to {SHORT.messages}, time"
        yield Line(database.name, name, done.ours, done.other, done.time_ratio, 1.15, bar_is_limit=True)
        done = await compare(ours_lone, theirs_lone, scale.rounds)
        bar = 0.35 if database.is_sqlite else 0.45
        yield Line(database.name, "lone append / raw", done.ours, done.other, done.ratio, bar)
        done = await compare(ours_crowd, ours_lone, scale.rounds)
        yield Line(database.name, f"{WRITERS} writers / one writer", done.ours, done.other, done.ratio, 8)
        done = await compare(ours_crowd, theirs_crowd, scale.rounds)
        bar = 1.5 if database.is_sqlite else 1
        yield Line(database.name, f"{WRITERS} writers / raw", done.ours, done.other, done.ratio, bar)
        await writers.check()


def _values(number: int, message_id: str, sequence: int) -> Values:
    thread = thread_id(number)
    values = {"message": message_id, "thread": thread, "sequence": sequence, "previous": sequence - 1}
    return values | {"counts": to_json({thread: sequence})}  # as SQLite is told several threads' last sequences
