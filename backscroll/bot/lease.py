"""How long this process may act on the answers that it holds, by its own clock.

A process that was stopped for longer than its lease wakes up in the middle of a step; another may have taken its
answers over by then. So the lease is looked at directly before each step outside. Proved by
`tests/unit/bot/test_lease.py`.
"""

import time
from collections.abc import Callable, Collection

from backscroll.storage.provider.answers import answer_lost


class Lease:
    """The lease of one process. Until the first renewal it holds from when this was made."""

    def __init__(self, lease_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._until = clock() + lease_s
        self._lost: set[str] = set()
        self._let_go: set[str] = set()

    def now(self) -> float:
        """Return the clock from before a renewal, for `renewed`."""
        return self._clock()

    def renewed(self, since: float, working_on: Collection[str], held: Collection[str]) -> None:
        """Note a renewal that was begun at an instant, and which of the answers worked on are held no more."""
        self._until = since + self._lease_s
        self._lost = set(working_on) - set(held) - self._let_go

    def let_go(self, answer_id: str) -> None:
        """Note that an answer is being given back: that it is held no more does not say that another took it."""
        self._let_go.add(answer_id)

    def begin_anew(self, answer_id: str) -> None:
        """Drop what is known of an answer: it was taken anew, or nobody here works on it any more."""
        self._lost.discard(answer_id)
        self._let_go.discard(answer_id)

    def must_hold(self, answer_id: str) -> None:
        """Return while an answer may be acted on. Raises: AnswerLostError: another process may have it by now."""
        if answer_id in self._lost or self._clock() >= self._until:
            raise answer_lost(answer_id)
