"""What a database complains of, in our words and without its text."""

import asyncio
import sqlite3
import ssl
import traceback
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError
from backscroll.storage.models import Thread
from backscroll.storage.sql import Provider
from backscroll.storage.sql.failures import translate
from backscroll.storage.sql.tables import threads
from backscroll.storage.sql.url import parse_url
from tests.unit.storage.sql.gate import Gate

SECRET = "the-secret-words"
POSTGRESQL = parse_url("postgresql://bot:hunter2@db/bot")
SQLITE = parse_url("threads.db")
FAIL = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('tries');
    RAISE EXCEPTION '%', NEW.value USING ERRCODE = '{code}', DETAIL = NEW.value, HINT = NEW.value;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON kv_store FOR EACH ROW EXECUTE FUNCTION fail();
"""


def everything_shown(error: BaseException) -> str:
    """Write all that a log could show of an error."""
    return repr(error) + str(error.__dict__) + "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("code", "kind", "fact"),
    [
        ("42501", StorageRefusedError, "does not let this user do that"),
        ("25006", StorageRefusedError, "is read-only"),
        ("3F000", StorageRefusedError, "has no such schema"),
        ("XX001", StorageRefusedError, "is damaged"),
        ("54000", StorageRefusedError, "cannot index ids of so many bytes"),
        ("53100", StorageUnavailableError, "has no space left on its disk"),
        ("53200", StorageUnavailableError, "lacks memory or another resource"),
        ("53300", StorageUnavailableError, "has no connection left"),
        ("57014", StorageUnavailableError, "cancelled a statement that took too long"),
        ("57P03", StorageUnavailableError, "is starting up or shutting down"),
        ("58030", StorageUnavailableError, "cannot read or write its files"),
        ("40001", StorageUnavailableError, "could not order this among other writers"),
        ("40P01", StorageUnavailableError, "could not order this among other writers"),
        ("55P03", StorageUnavailableError, "has a row locked for too long"),
        ("23505", StorageError, "reported UniqueViolationError 23505"),
        ("P0001", StorageError, "reported RaiseError P0001"),
        ("ZZ999", StorageError, "reported UnknownPostgresError ZZ999"),
    ],
)
async def test_postgresqls_error_is_told_without_its_text(
    postgres: Provider,
    operator: "asyncpg.Connection[asyncpg.Record]",
    code: str,
    kind: type[StorageError],
    fact: str,
) -> None:
    await operator.execute(FAIL.format(code=code))
    with pytest.raises(StorageError) as caught:
        await postgres.set("ns", "key", {"text": SECRET})
    assert type(caught.value) is kind
    assert fact in caught.value.message
    assert caught.value.hint
    shown = everything_shown(caught.value)
    assert SECRET not in shown
    assert "INSERT" not in shown


@pytest.mark.parametrize(("code", "tries"), [("40001", 4), ("40P01", 4), ("55P03", 4), ("53100", 1), ("23505", 1)])
async def test_only_what_may_succeed_at_once_is_repeated(
    postgres: Provider, operator: "asyncpg.Connection[asyncpg.Record]", code: str, tries: int
) -> None:
    await operator.execute(FAIL.format(code=code))
    with pytest.raises(StorageError):
        await postgres.set("ns", "key", {"text": SECRET})
    assert await operator.fetchval("SELECT last_value FROM tries") == tries


async def test_broken_constraint_is_told_without_the_row(provider: Provider) -> None:
    row = {
        "id": SECRET,
        "title": SECRET,
        "attributes": {},
        "platforms": {},
        "last_sequence": 0,
        "search_text": SECRET,
        "search_words": SECRET,
    }
    row |= {"created_at": Thread().created_at, "updated_at": Thread().created_at}
    with pytest.raises(StorageError, match=r"reported (UniqueViolation|Integrity)Error") as caught:
        await provider.database.write(lambda connection: connection.execute(threads.insert(), [row, row]))
    assert SECRET not in everything_shown(caught.value)


async def test_value_that_the_driver_refuses_is_told_without_it(postgres: Provider) -> None:
    query = text("SELECT CAST(:content AS text)")
    with pytest.raises(StorageError) as caught:
        await postgres.database.write(lambda connection: connection.execute(query, {"content": f"{SECRET}\0"}))
    assert SECRET not in everything_shown(caught.value)


async def test_full_pool_is_told_with_the_setting_to_raise(postgres_url: str) -> None:
    provider = Provider(postgres_url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    gate = Gate()
    holding = asyncio.create_task(provider.database.read(gate.pass_through))
    await gate.reached()
    with pytest.raises(StorageUnavailableError, match="has no free connection") as caught:
        await provider.get("ns", "key")
    assert "pool_size" in caught.value.hint
    gate.open()
    await holding
    await provider.close()


@pytest.mark.parametrize(
    ("code", "kind", "fact"),
    [
        ("SQLITE_CANTOPEN_ISDIR", StorageRefusedError, "cannot be opened"),
        ("SQLITE_READONLY_DBMOVED", StorageRefusedError, "is read-only"),
        ("SQLITE_PERM", StorageRefusedError, "may not be written"),
        ("SQLITE_NOTADB", StorageRefusedError, "is not an SQLite database"),
        ("SQLITE_CORRUPT_INDEX", StorageRefusedError, "is damaged"),
        ("SQLITE_FULL", StorageUnavailableError, "has no space left on its disk"),
        ("SQLITE_IOERR_FSYNC", StorageUnavailableError, "cannot be read or written"),
        ("SQLITE_BUSY_SNAPSHOT", StorageUnavailableError, "is locked by another writer"),
        ("SQLITE_LOCKED", StorageUnavailableError, "is locked"),
        ("SQLITE_MISUSE", StorageError, "reported OperationalError SQLITE_MISUSE"),
    ],
)
def test_sqlites_error_is_told_by_its_code(code: str, kind: type[StorageError], fact: str) -> None:
    error = sqlite3.OperationalError(SECRET)
    error.sqlite_errorname = code
    failure = translate(error, SQLITE)
    assert type(failure) is kind
    assert failure.message.startswith(f"sqlite+aiosqlite:///threads.db {fact}")
    assert SECRET not in everything_shown(failure)


@pytest.mark.parametrize(
    ("error", "kind", "fact"),
    [
        (TimeoutError(SECRET), StorageUnavailableError, "did not answer in time."),
        (ConnectionRefusedError(SECRET), StorageUnavailableError, "does not answer (ConnectionRefusedError)."),
        (ConnectionResetError(SECRET), StorageUnavailableError, "does not answer (ConnectionResetError)."),
        (OSError(SECRET), StorageUnavailableError, "does not answer (OSError)."),
        (ssl.SSLCertVerificationError(SECRET), StorageRefusedError, "cannot be reached by TLS."),
        (PoolTimeoutError(SECRET), StorageUnavailableError, "has no free connection."),
        (RuntimeError(SECRET), StorageError, "reported RuntimeError."),
    ],
    ids=repr,
)
def test_lost_server_is_told_by_what_happened(error: Exception, kind: type[StorageError], fact: str) -> None:
    failure = translate(error, POSTGRESQL)
    assert type(failure) is kind
    assert failure.message == f"postgresql+asyncpg://bot:***@db/bot {fact}"
    assert SECRET not in everything_shown(failure)


def test_connecting_that_timed_out_is_told_as_such() -> None:
    error = TimeoutError()
    error.__cause__ = ConnectionResetError()  # asyncio's timeouts have a cause of their own
    assert translate(error, POSTGRESQL).message.endswith("did not answer in time.")


def spoil(file: Path) -> None:
    """Leave nothing of a database but its head."""
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


async def test_damaged_file_is_refused(sqlite: Provider, sqlite_url: str) -> None:
    for number in range(50):
        await sqlite.set("ns", str(number), {"text": "x" * 1000})
    await sqlite.close()
    spoil(Path(sqlite_url))
    damaged = Provider(sqlite_url)
    with pytest.raises(StorageRefusedError, match="is damaged"):
        await damaged.get("ns", "1")
    await damaged.close()
