"""What ours sends to the database, noted and made repeatable with new values.

A call is made twice, for two threads. What differs between the two must be a value that the caller knows (an id, a
sequence) or an instant; anything else is an error, so a raw side that no longer does what ours does cannot pass.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event

from backscroll import ThreadStore
from backscroll.storage.sql import Provider

Values = dict[str, Any]
Slot = Callable[[Values], Any]

_BOUNDARIES = ("BEGIN", "COMMIT", "ROLLBACK")
_TABLE = re.compile(r"^\s*(?:WITH .*?\)\s*)?(\w+).*?\b(?:FROM|INTO|UPDATE)\s+(\w+)", re.DOTALL)
_UPDATED = re.compile(r"^\s*UPDATE\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it went to the driver; `rows` are its parameters, once for each row."""

    sql: str
    rows: list[tuple[Any, ...]]
    is_many: bool

    def __str__(self) -> str:
        if updated := _UPDATED.match(self.sql):
            return f"update {updated[1]}"
        found = _TABLE.match(self.sql)
        return f"{found[1].lower()} {found[2]}" if found else self.sql.split()[0].lower()


@dataclass(frozen=True, slots=True)
class Step:
    """One statement that can be run again: its SQL, and what makes each row of its parameters."""

    sql: str
    rows: list[list[Slot]]
    is_many: bool

    def parameters(self, values: Values) -> list[list[Any]]:
        """Make the parameters, row by row."""
        return [[slot(values) for slot in row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one call of ours, to be run again with other values."""

    steps: list[Step]
    told: str

    @classmethod
    def learn(cls, first: tuple[list[Statement], Values], second: tuple[list[Statement], Values]) -> "Script":
        """Compare the statements of two calls, each with the values that its caller knows."""
        (mine, known), (others, other_known) = first, second
        assert mine, "ours ran no statement that SQLAlchemy tells of"
        assert [each.sql for each in mine] == [each.sql for each in others], "two equal calls ran different statements"
        pairs = _Pairs(known, other_known)
        steps = [
            Step(
                statement.sql,
                [pairs.row(statement, *rows) for rows in zip(statement.rows, other.rows, strict=True)],
                statement.is_many,
            )
            for statement, other in zip(mine, others, strict=True)
        ]
        return cls(steps, ", ".join(str(statement) for statement in mine))

    def check(self, statements: list[Statement]) -> None:
        """Assert that a call of ours still runs these statements."""
        told = ", ".join(str(statement) for statement in statements)
        assert [each.sql for each in statements] == [step.sql for step in self.steps], f"ours now runs {told}"


@contextmanager
def noted(store: ThreadStore) -> Iterator[list[Statement]]:
    """Note the statements that a store sends, but not where its transactions begin and end."""
    assert isinstance(store.provider, Provider)
    statements: list[Statement] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, is_many: bool) -> None:
        if not sql.startswith(_BOUNDARIES):
            rows = parameters if is_many else [parameters]
            statements.append(Statement(sql, [tuple(_plain(value) for value in row) for row in rows], is_many))

    engines = store.provider.database.engines
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Reads what a parameter is from the two that it was."""

    known: Values
    other_known: Values

    def row(self, statement: Statement, first: tuple[Any, ...], second: tuple[Any, ...]) -> list[Slot]:
        try:
            return [self._slot(*pair) for pair in zip(first, second, strict=True)]
        except LookupError as error:
            raise AssertionError(f"{statement} has a parameter that nobody knows: {error}") from None

    def _slot(self, first: Any, second: Any) -> Slot:
        for name, value in self.known.items():
            if _same(first, value) and _same(second, self.other_known[name]):
                return lambda values: values[name]
        if isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
            inner = [self._slot(*pair) for pair in zip(first, second, strict=True)]
            return lambda values: [slot(values) for slot in inner]
        if _same(first, second):
            return lambda _values: first
        if isinstance(first, datetime) and isinstance(second, datetime):
            return lambda _values: datetime.now(UTC)
        if isinstance(first, str) and isinstance(second, str):
            return self._text_slot(first, second)
        raise LookupError(type(first).__name__)

    def _text_slot(self, first: str, second: str) -> Slot:
        if _is_instant(first) and _is_instant(second):
            return lambda _values: datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        texts = [name for name, value in self.known.items() if isinstance(value, str) and value in first]
        pattern = first
        for name in texts:
            pattern = pattern.replace(self.known[name], f"\0{name}\0")
            second = second.replace(self.other_known[name], f"\0{name}\0")
        if pattern != second:
            raise LookupError("text")

        def fill_in(values: Values) -> str:
            text = pattern
            for name in texts:
                text = text.replace(f"\0{name}\0", values[name])
            return text

        return fill_in


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _same(first: Any, second: Any) -> bool:
    return type(first) is type(second) and bool(first == second)


def _is_instant(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007  # SQLite's instants name no zone
    except ValueError:
        return False
    return True
