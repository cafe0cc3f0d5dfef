"""Checkpoints in SQL; the contract stands in `provider/checkpoints.py`."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from sqlalchemy import Select, Table, and_, bindparam, delete, func, literal, or_, select, tuple_

from backscroll.storage.provider.checkpoints import checkpoint_of, has_values, one_a_position, run_of
from backscroll.storage.sql.agent_tables import checkpoint_writes, checkpoints
from backscroll.storage.sql.approvals import SqlApprovals
from backscroll.storage.sql.dialect import insert_ignoring, insert_replacing
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import CHUNK_COUNT
from backscroll.storage.sql.types import any_of, now

Key = tuple[str, str, str]

_KEY = (checkpoints.c.thread_id, checkpoints.c.namespace, checkpoints.c.checkpoint_id)
_WRITES_KEY = (checkpoint_writes.c.thread_id, checkpoint_writes.c.namespace, checkpoint_writes.c.checkpoint_id)
_NEWEST_FIRST = (checkpoints.c.checkpoint_id.desc(), checkpoints.c.thread_id.desc(), checkpoints.c.namespace.desc())
_LAST = (
    select(checkpoints.c.thread_id, checkpoints.c.namespace, func.max(checkpoints.c.checkpoint_id).label("last"))
    .where(any_of(checkpoints.c.thread_id, "ids"))
    .group_by(checkpoints.c.thread_id, checkpoints.c.namespace)
    .subquery()
)
_NEWEST = select(_LAST, checkpoints.c.metadata).where(
    checkpoints.c.thread_id == _LAST.c.thread_id,
    checkpoints.c.namespace == _LAST.c.namespace,
    checkpoints.c.checkpoint_id == _LAST.c.last,
)


class SqlCheckpoints(SqlApprovals):
    """The calls for checkpoints."""

    async def save_checkpoint(
        self,
        thread_id: str,
        namespace: str,
        checkpoint_id: str,
        parent_id: str | None,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        values = {
            "thread_id": thread_id,
            "namespace": namespace,
            "checkpoint_id": checkpoint_id,
            "parent_id": parent_id,
            "checkpoint": checkpoint,
            "metadata": metadata,
            "run_id": run_of(metadata),
        }

        async def work(connection: Connection) -> None:
            upsert = insert_replacing(connection, checkpoints, keeping=("created_at",))
            await connection.execute(upsert.values(created_at=now()), values)

        await self.database.write(work)

    async def save_checkpoint_writes(
        self,
        thread_id: str,
        namespace: str,
        checkpoint_id: str,
        task_id: str,
        writes: list[dict[str, Any]],
        task_path: str = "",
    ) -> None:
        place = {"thread_id": thread_id, "namespace": namespace, "checkpoint_id": checkpoint_id, "task_id": task_id}
        # In one order, so that two who write the same wait for each other and do not stand in each other's way.
        rows = sorted(one_a_position(writes), key=lambda write: write["position"])
        rows = [{**place, **row, "task_path": task_path} for row in rows]
        special = [row for row in rows if row["position"] < 0]
        regular = rows[len(special) :]

        async def work(connection: Connection) -> None:
            if special:
                await connection.execute(insert_replacing(connection, checkpoint_writes), special)
            if regular:
                await connection.execute(insert_ignoring(connection, checkpoint_writes), regular)

        if rows:
            await self.database.write(work)

    async def get_checkpoint(
        self, thread_id: str, namespace: str = "", checkpoint_id: str | None = None
    ) -> dict[str, Any] | None:
        query = select(checkpoints).where(checkpoints.c.thread_id == thread_id, checkpoints.c.namespace == namespace)
        if checkpoint_id is None:
            query = query.order_by(checkpoints.c.checkpoint_id.desc()).limit(1)
        else:
            query = query.where(checkpoints.c.checkpoint_id == checkpoint_id)

        async def work(connection: Connection) -> dict[str, Any] | None:
            found = await _with_writes(connection, await _rows(connection, query))
            return found[0] if found else None

        return await self.database.read(work)

    async def list_checkpoints(
        self,
        thread_id: str | None = None,
        namespace: str | None = None,
        *,
        before: str | None = None,
        limit: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        def within(query: Select[Any]) -> Select[Any]:
            for column, value in ((checkpoints.c.thread_id, thread_id), (checkpoints.c.namespace, namespace)):
                query = query if value is None else query.where(column == value)
            query = query if before is None else query.where(checkpoints.c.checkpoint_id < before)
            return query.order_by(*_NEWEST_FIRST)

        async def work(connection: Connection) -> list[dict[str, Any]]:
            if not metadata:
                return await _with_writes(connection, await _rows(connection, within(select(checkpoints)).limit(limit)))
            query = within(select(*_KEY, checkpoints.c.metadata))
            run_id = run_of(metadata)
            query = query if run_id is None else query.where(checkpoints.c.run_id == run_id)
            keys = [_key(row) for row in await _rows(connection, query) if has_values(row["metadata"], metadata)][
                :limit
            ]
            found = {_key(row): row for row in await _read(connection, checkpoints, keys)}
            return await _with_writes(connection, [found[key] for key in keys if key in found])

        return await self.database.read(work)

    async def delete_checkpoints(self, thread_id: str) -> int:
        async def work(connection: Connection) -> int:
            await connection.execute(delete(checkpoint_writes).where(checkpoint_writes.c.thread_id == thread_id))
            return (await connection.execute(delete(checkpoints).where(checkpoints.c.thread_id == thread_id))).rowcount

        return await self.database.change(work)

    async def delete_checkpoints_of_runs(self, run_ids: Iterable[str]) -> int:
        ids = sorted(set(run_ids))
        count = 0
        for start in range(0, len(ids), CHUNK_COUNT):
            count += await self.database.change(partial(_delete_runs, ids=ids[start : start + CHUNK_COUNT]))
        return count

    async def copy_checkpoints(self, thread_id: str, new_thread_id: str) -> int:
        async def work(connection: Connection) -> int:
            count = 0
            for table in (checkpoint_writes, checkpoints):
                others = [column for column in table.columns if column.name != "thread_id"]
                copies = select(literal(new_thread_id), *others).where(table.c.thread_id == thread_id)
                names = ["thread_id", *(column.name for column in others)]
                count = (
                    await connection.execute(insert_ignoring(connection, table).from_select(names, copies))
                ).rowcount
            return count

        return await self.database.change(work)

    async def prune_checkpoints(self, thread_ids: Iterable[str], *, unless_metadata: str | None = None) -> None:
        ids = sorted(set(thread_ids))
        for start in range(0, len(ids), CHUNK_COUNT):
            chunk = ids[start : start + CHUNK_COUNT]
            await self.database.write(partial(_prune, ids=chunk, unless_metadata=unless_metadata))


async def _rows(connection: Connection, query: Select[Any], parameters: Any = None) -> list[dict[str, Any]]:
    return [row._asdict() for row in await connection.execute(query, parameters)]


async def _read(connection: Connection, table: Table, keys: list[Key]) -> list[dict[str, Any]]:
    """Read the rows of checkpoints, or of their writes, by the keys of the checkpoints."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(keys), CHUNK_COUNT):
        ids: dict[tuple[str, str], list[str]] = {}
        for thread_id, namespace, checkpoint_id in keys[start : start + CHUNK_COUNT]:
            ids.setdefault((thread_id, namespace), []).append(checkpoint_id)
        # SQLite would look through the whole table for a list of rows.
        conditions = [
            and_(
                table.c.thread_id == place[0],
                table.c.namespace == place[1],
                any_of(table.c.checkpoint_id, f"ids{each}"),
            )
            for each, place in enumerate(ids)
        ]
        parameters = {f"ids{each}": its for each, its in enumerate(ids.values())}
        found += await _rows(connection, select(table).where(or_(*conditions)), parameters)
    return found


