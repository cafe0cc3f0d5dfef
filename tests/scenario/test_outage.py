"""A database that goes away in the middle of the work, and comes back: nothing that was acknowledged is missing."""

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from backscroll.errors import StorageUnavailableError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.records import Arrival
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from tests.servers.postgres import PostgresServer

OUTAGE_S = float(os.environ.get("BACKSCROLL_TEST_OUTAGE_S", "2"))
STREAMS = 4


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=True) as own:
        yield own


async def test_append_loses_nothing_acknowledged_over_an_outage(server: PostgresServer) -> None:
    acknowledged: list[str] = []
    refused: list[StorageUnavailableError] = []
    ended = asyncio.Event()
    async with ThreadStore(server.url()) as store:
        thread = await store.save(Thread())

        async def talk() -> None:
            while not ended.is_set():
                message = Message(role="user", content="…")
                try:
                    await store.add_message(thread.id, message)
                except StorageUnavailableError as error:
                    refused.append(error)
                    await asyncio.sleep(0.02)
                else:
                    acknowledged.append(message.id)

        talking = [asyncio.create_task(talk()) for _ in range(STREAMS)]
        await until(lambda: len(acknowledged) > 50)
        server.stop()
        await until(lambda: len(refused) > STREAMS)
        await asyncio.sleep(OUTAGE_S)
        before = len(acknowledged)
        server.start()
        await until(lambda: len(acknowledged) > before + 50)
        ended.set()
        await asyncio.gather(*talking)
        stored = await store.get_messages(thread.id)

    assert set(acknowledged) <= {message.id for message in stored}
    assert [message.sequence for message in stored] == list(range(1, len(stored) + 1))


async def test_record_repeated_after_an_outage_keeps_each_message_once(server: PostgresServer) -> None:
    key = ThreadKey("slack", "T1", "C1", "1.0")
    provider = Provider(server.url())
    await provider.initialize()

    async def deliver(number: int) -> None:
        message = Message(role="user", content=str(number))
        while True:
            try:
                await provider.record_message(Arrival(key, message, key.message(f"1.{number}"), asks="yes"))
            except StorageUnavailableError:
                await asyncio.sleep(0.02)
            else:
                return

    delivering = [asyncio.create_task(deliver(number)) for number in range(200)]
    await asyncio.sleep(0)
    server.stop()
    await asyncio.sleep(OUTAGE_S / 4)
    server.start()
    await asyncio.gather(*delivering)
    thread = await provider.get_by_alias(key.alias)
    answers = await provider.list_answers(limit=None)
    await provider.close()

    assert thread is not None
    assert sorted(message.text for message in thread.messages) == sorted(map(str, range(200)))
    assert len({answer.message_id for answer in answers}) == len(answers) == 200


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the test's own time limit is the patience."""
    while not condition():  # noqa: ASYNC110  # what it waits for happens in another process
        await asyncio.sleep(0.01)
