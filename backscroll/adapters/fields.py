"""What a payload's fields hold, checked: objects, lists, texts, ids.

Knows no platform. An error names a field and a type, never a value: that could be what somebody wrote. Proved by
`tests/unit/adapters/test_fields.py`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from backscroll.storage.values import ID_LENGTH

T = TypeVar("T")

Fields = dict[str, Any]
TOLD_COUNT = 3
"""Faults that are told of an event which no storage could hold, at most."""

Read = Callable[[Fields, str], T | None]
"""Reads the field that a path such as `event.item.ts` ends in; None when it is missing or null."""


class MalformedError(ValueError):
    """An event lacks what its type must have. The message names the field, and no value of any."""


def unstorable(error: ValueError) -> MalformedError:
    """Say in one line, without what stood there, why no storage could hold an event; what is said so already stays."""
    match error:
        case MalformedError():
            return error
        case ValidationError():
            found = error.errors(include_url=False, include_context=False, include_input=False)
            told = "; ".join(f"{_path(each['loc'])}: {' '.join(each['msg'].split())}" for each in found[:TOLD_COUNT])
            return MalformedError(f"No storage could hold it: {told}.")
    return MalformedError(f"No storage could hold it: {error}")


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


def _path(location: tuple[str | int, ...]) -> str:
    """Write down where pydantic found a fault; a name behind another may be a key that somebody wrote."""
    names = [
        str(name) if number == 0 or isinstance(name, int) or isinstance(location[number - 1], int) else "*"
        for number, name in enumerate(location)
    ]
    return ".".join(names) or "it"


def _typed(fields: Fields, path: str, kind: type[T]) -> T | None:
    value = fields.get(path.rpartition(".")[2])
    if value is None:
        return None
    if not isinstance(value, kind):
        raise MalformedError(f"{path} is a {kind.__name__}, got {type(value).__name__}.")
    return value
