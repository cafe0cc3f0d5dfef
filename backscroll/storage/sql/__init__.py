"""The provider on SQLite and PostgreSQL. Its files mirror `provider/` name by name; each says only what differs.

url, settings, types, tables → engine → sqlite, postgresql
engine → rows → thumbs, lineage, early, parts, item, clearing, traces → marking → echoes, asking → batch → steps, commit
→ threads → aliases → answers → sending → messages → reactions → rejected → search → stats → files → places
→ blocks → conversations → agents → feedback → states → forks → approvals → checkpoints → archives → forgetting

archive_reading, archive_writing, archive_known → archive_changes → archive_merging → archives; early_loose → loose →
archives
"""

from backscroll.errors import StorageRefusedError
from backscroll.storage.files.naming import directory_name
from backscroll.storage.sql.commit import GroupCommit
from backscroll.storage.sql.engine import Database
from backscroll.storage.sql.forgetting import SqlForgetting
from backscroll.storage.sql.postgresql import PostgresDatabase
from backscroll.storage.sql.settings import PoolSettings
from backscroll.storage.sql.sqlite import SqliteDatabase, Synchronous
from backscroll.storage.sql.url import addresses, is_memory, is_sqlite, parse_url


class Provider(SqlForgetting):
    """Storage in a SQLite file, in SQLite's memory, or in PostgreSQL.

    Args: url: `postgresql://…`, `sqlite:///…`, a bare file name, or `:memory:`; connects at first use.
        pool_size, max_overflow: connections kept, and more of them for a while. pool_timeout, pool_recycle: seconds.
        echo: log the statements, never their parameters. Each of these is taken from `BACKSCROLL_DB_…` when None.
        pgbouncer: PostgreSQL is reached through PgBouncer in transaction mode.
        synchronous: SQLite's; `normal` commits faster, and a power cut may lose the last of them.
    Raises: StorageRefusedError: the URL cannot be read, or names another database; a setting cannot have such a value.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int | None = None,
        max_overflow: int | None = None,
        pool_timeout: float | None = None,
        pool_recycle: float | None = None,
        echo: bool | None = None,
        pgbouncer: bool = False,
        synchronous: Synchronous = "full",
    ) -> None:
        if synchronous not in ("full", "normal"):
            raise StorageRefusedError("synchronous is neither full nor normal.", "Correct it, or leave it out.")
        if not isinstance(pgbouncer, bool):
            raise StorageRefusedError("pgbouncer is neither true nor false.", "Correct it, or leave it out.")
        pool = PoolSettings.choose(pool_size, max_overflow, pool_timeout, pool_recycle, echo)
        parsed = parse_url(url)
        self.supports_export = not is_memory(parsed)
        self.supports_concurrent_writers = not is_memory(parsed)
        self.database: Database
        if is_sqlite(parsed):
            self.database = SqliteDatabase(parsed, pool, synchronous=synchronous)
        else:
            self.database = PostgresDatabase(parsed, pool, pgbouncer=pgbouncer)
        self.writes = GroupCommit(self.database)

    @property
    def files_directory(self) -> str | None:
        url = self.database.url
        if not self.database.is_sqlite:
            return directory_name([url.database], *addresses(url))
        return None if is_memory(url) else f"{url.database}.files"
