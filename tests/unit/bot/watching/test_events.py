"""What becomes of events, of the handler's runs and of answers, as an observer hears it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from backscroll.adapters.events import Event, MessageDeleted, MessagePosted
from backscroll.adapters.observing import EventOutcome, HandlerOutcome, Observer
from backscroll.bot.answering import Answering
from backscroll.bot.handling import Handler
from backscroll.bot.manager import ConversationManager
from backscroll.bot.turn import Turn
from backscroll.errors import StorageUnavailableError
from backscroll.storage import memory
from backscroll.storage.keys import ThreadKey
from backscroll.storage.records import Answer, Arrival, FinalState, Recorded
from backscroll.storage.values import utc_now
from tests.unit.bot.stage import LIMITS, Recorder, ask, echo

KEY = ThreadKey("slack", "T1", "C1", "1.0")


class Hearing(Observer):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.runs: list[str] = []
        self.ends: list[tuple[str, datetime | None]] = []

    def event_ended(self, event: Event, outcome: EventOutcome, took_s: float) -> None:
        self.events.append(outcome)

    def event_rejected(self, platform: str) -> None:
        self.events.append("rejected")

    def handler_ended(self, platform: str, outcome: HandlerOutcome, took_s: float) -> None:
        self.runs.append(outcome)

    def answer_ended(self, answer: Answer, state: FinalState, asked_at: datetime | None) -> None:
        self.ends.append((state, asked_at))


class Away(memory.Provider):
    """Keeps nothing while it is away."""

    is_away = False

    async def record_message(self, arrival: Arrival, *, earlier: Sequence[Arrival] = ()) -> Recorded | None:
        if self.is_away:
            raise StorageUnavailableError
        return await super().record_message(arrival, earlier=earlier)


def posted(number: str, *, asks: bool = False) -> MessagePosted:
    return MessagePosted(KEY, KEY.message(number), "U1", "hi", utc_now(), mentions_bot=asks)


async def test_events_are_heard_with_what_became_of_them() -> None:
    provider, heard = Away(), Hearing()
    manager = ConversationManager(provider, observer=heard)
    await manager.record(posted("1.1"))
    for _ in range(2):
        await manager.record(posted("1.2", asks=True))
    provider.is_away = True
    with pytest.raises(StorageUnavailableError):
        await manager.record(posted("1.3"))
    provider.is_away = False
    with pytest.raises(ValueError, match="JSON"):
        await manager.record(replace(posted("1.4", asks=True), attributes={"x": b"x"}))
    await manager.record(MessageDeleted(KEY.message("1.2"), utc_now()))
    await manager.reject("slack", "why", {})
    assert heard.events == ["ignored", "kept", "repeated", "retried", "failed", "kept", "rejected"]


async def fail(turn: Turn) -> str:
    raise LookupError


async def silent(turn: Turn) -> None:
    return None


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    ("handler", "runs", "state"),
    [(echo, ["answered"], "sent"), (silent, ["silent"], "skipped"), (fail, ["failed"] * 3, "failed")],
)
async def test_runs_of_the_handler_and_the_end_of_the_answer_are_heard(
    handler: Handler, runs: list[str], state: str
) -> None:
    provider, heard = memory.Provider(), Hearing()
    await ask(provider, "q")
    (question,) = (await provider.list_threads())[0].messages
    async with Answering(provider, {"slack": Recorder()}, handler, LIMITS, observer=heard) as bot:
        await bot.drained()
    asked_at = question.created_at if state == "sent" else None
    assert (heard.runs, [ended for ended, _ in heard.ends]) == (runs, [state])
    assert state == "failed" or heard.ends[0][1] == asked_at
