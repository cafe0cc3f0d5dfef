"""Group commit: what goes into one transaction, and what one item does to its neighbours."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from backscroll.errors import MessageExistsError, StorageError, StoreClosedError, ThreadNotFoundError
from backscroll.storage.changes import changes_of as changes
from backscroll.storage.models import Message, Thread
from backscroll.storage.sql import Provider
from backscroll.storage.sql.commit import BATCH_SIZE
from backscroll.storage.sql.engine import Connection
from backscroll.storage.store import ThreadStore
from tests.unit.storage.sql.gate import Gate


def said(text: str = "hello") -> Message:
    """Make a user's message."""
    return Message(role="user", content=text)


@pytest.fixture
def commits(provider: Provider) -> Iterator[list[int]]:
    """Give a list that grows with each commit of a write."""
    found: list[int] = []

    def count(_connection: Any) -> None:
        found.append(len(found) + 1)

    for engine in provider.database.engines:
        event.listen(engine, "commit", count)
    yield found
    for engine in provider.database.engines:
        event.remove(engine, "commit", count)


class LongWrite:
    """A write that holds up the others until it may end."""

    def __init__(self, provider: Provider) -> None:
        self._gate = Gate()
        self._task = asyncio.create_task(provider.database.write(self._work))
        self.begun = self._gate.reached

    async def _work(self, connection: Connection) -> None:
        await connection.execute(text("DELETE FROM kv_store"))
        await self._gate.pass_through(connection)

    async def end(self) -> None:
        self._gate.open()
        await self._task


async def test_appends_that_wait_share_a_commit(provider: Provider, commits: list[int]) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    commits.clear()
    await asyncio.gather(*(provider.append_message("t", said()) for _ in range(200)))
    assert len(commits) <= 3
    assert [message.sequence for message in await provider.read_messages("t")] == list(range(1, 201))


async def test_appends_one_after_the_other_are_committed_at_once(provider: Provider, commits: list[int]) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    commits.clear()
    for number in range(1, 6):
        assert (await provider.append_message("t", said())).sequence == number
        assert len(commits) == number


