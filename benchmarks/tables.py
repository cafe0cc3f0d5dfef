"""All rows of all tables, read and written by the raw drivers alone."""

import csv
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Boolean

from backscroll.storage.sql.tables import metadata
from backscroll.storage.sql.types import Instant

Rows = tuple[str, list[tuple[Any, ...]]]
"""A table, and some of its rows."""

ROW_COUNT = 2_000
"""Rows that are inserted at once."""

# In an order in which no row names one that is not there yet.
_COLUMNS = {
    table.name: [column.name for column in table.columns if column.identity is None] for table in metadata.sorted_tables
}


def read_sqlite(path: str) -> Iterator[Rows]:
    """Read all rows, some at a time."""
    with closing(sqlite3.connect(path)) as connection:
        for table in _COLUMNS:
            cursor = connection.execute(_select(table))
            while rows := cursor.fetchmany(ROW_COUNT):
                yield table, rows


async def read_postgresql(url: str) -> list[Rows]:
    """Read all rows."""
    connection = await asyncpg.connect(url)
    try:
        found = []
        for table in _COLUMNS:
            rows = [tuple(row) for row in await connection.fetch(_select(table))]
            found += [(table, rows[start : start + ROW_COUNT]) for start in range(0, len(rows), ROW_COUNT)]
        return found
    finally:
        await connection.close()


def dump_sqlite(path: str, file: Path) -> None:
    """Write all rows to a file, as CSV."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for _, rows in read_sqlite(path):
            writer.writerows(rows)


async def dump_postgresql(url: str, file: Path) -> None:
    """Write all rows to a file, by COPY."""
    connection = await asyncpg.connect(url)
    try:
        with file.open("wb") as out:
            for table, columns in _COLUMNS.items():
                await connection.copy_from_table(table, columns=columns, output=out)
    finally:
        await connection.close()


def insert_sqlite(path: str, every: Iterable[Rows]) -> None:
    """Insert rows, with the settings that ours has."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        for table, rows in every:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_insert(table, "?" * len(rows[0])), rows)
            connection.execute("COMMIT")


async def insert_postgresql(url: str, every: Iterable[Rows]) -> None:
    """Insert rows."""
    connection = await asyncpg.connect(url)
    try:
        for table, rows in every:
            async with connection.transaction():
                await connection.executemany(_insert(table, _numbered(len(rows[0]))), rows)
    finally:
        await connection.close()


def from_sqlite(every: Iterable[Rows]) -> Iterator[Rows]:
    """Give SQLite's rows the types that PostgreSQL has."""
    for table, rows in every:
        columns = metadata.tables[table].columns
        instants = [number for number, name in enumerate(_COLUMNS[table]) if isinstance(columns[name].type, Instant)]
        flags = [number for number, name in enumerate(_COLUMNS[table]) if isinstance(columns[name].type, Boolean)]
        yield table, [_typed(list(row), instants, flags) for row in rows]


def _typed(row: list[Any], instants: list[int], flags: list[int]) -> tuple[Any, ...]:
    for number in instants:
        if row[number] is not None:
            row[number] = datetime.fromisoformat(row[number]).replace(tzinfo=UTC)
    for number in flags:
        row[number] = bool(row[number])
    return tuple(row)


def _select(table: str) -> str:
    return f"SELECT {', '.join(_COLUMNS[table])} FROM {table}"  # noqa: S608  # the schema's names


def _insert(table: str, values: Iterable[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(_COLUMNS[table])}) VALUES ({', '.join(values)})"  # noqa: S608  # the same


def _numbered(count: int) -> list[str]:
    return [f"${number}" for number in range(1, count + 1)]
