"""What is left of forgotten texts in a SQLite file: the search indexes' old entries, free pages, the log of writes.

On PostgreSQL that is the server's: `docs/forgetting.md` says what its operator does. Proved by
`tests/scenario/test_forget.py`.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from functools import partial

from sqlalchemy import text

from backscroll.storage.sql.engine import Connection, Database
from backscroll.storage.sql.failures import translate
from backscroll.storage.sql.sqlite import BUSY_TIMEOUT_S
from backscroll.storage.sql.url import is_memory

_INDEXES = ("threads_words", "threads_trigrams", "messages_words", "messages_trigrams")
_PAGE_COUNT = 64
"""Pages of an index that one transaction merges."""

_PAUSE_S = 0.1
"""Another process looks at most so often whether it may write."""

_CHANGES = text("SELECT total_changes()")
# SQLITE_BUSY and SQLITE_LOCKED.
_IN_USE = (5, 6)


async def erase_file_traces(database: Database) -> bool:
    """Write a SQLite file anew without what is not needed; False for another database, and one that others use now.

    Nobody else writes meanwhile.

    Raises: StorageError: there is no room for it.
    """
    if not database.is_sqlite or is_memory(database.url):
        return False
    try:
        return await asyncio.to_thread(_rewrite, str(database.url.database))
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorcode & 0xFF) in _IN_USE:
            return False
        raise translate(error, database.url) from None


async def merge_indexes(database: Database) -> None:
    """Merge a SQLite file's search indexes, a few pages in each transaction.

    What was taken out of an index stands in it until its parts are merged.
    """
    for index in _INDEXES if database.is_sqlite else ():
        # Below zero: whatever parts there are become one, behind which those that are written meanwhile line up.
        count = -_PAGE_COUNT
        while True:
            began = time.monotonic()
            if not await database.write(partial(_merge, index=index, count=count)):
                break
            count = _PAGE_COUNT
            await asyncio.sleep(max(_PAUSE_S, time.monotonic() - began))


async def _merge(connection: Connection, *, index: str, count: int) -> bool:
    """Merge a few pages of an index, and tell whether there was something to merge."""
    before = (await connection.execute(_CHANGES)).scalar_one()
    await connection.execute(text(f"INSERT INTO {index}({index}, rank) VALUES ('merge', {count})"))  # noqa: S608  # constants
    # The statement itself counts as one. Source: sqlite.org/fts5.html, "The 'merge' Command"
    return bool((await connection.execute(_CHANGES)).scalar_one() - before >= 2)


def _rewrite(path: str) -> bool:
    # A connection of its own: VACUUM stands in no transaction, and those of the database begin one by themselves.
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        for index in _INDEXES:  # what was taken out of an index stands in it until its parts are merged
            connection.execute(f"INSERT INTO {index}({index}) VALUES ('optimize')")  # noqa: S608  # constants
        connection.execute("VACUUM")  # some builds of SQLite overwrite what is deleted; others leave it in free pages
        is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy
