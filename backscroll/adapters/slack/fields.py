"""What a payload's fields hold, checked: objects, lists, texts, ids, timestamps.

Knows no event. An error names a field and a type, never a value: that could be what somebody wrote. Proved by
`tests/unit/adapters/slack/test_translate.py`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from backscroll.storage.values import ID_LENGTH

T = TypeVar("T")

Fields = dict[str, Any]
Read = Callable[[Fields, str], T | None]
"""Reads the field that a path such as `event.item.ts` ends in; None when it is missing or null."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MalformedError(ValueError):
    """An event lacks what its type must have. The message names the field, and no value of any."""


def need(read: Read[T], fields: Fields, path: str) -> T:
    """Read a field.

    Raises: MalformedError: it is missing, null or something else.
    """
    value = read(fields, path)
    if value is None:
        raise MalformedError(f"{path} is missing.")
    return value


def object_in(fields: Fields, path: str) -> Fields | None:
    """Read an object. Raises: MalformedError: it is something else."""
    return _typed(fields, path, dict)


def list_in(fields: Fields, path: str) -> list[Any] | None:
    """Read a list. Raises: MalformedError: it is something else."""
    return _typed(fields, path, list)


def text_in(fields: Fields, path: str) -> str | None:
    """Read a text. Raises: MalformedError: it is something else."""
    return _typed(fields, path, str)


def id_in(fields: Fields, path: str) -> str | None:
    """Read an id. Raises: MalformedError: it is no text of 1 to 500 characters."""
    value = _typed(fields, path, str)
    if value is not None and not 0 < len(value) <= ID_LENGTH:
        raise MalformedError(f"{path} is an id of 1 to {ID_LENGTH} characters, got {len(value)} characters.")
    return value


def timestamp_in(fields: Fields, path: str) -> str | None:
    """Read a timestamp, which names a message. Raises: MalformedError: it is not written like 1712345678.000100."""
    value = _typed(fields, path, str)
    if value is not None and _TIMESTAMP.fullmatch(value) is None:
        raise MalformedError(f"{path} is a timestamp such as 1712345678.000100, got another text.")
    return value


def instant_in(fields: Fields, path: str) -> datetime | None:
    """Read a timestamp as the instant that it tells, to the microsecond.

    Raises: MalformedError: it is no timestamp, or lies after the year 9999.
    """
    value = timestamp_in(fields, path)
    if value is None:
        return None
    # A float would round what follows the point.
    seconds, _, fraction = value.partition(".")
    try:
        return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(fraction[:6].ljust(6, "0")))
    except OverflowError:
        raise MalformedError(f"{path} lies after the year 9999.") from None


def _typed(fields: Fields, path: str, kind: type[T]) -> T | None:
    value = fields.get(path.rpartition(".")[2])
    if value is None:
        return None
    if not isinstance(value, kind):
        raise MalformedError(f"{path} is a {kind.__name__}, got {type(value).__name__}.")
    return value