async def test_lone_append_waits_for_no_timer(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    call_at = loop.call_at

    def note(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        delays.append(when - loop.time())
        return call_at(when, *args, **options)

    monkeypatch.setattr(loop, "call_at", note)
    await provider.append_message("t", said())
    assert [delay for delay in delays if delay < 5] == []  # the drivers' time limits are longer


async def test_batch_is_not_larger_than_its_bound(provider: Provider, commits: list[int]) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    commits.clear()
    await asyncio.gather(*(provider.append_message("t", said()) for _ in range(2 * BATCH_SIZE + 2)))
    assert len(commits) >= 3


async def test_unknown_thread_fails_alone(provider: Provider, commits: list[int]) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    commits.clear()
    names = ["t", "unknown", "t", "unknown", "t"]
    outcomes = await asyncio.gather(*(provider.append_message(name, said()) for name in names), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        Message,
        ThreadNotFoundError,
        Message,
        ThreadNotFoundError,
        Message,
    ]
    assert len(commits) <= 2


async def test_item_that_breaks_the_transaction_fails_alone(provider: Provider) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    good = [said() for _ in range(5)]
    bad = said().model_copy(update={"attributes": {"no": object()}})  # past every check
    outcomes = await asyncio.gather(
        *(provider.append_message("t", message) for message in [*good[:3], bad, *good[3:]]), return_exceptions=True
    )
    assert [isinstance(outcome, Message) for outcome in outcomes] == [True, True, True, False, True, True]
    stored = await provider.read_messages("t")
    assert [message.id for message in stored] == [message.id for message in good]
    assert [message.sequence for message in stored] == [1, 2, 3, 4, 5]


async def test_each_caller_gets_an_error_of_its_own(provider: Provider) -> None:
    first, second = await asyncio.gather(
        *(provider.append_message("unknown", said()) for _ in range(2)), return_exceptions=True
    )
    assert isinstance(first, ThreadNotFoundError)
    assert first is not second


async def test_cancelled_caller_does_not_cancel_the_commit_of_others(sqlite: Provider) -> None:
    await sqlite.write_thread(changes(Thread(id="t")))
    long = LongWrite(sqlite)
    await long.begun()
    messages = [said() for _ in range(3)]
    appends = [asyncio.create_task(sqlite.append_message("t", message)) for message in messages]
    await asyncio.sleep(0)
    appends[1].cancel()
    await long.end()
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Message, asyncio.CancelledError, Message]
    assert [message.id for message in await sqlite.read_messages("t")] == [message.id for message in messages]


async def test_close_keeps_what_is_queued(sqlite: Provider, sqlite_url: str) -> None:
    await sqlite.write_thread(changes(Thread(id="t")))
    appends = [asyncio.create_task(sqlite.append_message("t", said())) for _ in range(20)]
    await asyncio.sleep(0)
    await sqlite.close()
    assert all(isinstance(outcome, Message) for outcome in await asyncio.gather(*appends))
    async with ThreadStore(sqlite_url) as store:
        assert len(await store.get_messages("t")) == 20


async def test_append_after_close_is_refused(provider: Provider) -> None:
    await provider.close()
    with pytest.raises(StoreClosedError):
        await provider.append_message("t", said())


async def test_queue_is_bounded(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.storage.sql.commit.WAITING_COUNT", 3)
    async with ThreadStore(sqlite_url) as store:
        await store.save(Thread(id="t"))
        provider = store.provider
        assert isinstance(provider, Provider)
        long = LongWrite(provider)
        await long.begun()
        appends = [asyncio.create_task(provider.append_message("t", said())) for _ in range(10)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(provider.writes._waiting) <= 3
        await long.end()
        await asyncio.gather(*appends)
        assert len(await store.get_messages("t")) == 10


async def test_queue_is_bounded_when_callers_give_up(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.storage.sql.commit.WAITING_COUNT", 3)
    async with ThreadStore(sqlite_url) as store:
        await store.save(Thread(id="t"))
        provider = store.provider
        assert isinstance(provider, Provider)
        long = LongWrite(provider)
        await long.begun()
        for _ in range(4):
            appends = [asyncio.create_task(provider.append_message("t", said())) for _ in range(3)]
            for _ in range(5):
                await asyncio.sleep(0)
            for append in appends:
                append.cancel()
            await asyncio.gather(*appends, return_exceptions=True)
        waiting = len(provider.writes._waiting)
        await long.end()
        assert waiting <= 3


async def test_saves_that_wait_share_a_commit(provider: Provider, commits: list[int]) -> None:
    threads = [Thread(messages=[said(), said()]) for _ in range(100)]
    await asyncio.gather(*(provider.write_thread(changes(thread)) for thread in threads))
    assert len(commits) <= 3
    for thread in threads:
        assert [one.sequence for one in await provider.read_messages(thread.id)] == [1, 2]


async def test_saves_of_one_thread_in_one_batch_are_all_kept(provider: Provider) -> None:
    copies = [Thread(id="t", title=f"{n}", attributes={f"{n}": n}, messages=[said(f"{n}")]) for n in range(20)]
    await asyncio.gather(*(provider.write_thread(changes(copy)) for copy in copies))
    kept = await provider.get_thread("t")
    assert kept is not None
    assert kept.attributes == {f"{n}": n for n in range(20)}
    assert kept.title == "19"
    assert [message.content for message in kept.messages] == [f"{n}" for n in range(20)]
    for n in range(20):
        assert [thread.id for thread in await provider.find_by_attributes({f"{n}": n})] == ["t"]


async def test_save_of_a_deleted_thread_fails_alone(provider: Provider) -> None:
    store = ThreadStore(provider=provider)
    loaded = await store.save(Thread(id="gone"))
    await store.delete("gone")
    loaded.add_message("too late")
    outcomes = await asyncio.gather(
        *(store.save(thread) for thread in (Thread(id="a"), loaded, Thread(id="b"))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Thread, ThreadNotFoundError, Thread]
    assert [thread.id for thread in await store.list_recent()] == ["b", "a"]


async def test_save_with_a_message_of_another_thread_fails_alone_and_whole(provider: Provider) -> None:
    store = ThreadStore(provider=provider)
    await store.save(Thread(id="first", messages=[Message(id="m", role="user")]))
    bad = Thread(id="bad", messages=[said(), Message(id="m", role="user")])
    outcomes = await asyncio.gather(
        *(store.save(thread) for thread in (Thread(id="a"), bad, Thread(id="b"))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Thread, MessageExistsError, Thread]
    assert await store.get("bad") is None


async def test_save_larger_than_a_batch_is_one_commit(provider: Provider, commits: list[int]) -> None:
    await provider.write_thread(changes(Thread(id="t", messages=[said() for _ in range(2 * BATCH_SIZE)])))
    assert len(commits) == 1
    assert len(await provider.read_messages("t")) == 2 * BATCH_SIZE


async def test_saves_and_appends_that_wait_together_are_all_kept(provider: Provider) -> None:
    await provider.write_thread(changes(Thread(id="t")))
    writes: list[Any] = []
    for n in range(30):
        writes.append(provider.append_message("t", said(f"append {n}")))
        writes.append(provider.write_thread(changes(Thread(id="t", messages=[said(f"save {n}")]))))
    await asyncio.gather(*writes)
    kept = await provider.read_messages("t")
    assert [message.sequence for message in kept] == list(range(1, 61))
    assert {message.content for message in kept} == {f"{kind} {n}" for n in range(30) for kind in ("append", "save")}


async def test_failed_batch_fails_all_its_callers(postgres: Provider, operator: Any) -> None:
    await postgres.write_thread(changes(Thread(id="t")))
    await operator.execute("ALTER TABLE messages RENAME TO hidden")
    outcomes = await asyncio.gather(*(postgres.append_message("t", said()) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, StorageError) for outcome in outcomes)
    await operator.execute("ALTER TABLE hidden RENAME TO messages")
    assert (await postgres.append_message("t", said())).sequence == 1
