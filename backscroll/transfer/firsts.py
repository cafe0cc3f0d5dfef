"""What a report names of things that may be many: the first of them, and how many there are.

Proved by `tests/unit/transfer/test_importing.py` and `tests/unit/transfer/test_exporting.py`.
"""

from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

NAMED = 20
"""So many are named."""


class Firsts(list[T]):
    """The first of the things that were noted; `total` counts all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self._once: set[T] = set()

    def note(self, thing: T) -> None:
        """Note a thing."""
        self.total += 1
        if len(self) < NAMED:
            self.append(thing)

    def note_once(self, things: Iterable[T]) -> None:
        """Note those things that were not noted in this way before."""
        for each in things:
            if each not in self._once:
                self._once.add(each)
                self.note(each)
