"""One thread among many, found or appended to; the newest messages of a long thread; the newest threads."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from backscroll import Message, ThreadStore
from benchmarks.databases import Database, tell
from benchmarks.measure import Line, compare, repeat
from benchmarks.sizes import (
    HUNDRED,
    SHORT,
    SMALL,
    TEXT,
    WRITERS,
    Group,
    Scale,
    alias,
    huge,
    large,
    place,
    thread_id,
    various,
)
from benchmarks.statements import Script, Statement, Values, noted

Lookup = Callable[[ThreadStore, int], Awaitable[None]]

PAGE_COUNT = 50
RECENT_COUNT = 10


async def _by_alias(store: ThreadStore, number: int) -> None:
    thread = await store.get_by_alias(alias(number))
    assert thread is not None
    assert thread.id == thread_id(number)


async def _by_platform(store: ThreadStore, number: int) -> None:
    assert [thread.id for thread in await store.find_by_platform("slack", place(number))] == [thread_id(number)]


async def _by_id(store: ThreadStore, number: int) -> None:
    thread = await store.get(thread_id(number))
    assert thread is not None


async def _append(store: ThreadStore, number: int) -> None:
    await store.add_message(thread_id(number % WRITERS), Message(role="user", content=TEXT))


# The append stands last: it makes threads longer.
LOOKUPS: dict[str, Lookup] = {
    "find by alias": _by_alias,
    "find by platform": _by_platform,
    "get by id": _by_id,
    "append": _append,
}


async def find(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the lines for one thread among many, and for finding one beside the raw driver."""
    few, many = SMALL, large(scale)
    async with database.store(many) as large_store, database.store(few) as small_store:
        for what, lookup in LOOKUPS.items():
            ours = partial(_look_up, lookup, large_store, many.groups[0], scale.reads)
            other = partial(_look_up, lookup, small_store, few.groups[0], scale.reads)
            done = await compare(ours, other, scale.rounds)
            name = f"{what}, {scale.threads:,} threads / {few.groups[0].count:,}, time"
            yield Line(database.name, name, done.ours, done.other, done.time_ratio, 1.3, bar_is_limit=True)
    async for line in _find_beside_raw(database, scale):
        yield line


async def newest(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the line for the newest messages of a long thread."""

    async def page(number: int) -> int:
        async def read() -> None:
            assert len(await store.get_messages(thread_id(number), PAGE_COUNT)) == PAGE_COUNT

        return await repeat(scale.reads, read)

    async with database.store(various(scale)) as store:
        done = await compare(partial(page, huge(scale).first), partial(page, HUNDRED.first), scale.rounds)
    name = f"newest {PAGE_COUNT} of {scale.long_thread:,} messages / of {HUNDRED.messages}, time"
    yield Line(database.name, name, done.ours, done.other, done.time_ratio, 1.3, bar_is_limit=True)


async def recent(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the line for the newest threads."""

    async def list_newest(store: ThreadStore) -> int:
        async def read() -> None:
            assert len(await store.list_recent(RECENT_COUNT)) == RECENT_COUNT

        return await repeat(scale.reads, read)

    async with database.store(large(scale)) as large_store, database.store(SMALL) as small_store:
        done = await compare(partial(list_newest, large_store), partial(list_newest, small_store), scale.rounds)
    name = f"newest {RECENT_COUNT} of {scale.threads:,} threads / of {SMALL.groups[0].count:,}, time"
    yield Line(database.name, name, done.ours, done.other, done.time_ratio, 1.5, bar_is_limit=True)


async def _find_beside_raw(database: Database, scale: Scale) -> AsyncIterator[Line]:
    async with database.both(various(scale)) as (store, raw):
        # The first threads of the group have been appended to.
        group = Group(SHORT.first + SHORT.count // 2, SHORT.count // 2, SHORT.messages)
        script = Script.learn(await _look(store, group.first), await _look(store, group.first + 1))
        tell(f"{database.name}: find by alias runs {script.told}")

        async def read() -> None:
            assert await raw.read(script, _values(_any(group))) > 0

        ours = partial(_look_up, _by_alias, store, group, scale.reads)
        done = await compare(ours, partial(repeat, scale.reads, read), scale.rounds)
        script.check((await _look(store, group.first))[0])
    bar = 0.2 if database.is_sqlite else 0.25
    name = f"find by alias, {group.messages} messages / raw"
    yield Line(database.name, name, done.ours, done.other, done.ratio, bar)


async def _look_up(lookup: Lookup, store: ThreadStore, group: Group, count: int) -> int:
    return await repeat(count, lambda: lookup(store, _any(group)))


def _any(group: Group) -> int:
    return random.choice(group.numbers)  # noqa: S311  # no secret


async def _look(store: ThreadStore, number: int) -> tuple[list[Statement], Values]:
    with noted(store) as statements:
        await _by_alias(store, number)
    return statements, _values(number)


def _values(number: int) -> Values:
    return {"alias": alias(number), "thread": thread_id(number)}
