"""Databases of a million threads, filled within a minute or two.

Ours writes one thread; SQL copies its rows with other ids, times and places. So the rows are those of this release,
whatever columns it has. Indexes and full-text indexes are made afterwards, as a restore does it.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import asyncpg

from backscroll import Message, Thread, ThreadStore
from backscroll.storage.sql.tables import aliases, messages, metadata, thread_properties, threads
from benchmarks.sizes import BASE, Group, Size, place

PROTOTYPE = "prototype"
CHUNK_COUNT = 100_000
"""Threads that are copied at once."""

_ID = "'018f0000-0000-7000-8000-00' || n"
_CHANNEL = "'C' || (1000 + n % 1000)"
_TIME = "n || '.000100'"
_NEWEST = BASE + 2_000_000


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What the databases write differently; each with `{}` for an argument."""

    earlier: str
    sha256: str
    json: str


_SQLITE = _Dialect("(strftime('%Y-%m-%d %H:%M:%S', p.updated_at, ({}) || ' seconds') || '.000000')", "sha256({})", "{}")
_POSTGRESQL = _Dialect(
    "(p.updated_at + ({}) * interval '1 second')", "sha256(convert_to({}, 'UTF8'))", "CAST({} AS json)"
)


async def fill(url: str, size: Size) -> None:
    """Make the schema and the threads of a size."""
    async with ThreadStore(url) as store:
        thread = Thread(
            id=PROTOTYPE, title="What burns", user_id="U1", agent_name="helper", platforms={"slack": place(0)}
        )
        thread.add_message(Message(role="user", content=size.text))
        await store.save(thread)
        await store.save_thread_alias(PROTOTYPE, PROTOTYPE)
    if url.startswith("postgresql"):
        await _fill_postgresql(url, size)
    else:
        await asyncio.to_thread(_fill_sqlite, url, size)


async def _fill_postgresql(url: str, size: Size) -> None:
    connection = await asyncpg.connect(url)
    try:
        # Such a role's inserts run no triggers, and those are the checks of the foreign keys.
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
        indexes = await connection.fetch(
            "SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS sql FROM pg_index "
            "WHERE NOT indisunique AND indrelid::regclass::text = ANY($1::text[])",
            list(metadata.tables),
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        for statement in _copies(size, _POSTGRESQL):
            await connection.execute(statement)
        await connection.execute("SET session_replication_role = origin")
        for index in indexes:
            await connection.execute(index["sql"])
        await connection.execute(_remove_prototype())
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _fill_sqlite(path: str, size: Size) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("sha256", 1, lambda text: hashlib.sha256(text.encode()).digest(), deterministic=True)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")
        made_later = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
        ).fetchall()
        for kind, name, _ in made_later:
            connection.execute(f"DROP {kind} {name}")
        for statement in _copies(size, _SQLITE):
            connection.execute(statement)
        for _, _, sql in made_later:
            connection.execute(sql)
        virtual = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
        for (name,) in connection.execute(virtual).fetchall():
            connection.execute(f"INSERT INTO {name}({name}) VALUES ('rebuild')")  # noqa: S608  # the schema's names
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(_remove_prototype())
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _remove_prototype() -> str:
    return f"DELETE FROM threads WHERE id = '{PROTOTYPE}'"  # noqa: S608  # a constant


def _copies(size: Size, dialect: _Dialect) -> Iterator[str]:
    for group in size.groups:
        for start in range(0, group.count, CHUNK_COUNT):
            count = min(CHUNK_COUNT, group.count - start)
            yield from _copy(Group(group.first + start, count, group.messages), dialect)


def _copy(group: Group, dialect: _Dialect) -> Iterator[str]:
    numbers = _series("n", BASE + group.first, group.count)
    instant = dialect.earlier.format(f"n - {_NEWEST}")
    slack = f"""'{{"slack":{{"team":"T1","channel":"' || {_CHANNEL} || '","thread_ts":"' || {_TIME} || '"}}}}'"""
    times = {"created_at": instant, "updated_at": instant}
    thread = {"id": _ID, "platforms": dialect.json.format(slack), "last_sequence": str(group.messages)}
    yield _insert(threads.name, "id", thread | times, numbers)
    message = {"id": "'018f0001-7000-8000-' || n || (1000000 + m)", "thread_id": _ID, "sequence": "m"}
    yield _insert(messages.name, "thread_id", message | times, f"{numbers}, {_series('m', 1, group.messages)}")
    hashes = [
        f"WHEN '{name}' THEN {dialect.sha256.format(_quoted(value))}"
        for name, value in (("channel", _CHANNEL), ("thread_ts", _TIME))
    ]
    value_hash = f"CASE p.name {' '.join(hashes)} ELSE p.value_hash END"
    yield _insert(thread_properties.name, "thread_id", {"thread_id": _ID, "value_hash": value_hash}, numbers)
    its_alias = {"alias": f"'slack:T1:' || {_CHANNEL} || ':' || {_TIME}", "thread_id": _ID}
    yield _insert(aliases.name, "thread_id", its_alias, numbers)


def _series(name: str, first: int, count: int) -> str:
    last = first + count - 1
    steps = f"SELECT {first} UNION ALL SELECT {name} + 1 FROM s WHERE {name} < {last}"  # noqa: S608  # numbers
    return f"(WITH RECURSIVE s({name}) AS ({steps}) SELECT {name} FROM s) AS series_{name}"  # noqa: S608  # numbers


def _insert(table: str, key: str, changed: dict[str, str], source: str) -> str:
    names = [column.name for column in metadata.tables[table].c if column.identity is None]
    values = ", ".join(changed.get(name, f"p.{name}") for name in names)
    target = f"INSERT INTO {table} ({', '.join(names)})"
    return f"{target} SELECT {values} FROM {source}, {table} AS p WHERE p.{key} = '{PROTOTYPE}'"  # noqa: S608  # constants


def _quoted(value: str) -> str:
    return f"""'"' || {value} || '"'"""
