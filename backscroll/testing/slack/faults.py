"""Faults that a test orders for Web API calls. Proved by `tests/unit/testing/test_faults.py`."""

from collections import deque

from backscroll.testing.faults import Fault
from backscroll.testing.slack.models import Json


class Faults:
    """The faults still to come, each for the next call that it fits, in the order they were ordered."""

    def __init__(self) -> None:
        self._ordered: deque[tuple[str, str | None, Fault]] = deque()

    def order(self, method: str, fault: Fault, times: int, channel: str | None) -> None:
        """Order a fault for the next calls of a method, `*` for any; `channel` for calls that name it only."""
        self._ordered.extend([(method, channel, fault)] * times)

    def clear(self) -> None:
        """Order nothing any more."""
        self._ordered.clear()

    def next_for(self, method: str, params: Json) -> Fault | None:
        """Return the fault for this call, and cross it off."""
        for number, (wanted, channel, fault) in enumerate(self._ordered):
            if wanted in {method, "*"} and channel in {None, params.get("channel", params.get("channel_id"))}:
                del self._ordered[number]
                return fault
        return None
