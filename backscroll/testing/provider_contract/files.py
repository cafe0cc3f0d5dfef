"""Attachments with contents: kept before their message, once, and removed with the last message that needs them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from backscroll.errors import MessageExistsError, ThreadNotFoundError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, at, external, said, taken

CONTENT = b"what the plan says"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def filing_directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest_asyncio.fixture(loop_scope="function")
async def filing(provider: StorageProvider, filing_directory: Path) -> AsyncIterator[ThreadStore]:
    made = ThreadStore(provider=provider, files=LocalFiles(filing_directory, max_file_bytes=1000))
    await made.initialize()
    yield made
    await made.close()


def plan(content: bytes = CONTENT, name: str = "plan.txt") -> Attachment:
    """Make an attachment with a content."""
    return Attachment(name=name, type="text/plain", content=content)


def kept_files(filing_directory: Path) -> list[str]:
    """Name the contents that lie on the disk, holds left by a transaction too."""
    return sorted(path.name for path in filing_directory.rglob("*/*") if path.is_file())


async def test_add_message_keeps_a_content(filing: ThreadStore, filing_directory: Path) -> None:
    await filing.save(Thread(id="t"))
    message = await filing.add_message("t", said(attachments=[plan()]))
    described = Attachment(
        name="plan.txt", type="text/plain", size_bytes=len(CONTENT), sha256=SHA256, location=f"sha256:{SHA256}"
    )
    assert message.attachments == [described]
    assert (await filing.get_messages("t"))[0].attachments == [described]
    assert await filing.read_file(message.attachments[0]) == CONTENT
    assert kept_files(filing_directory) == [SHA256]


async def test_save_keeps_contents_and_takes_them_out_of_the_objects(filing: ThreadStore) -> None:
    thread = Thread(messages=[said(attachments=[plan(), plan(b"", "empty")])])
    await filing.save(thread)
    assert [each.content for each in thread.messages[0].attachments] == [None, None]
    loaded = await filing.get(thread.id)
    assert loaded is not None
    assert loaded.messages[0].attachments == thread.messages[0].attachments
    assert [await filing.read_file(each) for each in loaded.messages[0].attachments] == [CONTENT, b""]


async def test_content_is_kept_once_and_stays_while_a_message_needs_it(
    filing: ThreadStore, filing_directory: Path
) -> None:
    await filing.save(Thread(id="a", messages=[said(id="m1", attachments=[plan()])]))
    await filing.save(Thread(id="b", messages=[said(id="m2", attachments=[plan(name="other.txt")])]))
    assert kept_files(filing_directory) == [SHA256]
    await filing.delete_message("m1")
    assert kept_files(filing_directory) == [SHA256]
    await filing.delete_message("m2")
    assert kept_files(filing_directory) == []


async def test_deleted_thread_takes_its_contents_along(filing: ThreadStore, filing_directory: Path) -> None:
    for name in ("a", "b", "c"):
        await filing.save(Thread(id=name, messages=[said(attachments=[plan(name.encode())])]))
    await filing.delete("a")
    assert len(kept_files(filing_directory)) == 2
    await filing.delete_many(["b", "c"])
    assert kept_files(filing_directory) == []


async def test_content_of_a_message_that_is_not_kept_goes(filing: ThreadStore, filing_directory: Path) -> None:
    with pytest.raises(ThreadNotFoundError):
        await filing.add_message("no such thread", said(attachments=[plan()]))
    await filing.save(Thread(id="t", messages=[said(id="m")]))
    with pytest.raises(MessageExistsError):
        await filing.save(Thread(id="other", messages=[said(id="m", attachments=[plan()])]))
    assert kept_files(filing_directory) == []


async def test_message_that_was_refused_can_be_added_again(filing: ThreadStore) -> None:
    message = said(attachments=[plan()])
    with pytest.raises(ThreadNotFoundError):
        await filing.add_message("t", message)
    await filing.save(Thread(id="t"))
    added = await filing.add_message("t", message)
    assert await filing.read_file(added.attachments[0]) == CONTENT


async def test_repeat_of_a_message_keeps_its_content_once(filing: ThreadStore, filing_directory: Path) -> None:
    await filing.save(Thread(id="t"))
    for _ in range(2):
        await filing.add_message("t", said(id="m", attachments=[plan()]))
    assert kept_files(filing_directory) == [SHA256]
    await filing.delete_message("m")
    assert kept_files(filing_directory) == []


async def test_loaded_attachment_can_be_given_to_another_message(filing: ThreadStore, filing_directory: Path) -> None:
    await filing.save(Thread(id="a", messages=[said(id="m", attachments=[plan()])]))
    loaded = await filing.get("a")
    assert loaded is not None
    await filing.save(Thread(id="b", messages=[said(attachments=loaded.messages[0].attachments)]))
    await filing.delete("a")
    copied = await filing.get_messages("b")
    assert await filing.read_file(copied[0].attachments[0]) == CONTENT
    await filing.delete("b")
    assert kept_files(filing_directory) == []


async def test_too_large_content_is_refused_and_nothing_is_stored(filing: ThreadStore, filing_directory: Path) -> None:
    await filing.save(Thread(id="t"))
    with pytest.raises(ValueError, match="1,000"):
        await filing.add_message("t", said(attachments=[plan(), plan(b"x" * 1001)]))
    assert await filing.get_messages("t") == []
    assert kept_files(filing_directory) == []


async def test_description_without_a_content_is_kept_as_it_is(filing: ThreadStore, filing_directory: Path) -> None:
    elsewhere = Attachment(name="a.png", location="https://files.example.com/a.png", sha256=SHA256)
    await filing.save(Thread(id="t", messages=[said(id="m", attachments=[elsewhere])]))
    assert (await filing.get_messages("t"))[0].attachments == [elsewhere]
    assert await filing.read_file(elsewhere) is None
    await filing.delete_message("m")
    assert kept_files(filing_directory) == []


async def test_cancelled_caller_loses_no_content(filing: ThreadStore, filing_directory: Path) -> None:
    await filing.save(Thread(id="t"))
    for steps in range(12):
        content = str(steps).encode()
        adding = asyncio.create_task(filing.add_message("t", said(attachments=[plan(content)])))
        for _ in range(steps):
            await asyncio.sleep(0)
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
    await filing._attachments.close()
    attached = [each for message in await filing.get_messages("t") for each in message.attachments]
    assert [await filing.read_file(each) is not None for each in attached] == [True] * len(attached)
    assert len(kept_files(filing_directory)) == len(attached)


async def test_adding_and_deleting_at_once_lose_no_content(filing: ThreadStore, filing_directory: Path) -> None:
    await filing.save(Thread(id="t"))

    async def come_and_go(number: int) -> None:
        message = await filing.add_message("t", said(attachments=[plan()]))
        if number % 2:
            await filing.delete_message(message.id)

    await asyncio.gather(*(come_and_go(number) for number in range(20)))
    alive = [message for message in await filing.get_messages("t") if message.deleted_at is None]
    assert len(alive) == 10
    assert [await filing.read_file(message.attachments[0]) for message in alive] == [CONTENT] * 10
    for message in alive:
        await filing.delete_message(message.id)
    assert kept_files(filing_directory) == []


async def test_deletion_from_outside_drops_the_file_for_the_next_sweep(
    provider: StorageProvider, filing: ThreadStore, filing_directory: Path
) -> None:
    message = said(attachments=[plan()], platforms=external().platforms)
    await filing.save(Thread(id="t", messages=[message]))
    assert await provider.record_deletion(external(), at(5))
    assert [dropped.sha256 for dropped in await provider.list_dropped_files()] == [SHA256]
    await Attachments(provider, LocalFiles(filing_directory)).recover()
    assert kept_files(filing_directory) == []
    assert await provider.list_dropped_files() == []


async def test_dropped_file_that_is_needed_again_stays(
    provider: StorageProvider, filing: ThreadStore, filing_directory: Path
) -> None:
    await filing.save(Thread(id="a", messages=[said(id="m", attachments=[plan()])]))
    await provider.delete_message("m")
    await filing.save(Thread(id="b", messages=[said(attachments=[plan()])]))
    await Attachments(provider, LocalFiles(filing_directory)).discard_dropped()
    assert kept_files(filing_directory) == [SHA256]


async def test_answer_with_a_content_keeps_it(provider: StorageProvider, filing: ThreadStore) -> None:
    await asked(provider)
    answer = await taken(provider)
    message = Message(role="assistant", content="here", attachments=[plan()])
    attachments = filing._attachments
    await attachments.write([message], lambda: provider.begin_sending(answer.id, "one", message, ["here"]))
    stored = (await filing.get_messages(answer.thread_id))[-1]
    assert await filing.read_file(stored.attachments[0]) == CONTENT