async def _with_writes(connection: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Build checkpoints of their rows, each with its writes."""
    writes: dict[Key, list[dict[str, Any]]] = {}
    for write in await _read(connection, checkpoint_writes, [_key(row) for row in rows]):
        writes.setdefault(_key(write), []).append(write)
    return [checkpoint_of(row, writes.get(_key(row), ())) for row in rows]


async def _delete_runs(connection: Connection, ids: list[str]) -> int:
    its = any_of(checkpoints.c.run_id, "ids")
    written = delete(checkpoint_writes).where(tuple_(*_WRITES_KEY).in_(select(*_KEY).where(its)))
    await connection.execute(written, {"ids": ids})
    return (await connection.execute(delete(checkpoints).where(its), {"ids": ids})).rowcount


async def _prune(connection: Connection, ids: list[str], unless_metadata: str | None) -> None:
    newest = (await connection.execute(_NEWEST, {"ids": ids})).all()
    lasts = [
        {"its_thread": row.thread_id, "its_namespace": row.namespace, "last": row.last}
        for row in newest
        if unless_metadata is None or unless_metadata not in row.metadata
    ]
    for table in (checkpoint_writes, checkpoints) if lasts else ():
        older = delete(table).where(
            table.c.thread_id == bindparam("its_thread"),
            table.c.namespace == bindparam("its_namespace"),
            table.c.checkpoint_id < bindparam("last"),
        )
        await connection.execute(older, lasts)


def _key(row: dict[str, Any]) -> Key:
    return row["thread_id"], row["namespace"], row["checkpoint_id"]
