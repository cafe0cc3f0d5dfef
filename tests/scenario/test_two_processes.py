"""Several processes on one database: each keeps what it wrote, and nothing is done twice."""

import asyncio
import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.records import Arrival
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore

KEY = ThreadKey("slack", "T1", "C1", "1.0")

# Each worker says that it is ready and waits for a line, so that they work at the same time.
PRELUDE = """
import asyncio, json, sys
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.records import Arrival
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore

URL, THREAD, WORKER = sys.argv[1:]
KEY = ThreadKey("slack", "T1", "C1", "1.0")

def start():
    print("ready", flush=True)
    sys.stdin.readline()
"""
APPEND = """
async def main():
    async with ThreadStore(URL) as store:
        start()
        messages = [Message(role="user", content=f"{WORKER} {number}") for number in range(25)]
        await asyncio.gather(*(store.add_message(THREAD, message) for message in messages))
asyncio.run(main())
"""
RECORD = """
async def main():
    provider = Provider(URL)
    await provider.initialize()
    start()
    messages = [(Message(role="user", content=str(n)), KEY.message(f"1.{n}")) for n in range(25)]
    arrivals = [Arrival(KEY, message, external, asks="yes") for message, external in messages]
    recorded = await asyncio.gather(*(provider.record_message(arrival) for arrival in arrivals))
    print(json.dumps([(each.thread_id, each.is_new, each.asked) for each in recorded]))
    await provider.close()
asyncio.run(main())
"""
TAKE = """
async def main():
    provider = Provider(URL)
    await provider.initialize()
    start()
    taken = []
    while (answer := await provider.take_answer(WORKER, ["slack"], 60)) is not None:
        taken.append(answer.id)
        await provider.finish_answer(answer.id, WORKER, "skipped")
    print(json.dumps(taken))
    await provider.close()
asyncio.run(main())
"""
CONVERSE = """
async def main():
    async with ThreadStore(URL) as store:
        start()
        places = [("agent", "C1", str(number % 5), f"name {WORKER}") for number in range(50)]
        print(json.dumps(await asyncio.gather(*(store.get_or_create_conversation(*place) for place in places))))
asyncio.run(main())
"""
BLOCKS = """
async def main():
    async with ThreadStore(URL) as store:
        start()
        calls = [{"tool_call_id": str(n), "tool_name": "find", "tool_input": {}, "tool_output": ""} for n in range(10)]
        texts = [store.append_text_block("m", f"{WORKER} {number}") for number in range(15)]
        ids = await asyncio.gather(*texts, *(store.append_tool_block("m", **call) for call in calls))
        print(json.dumps(ids))
asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "shared.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


async def run_two(program: str, url: str, thread_id: str = "-") -> list[str]:
    """Run two processes at the same time, and return what each printed in the end."""
    command = (sys.executable, "-c", dedent(PRELUDE + program), url, thread_id)
    pipe = asyncio.subprocess.PIPE
    workers = [await asyncio.create_subprocess_exec(*command, name, stdin=pipe, stdout=pipe) for name in "ab"]
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    assert [worker.returncode for worker in workers] == [0, 0]
    return [output.decode() for output, _ in outputs]


async def test_append_numbers_messages_of_two_processes_without_gaps(url: str) -> None:
    async with ThreadStore(url) as store:
        thread = await store.save(Thread())
        await run_two(APPEND, url, thread.id)
        messages = await store.get_messages(thread.id)

    assert [message.sequence for message in messages] == list(range(1, 51))
    assert len({message.text for message in messages}) == 50


async def test_record_keeps_what_two_processes_deliver_once(url: str) -> None:
    outputs = await run_two(RECORD, url)
    recorded = [tuple(each) for output in outputs for each in json.loads(output)]
    async with ThreadStore(url) as store:
        threads = await store.list()

    assert [len(thread.messages) for thread in threads] == [25]
    assert {thread_id for thread_id, _, _ in recorded} == {threads[0].id}
    assert [sum(is_new for _, is_new, _ in recorded), sum(asked for _, _, asked in recorded)] == [25, 25]


async def test_take_hands_each_answer_to_one_process(url: str) -> None:
    provider = Provider(url)
    await provider.initialize()
    keys = [ThreadKey("slack", "T1", "C1", str(number)) for number in range(20)]
    for key in [*keys, *keys]:
        await provider.record_message(Arrival(key, Message(role="user", content="?"), asks="yes"))
    await provider.close()

    taken = [answer_id for output in await run_two(TAKE, url) for answer_id in json.loads(output)]

    assert len(taken) == len(set(taken)) == 40


async def test_get_or_create_conversation_makes_one_for_two_processes(url: str) -> None:
    async with ThreadStore(url) as store:
        outputs = await run_two(CONVERSE, url)
        first, second = (json.loads(output) for output in outputs)
        assert first == second
        assert len(set(first)) == 5
        assert {thread.id for thread in await store.list()} == set(first)


async def test_append_keeps_the_blocks_of_two_processes(url: str) -> None:
    async with ThreadStore(url) as store:
        await store.save(Thread(id="t", messages=[Message(id="m", role="user")]))
        outputs = await run_two(BLOCKS, url)
        ((_, blocks),) = await store.get_message_blocks("t")
        (message,) = await store.get_messages("t")
    ids = {block_id for output in outputs for block_id in json.loads(output)}
    assert {block["id"] for block in blocks} == ids
    assert len(ids) == 2 * 15 + 10
    assert isinstance(message.content, str)
    texts = [block["content"]["text"] for block in blocks if block["block_type"] == "text"]
    assert message.content.splitlines() == texts
    assert sorted(texts) == sorted(f"{worker} {number}" for worker in "ab" for number in range(15))
