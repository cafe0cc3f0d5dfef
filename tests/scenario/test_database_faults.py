"""What is wrong with a database is told by the right error, as a fact and a next step, and never with a secret."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError
from backscroll.storage.models import Message, Thread
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from tests.servers.postgres import Postgres

SECRET = "the-secret-words"
PASSWORD = "hunter2-canary"

# Gives up root's right to pass over permissions, and becomes the program that follows.
WITHOUT_RIGHTS = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):
        sys.exit(f"PR_CAPBSET_DROP: {os.strerror(ctypes.get_errno())}")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
PRELUDE = f"""
import asyncio, json, resource, sys, traceback
from backscroll.errors import StorageError
from backscroll.storage.models import Message, Thread
from backscroll.storage.store import ThreadStore

SECRET = {SECRET!r}

def told(error):
    shown = repr(error) + "".join(traceback.format_exception(error))
    return [type(error).__name__, error.message, error.hint, shown]
"""
OPEN_AND_WRITE = """
async def main():
    try:
        async with await ThreadStore.create(sys.argv[1]) as store:
            await store.save(Thread(id="new", title=SECRET, messages=[Message(role="user", content=SECRET)]))
    except StorageError as error:
        print(json.dumps(told(error)))
asyncio.run(main())
"""
CHECK = """
async def main():
    store = ThreadStore(sys.argv[1])
    try:
        await store.provider.check()
    except StorageError as error:
        print(json.dumps(told(error)))
    await store.close()
asyncio.run(main())
"""
FILL = """
async def main():
    async with await ThreadStore.create(sys.argv[1]) as store:
        await store.save(Thread(id="t"))
        limit, free = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, free))
        kept, error = [], None
        while error is None:
            try:
                kept.append((await store.add_message("t", Message(role="user", content=SECRET * 2000))).id)
            except StorageError as caught:
                error = caught
        assert [message.id for message in await store.get_messages("t")] == kept
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, free))
        kept.append((await store.add_message("t", Message(role="user", content="after"))).id)
        stored = await store.get_messages("t")
        assert [message.id for message in stored] == kept
        assert [message.sequence for message in stored] == list(range(1, len(kept) + 1))
        print(json.dumps(told(error)))
