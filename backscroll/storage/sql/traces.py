"""What is left of forgotten texts in a SQLite file: the search indexes' old entries, free pages, the log of writes.

On PostgreSQL that is the server's: `docs/forgetting.md` says what its operator does. Proved by
`tests/scenario/test_forget.py`.
"""

import asyncio
import sqlite3
from contextlib import closing

from backscroll.storage.sql.engine import Database
from backscroll.storage.sql.failures import translate
from backscroll.storage.sql.sqlite import BUSY_TIMEOUT_S
from backscroll.storage.sql.url import is_memory

_INDEXES = ("threads_words", "threads_trigrams", "messages_words", "messages_trigrams")
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


def _rewrite(path: str) -> bool:
    # A connection of its own: VACUUM stands in no transaction, and those of the database begin one by themselves.
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        for index in _INDEXES:  # what was taken out of an index stands in it until its parts are merged
            connection.execute(f"INSERT INTO {index}({index}) VALUES ('optimize')")  # noqa: S608  # constants
        connection.execute("VACUUM")  # some builds of SQLite overwrite what is deleted; others leave it in free pages
        is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy
