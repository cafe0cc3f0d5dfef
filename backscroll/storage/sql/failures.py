"""What went wrong in a database, told by our errors.

The drivers' own errors may quote values of a row, so none of their text goes on, nor are they chained. Proved by
`tests/unit/storage/sql/test_failures.py` and `tests/scenario/test_database_faults.py`.
"""

import sqlite3
import ssl

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError
from backscroll.storage.sql.url import is_sqlite, shown

_UP = "Check that the server is up and storage.url is right."

# PostgreSQL's SQLSTATE, or the first two characters of it: the fact, the next step, and whether asking again may help.
# Their source is https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES = {
    "08": ("lost the connection", _UP, True),
    "26000": ("has forgotten a statement", "Set storage.pgbouncer when a pooler stands between.", True),
    "42P05": ("knows a statement already", "Set storage.pgbouncer when a pooler stands between.", True),
    "28": ("refused the user or password", "Correct the user and password in storage.url.", False),
    "3D": ("has no such database", "Create it, or correct its name in storage.url.", False),
    "3F": ("has no such schema", "Create it, or correct the user's search_path.", False),
    "42501": ("does not let this user do that", "Grant the user the rights on the schema.", False),
    "42P01": ("lacks a table of ours", "Restore it from a backup, or use an empty database.", False),
    "25006": ("is read-only", "Connect to the primary server.", False),
    "53100": ("has no space left on its disk", "Free some space; the rest goes on by itself.", True),
    "53300": ("has no connection left", "Lower storage.pool_size, or raise max_connections.", True),
    "53": ("lacks memory or another resource", "Look into the server's log.", True),
    "54": ("cannot index ids of so many bytes", "Use shorter ids; three together may have 2,600 bytes.", False),
    "58": ("cannot read or write its files", "Look into the server's log.", True),
    "XX001": ("is damaged", "Restore it from a backup.", False),
    "XX002": ("is damaged", "Rebuild its indexes: REINDEX DATABASE.", False),
    "57": ("is starting up or shutting down", _UP, True),
    "57014": ("cancelled a statement that took too long", "Look for a long lock or a slow disk.", True),
    "40": ("could not order this among other writers", "Try again.", True),
    "55P03": ("has a row locked for too long", "Try again.", True),
}
# The beginning of SQLite's message for a result code, in the same way.
# Source: sqlite.org/rescode.html; the messages are sqlite3_errstr's.
_SQLITE = {
    "SQLITE_CANTOPEN": ("cannot be opened", "Check that its directory exists and can be written to.", False),
    "SQLITE_READONLY": ("is read-only", "Give this user the right to write the file and its directory.", False),
    "SQLITE_PERM": ("may not be written", "Give this user the right to write the file and its directory.", False),
    "SQLITE_NOTADB": ("is not an SQLite database", "Correct storage.url.", False),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a backup.", False),
    "SQLITE_FULL": ("has no space left on its disk", "Free some space; the rest goes on by itself.", True),
    "SQLITE_IOERR": ("cannot be read or written", "Check the disk.", True),
    "SQLITE_BUSY": ("is locked by another writer", "Close what holds it, or use PostgreSQL for many writers.", True),
    "SQLITE_LOCKED": ("is locked", "Try again.", True),
}


def translate(error: BaseException, url: URL) -> StorageError:
    """Make our error of a driver's; its text is not taken along."""
    place = shown(url)
    if isinstance(error, PoolTimeoutError):
        return StorageUnavailableError(f"{place} has no free connection.", "Raise storage.pool_size or pool_timeout.")
    cause = _cause(error)
    code = _code(cause)
    table = _SQLITE if is_sqlite(url) else _SQLSTATES
    for name in (code, code[:2], "_".join(code.split("_")[:2])):
        if name in table:
            fact, hint, may_help = table[name]
            kind = StorageUnavailableError if may_help else StorageRefusedError
            return kind(f"{place} {fact}.", hint)
    if isinstance(cause, TimeoutError):
        return StorageUnavailableError(f"{place} did not answer in time.", _UP)
    if isinstance(cause, ssl.SSLError):
        return StorageRefusedError(
            f"{place} cannot be reached by TLS.", "Check its certificate, and sslmode in the URL."
        )
    if isinstance(cause, OSError) or is_disconnect(error):
        return StorageUnavailableError(f"{place} does not answer ({type(cause).__name__}).", _UP)
    return StorageError(f"{place} reported {type(cause).__name__} {code}".rstrip() + ".", "This is a defect of ours.")


def is_disconnect(error: BaseException) -> bool:
    """Tell whether the connection was lost under way."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_repeatable(error: BaseException) -> bool:
    """Tell whether the same transaction may succeed when it is run again at once."""
    code = _code(_cause(error))
    return is_disconnect(error) or code.startswith("40") or code in ("57P01", "55P03")


def _cause(error: BaseException) -> BaseException:
    if not isinstance(error, DBAPIError) or error.orig is None:
        return error
    # SQLAlchemy's form of the driver's error has that one as its cause.
    return error.orig.__cause__ or error.orig


def _code(cause: BaseException) -> str:
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "") or ""
    return getattr(cause, "sqlstate", "") or ""
