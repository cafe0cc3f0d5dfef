"""The statements whose form differs between SQLite and PostgreSQL."""

from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Table, Text, bindparam, func, update
from sqlalchemy.dialects import postgresql, sqlite

from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import threads
from backscroll.storage.sql.types import later_of, now
from backscroll.storage.values import to_json


def insert_ignoring(connection: Connection, table: Table) -> Any:
    """Make an insert that passes over rows that break a unique key; it waits for others who are inserting the same."""
    return _insert_ignoring(connection.dialect.name, table)


def insert_replacing(connection: Connection, table: Table, *, keeping: tuple[str, ...] = ()) -> Any:
    """Make an insert that takes the place of the row of the same primary key, but for the columns that are kept."""
    return _insert_replacing(connection.dialect.name, table, keeping)


async def count_messages(connection: Connection, last: dict[str, int]) -> None:
    """Write the last sequence of each of these threads, in one statement for all."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_COUNT_ARRAYS, {"ids": list(last), "lasts": list(last.values())})
    else:
        await connection.execute(_COUNT_JSON, {"lasts": to_json(last)})


@cache
def _insert_ignoring(dialect: str, table: Table) -> Any:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


@cache
def _insert_replacing(dialect: str, table: Table, keeping: tuple[str, ...]) -> Any:
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    keys = list(table.primary_key.columns)
    changed = {column.name: insert.excluded[column.name] for column in table.columns if column not in keys}
    return insert.on_conflict_do_update(
        index_elements=keys, set_={name: value for name, value in changed.items() if name not in keeping}
    )


_TOUCH = update(threads).values(updated_at=later_of(threads.c.updated_at, now()))
_ARRAYS = func.unnest(bindparam("ids", type_=ARRAY(Text())), bindparam("lasts", type_=ARRAY(BigInteger())))
_ROWS = _ARRAYS.table_valued("id", "last", name="counted").render_derived()
_COUNT_ARRAYS = _TOUCH.values(last_sequence=_ROWS.c.last).where(threads.c.id == _ROWS.c.id)
_OBJECT = func.json_each(bindparam("lasts", type_=Text())).table_valued("key", "value", name="counted")
_COUNT_JSON = _TOUCH.values(last_sequence=_OBJECT.c.value).where(threads.c.id == _OBJECT.c.key)