asyncio.run(main())
"""


class Told:
    """An error as it was told."""

    def __init__(self, kind: str, message: str, hint: str, shown: str) -> None:
        self.kind, self.message, self.hint, self.shown = kind, message, hint, shown

    @classmethod
    def by(cls, error: StorageError) -> "Told":
        shown = repr(error) + "".join(traceback.format_exception(error))
        return cls(type(error).__name__, error.message, error.hint, shown)

    def check(self, kind: type[StorageError], fact: str) -> None:
        """See that it is of this kind, tells the fact and a next step, and shows no secret and no SQL."""
        assert (self.kind, fact in self.message) == (kind.__name__, True), self.message
        assert self.hint
        for forbidden in (SECRET, PASSWORD, "INSERT", "SELECT", "PRAGMA", "[SQL"):
            assert forbidden not in self.shown


async def run(program: str, url: str) -> Told:
    """Run a program that may do only what the permissions of files say, and return the error that it told."""
    command = (sys.executable, "-c", WITHOUT_RIGHTS, "-c", PRELUDE + program, url)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    assert output, "no error was told"
    return Told(*json.loads(output))


async def opened(url: str, **options: Any) -> Told:
    """Open a store, write to it, and return the error that this ends in."""
    with pytest.raises(StorageError) as caught:
        async with await ThreadStore.create(url, **options) as store:
            await store.save(Thread(id="new", title=SECRET, messages=[Message(role="user", content=SECRET)]))
    return Told.by(caught.value)


async def filled_file(path: Path) -> Path:
    """Make a file with a thread in it."""
    async with ThreadStore(str(path)) as store:
        await store.save(Thread(id="t"))
    return path


@pytest.fixture(autouse=True)
def nothing_is_logged_that_is_secret(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO)
    yield
    assert SECRET not in caplog.text
    assert PASSWORD not in caplog.text


class TestSqlite:
    @pytest.mark.parametrize("program", [OPEN_AND_WRITE, CHECK], ids=["open", "check"])
    async def test_read_only_directory_is_refused(self, tmp_path: Path, program: str) -> None:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o555)
        told = await run(program, str(folder / "threads.db"))
        told.check(StorageRefusedError, "cannot be written")
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("program", [OPEN_AND_WRITE, CHECK], ids=["open", "check"])
    async def test_file_in_a_read_only_directory_is_refused(self, tmp_path: Path, program: str) -> None:
        folder = tmp_path / "closed"
        folder.mkdir()
        path = await filled_file(folder / "threads.db")
        folder.chmod(0o555)
        told = await run(program, str(path))
        told.check(StorageRefusedError, "cannot be written")
        assert told.hint.startswith("Reading needs that too, because of SQLite's write-ahead log.")

    @pytest.mark.parametrize(("mode", "step"), [(0o444, "written"), (0o222, "read"), (0o000, "read")])
    @pytest.mark.parametrize("program", [OPEN_AND_WRITE, CHECK], ids=["open", "check"])
    async def test_file_without_rights_is_refused(self, tmp_path: Path, program: str, mode: int, step: str) -> None:
        path = await filled_file(tmp_path / "threads.db")
        path.chmod(mode)
        (await run(program, str(path))).check(StorageRefusedError, f"cannot be {step}")

    @pytest.mark.parametrize("program", [OPEN_AND_WRITE, CHECK], ids=["open", "check"])
    async def test_missing_directory_is_refused(self, tmp_path: Path, program: str) -> None:
        told = await run(program, str(tmp_path / "missing" / "threads.db"))
        told.check(StorageRefusedError, "cannot be written")
        assert "directory exists" in told.hint

    async def test_directory_in_place_of_a_file_is_refused(self, tmp_path: Path) -> None:
        (await opened(str(tmp_path))).check(StorageRefusedError, "cannot be opened")

    async def test_file_that_is_no_database_is_refused_and_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text(SECRET * 1000)
        (await opened(str(path))).check(StorageRefusedError, "is not an SQLite database")
        assert path.read_text() == SECRET * 1000

    async def test_file_that_became_read_only_refuses_writes(self, tmp_path: Path) -> None:
        path = await filled_file(tmp_path / "threads.db")
        async with ThreadStore(f"sqlite:///{path}") as store:
            assert isinstance(store.provider, Provider)
            await store.provider.database.write(lambda connection: connection.execute(text("PRAGMA query_only = ON")))
            with pytest.raises(StorageError) as caught:
                await store.add_message("t", Message(role="user", content=SECRET))
        Told.by(caught.value).check(StorageRefusedError, "is read-only")

    async def test_limit_of_a_files_size_is_told_and_passes(self, tmp_path: Path) -> None:
        told = await run(FILL, str(tmp_path / "threads.db"))
        told.check(StorageUnavailableError, "cannot be read or written")

    async def test_full_disk_is_told_and_passes(self, tmp_path: Path) -> None:
        async with await ThreadStore.create(str(tmp_path / "threads.db")) as store:
            await store.save(Thread(id="t"))
            await set_pages(store, 100)
            kept = []

            async def fill() -> None:
                while True:
                    kept.append(await store.add_message("t", Message(role="user", content=SECRET * 500)))

            with pytest.raises(StorageError) as caught:
                await fill()
            Told.by(caught.value).check(StorageUnavailableError, "has no space left on its disk")
            await set_pages(store, 1_000_000)
            kept.append(await store.add_message("t", Message(role="user", content="after")))
            stored = await store.get_messages("t")
            assert [message.id for message in stored] == [message.id for message in kept]
            assert [message.sequence for message in stored] == list(range(1, len(kept) + 1))

    async def test_lock_of_another_process_is_told_and_passes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backscroll.storage.sql.sqlite.BUSY_TIMEOUT_S", 0.1)
        path = await filled_file(tmp_path / "threads.db")
        async with ThreadStore(str(path)) as store:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StorageError) as caught:
                    await store.add_message("t", Message(role="user", content=SECRET))
                Told.by(caught.value).check(StorageUnavailableError, "is locked by another writer")
                assert await store.get_messages("t") == []
            assert (await store.add_message("t", Message(role="user"))).sequence == 1

    async def test_lock_on_an_empty_file_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("backscroll.storage.sql.sqlite.BUSY_TIMEOUT_S", 0.1)
        path = tmp_path / "threads.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            (await opened(str(path))).check(StorageUnavailableError, "is locked by another writer")
        async with ThreadStore(str(path)) as store:
            await store.save(Thread(id="t"))


async def set_pages(store: ThreadStore, count: int) -> None:
    """Limit the file's size; SQLite then says what it says of a full disk."""
    assert isinstance(store.provider, Provider)
    await store.provider.database.write(lambda c: c.execute(text(f"PRAGMA max_page_count = {count}")))


class Guest:
    """Somebody with few rights on a database of the test's own."""

    def __init__(self, owner: "asyncpg.Connection[asyncpg.Record]", name: str, url: str) -> None:
        self.owner, self.name, self.url = owner, name, url

    async def may(self, *rules: str) -> None:
        for rule in rules:
            await self.owner.execute(rule.format(name=self.name))


