"""The contents of the files that messages bring: fetched once, given up at last, gone with their messages."""

import asyncio
import logging
from pathlib import Path

import pytest

from backscroll.bot import fetching as fetching_module
from backscroll.bot.fetching import Fetching
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError, FileGoneError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import arriving, at, said
from tests.unit.bot.stage import Flaky, Recorder, answering, away, only_answer, thread, until

pytestmark = pytest.mark.usefixtures("short_waits", "soon_again")

KEY = thread("1.0")
LOCATION = "https://files.example.com/plan.txt"
CONTENT = b"what the plan says"


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching_module, "RETRY_S", 0.02)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


def attachments_of(provider: StorageProvider, directory: Path) -> Attachments:
    return Attachments(provider, LocalFiles(directory, max_file_bytes=1000))


def fetching(provider: StorageProvider, adapter: Recorder, directory: Path) -> Fetching:
    return Fetching(provider, {adapter.platform: adapter}, attachments_of(provider, directory))


async def bring(provider: StorageProvider, *locations: str) -> str:
    """Record a question with files, and return its id."""
    files = [Attachment(name=f"{number}.txt", location=each) for number, each in enumerate(locations or [LOCATION])]
    message = said("look", attachments=files, platforms=KEY.message("1.1").platforms)
    kept = await provider.record_message(arriving("1.1", key=KEY, message=message, asks="yes", fetches=True))
    assert kept is not None
    return kept.message.id


async def files_of(provider: StorageProvider, message_id: str) -> list[Attachment]:
    found = await provider.get_message(message_id)
    assert found is not None
    return found[1].attachments


async def is_settled(provider: StorageProvider) -> bool:
    return await provider.list_wanted_files(["slack"]) == []


def on_disk(directory: Path) -> list[str]:
    return [path.name for path in directory.rglob("*/*") if path.is_file()]


async def test_file_is_fetched_once(provider: StorageProvider, adapter: Recorder, directory: Path) -> None:
    adapter.files = {LOCATION: [CONTENT[:5], CONTENT[5:]]}
    message_id = await bring(provider)
    async with fetching(provider, adapter, directory):
        await until(lambda: is_settled(provider))
    (attachment,) = await files_of(provider, message_id)
    assert (attachment.is_kept, attachment.size_bytes, attachment.name) == (True, len(CONTENT), "0.txt")
    assert await attachments_of(provider, directory).read(attachment) == CONTENT
    assert adapter.downloads == [LOCATION]


async def test_file_that_comes_later_is_fetched_when_called(
    provider: StorageProvider, adapter: Recorder, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching_module, "RETRY_S", 600)
    adapter.files = {LOCATION: [CONTENT]}
    fetches = fetching(provider, adapter, directory)
    async with fetches:
        await until(lambda: not fetches._called.is_set())
        await bring(provider)
        fetches.wake()
        await until(lambda: is_settled(provider))


