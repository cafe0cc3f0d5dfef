"""What is told to whoever watches a bot: how its events, connections, handlers and answers fare.

The parts know this class alone, which hears and does nothing; `bot/watching/metrics.py` counts. Told are the platform,
kinds and durations, and never a text. Proved by `tests/unit/bot/watching/test_metrics.py` and
`tests/scenario/test_watching.py`.
"""

from datetime import datetime
from typing import Literal

from backscroll.adapters.events import Event
from backscroll.storage.records import Answer, FinalState

EventOutcome = Literal["kept", "repeated", "ignored", "retried", "failed"]
"""`ignored`: nobody asked the bot in there. `retried`: the storage did not take it now, and it comes again."""

HandlerOutcome = Literal["answered", "silent", "suspended", "failed"]
"""`silent`: it had no answer. `suspended`: it waits for people."""


class Observer:
    """Hears what happens, at once; raises nothing, and nobody waits for it."""

    def event_ended(self, event: Event, outcome: EventOutcome, took_s: float) -> None:
        """Hear of an event that an adapter handed over, and how long it took until it was committed, or left."""

    def event_rejected(self, platform: str) -> None:
        """Hear of an event that nobody could understand, and that is put aside."""

    def event_acknowledged(self, platform: str, took_s: float) -> None:
        """Hear that the platform is told of an event that it is kept, and how long after it came."""

    def event_not_acknowledged(self, platform: str) -> None:
        """Hear that the platform is to send an event again."""

    def connection_made(self, platform: str) -> None:
        """Hear of a connection to a platform, the first and each after it."""

    def caught_up(self, platform: str, *, is_done: bool) -> None:
        """Hear that a workspace was read back after a start or a gap, or could not be."""

    def heartbeat_kept(self, at: float) -> None:
        """Hear that a heartbeat is in the storage. Args: at: seconds since 1970."""

    def handler_ended(self, platform: str, outcome: HandlerOutcome, took_s: float) -> None:
        """Hear of one run of the handler."""

    def answer_ended(self, answer: Answer, state: FinalState, asked_at: datetime | None) -> None:
        """Hear that an answer is finished.

        Args: asked_at: when the question was written on the platform; None where nobody knows.
        """
