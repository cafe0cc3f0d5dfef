"""Slack's timestamps, which name messages and tell their instants.

Proved by `tests/unit/adapters/slack/test_translate.py`.
"""

import re
from datetime import UTC, datetime, timedelta

from backscroll.adapters.fields import Fields, MalformedError, text_in

_TIMESTAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp_in(fields: Fields, path: str) -> str | None:
    """Read a timestamp, which names a message. Raises: MalformedError: it is not written like 1712345678.000100."""
    value = text_in(fields, path)
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
