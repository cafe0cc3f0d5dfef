"""Column types and functions that mean the same on SQLite and PostgreSQL.

Proved by `tests/unit/storage/sql/test_types.py`.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, JSON, Boolean, ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from backscroll.storage.values import as_utc, to_json, utc_now

# `json`, not `jsonb`: it keeps the text, so that 1e23 and the order of keys come back as they were. For objects, lists
# and texts: SQLite would take a bare number for its own.
Json = JSON(none_as_null=True)

# Ids sort by code point everywhere, whatever the database's own collation is.
Key = Text().with_variant(Text(collation="C"), "postgresql")


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant with microseconds; on SQLite a text that sorts as instants do."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        on_postgresql = dialect.name == "postgresql"
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if on_postgresql else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        instant = as_utc(value)  # asyncpg would take a naive one for the machine's local time
        if dialect.name == "postgresql":
            return instant
        return instant.replace(tzinfo=None).isoformat(" ", "microseconds")

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        # Of a message four values are instants, so one call each and not the three of process_result_value().
        return instant_from_text if dialect.name != "postgresql" else instant_from_driver


def instant_from_text(value: str | None) -> datetime | None:
    """Read an instant as SQLite keeps it."""
    # With the zone in the text: replace() takes as long as all the rest seven times over.
    return None if value is None else datetime.fromisoformat(value + "Z")


def instant_from_driver(value: datetime | None) -> datetime | None:
    """Read an instant as PostgreSQL's driver gives it."""
    # asyncpg gives the first and the last instant of all without a zone: to PostgreSQL they are infinite.
    return value if value is None or value.tzinfo is UTC else value.replace(tzinfo=UTC)


class Texts(TypeDecorator[list[str]]):
    """Texts in one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> Any:
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else to_json(texts)


class any_of(FunctionElement[bool]):  # noqa: N801  # stands in a query as the function that it is
    """Whether a column is one of the texts of a parameter: `any_of(threads.c.id, "ids")`.

    One statement for any number of texts, which `IN` would write anew for each.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str], name: str) -> None:
        super().__init__(column, bindparam(name, type_=Texts()))

    def self_group(self, against: Any = None) -> Any:
        """Stand as it is: SQLite would be asked whether it equals 1, and use no index."""
        return self


@compiles(any_of, "postgresql")
def _any_of_postgresql(element: any_of, compiler: Any, **kw: Any) -> str:
    column, texts = (compiler.process(each, **kw) for each in element.clauses)
    return f"{column} = ANY ({texts})"


@compiles(any_of, "sqlite")
def _any_of_sqlite(element: any_of, compiler: Any, **kw: Any) -> str:
    column, texts = (compiler.process(each, **kw) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608  # compiled parts


class json_row(FunctionElement[Any]):  # noqa: N801  # stands in a query as the function that it is
    """A JSON list of columns."""

    type = Json
    inherit_cache = True


class json_list(FunctionElement[Any]):  # noqa: N801  # stands in a query as the function that it is
    """A JSON list of all rows, in no order; None where there are none, or an empty one."""

    type = Json
    inherit_cache = True


class now(FunctionElement[datetime]):  # noqa: N801  # stands in a query as the function that it is
    """The storage's clock: PostgreSQL's own; on SQLite this machine's, which all its users share."""

    type = Instant()
    inherit_cache = True

    def __init__(self) -> None:
        super().__init__(bindparam(None, callable_=utc_now, type_=Instant()))


@compiles(now, "postgresql")
def _now_postgresql(_element: now, _compiler: Any, **_kw: Any) -> str:
    return "clock_timestamp()"


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class in_seconds(FunctionElement[datetime]):  # noqa: N801  # stands in a query as the function that it is
    """The storage's clock, and so many seconds more: `in_seconds(bindparam("delay_s"))`."""

    type = Instant()
    inherit_cache = True


@compiles(in_seconds, "postgresql")
def _in_seconds_postgresql(element: in_seconds, compiler: Any, **kw: Any) -> str:
    return f"clock_timestamp() + {compiler.process(element.clauses, **kw)} * interval '1 second'"


@compiles(in_seconds, "sqlite")
def _in_seconds_sqlite(element: in_seconds, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"


class day_of(FunctionElement[str]):  # noqa: N801  # stands in a query as the function that it is
    """The day of an instant in UTC, as ISO 8601 writes it."""

    type = Text()
    inherit_cache = True


@compiles(day_of, "postgresql")
def _day_of_postgresql(element: day_of, compiler: Any, **kw: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


@compiles(day_of, "sqlite")
def _day_of_sqlite(element: day_of, compiler: Any, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 10)"


class later_of(FunctionElement[datetime]):  # noqa: N801  # stands in a query as the function that it is
    """The later of two instants."""

    type = Instant()
    inherit_cache = True


def _named(function: type[FunctionElement[Any]], dialect: str, name: str) -> None:
    """Write a function by the name that it has in a dialect."""

    @compiles(function, dialect)
    def write(element: FunctionElement[Any], compiler: Any, **kw: Any) -> str:
        return f"{name}({compiler.process(element.clauses, **kw)})"


_named(json_row, "postgresql", "json_build_array")
_named(json_row, "sqlite", "json_array")
_named(json_list, "postgresql", "json_agg")
_named(json_list, "sqlite", "json_group_array")
_named(later_of, "postgresql", "greatest")
_named(later_of, "sqlite", "max")
