"""Files in SQL; the contract stands in `provider/files.py`."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete, exists, null, or_, select, update

from backscroll.storage.models import Attachment
from backscroll.storage.records import DroppedFile, WantedFile
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import FILE_FIELDS
from backscroll.storage.sql.stats import SqlStats
from backscroll.storage.sql.tables import dropped_files, message_files
from backscroll.storage.sql.types import any_of

_NEEDED = select(
    or_(
        exists().where(message_files.c.sha256 == bindparam("sha256")),
        exists().where(message_blocks.c.sha256 == bindparam("sha256")),
    )
)
_WANTED = (
    select(message_files)
    .where(message_files.c.wanted_from.is_not(None))
    .order_by(message_files.c.message_id, message_files.c.position)
)
_SETTLE = update(message_files).where(
    message_files.c.message_id == bindparam("its_message"), message_files.c.position == bindparam("its_position")
)
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

    async def list_wanted_files(self, platforms: list[str], *, limit: int = 100) -> list[WantedFile]:
        wanted: list[WantedFile] = []
        for row in await self.database.rows(_WANTED):
            place = row.wanted_from["platform"], row.wanted_from["workspace"]
            if place[0] in platforms and len(wanted) < limit:
                attachment = Attachment.model_construct(**{name: getattr(row, name) for name in FILE_FIELDS})
                wanted.append(WantedFile(row.message_id, row.position, *place, attachment))
        return wanted

    async def settle_file(self, message_id: str, position: int, attachment: Attachment | None) -> bool:
        values: dict[str, Any] = {} if attachment is None else attachment.model_dump()
        settle = _SETTLE.values(wanted_from=null(), **values)

        async def work(connection: Connection) -> bool:
            its = {"its_message": message_id, "its_position": position}
            return (await connection.execute(settle, its)).rowcount > 0

        return await self.database.change(work)
