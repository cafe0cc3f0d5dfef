"""Aliases in SQL; the contract stands in `provider/aliases.py`."""

from sqlalchemy import bindparam, delete, select, update

from backscroll.storage.models import Thread
from backscroll.storage.provider.aliases import alias_in_use
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import THREAD_COLUMNS, build_thread, read_range
from backscroll.storage.sql.tables import aliases, threads
from backscroll.storage.sql.threads import SqlThreads
from backscroll.storage.sql.types import now

_BY_ALIAS = select(*THREAD_COLUMNS).join(aliases).where(aliases.c.alias == bindparam("alias"))
_HOLDER = select(aliases.c.thread_id).where(aliases.c.alias == bindparam("alias"))
_THREAD = select(threads.c.id).where(threads.c.id == bindparam("thread_id")).with_for_update(read=True, key_share=True)


class SqlAliases(SqlThreads):
    """The calls for aliases."""

    async def save_thread_alias(self, thread_id: str, alias: str) -> None:
        async def work(connection: Connection) -> None:
            if await _claim(connection, alias, thread_id) != thread_id:
                raise alias_in_use(alias)

        await self.database.write(work)

    async def move_alias(self, alias: str, thread_id: str) -> None:
        async def work(connection: Connection) -> None:
            await _claim(connection, alias, thread_id)
            await connection.execute(update(aliases).where(aliases.c.alias == alias).values(thread_id=thread_id))

        await self.database.write(work)

    async def get_by_alias(self, alias: str, *, limit: int | None = None) -> Thread | None:
        async def work(connection: Connection) -> Thread | None:
            row = (await connection.execute(_BY_ALIAS, {"alias": alias})).one_or_none()
            if row is None:
                return None
            before = row.last_sequence + 1
            first = 1 if limit is None else max(1, before - limit)
            return build_thread(row, await read_range(connection, row.id, first, before))

        return await self.database.read(work)

    async def get_thread_aliases(self, thread_id: str) -> list[str]:
        query = select(aliases.c.alias).where(aliases.c.thread_id == thread_id).order_by(aliases.c.alias)
        return [row.alias for row in await self.database.rows(query)]

    async def delete_thread_alias(self, alias: str) -> bool:
        async def work(connection: Connection) -> bool:
            deleted = await connection.execute(delete(aliases).where(aliases.c.alias == alias))
            return deleted.rowcount > 0

        return await self.database.change(work)


async def _claim(connection: Connection, alias: str, thread_id: str) -> str:
    """Give the thread the alias if it is free, and return the id of the thread that has it."""
    if (await connection.execute(_THREAD, {"thread_id": thread_id})).one_or_none() is None:
        raise thread_gone(thread_id)
    claim = insert_ignoring(connection, aliases).values(created_at=now())
    while True:  # who had it when we claimed it may lose it before we look
        await connection.execute(claim, {"alias": alias, "thread_id": thread_id})
        holder = (await connection.execute(_HOLDER, {"alias": alias})).scalar_one_or_none()
        if holder is not None:
            return str(holder)
