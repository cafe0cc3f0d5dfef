"""A commit that Redis did and whose answer was lost: it is sent again, done once, and ends as it did."""

import asyncio
import hashlib

import pytest

from backscroll.storage.models import Message, Thread
from backscroll.storage.redis import Provider
from backscroll.storage.redis.scripts import COMMIT
from backscroll.storage.store import ThreadStore
from tests.unit.storage.redis.wire import Wire

THE_COMMIT = hashlib.sha1(COMMIT.encode()).hexdigest().encode()  # Redis' name for the script


@pytest.fixture
async def other(providers: list[Provider]) -> Provider:
    """Give another provider than `wired`, which keeps a thread with one message."""
    message = Message(id="m", role="assistant", content="said")
    await ThreadStore(provider=providers[0]).save(Thread(id="t", messages=[message]))
    return providers[0]


async def test_text_is_appended_once_also_where_another_changed_its_message_since(
    other: Provider, wire: Wire, wired: Provider
) -> None:
    wire.lose(THE_COMMIT, meanwhile=lambda: other.append_text_block("m", "theirs"))
    await wired.append_text_block("m", "mine")
    ((_, blocks),) = await other.get_message_blocks("t")
    assert [block["content"]["text"] for block in blocks] == ["said", "mine", "theirs"]
    assert wire.to_lose == 0


async def test_thread_that_a_call_made_is_not_in_its_way(other: Provider, wire: Wire, wired: Provider) -> None:
    wire.lose(THE_COMMIT, meanwhile=lambda: other.append_message("new", Message(role="user", content="theirs")))
    await wired.create_thread("new", "U1", "bot")
    assert wire.to_lose == 0


async def test_calls_of_one_commit_are_done_once_also_where_another_changed_what_the_first_wrote(
    other: Provider, wire: Wire, wired: Provider
) -> None:
    await wired.count_threads()  # it knows the time now, so that the calls below meet
    wire.lose(THE_COMMIT, meanwhile=lambda: other.update_thread("t", title="theirs"))
    await asyncio.gather(
        wired.update_thread("t", title="mine"),
        wired.append("space", "list", {"id": "mine"}),
        wired.add_feedback("t", "U1", message_id="m", thumb="up"),
        wired.create_thread(None, "U1", "bot"),
    )
    assert wire.to_lose == 0
    assert [item["id"] for item in await other.get_list("space", "list")] == ["mine"]
    assert len(await other.get_feedback(thread_id="t")) == 1
    assert await other.count_threads(agent_name="bot") == 1


async def test_commit_ends_as_the_one_that_was_done(other: Provider, wire: Wire, wired: Provider) -> None:
    wire.lose(THE_COMMIT)
    assert await wired.delete_thread("t")  # done twice, it would say False
    assert wire.to_lose == 0


async def test_commit_that_comes_late_is_not_done_again(other: Provider) -> None:
    server, send = other.server, other.server._commit
    sent: list[list[object]] = []

    async def note(keys: list[str], arguments: list[object]) -> object:
        sent.append(arguments)
        return await send(keys, arguments)  # type: ignore[arg-type]

    vars(server)["_commit"] = note
    for name in ("first", "second"):
        await other.append("space", "list", {"id": name})
    await send([server.prefix], sent[0])  # type: ignore[arg-type]
    assert [item["id"] for item in await other.get_list("space", "list")] == ["first", "second"]