async def test_file_is_fetched_by_the_next_process(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    gate = asyncio.Event()
    adapter.files = {LOCATION: [CONTENT[:5], gate, CONTENT[5:]]}
    message_id = await bring(provider)
    async with fetching(provider, adapter, directory):
        await until(lambda: bool(adapter.downloads))
    gate.set()
    async with fetching(provider, adapter, directory):
        await until(lambda: is_settled(provider))
    assert [each.is_kept for each in await files_of(provider, message_id)] == [True]


@pytest.mark.parametrize(
    "content", [b"x" * 1001, AdapterError("What comes is not the file.")], ids=["too large", "refused"]
)
async def test_file_that_cannot_be_had_is_given_up(
    provider: StorageProvider,
    adapter: Recorder,
    directory: Path,
    content: bytes | Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = f"{LOCATION}?other"
    adapter.files = {LOCATION: [content], other: [CONTENT]}
    message_id = await bring(provider, LOCATION, other)
    async with fetching(provider, adapter, directory):
        await until(lambda: is_settled(provider))
    assert [each.is_kept for each in await files_of(provider, message_id)] == [False, True]
    assert (await files_of(provider, message_id))[0].location == LOCATION
    assert adapter.downloads == [LOCATION, other]
    assert [message_id in record.message for record in caplog.records] == [True]
    await until(lambda: len(on_disk(directory)) == 1)


async def test_platform_that_is_away_is_tried_again(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    error = AdapterUnavailableError("It is away.")
    adapter.files = {LOCATION: [error, CONTENT[:5], AdapterUnavailableError("It broke off."), CONTENT[5:]]}
    message_id = await bring(provider)
    async with fetching(provider, adapter, directory):
        await until(lambda: is_settled(provider))
    (attachment,) = await files_of(provider, message_id)
    assert await attachments_of(provider, directory).read(attachment) == CONTENT
    assert len(adapter.downloads) == 3


async def test_platform_that_stays_away_is_given_up_at_last(
    provider: StorageProvider, adapter: Recorder, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching_module, "GIVE_UP_TRIES", 3)
    adapter.files = {LOCATION: [AdapterUnavailableError("It is away.") for _ in range(10)]}
    message_id = await bring(provider)
    async with fetching(provider, adapter, directory):
        await until(lambda: is_settled(provider))
    assert len(adapter.downloads) == 3
    assert [each.location for each in await files_of(provider, message_id)] == [LOCATION]


async def test_file_of_a_message_that_is_deleted_meanwhile_is_not_kept(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    gate = asyncio.Event()
    adapter.files = {LOCATION: [CONTENT[:5], gate, CONTENT[5:]]}
    message_id = await bring(provider)
    fetches = fetching(provider, adapter, directory)
    async with fetches:
        await until(lambda: bool(adapter.downloads))
        await provider.record_deletion(KEY.message("1.1"), at(5))
        gate.set()
        await until(lambda: not fetches._under_way)
    assert await files_of(provider, message_id) == []
    assert on_disk(directory) == []


async def test_file_that_no_message_has_any_more_is_removed(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    adapter.files = {LOCATION: [CONTENT]}
    await bring(provider)
    fetches = fetching(provider, adapter, directory)
    async with fetches:
        await until(lambda: is_settled(provider))
        await until(lambda: len(on_disk(directory)) == 1)
        await provider.record_deletion(KEY.message("1.1"), at(5))
        fetches.wake()
        await until(lambda: on_disk(directory) == [])

        async def is_forgotten() -> bool:
            return await provider.list_dropped_files() == []

        await until(is_forgotten)


async def test_handler_reads_a_file_that_is_not_fetched_yet(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    contents = []

    async def reads(turn: Turn) -> None:
        contents.append(await turn.message.attachments[0].read())

    adapter.files = {LOCATION: [CONTENT]}
    message_id = await bring(provider)
    fetches = fetching(provider, adapter, directory)  # it is not entered: nothing else fetches
    async with answering(provider, adapter, reads, fetch=fetches.read) as bot:
        await bot.drained()
    assert contents == [CONTENT]
    assert [each.is_kept for each in await files_of(provider, message_id)] == [True]
    assert await is_settled(provider)


async def test_handler_reads_a_file_that_is_kept_without_the_platform(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    contents = []

    async def reads(turn: Turn) -> None:
        contents.append(await turn.message.attachments[0].read())

    adapter.files = {LOCATION: [CONTENT]}
    await bring(provider)
    fetches = fetching(provider, adapter, directory)
    async with fetches:
        await until(lambda: is_settled(provider))
        adapter.files = {}
        async with answering(provider, adapter, reads, fetch=fetches.read) as bot:
            await bot.drained()
    assert contents == [CONTENT]
    assert len(adapter.downloads) == 1


async def test_handler_is_told_of_a_file_that_nobody_has(
    provider: StorageProvider, adapter: Recorder, directory: Path
) -> None:
    async def reads(turn: Turn) -> str:
        with pytest.raises(FileGoneError):
            await turn.message.attachments[0].read()
        return "it is gone"

    adapter.files = {LOCATION: [AdapterError("No such file.")]}
    await bring(provider)
    fetches = fetching(provider, adapter, directory)
    async with answering(provider, adapter, reads, fetch=fetches.read) as bot:
        await bot.drained()
    assert adapter.texts == ["it is gone"]
    assert (await only_answer(provider)).state == "sent"


async def test_storage_that_is_away_ends_no_fetching(flaky: Flaky, adapter: Recorder, directory: Path) -> None:
    flaky.faults["list_wanted_files"] = [*away(2), ConnectionError("canary")]
    adapter.files = {LOCATION: [CONTENT]}
    await bring(flaky)
    async with fetching(flaky, adapter, directory):
        await until(lambda: not flaky.faults["list_wanted_files"] and len(on_disk(directory)) == 1)
        await until(lambda: is_settled(flaky))


async def test_nothing_that_is_told_shows_a_location(
    provider: StorageProvider, adapter: Recorder, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "https://files.example.com/canary?token=4711"
    adapter.files = {canary: [b"x" * 1001]}
    await bring(provider, canary)
    with caplog.at_level(logging.DEBUG, "backscroll"):
        async with fetching(provider, adapter, directory):
            await until(lambda: is_settled(provider))
    assert caplog.records
    assert "canary" not in caplog.text
