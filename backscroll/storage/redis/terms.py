"""Terms: what a value is found by, beside its key.

A term stands for one field with one value; it is a hash, so what it finds is compared once more. Fields that hold the
ids of other things are indexed in every namespace, whoever the namespace belongs to. Changing what is said here needs
another `SCHEMA`. Proved by `tests/unit/storage/redis/test_terms.py`.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from backscroll.storage.values import canonical_json

EVERY = "*"
"""The term that every thread has."""

# The most telling first: of several fields that are asked for, this one is looked up.
FIELDS = (
    "tool_call_id",
    "token",
    "message_id",
    "checkpoint_id",
    "external_id",
    "answer_id",
    "run_id",
    "sha256",
    "parent_id",
    "owner",
    "thread_id",
    "outcome",
    "user_id",
    "state",
    "agent_name",
    "platform",
    "block_type",
)
OPEN = "outcome"
"""The field by which what has none yet is looked for, too."""

_INDEXED = frozenset(FIELDS)

THREADS, MESSAGES = "threads", "messages"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def terms_of(namespace: str, value: dict[str, Any]) -> str:
    """Return the terms of a value, with blanks between them."""
    if namespace == MESSAGES:  # a thread knows how many it has, and their keys tell the rest
        return ""
    terms = {field_term(name, value[name]) for name in _INDEXED & value.keys() if _is_indexed(name, value)}
    if namespace == THREADS:
        terms |= {EVERY, *_thread_terms(value)}
    return " ".join(sorted(terms))


def score_of(namespace: str, value: dict[str, Any]) -> int:
    """Return the number by which a thread stands among its like: the microseconds of its last change."""
    if namespace != THREADS:
        return 0
    try:
        return (datetime.fromisoformat(value["updated_at"]) - _EPOCH) // timedelta(microseconds=1)
    except (KeyError, TypeError, ValueError):  # somebody's own value
        return 1


def term_of(namespace: str, filters: dict[str, Any]) -> str | None:
    """Return the term to look the most telling field up by; None when the namespace has to be read."""
    if namespace == MESSAGES:
        return None
    return next((field_term(name, filters[name]) for name in FIELDS if _is_indexed(name, filters)), None)


@lru_cache(maxsize=4_096)
def field_term(name: str, value: str | None) -> str:
    """Name the values with a field."""
    return _term("field", name, value)


def property_term(column: str, part: str | None, name: str, value: Any) -> str:
    """Name the threads with a property of `attributes`, or of one platform."""
    return _term(column, part, name, value)


def value_term(platform: str, value: Any) -> str:
    """Name the threads with a value under any property of a platform."""
    return _term("value", platform, value)


def platform_term(platform: str) -> str:
    """Name the threads of a platform."""
    return _term("platform", platform)


def _is_indexed(name: str, value: dict[str, Any]) -> bool:
    return isinstance(value.get(name), str) or (name == OPEN and name in value and value[name] is None)


def _thread_terms(value: dict[str, Any]) -> Iterator[str]:
    for name, each in _object(value.get("attributes")).items():
        yield property_term("attributes", None, name, each)
    for platform, place in _object(value.get("platforms")).items():
        yield platform_term(platform)
        for name, each in _object(place).items():
            yield property_term("platforms", platform, name, each)
            yield value_term(platform, each)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _term(*parts: Any) -> str:
    # A lone surrogate stands in no value, and looking for one finds nothing.
    return hashlib.blake2b(canonical_json(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
