"""Whether a process may still act on what it holds."""

import pytest

from backscroll.bot.lease import Lease
from backscroll.errors import AnswerLostError


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lease_holds_for_its_time() -> None:
    clock = Clock()
    lease = Lease(30, clock)
    clock.now += 29
    lease.must_hold("a")
    clock.now += 1
    with pytest.raises(AnswerLostError):
        lease.must_hold("a")


def test_lease_is_counted_from_before_its_renewal() -> None:
    clock = Clock()
    lease = Lease(30, clock)
    since = lease.now()
    clock.now += 20
    lease.renewed(since, ["a"], ["a"])
    clock.now += 10
    with pytest.raises(AnswerLostError):
        lease.must_hold("a")


def test_lease_does_not_hold_what_another_took() -> None:
    lease = Lease(30, Clock())
    lease.renewed(lease.now(), ["a", "b"], ["b", "stray"])
    lease.must_hold("b")
    with pytest.raises(AnswerLostError):
        lease.must_hold("a")


def test_lease_holds_what_is_taken_anew() -> None:
    lease = Lease(30, Clock())
    lease.renewed(lease.now(), ["a"], [])
    lease.begin_anew("a")
    lease.must_hold("a")


def test_lease_does_not_watch_what_is_given_back() -> None:
    lease = Lease(30, Clock())
    lease.let_go("a")
    lease.renewed(lease.now(), ["a"], [])
    lease.must_hold("a")