@pytest.fixture
async def guest(postgres_url: str) -> AsyncIterator[Guest]:
    """Give a user that may connect, and no more."""
    owner = await asyncpg.connect(postgres_url)
    name = f"guest_{secrets.token_hex(4)}"
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    place = postgres_url.rpartition("@")[2]
    yield Guest(owner, name, f"postgresql://{name}:{PASSWORD}@{place}")
    await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
    await owner.close()


class TestPostgresql:
    @pytest.mark.parametrize(
        ("user", "password", "place", "fact"),
        [
            ("bot", PASSWORD, "", "refused the user or password"),
            ("nobody", PASSWORD, "", "refused the user or password"),
            (None, None, "no_such_database", "has no such database"),
        ],
        ids=["password", "user", "database"],
    )
    async def test_wrong_part_of_the_url_is_refused(
        self, postgres_server: Postgres, user: str | None, password: str | None, place: str, fact: str
    ) -> None:
        url = postgres_server.url(place or "postgres")
        if user is not None:
            url = f"postgresql://{user}:{password}@{url.rpartition('@')[2]}"
        (await opened(url)).check(StorageRefusedError, fact)

    @pytest.mark.parametrize("place", ["127.0.0.1:1", "no-such-host.invalid"])
    async def test_server_that_is_not_there_is_unavailable(self, place: str) -> None:
        told = await opened(f"postgresql://bot:{PASSWORD}@{place}/bot")
        told.check(StorageUnavailableError, f"postgresql+asyncpg://bot:***@{place}/bot does not answer")

    async def test_server_that_is_not_postgresql_is_unavailable(self) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            told = await opened(f"postgresql://bot:{PASSWORD}@127.0.0.1:{port}/bot?sslmode=disable")
        told.check(StorageUnavailableError, "lost the connection")

    async def test_encryption_that_the_server_does_not_speak_is_told(self, postgres_url: str) -> None:
        (await opened(f"{postgres_url}?sslmode=require")).check(StorageUnavailableError, "does not answer")

    async def test_user_without_rights_is_refused(self, guest: Guest) -> None:
        (await opened(guest.url)).check(StorageRefusedError, "does not let this user do that")

    async def test_standby_is_refused(self, guest: Guest) -> None:
        await guest.may(
            "GRANT ALL ON SCHEMA public TO {name}", "ALTER ROLE {name} SET default_transaction_read_only = on"
        )
        (await opened(guest.url)).check(StorageRefusedError, "is read-only")

    async def test_user_without_a_schema_is_refused(self, guest: Guest) -> None:
        await guest.may("ALTER ROLE {name} SET search_path = no_such_schema")
        (await opened(guest.url)).check(StorageRefusedError, "has no such schema")

    async def test_used_up_connections_are_told_and_pass(self, guest: Guest) -> None:
        await guest.may("GRANT ALL ON SCHEMA public TO {name}", "ALTER ROLE {name} CONNECTION LIMIT 1")
        other = await asyncpg.connect(guest.url)
        store = ThreadStore(guest.url)
        with pytest.raises(StorageError) as caught:
            await store.get("t")
        Told.by(caught.value).check(StorageUnavailableError, "has no connection left")
        await other.close()
        while True:  # the server counts it out a little later
            with contextlib.suppress(StorageUnavailableError):
                assert await store.get("t") is None
                break
        await store.close()

    async def test_statement_that_takes_too_long_is_told(self, guest: Guest) -> None:
        await guest.may("GRANT ALL ON SCHEMA public TO {name}")
        async with await ThreadStore.create(guest.url) as store:
            await store.save(Thread(id="t"))
        await guest.may("ALTER ROLE {name} SET statement_timeout = '1s'")
        async with guest.owner.transaction(), ThreadStore(guest.url) as store:
            await guest.owner.execute("LOCK TABLE messages")
            with pytest.raises(StorageError) as caught:
                await store.add_message("t", Message(role="user", content=SECRET))
        Told.by(caught.value).check(StorageUnavailableError, "cancelled a statement that took too long")

    async def test_dropped_tables_are_told(self, postgres_url: str) -> None:
        owner = await asyncpg.connect(postgres_url)
        async with await ThreadStore.create(postgres_url) as store:
            await owner.execute("DROP TABLE messages CASCADE")
            with pytest.raises(StorageError) as caught:
                await store.save(Thread(id="t", messages=[Message(role="user", content=SECRET)]))
        await owner.close()
        Told.by(caught.value).check(StorageRefusedError, "lacks a table of ours")


def test_programs_lose_the_rights_that_root_has(tmp_path: Path) -> None:
    # Else a read-only directory would be none, and the tests above could not fail.
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    program = "import os, sys; print(os.access(sys.argv[1], os.W_OK))"
    command = [sys.executable, "-c", WITHOUT_RIGHTS, "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert os.access(folder, os.W_OK) == (os.geteuid() == 0)
