"""Transactions: a call reads, remembers what it read, writes into a buffer, and commits if nothing of that has changed.

What stands under `_exclusive` is one transaction. Those of this process run one after the other, and those that wait
meanwhile share the next commit. When the commit meets a change by another process, each call in it runs again; one that
met three takes a turn, in which nobody else commits. Proved by `tests/unit/storage/redis/test_transactions.py`.
"""

import asyncio
import inspect
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

from backscroll.errors import StorageError, StorageUnavailableError, StoreClosedError
from backscroll.storage.redis.batch import NOTHING, Batch, Place, Stored, Write
from backscroll.storage.redis.connection import Server
from backscroll.storage.redis.scripts import COMMITTED, CONFLICT, NOT_YOUR_TURN
from backscroll.storage.tasks import Tasks
from backscroll.storage.values import storage_clock

C = TypeVar("C")
T = TypeVar("T")

BATCH_SIZE = 200
"""Transactions in one commit, at most."""

KNOWN_COUNT, KNOWN_LENGTH = 2_000, 8_192
"""Values that are remembered from one transaction to the next, and the characters of one of them, at most."""

STEPS = 200
"""Values that a transaction reads or writes before others may go on."""

CONFLICTS_BEFORE_TURN = 3
TURN_S, PATIENCE_S = 10.0, 60.0


class RerunError(Exception):
    """The commit met a change; the call runs again."""


@dataclass(eq=False)
class Unit:
    """One transaction of a batch."""

    owner: "Transactions"
    batch: Batch
    writes: dict[Place, Write] = field(default_factory=dict)
    terms: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    items: list[tuple[str, str, str]] = field(default_factory=list)
    steps: int = 0

    def write(self, place: Place, write: Write) -> None:
        """Take down what is to be written."""
        self.writes[place] = write
        for term in write.terms.split():
            self.terms.setdefault((place[0], term), {})[place[1]] = None

    async def breathe(self) -> None:
        """Let other tasks go on now and then, in a transaction of very many steps that need not wait."""
        self.steps += 1
        if self.steps % STEPS == 0:
            await asyncio.sleep(0)

    def keys_with(self, namespace: str, term: str) -> dict[str, None]:
        """Return the keys that were at some time written with a term."""
        place = (namespace, term)
        return self.batch.terms.get(place, {}) | self.terms.get(place, {})

    def written(self, place: Place) -> Write | None:
        """Return what this transaction, or one before it in the batch, writes there."""
        return self.writes.get(place) or self.batch.writes.get(place)

    def all_written(self, namespace: str) -> Iterator[tuple[str, Write]]:
        """Give what is written in a namespace, the last of each key last."""
        for writes in (self.batch.writes, self.writes):
            for (space, key), write in writes.items():
                if space == namespace:
                    yield key, write

    def known(self, place: Place) -> Stored | None:
        """Return what stands there as far as the batch read it."""
        batch = self.batch
        stored = batch.reads.get(place) or batch.scanned.get(place)
        if stored is None and not batch.is_fresh and (stored := self.owner.remembered.get(place)) is not None:
            batch.reads[place] = stored
            batch.is_doubtful = True
        return stored

    def expect_nothing(self, namespace: str, key: str) -> None:
        """Take it that nothing stands there, as for an id that was made just now; the commit looks."""
        place = (namespace, key)
        if not self.batch.is_fresh and self.known(place) is None:
            self.batch.reads[place] = NOTHING
            self.batch.is_doubtful = True


_UNIT: ContextVar[Unit | None] = ContextVar("backscroll_redis_unit", default=None)
_RUNNING: ContextVar["Transactions | None"] = ContextVar("backscroll_redis_running", default=None)


