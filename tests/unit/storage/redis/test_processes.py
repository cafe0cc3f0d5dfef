"""Several processes on one Redis: each keeps what it wrote, nothing is done twice, and a kill leaves nothing half."""

import asyncio
import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from backscroll.storage.models import Thread
from backscroll.storage.redis import Provider
from backscroll.storage.store import ThreadStore

# Each worker says that it is ready and waits for a line, so that they work at the same time.
PRELUDE = """
import asyncio, json, sys
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.records import Arrival
from backscroll.storage.redis import Provider

URL, PREFIX, WORKER = sys.argv[1:]
KEY = ThreadKey("slack", "T1", "C1", "1.0")

async def main():
    provider = Provider(URL, prefix=PREFIX)
    await provider.initialize()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(await work(provider)))
    await provider.close()
"""
APPEND = """
async def work(provider):
    messages = [Message(role="user", content=f"{WORKER} {number}") for number in range(25)]
    return [(await provider.append_message("t", message)).sequence for message in messages]
"""
RECORD = """
async def work(provider):
    messages = [(Message(role="user", content=str(n)), KEY.message(f"1.{n}")) for n in range(25)]
    arrivals = [Arrival(KEY, message, external, asks="yes") for message, external in messages]
    recorded = await asyncio.gather(*(provider.record_message(arrival) for arrival in arrivals))
    taken = []
    while answer := await provider.take_answer(WORKER, ["slack"], 30.0):
        taken.append(answer.id)
        await provider.finish_answer(answer.id, WORKER, "skipped")
    return [sum(each.is_new for each in recorded), sum(each.asked for each in recorded), taken]
"""
FOREVER = """
async def work(provider):
    while True:
        await asyncio.gather(*(provider.append_message("t", Message(role="user", content="x")) for _ in range(5)))
"""
WORKERS = 2


async def started(body: str, url: str, prefix: str) -> list[asyncio.subprocess.Process]:
    program = PRELUDE + dedent(body) + "\nasyncio.run(main())\n"
    pipe = asyncio.subprocess.PIPE
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, url, prefix, f"w{number}", stdin=pipe, stdout=pipe,
            cwd=Path(__file__).parents[4],
        )
        for number in range(WORKERS)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
    return workers


async def worked(body: str, url: str, prefix: str) -> list[list[int]]:
    workers = await started(body, url, prefix)
    ended = await asyncio.gather(*(worker.communicate(b"\n") for worker in workers))
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    return [json.loads(output) for output, _ in ended]


@pytest.fixture
async def provider(redis_url: str, prefix: str) -> Provider:
    made = Provider(redis_url, prefix=prefix)
    async with ThreadStore(provider=made, closes_provider=False) as store:
        await store.save(Thread(id="t"))
    return made


async def test_appends_of_processes_number_without_gaps(provider: Provider, redis_url: str, prefix: str) -> None:
    sequences = await worked(APPEND, redis_url, prefix)
    assert sorted(number for each in sequences for number in each) == list(range(1, 1 + 25 * WORKERS))
    assert [message.sequence for message in await provider.read_messages("t")] == list(range(1, 1 + 25 * WORKERS))
    await provider.close()


async def test_processes_keep_each_message_once_and_answer_it_once(redis_url: str, prefix: str) -> None:
    told = await worked(RECORD, redis_url, prefix)
    assert sum(is_new for is_new, _, _ in told) == 25
    assert sum(asked for _, asked, _ in told) == 25
    taken = [answer for _, _, answers in told for answer in answers]  # type: ignore[attr-defined]
    assert len(taken) == len(set(taken)) == 25


async def test_killed_processes_leave_nothing_half_done(provider: Provider, redis_url: str, prefix: str) -> None:
    workers = await started(FOREVER, redis_url, prefix)
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"\n")
    async with asyncio.timeout(30):
        while len(await provider.read_messages("t")) < 50:
            pass
    for worker in workers:
        worker.kill()
        await worker.communicate()
    kept = await provider.read_messages("t")
    assert [message.sequence for message in kept] == list(range(1, len(kept) + 1))
    places = await provider.query("message_places", {"thread_id": "t"})
    assert {place["key"] for place in places} == {message.id for message in kept}
    await provider.close()
