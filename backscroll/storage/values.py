"""What every backend can hold: texts, ids, instants and JSON, cleaned and checked before anything is written.

Knows no model and no backend. Proved by `tests/unit/storage/test_values.py`.
"""

import json
import math
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar

from uuid_utils import uuid7

T = TypeVar("T")

ID_LENGTH = 500
"""Characters of an id or alias, at most."""

JSON_DEPTH = 100
"""Objects and lists inside each other, at most."""

VALUE_DEPTH = JSON_DEPTH + 10
"""The same in a provider's keyed value, which wraps what a model holds."""

# PostgreSQL refuses NUL, and no UTF-8 text holds a lone surrogate. One character for each keeps lengths as they were.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# json.loads refuses longer integers (sys.get_int_max_str_digits is 4300 by default).
_INT_BITS = 14_000
# json.dumps would make one anew for each value.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_CANONICAL_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)
# The databases' integers.
INT64 = 2**63 - 1

storage_clock: ContextVar[Callable[[], datetime] | None] = ContextVar("storage_clock", default=None)
"""What `utc_now` asks, for a provider whose storage has a clock that several processes share."""


def new_id() -> str:
    """Make a UUIDv7: unique everywhere, and close to its neighbours in an index."""
    return str(uuid7())


def clean_text(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def check_text(value: str, name: str) -> str:
    """Clean a text and return it.

    Raises: ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is a text, got {type(value).__name__}")
    return clean_text(value)


def check_id(value: str, name: str = "id") -> str:
    """Clean an id or alias and return it.

    Raises: ValueError: it is no text of 1 to 500 characters.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is a text of 1 to {ID_LENGTH} characters, got {type(value).__name__}")
    if not 0 < len(value) <= ID_LENGTH:
        raise ValueError(f"{name} is a text of 1 to {ID_LENGTH} characters, got {len(value)} characters")
    return clean_text(value)


def check_count(value: int, name: str, least: int = 1) -> int:
    """Return a limit or offset as it is.

    Raises: ValueError: it is no whole number from `least` up, or does not fit 64 bits.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is a whole number from {least} up, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} is a whole number from {least} up, got {value}")
    if value > INT64:
        raise ValueError(f"{name} is a whole number of at most 64 bits, got {value.bit_length()} bits")
    return value


def check_type(value: T, kind: type[T], name: str) -> T:
    """Return a value as it is.

    Raises: ValueError: it is of another type.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name} is a {kind.__name__}, got {type(value).__name__}")
    return value


def as_utc(instant: datetime) -> datetime:
    """Return the same instant in UTC; a naive one is taken as UTC.

    Raises: ValueError: its time zone moves it out of the years 1 to 9999.
    """
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the instant lies outside the years 1 to 9999 in UTC") from error


def utc_now() -> datetime:
    """Return this machine's clock; inside a provider's call, the storage's where the provider has set it."""
    clock = storage_clock.get()
    return datetime.now(UTC) if clock is None else clock()


def clean_json(value: Any, where: str = "value", depth: int = JSON_DEPTH) -> Any:
    """Return a copy that every backend gives back equal, its texts cleaned.

    Args: where: what the error calls the value.
    Raises: ValueError: something in it is not JSON, or nested more than 100 deep; the message names place and type.
    """
    match value:
        case None | bool():
            return value
        case str():
            return clean_text(value)
        case int():
            if value.bit_length() > _INT_BITS:
                raise ValueError(f"{where} is an integer of more than 4,200 digits")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{where} is not a finite number, which JSON cannot hold")
            return float(value)
        case dict() | list() if depth == 0:
            raise ValueError(f"{where} is nested more than {JSON_DEPTH} deep")
        case dict():
            return _clean_object(value, where, depth)
        case list():
            return [clean_json(item, f"{where}[{index}]", depth - 1) for index, item in enumerate(value)]
    raise ValueError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def _clean_object(value: dict[Any, Any], where: str, depth: int) -> dict[str, Any]:
    cleaned = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError(f"{where} has a key of type {type(key).__name__}; JSON's keys are texts")
        # The key itself may be a person's words, so an error names the depth's place only by its parent.
        cleaned[clean_text(key)] = clean_json(item, f"{where}.*", depth - 1)
    if len(cleaned) != len(value):
        raise ValueError(f"{where} has two keys that differ only in characters that cannot be stored")
    return cleaned


def clean_object(value: Any, where: str = "value", depth: int = JSON_DEPTH) -> dict[str, Any]:
    """Clean a JSON object.

    Raises: ValueError: it is no object, or holds what JSON cannot.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} is a JSON object, got {type(value).__name__}")
    return _clean_object(value, where, depth)


def to_json(value: Any) -> str:
    """Write JSON as it is stored: compact, order kept; most of it is empty."""
    if not value and isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return _JSON.encode(value)


_decode = json.JSONDecoder().raw_decode


def from_json(text: str) -> Any:
    """Read JSON as it is stored; most of it is empty."""
    if text == "{}":
        return {}
    if text == "[]":
        return []
    # What json.loads does besides takes as long again: it looks for white space, which ours has nowhere.
    return _decode(text)[0] if text[0] in '{["' else json.loads(text)


def canonical_json(value: Any) -> str:
    """Write JSON so that equal values give equal texts: keys sorted. `5`, `5.0`, `"5"` and `true` all differ."""
    return _CANONICAL_JSON.encode(value)
