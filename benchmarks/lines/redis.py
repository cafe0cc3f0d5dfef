"""Appends to a Redis that keeps every write before it answers, beside redis-py that sends the same commands."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis

from backscroll import Message, Thread, ThreadStore
from backscroll.storage.redis import Provider
from backscroll.storage.redis.batch import Argument, Batch
from backscroll.storage.redis.scripts import COMMIT, COMMITTED
from backscroll.storage.values import new_id
from benchmarks.databases import tell
from benchmarks.measure import Line, compare, repeat
from benchmarks.sizes import OURS, TEXT, THEIRS, WRITERS, Scale, thread_id
from tests.servers.redis import RedisServer

POOL_SIZE, TIMEOUT_S = 10, 10.0

Append = Callable[[int], Awaitable[None]]
Commit = tuple[str, Sequence[Argument]]
"""A commit's version and its chunks."""


class Writers:
    """Appends through ours and through redis-py, each to threads of its own."""

    def __init__(self, provider: Provider, client: "Redis") -> None:
        self._provider = provider
        self._store = ThreadStore(provider=provider)
        self._commit = client.register_script(COMMIT)
        self._commands: dict[int, list[Argument]] = {}
        self._last: dict[int, tuple[str, int]] = {}

    async def learn(self) -> None:
        """Make the threads, and see what ours sends for an append to each of those that redis-py then appends to."""
        for number in (*OURS.numbers, *THEIRS.numbers):
            await self._store.save(Thread(id=thread_id(number)))
        for number in THEIRS.numbers:
            await self.ours(number)  # so that the thread is known, as it is in any further append
            before = self._provider.transactions.remembered["threads", thread_id(number)].version
            message = Message(role="user", content=TEXT)
            (version, arguments), sequence = await self._noted(number, message)
            marks = {message.id: "\0message\0", version: "\0version\0", before: "\0before\0"}
            # The values are JSON inside of JSON.
            marks |= {f",{sequence}]": ",\0sequence\0]", f'sequence\\":{sequence}': 'sequence\\":\0sequence\0'}
            self._commands[number] = [_replaced(argument, marks) for argument in arguments]
            self._last[number] = version, sequence

    async def ours(self, number: int) -> None:
        """Append one message through ours."""
        await self._store.add_message(thread_id(number), Message(role="user", content=TEXT))

    async def theirs(self, number: int) -> None:
        """Append one message through redis-py."""
        before, sequence = self._last[number]
        version = secrets.token_urlsafe(9)
        values = {"\0message\0": new_id(), "\0version\0": version, "\0before\0": before}
        values["\0sequence\0"] = str(sequence + 1)
        arguments = [_replaced(argument, values) for argument in self._commands[number]]
        self._last[number] = version, sequence + 1
        # Each thread's writer is a process to the script, and numbers its commits.
        sent: list[Argument] = [version, "", thread_id(number), sequence + 1, "", 1, *arguments]
        assert await self._commit([self._provider.server.prefix], sent) == COMMITTED

    async def check(self) -> None:
        """Assert that ours reads what redis-py wrote as its own."""
        for number, (_, last) in self._last.items():
            messages = await self._store.get_messages(thread_id(number))
            assert [message.sequence for message in messages] == list(range(1, last + 1))
            assert messages[-1].content == TEXT

    async def _noted(self, number: int, message: Message) -> tuple[Commit, int]:
        server = self._provider.server
        commits: list[Commit] = []
        commit = server.commit

        async def note(batch: Batch, version: str) -> int:
            commits.append((version, list(batch.arguments(version, server.prefix))))
            return await commit(batch, version)

        vars(server)["commit"] = note
        stored = await self._store.add_message(thread_id(number), message)
        del vars(server)["commit"]
        assert len(commits) == 1, "an append is one command"
        assert stored.sequence is not None
        return commits[0], stored.sequence


async def redis(scale: Scale) -> AsyncIterator[Line]:
    """Yield the lines for Redis."""

    async def lone(write: Append, number: int) -> int:
        return await repeat(scale.appends, partial(write, number))

    async def crowd(write: Append, numbers: range) -> int:
        return sum(await asyncio.gather(*(repeat(scale.appends_each, partial(write, number)) for number in numbers)))

    tell("redis: starting")
    with RedisServer(appendonly=True) as server:
        provider = Provider(server.url, pool_size=POOL_SIZE, timeout_s=TIMEOUT_S)
        await provider.initialize()
        # As ours connects.
        limits = {"timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        pool: Any = BlockingConnectionPool.from_url(server.url, max_connections=POOL_SIZE, **limits)
        client = Redis(connection_pool=pool)
        writers = Writers(provider, client)
        await writers.learn()
        ours, theirs = partial(lone, writers.ours, OURS.first), partial(lone, writers.theirs, THEIRS.first)
        done = await compare(ours, theirs, scale.rounds)
        yield Line("redis", "lone append / raw", done.ours, done.other, done.ratio, 0.5)
        ours, theirs = partial(crowd, writers.ours, OURS.numbers), partial(crowd, writers.theirs, THEIRS.numbers)
        done = await compare(ours, theirs, scale.rounds)
        yield Line("redis", f"{WRITERS} writers / raw", done.ours, done.other, done.ratio, 0.5)
        await writers.check()
        await client.aclose(close_connection_pool=True)
        await provider.close()


def _replaced(argument: Argument, marks: dict[str, str]) -> Argument:
    if isinstance(argument, str):
        for mark, text in marks.items():
            argument = argument.replace(mark, text)
    return argument
