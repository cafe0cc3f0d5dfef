"""The schema's version: looked at, brought up to date, refused when it is newer than this release.

Several processes may start on one empty database at once: the first migrates under a lock, the others wait and find it
done. Proved by `tests/scenario/test_migrations.py` and `tests/unit/storage/sql/test_migrating.py`.
"""

import asyncio
import os
import threading
from pathlib import Path

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import inspect, text

from backscroll.errors import SchemaTooNewError, StorageRefusedError
from backscroll.storage.sql.engine import Connection, Database
from backscroll.storage.sql.tables import metadata
from backscroll.storage.sql.url import is_memory, shown

SCHEMA_VERSION = 4
"""The newest migration that this release has; its file is named after it."""

# Any number that no other program's advisory lock in the same database is likely to be.
_LOCK = 0x6261636B7363726F
# Alembic keeps what it works on in global names, so one database of this process after the other is migrated.
_ALEMBIC = threading.Lock()


async def migrate(database: Database) -> None:
    """Bring the schema up to date; little more than a select when it is.

    Raises: SchemaTooNewError: the database was written by a newer release. StorageRefusedError: it is another's.
    """
    _is_there(database)
    version = await database.read(_read_version)
    _must_be_known(version)
    if version != SCHEMA_VERSION:
        await database.write(_upgrade_alone)


async def check_schema(database: Database) -> None:
    """Connect and look at the schema's version, changing nothing; a SQLite file that is not there yet may be made.

    Raises: SchemaTooNewError: as `migrate`. StorageRefusedError: as `migrate`; the file could not be made or written.
    """
    _must_be_known(await find_version(database))


async def find_version(database: Database) -> int:
    """Return the schema's version, 0 where there is none yet; changes as little as `check_schema`.

    Raises: StorageRefusedError: as `check_schema`.
    """
    return await database.read(_read_version) if _is_there(database) else 0


def read_version(connection: SyncConnection) -> int:
    """Return the schema's version, 0 for an empty database.

    Raises: StorageRefusedError: the database is another program's.
    """
    tables = set(inspect(connection).get_table_names())
    versions = []
    if "alembic_version" in tables:
        versions = list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    if not versions and not tables & metadata.tables.keys():
        return 0
    if len(versions) != 1 or not str(versions[0]).isdecimal():
        raise StorageRefusedError(
            "The database holds tables of another program.", "Give Backscroll a database, or a schema, of its own."
        )
    return int(versions[0])


async def _read_version(connection: Connection) -> int:
    return await connection.run_sync(read_version)


async def _upgrade_alone(connection: Connection) -> None:
    in_loop = connection.dialect.name == "postgresql"
    if in_loop:  # on SQLite the transaction itself keeps other writers out
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = await connection.run_sync(read_version)
    _must_be_known(version)
    if version != SCHEMA_VERSION:
        while not _ALEMBIC.acquire(blocking=not in_loop):  # noqa: ASYNC110  # its holder may need this loop
            await asyncio.sleep(0.01)
        try:
            await connection.run_sync(_upgrade)
        finally:
            _ALEMBIC.release()


def _upgrade(connection: SyncConnection) -> None:
    from alembic import command  # noqa: PLC0415  # a quarter of a second that only a migration needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "backscroll.storage.sql:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _must_be_known(version: int) -> None:
    if version > SCHEMA_VERSION:
        raise SchemaTooNewError(
            f"The database's schema is version {version}; this release knows up to {SCHEMA_VERSION}.",
            "Upgrade Backscroll; going back is not supported.",
        )


def _is_there(database: Database) -> bool:
    """Tell whether the database is there already.

    Raises: StorageRefusedError: it is a file that cannot be read or written, or cannot be made.
    """
    if not database.is_sqlite or is_memory(database.url):
        return True
    path = Path(str(database.url.database))
    is_there = os.access(path.parent, os.X_OK) and path.exists()
    if is_there and not os.access(path, os.R_OK):
        raise StorageRefusedError(
            f"{shown(database.url)} cannot be read.", "Let this user read and write the file and its directory."
        )
    # SQLite would find out at the first write, and not before; without its log beside it a file in WAL is not read.
    if not os.access(path.parent, os.W_OK | os.X_OK) or (is_there and not os.access(path, os.W_OK)):
        if is_there:
            hint = (
                "Reading needs that too, because of SQLite's write-ahead log. Let this user write the file and its"
                " directory, or read a backup of it in a directory of this user's."
            )
        else:
            hint = "Check that its directory exists, and that this user may write the file and its directory."
        raise StorageRefusedError(f"{shown(database.url)} cannot be written.", hint)
    return is_there
