"""The six primitives in SQL, and the life of the provider; the contract stands in `provider/primitives.py`."""

from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from backscroll.errors import StorageError
from backscroll.storage.provider import StorageProvider
from backscroll.storage.sql.commit import GroupCommit
from backscroll.storage.sql.engine import Connection, Database
from backscroll.storage.sql.migrating import SCHEMA_VERSION, check_schema, find_version, migrate
from backscroll.storage.sql.tables import kv_store, list_store
from backscroll.storage.sql.url import is_memory
from backscroll.storage.values import VALUE_DEPTH, canonical_json, check_id, clean_object, new_id

_VALUE = select(kv_store.c.value).where(
    kv_store.c.namespace == bindparam("namespace"), kv_store.c.key == bindparam("key")
)
_ITEMS = (
    select(list_store.c.item)
    .where(list_store.c.namespace == bindparam("namespace"), list_store.c.key == bindparam("key"))
    .order_by(list_store.c.position)
)
_ITEM = select(list_store.c.item).where(
    list_store.c.position == bindparam("its_position"),
    list_store.c.namespace == bindparam("its_namespace"),
    list_store.c.key == bindparam("its_key"),
)
_SIZE = select(func.pg_database_size(func.current_database()))
_APPEND = list_store.insert().returning(list_store.c.position)
_VALUES_OF = (
    select(kv_store.c.key, kv_store.c.value)
    .where(kv_store.c.namespace == bindparam("namespace"))
    .order_by(kv_store.c.key)
)
_ITEMS_OF = (
    select(list_store.c.item)
    .where(list_store.c.namespace == bindparam("namespace"))
    .order_by(list_store.c.key, list_store.c.position)
)


class SqlPrimitives(StorageProvider):
    """Keyed values and lists, each a row."""

    supports_concurrent_writers = True
    supports_export = True
    database: Database
    writes: GroupCommit

    async def get(self, namespace: str, key: str) -> dict[str, Any] | None:
        async def work(connection: Connection) -> dict[str, Any] | None:
            where = {"namespace": namespace, "key": key}
            return (await connection.execute(_VALUE, where)).scalar_one_or_none()

        return await self.database.read(work)

    async def set(self, namespace: str, key: str, value: dict[str, Any]) -> None:
        row = {
            "namespace": check_id(namespace, "namespace"),
            "key": check_id(key, "key"),
            "value": clean_object(value, depth=VALUE_DEPTH),
        }

        async def work(connection: Connection) -> None:
            insert = (sqlite if self.database.is_sqlite else postgresql).insert(kv_store)
            upsert = insert.on_conflict_do_update(
                index_elements=["namespace", "key"], set_={"value": insert.excluded.value}
            )
            await connection.execute(upsert, row)

        await self.database.write(work)

    async def delete(self, namespace: str, key: str) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(delete(kv_store).where(kv_store.c.namespace == namespace, kv_store.c.key == key))

        await self.database.write(work)

    async def append(self, namespace: str, key: str, item: dict[str, Any]) -> str:
        where = {"namespace": check_id(namespace, "namespace"), "key": check_id(key, "key")}
        item = {"id": new_id()} | clean_object(item, depth=VALUE_DEPTH)
        position: int | None = None

        async def work(connection: Connection) -> None:
            nonlocal position
            # An earlier run, whose COMMIT was not answered, may have put it there.
            its = {"its_position": position, "its_namespace": where["namespace"], "its_key": where["key"]}
            if position is not None and (await connection.execute(_ITEM, its)).scalar_one_or_none() == item:
                return
            position = (await connection.execute(_APPEND, where | {"item": item})).scalar_one()

        await self.database.write(work)
        return str(item["id"])

    async def get_list(self, namespace: str, key: str) -> list[dict[str, Any]]:
        async def work(connection: Connection) -> list[dict[str, Any]]:
            return list((await connection.execute(_ITEMS, {"namespace": namespace, "key": key})).scalars())

        return await self.database.read(work)

    async def query(self, namespace: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
        values = await self.database.rows(_VALUES_OF, {"namespace": namespace})
        items = [row.item for row in await self.database.rows(_ITEMS_OF, {"namespace": namespace})]
        marks = {name: canonical_json(value) for name, value in filters.items()}

        def equals(value: dict[str, Any]) -> bool:
            return all(name in value and canonical_json(value[name]) == mark for name, mark in marks.items())

        found = [{**row.value, "key": row.key} for row in values if equals(row.value)]
        return found + [item for item in items if equals(item)]

    async def initialize(self) -> None:
        await migrate(self.database)

    async def check(self) -> None:
        await check_schema(self.database)

    async def close(self) -> None:
        await self.writes.close()
        await self.database.close()

    async def abort(self) -> None:
        await self.database.abort()

    async def schema_version(self) -> tuple[int, int] | None:
        return await find_version(self.database), SCHEMA_VERSION

    async def size_bytes(self) -> int | None:
        url = self.database.url
        if not self.database.is_sqlite:
            return int((await self.database.rows(_SIZE))[0][0])
        if is_memory(url):
            return None
        files = [Path(f"{url.database}{suffix}") for suffix in ("", "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    async def health_check(self) -> dict[str, Any]:
        backend = "sqlite" if self.database.is_sqlite else "postgresql"
        try:
            await self.check()
        except StorageError as error:
            return {"status": "unhealthy", "backend": backend, "reason": error.message}
        return {"status": "healthy", "backend": backend}
