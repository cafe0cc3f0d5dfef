"""Faults that a test orders for REST calls. Proved by `tests/unit/testing/discord/test_faults.py`."""

import re
from collections import deque

from backscroll.testing.faults import Fault


def fits(pattern: str, path: str) -> bool:
    """Whether a path is one of a pattern like `/channels/{channel_id}/messages`; `*` is any."""
    if pattern == "*":
        return True
    parts = re.split(r"\{\w+\}", pattern)
    return re.fullmatch("[^/]+".join(re.escape(part) for part in parts), path) is not None


class Faults:
    """The faults still to come, each for the next call that it fits, in the order they were ordered."""

    def __init__(self) -> None:
        self._ordered: deque[tuple[str, str, Fault]] = deque()

    def order(self, method: str, pattern: str, fault: Fault, times: int) -> None:
        """Order a fault for the next calls of a method, `*` for any, to a path of this pattern."""
        self._ordered.extend([(method, pattern, fault)] * times)

    def clear(self) -> None:
        """Order nothing any more."""
        self._ordered.clear()

    def next_for(self, method: str, path: str) -> Fault | None:
        """Return the fault for this call, and cross it off."""
        for number, (wanted, pattern, fault) in enumerate(self._ordered):
            if wanted in {method, "*"} and fits(pattern, path):
                del self._ordered[number]
                return fault
        return None