class Transactions:
    """All transactions of this process on one Redis."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.remembered: dict[Place, Stored] = {}
        """What was there after a commit of ours. It may be old: whoever uses it is checked by the commit."""
        self._tasks = Tasks()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False
        self._batch: Batch | None = None
        self._conflicts = 0
        self._is_closed = False

    @property
    def unit(self) -> Unit | None:
        """The transaction that is under way here."""
        unit = _UNIT.get()
        return unit if unit is not None and unit.owner is self else None

    def section(self) -> "Section":
        """Make what `async with self._exclusive` enters."""
        return Section(self)

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Run one call of the contract, again where a commit of it met a change; to its end, also when cancelled.

        Raises: StoreClosedError: it begins after `close()`.
        """
        if _RUNNING.get() is self:  # part of another call
            return await self._repeat(make)
        self.must_be_open()
        return await self._tasks.run(self._begin(make))

    def must_be_open(self) -> None:
        """Refuse what begins after `close()`."""
        if self._is_closed:
            raise StoreClosedError("The store is closed.", "Open a new ThreadStore.")

    async def close(self) -> None:
        """Wait for what is under way."""
        self._is_closed = True
        await self._tasks.ended()

    def abort(self) -> None:
        """Cut off what is under way."""
        self._is_closed = True
        self._tasks.abort()

    async def enter(self) -> Unit:
        """Wait for a place, and begin a transaction."""
        await self._take()
        try:
            if self._batch is None:
                self._batch = await self._new_batch()
            return Unit(self, self._batch)
        except BaseException:
            self._pass_on()
            raise

    async def leave(self, unit: Unit, error: BaseException | None) -> None:
        """End a transaction, and wait until its batch is committed.

        Raises: RerunError: it met a change. StorageError: it could not be committed.
        """
        batch = unit.batch
        counts = isinstance(error, Exception | None) and not isinstance(error, StorageUnavailableError)
        if error is None:
            batch.writes |= unit.writes
            for place, keys in unit.terms.items():
                batch.terms.setdefault(place, {}).update(keys)
            batch.items += unit.items
        batch.size += counts
        if self._waiting and batch.size < BATCH_SIZE:
            self._pass_on()
        else:
            await self._end(batch)
        if not counts:
            return
        await batch.done.wait()
        # An error may come of what was never true, so it counts only when the commit says that nothing changed.
        if batch.error is not None:
            raise type(batch.error)(batch.error.message, batch.error.hint)
        if batch.outcome != COMMITTED:
            raise RerunError

    async def _begin(self, make: Callable[[], Awaitable[T]]) -> T:
        _RUNNING.set(self)
        await self.server.now()
        storage_clock.set(self.server.going_on)
        return await self._repeat(make)

    async def _repeat(self, make: Callable[[], Awaitable[T]]) -> T:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await make()
            except RerunError:
                if time.monotonic() > end:
                    raise self._too_busy() from None

    async def _take(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._is_taken = False

    async def _new_batch(self) -> Batch:
        turn = await self._take_turn() if self._conflicts >= CONFLICTS_BEFORE_TURN else ""
        return Batch(turn, is_fresh=self._conflicts > 0)

    async def _take_turn(self) -> str:
        turn, end = secrets.token_urlsafe(9), time.monotonic() + PATIENCE_S
        key, milliseconds = f"{self.server.prefix}turn", int(TURN_S * 1000)
        while not await self.server.read("SET", key, turn, "NX", "PX", milliseconds):
            if await self.server.read("GET", key) == turn.encode():
                break  # the answer to the one that took it was lost
            if time.monotonic() > end:
                raise self._too_busy()
            await _pause()
        return turn

    async def _end(self, batch: Batch) -> None:
        """Commit, and let the next batch begin."""
        self._batch = None
        try:
            if batch.size and batch.needs_commit:
                await self._commit(batch)
        except StorageError as error:
            batch.error = error
        finally:
            batch.done.set()
            self._pass_on()

    async def _commit(self, batch: Batch) -> None:
        version = secrets.token_urlsafe(9)
        batch.outcome = CONFLICT  # until Redis says otherwise
        batch.outcome = await self.server.commit(batch, version)
        if batch.outcome == COMMITTED:
            self._conflicts = 0
            self._remember(batch, version)
            return
        for place in batch.reads:
            self.remembered.pop(place, None)
        if batch.outcome == NOT_YOUR_TURN:
            await _pause()
        else:
            self._conflicts += 1

    def _remember(self, batch: Batch, version: str) -> None:
        for place, write in batch.writes.items():
            self.remembered.pop(place, None)
            if write.text is not None and len(write.text) <= KNOWN_LENGTH:
                self.remembered[place] = Stored(version, write.text)
        while len(self.remembered) > KNOWN_COUNT:
            del self.remembered[next(iter(self.remembered))]

    def _too_busy(self) -> StorageUnavailableError:
        return StorageUnavailableError(
            f"{self.server.url.shown} could not order this among other writers.", "Try again; fewer writers help."
        )


class Section:
    """What `async with` enters: a transaction, or nothing more inside one."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._entered: tuple[Unit, Token[Unit | None]] | None = None

    async def __aenter__(self) -> None:
        if self._transactions.unit is None:
            unit = await self._transactions.enter()
            self._entered = unit, _UNIT.set(unit)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            unit, token = self._entered
            _UNIT.reset(token)
            await self._transactions.leave(unit, error)


def whole_calls(provider: type[C]) -> type[C]:
    """Let each call of the contract, also one that it will have, run whole: see `Transactions.call`."""
    for name in dir(provider):
        call = getattr(provider, name)
        if not name.startswith("_") and name not in _LIFE and inspect.iscoroutinefunction(call):
            setattr(provider, name, _whole(call))
    return provider


_LIFE = ("initialize", "close", "abort", "check", "health_check", "schema_version", "size_bytes")


def _whole(call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    @wraps(call)
    async def whole(provider: Any, *args: Any, **named: Any) -> T:
        transactions: Transactions = provider.transactions
        if transactions.unit is not None:
            return await call(provider, *args, **named)
        return await transactions.call(lambda: call(provider, *args, **named))

    return whole


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  # it keeps no secret
