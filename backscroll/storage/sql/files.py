"""Files in SQL; the contract stands in `provider/files.py`."""

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, exists, select

from backscroll.storage.records import DroppedFile
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.stats import SqlStats
from backscroll.storage.sql.tables import dropped_files, message_files
from backscroll.storage.sql.types import any_of

_NEEDED = select(exists().where(message_files.c.sha256 == bindparam("sha256")))
_FORGET = delete(dropped_files).where(any_of(dropped_files.c.id, "ids"))


class SqlFiles(SqlStats):
    """The calls for files."""

    async def is_file_needed(self, sha256: str) -> bool:
        return bool((await self.database.rows(_NEEDED, {"sha256": sha256}))[0][0])

    async def list_dropped_files(self, *, limit: int = 100) -> list[DroppedFile]:
        rows = await self.database.rows(select(dropped_files.c.id, dropped_files.c.sha256).limit(limit))
        return [DroppedFile(row.id, row.sha256) for row in rows]

    async def forget_dropped_files(self, ids: Iterable[str]) -> None:
        wanted = {"ids": list(ids)}

        async def work(connection: Connection) -> None:
            await connection.execute(_FORGET, wanted)

        await self.database.write(work)
