"""The one statement whose form differs between SQLite and PostgreSQL: an insert that leaves what is there alone."""

from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from backscroll.storage.sql.engine import Connection


def insert_ignoring(connection: Connection, table: Table) -> Any:
    """Make an insert that passes over rows that break a unique key; it waits for others who are inserting the same."""
    return _insert_ignoring(connection.dialect.name, table)


@cache
def _insert_ignoring(dialect: str, table: Table) -> Any:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()
