"""Attachments with contents: kept before their message, once, and removed with the last message that needs them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backscroll.errors import MessageExistsError, ThreadNotFoundError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from tests.contract.samples import asked, at, external, said, taken

CONTENT = b"what the plan says"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
async def store(provider: StorageProvider, directory: Path) -> AsyncIterator[ThreadStore]:
    made = ThreadStore(provider=provider, files=LocalFiles(directory, max_file_bytes=1000))
    await made.initialize()
    yield made
    await made.close()


def plan(content: bytes = CONTENT, name: str = "plan.txt") -> Attachment:
    """Make an attachment with a content."""
    return Attachment(name=name, type="text/plain", content=content)


def kept_files(directory: Path) -> list[str]:
    """Name the contents that lie on the disk, holds left by a transaction too."""
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


async def test_add_message_keeps_a_content(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="t"))
    message = await store.add_message("t", said(attachments=[plan()]))
    described = Attachment(
        name="plan.txt", type="text/plain", size_bytes=len(CONTENT), sha256=SHA256, location=f"sha256:{SHA256}"
    )
    assert message.attachments == [described]
    assert (await store.get_messages("t"))[0].attachments == [described]
    assert await store.read_file(message.attachments[0]) == CONTENT
    assert kept_files(directory) == [SHA256]


async def test_save_keeps_contents_and_takes_them_out_of_the_objects(store: ThreadStore) -> None:
    thread = Thread(messages=[said(attachments=[plan(), plan(b"", "empty")])])
    await store.save(thread)
    assert [each.content for each in thread.messages[0].attachments] == [None, None]
    loaded = await store.get(thread.id)
    assert loaded is not None
    assert loaded.messages[0].attachments == thread.messages[0].attachments
    assert [await store.read_file(each) for each in loaded.messages[0].attachments] == [CONTENT, b""]


async def test_content_is_kept_once_and_stays_while_a_message_needs_it(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="a", messages=[said(id="m1", attachments=[plan()])]))
    await store.save(Thread(id="b", messages=[said(id="m2", attachments=[plan(name="other.txt")])]))
    assert kept_files(directory) == [SHA256]
    await store.delete_message("m1")
    assert kept_files(directory) == [SHA256]
    await store.delete_message("m2")
    assert kept_files(directory) == []


async def test_deleted_thread_takes_its_contents_along(store: ThreadStore, directory: Path) -> None:
    for name in ("a", "b", "c"):
        await store.save(Thread(id=name, messages=[said(attachments=[plan(name.encode())])]))
    await store.delete("a")
    assert len(kept_files(directory)) == 2
    await store.delete_many(["b", "c"])
    assert kept_files(directory) == []


async def test_content_of_a_message_that_is_not_kept_goes(store: ThreadStore, directory: Path) -> None:
    with pytest.raises(ThreadNotFoundError):
        await store.add_message("no such thread", said(attachments=[plan()]))
    await store.save(Thread(id="t", messages=[said(id="m")]))
    with pytest.raises(MessageExistsError):
        await store.save(Thread(id="other", messages=[said(id="m", attachments=[plan()])]))
    assert kept_files(directory) == []


async def test_message_that_was_refused_can_be_added_again(store: ThreadStore) -> None:
    message = said(attachments=[plan()])
    with pytest.raises(ThreadNotFoundError):
        await store.add_message("t", message)
    await store.save(Thread(id="t"))
    added = await store.add_message("t", message)
    assert await store.read_file(added.attachments[0]) == CONTENT


async def test_repeat_of_a_message_keeps_its_content_once(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="t"))
    for _ in range(2):
        await store.add_message("t", said(id="m", attachments=[plan()]))
    assert kept_files(directory) == [SHA256]
    await store.delete_message("m")
    assert kept_files(directory) == []


async def test_loaded_attachment_can_be_given_to_another_message(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="a", messages=[said(id="m", attachments=[plan()])]))
    loaded = await store.get("a")
    assert loaded is not None
    await store.save(Thread(id="b", messages=[said(attachments=loaded.messages[0].attachments)]))
    await store.delete("a")
    copied = await store.get_messages("b")
    assert await store.read_file(copied[0].attachments[0]) == CONTENT
    await store.delete("b")
    assert kept_files(directory) == []


async def test_too_large_content_is_refused_and_nothing_is_stored(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="t"))
    with pytest.raises(ValueError, match="1,000"):
        await store.add_message("t", said(attachments=[plan(), plan(b"x" * 1001)]))
    assert await store.get_messages("t") == []
    assert kept_files(directory) == []


async def test_description_without_a_content_is_kept_as_it_is(store: ThreadStore, directory: Path) -> None:
    elsewhere = Attachment(name="a.png", location="https://files.example.com/a.png", sha256=SHA256)
    await store.save(Thread(id="t", messages=[said(id="m", attachments=[elsewhere])]))
    assert (await store.get_messages("t"))[0].attachments == [elsewhere]
    assert await store.read_file(elsewhere) is None
    await store.delete_message("m")
    assert kept_files(directory) == []


async def test_cancelled_caller_loses_no_content(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="t"))
    for steps in range(12):
        content = str(steps).encode()
        adding = asyncio.create_task(store.add_message("t", said(attachments=[plan(content)])))
        for _ in range(steps):
            await asyncio.sleep(0)
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
    await store._attachments.close()
    attached = [each for message in await store.get_messages("t") for each in message.attachments]
    assert [await store.read_file(each) is not None for each in attached] == [True] * len(attached)
    assert len(kept_files(directory)) == len(attached)


async def test_adding_and_deleting_at_once_lose_no_content(store: ThreadStore, directory: Path) -> None:
    await store.save(Thread(id="t"))

    async def come_and_go(number: int) -> None:
        message = await store.add_message("t", said(attachments=[plan()]))
        if number % 2:
            await store.delete_message(message.id)

    await asyncio.gather(*(come_and_go(number) for number in range(20)))
    alive = [message for message in await store.get_messages("t") if message.deleted_at is None]
    assert len(alive) == 10
    assert [await store.read_file(message.attachments[0]) for message in alive] == [CONTENT] * 10
    for message in alive:
        await store.delete_message(message.id)
    assert kept_files(directory) == []


async def test_deletion_from_outside_drops_the_file_for_the_next_sweep(
    provider: StorageProvider, store: ThreadStore, directory: Path
) -> None:
    message = said(attachments=[plan()], platforms=external().platforms)
    await store.save(Thread(id="t", messages=[message]))
    assert await provider.record_deletion(external(), at(5))
    assert [dropped.sha256 for dropped in await provider.list_dropped_files()] == [SHA256]
    await Attachments(provider, LocalFiles(directory)).recover()
    assert kept_files(directory) == []
    assert await provider.list_dropped_files() == []


async def test_dropped_file_that_is_needed_again_stays(
    provider: StorageProvider, store: ThreadStore, directory: Path
) -> None:
    await store.save(Thread(id="a", messages=[said(id="m", attachments=[plan()])]))
    await provider.delete_message("m")
    await store.save(Thread(id="b", messages=[said(attachments=[plan()])]))
    await Attachments(provider, LocalFiles(directory)).discard_dropped()
    assert kept_files(directory) == [SHA256]


async def test_answer_with_a_content_keeps_it(provider: StorageProvider, store: ThreadStore) -> None:
    await asked(provider)
    answer = await taken(provider)
    message = Message(role="assistant", content="here", attachments=[plan()])
    attachments = store._attachments
    await attachments.write([message], lambda: provider.begin_sending(answer.id, "one", message, ["here"]))
    stored = (await store.get_messages(answer.thread_id))[-1]
    assert await store.read_file(stored.attachments[0]) == CONTENT
