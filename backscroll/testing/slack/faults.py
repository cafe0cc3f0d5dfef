"""Faults that a test orders for Web API calls. Proved by `tests/unit/testing/test_faults.py`."""

from collections import deque
from dataclasses import dataclass
from typing import Literal, Self

from backscroll.testing.slack.models import Json

Kind = Literal["rate_limited", "server_error", "error", "hang", "cut_before", "cut_after", "cut_within"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a call goes wrong."""

    kind: Kind
    seconds: float = 0.0
    status: int = 200
    name: str = ""

    @classmethod
    def rate_limited(cls, retry_after_s: int = 1) -> Self:
        """Answer 429 with Retry-After; the call has no effect."""
        return cls("rate_limited", seconds=retry_after_s, status=429)

    @classmethod
    def server_error(cls, status: int = 500) -> Self:
        """Answer a 5xx; the call has no effect."""
        return cls("server_error", status=status)

    @classmethod
    def error(cls, name: str) -> Self:
        """Answer `ok: false` with this error; the call has no effect."""
        return cls("error", name=name)

    @classmethod
    def hang(cls, seconds: float) -> Self:
        """Hold the call for so long, then carry it out, even if the caller has gone."""
        return cls("hang", seconds=seconds)

    @classmethod
    def cut_before(cls) -> Self:
        """Cut the connection; the call has no effect."""
        return cls("cut_before")

    @classmethod
    def cut_after(cls) -> Self:
        """Carry the call out, then cut the connection without an answer."""
        return cls("cut_after")

    @classmethod
    def cut_within(cls) -> Self:
        """Carry the call out, then cut the connection in the middle of the answer."""
        return cls("cut_within")


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
