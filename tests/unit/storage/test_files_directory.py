"""Where files lie: one directory for one database, wherever its server is, and never another's."""

import asyncio
from itertools import combinations
from pathlib import Path

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage import redis, sql
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore


def directories(*providers: StorageProvider) -> list[str | None]:
    return [provider.files_directory for provider in providers]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:secret@db.example.com/bot", "backscroll-files-bot@db.example.com"),
        ("postgresql://u:secret@DB.example.com:5432/bot", "backscroll-files-bot@db.example.com"),
        ("postgresql://u:secret@db.example.com:6543/bot", "backscroll-files-bot@db.example.com+6543"),
        ("postgresql:///bot?host=/run/pg&port=6543", "backscroll-files-bot@%2Frun%2Fpg+6543"),
        ("postgresql:///bot?host=one:5432&host=two:6543", "backscroll-files-bot@one,two%3A6543"),
        ("postgresql:///bot", "backscroll-files-bot"),
        ("sqlite:///bot.db", "bot.db.files"),
    ],
)
def test_directory_of_sql_names_its_server(url: str, name: str) -> None:
    assert directories(sql.Provider(url)) == [name]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://:secret@cache", "backscroll-files-redis+x@cache"),
        ("redis://:secret@cache:6380/1", "backscroll-files-redis+x+1@cache+6380"),
        ("unix:///run/redis.sock?db=2", "backscroll-files-redis+x+2@%2Frun%2Fredis.sock"),
    ],
)
def test_directory_of_redis_names_its_server(url: str, name: str) -> None:
    assert directories(redis.Provider(url, prefix="x")) == [name]


def test_directories_of_namesakes_lie_apart() -> None:
    names = directories(
        sql.Provider("postgresql://a/postgres"),
        sql.Provider("postgresql://b/postgres"),
        sql.Provider("postgresql://a:6543/postgres"),
        sql.Provider("postgresql://a/postgres+6543"),
        sql.Provider("postgresql://a/redis+x"),
        redis.Provider("redis://a/0", prefix="x-1"),
        redis.Provider("redis://a/1", prefix="x"),
        redis.Provider("redis://a/0", prefix="x+1"),
        redis.Provider("redis://b/1", prefix="x"),
    )
    assert all(one != other for one, other in combinations(names, 2))


def test_directory_of_a_long_name_is_a_name_of_a_file() -> None:
    one, other = directories(*(sql.Provider(f"postgresql://a/{'ä' * 60}{end}") for end in "xy"))
    assert len(str(one)) < 255
    assert one != other


def with_file(content: bytes = b"plan") -> Thread:
    return Thread(id="t", messages=[Message(role="user", attachments=[Attachment(name="a", content=content)])])


def store_of(name: str, directory: Path) -> ThreadStore:
    return ThreadStore(name, files=LocalFiles(directory))


@pytest.mark.parametrize("other", ["other.db", ":memory:"])
async def test_another_database_cannot_use_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.chdir(tmp_path)
    async with store_of("one.db", tmp_path / "files") as one:
        await one.save(with_file())
        refused = store_of(other, tmp_path / "files")
        try:
            with pytest.raises(StorageRefusedError, match="files belongs to another database"):
                await refused.save(with_file())
        finally:
            await refused.close()
        assert await one.read_file((await one.get_messages("t"))[0].attachments[0]) == b"plan"


async def test_restored_database_keeps_its_directory(tmp_path: Path) -> None:
    async with store_of(str(tmp_path / "one.db"), tmp_path / "files") as one:
        await one.save(with_file())
    (tmp_path / "restored.db").write_bytes((tmp_path / "one.db").read_bytes())
    async with store_of(str(tmp_path / "restored.db"), tmp_path / "files") as restored:
        assert await restored.read_file((await restored.get_messages("t"))[0].attachments[0]) == b"plan"
        await restored.delete("t")


async def test_database_made_anew_takes_its_default_directory_over(tmp_path: Path) -> None:
    for _ in range(2):
        async with ThreadStore(str(tmp_path / "one.db")) as store:
            await store.save(with_file())
            assert await store.read_file((await store.get_messages("t"))[0].attachments[0]) == b"plan"
        (tmp_path / "one.db").unlink()


async def test_directory_without_an_owner_is_adopted(tmp_path: Path) -> None:
    await LocalFiles(tmp_path / "files").put(b"from a release that marked none")
    async with store_of(str(tmp_path / "one.db"), tmp_path / "files"):
        pass
    with pytest.raises(StorageRefusedError, match="belongs to another database"):
        await ThreadStore.create(str(tmp_path / "other.db"), files=LocalFiles(tmp_path / "files"))


async def test_processes_that_start_at_once_share_a_directory(tmp_path: Path) -> None:
    async with ThreadStore(str(tmp_path / "one.db")) as made:
        everyone = [Attachments(made.provider, LocalFiles(tmp_path / "files")) for _ in range(8)]
        threads = [with_file(b"%d" % number) for number in range(8)]

        async def write(attachments: Attachments, thread: Thread) -> None:
            await attachments.write(thread.messages, lambda: asyncio.sleep(0))

        await asyncio.gather(*map(write, everyone, threads))
        for attachments in everyone:
            await attachments.recover()


async def test_of_databases_that_claim_a_directory_at_once_one_has_it(tmp_path: Path) -> None:
    stores = [store_of(str(tmp_path / f"{number}.db"), tmp_path / "files") for number in range(4)]
    ended = await asyncio.gather(*(store.save(with_file()) for store in stores), return_exceptions=True)
    for store in stores:
        await store.close()
    assert [type(each) for each in ended if isinstance(each, Exception)] == [StorageRefusedError] * 3


async def test_opening_makes_no_directory(tmp_path: Path) -> None:
    async with store_of(str(tmp_path / "one.db"), tmp_path / "files"):
        assert not (tmp_path / "files").exists()
