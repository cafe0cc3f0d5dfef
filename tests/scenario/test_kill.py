"""Kill -9 at every stage of one message's life: after a restart it is there once, and answered once.

Nothing in the product knows of this: the configuration names a provider and a handler that kill their own process.
"""

import signal
from dataclasses import dataclass

import pytest

from backscroll.storage.records import Answer
from backscroll.storage.store import ThreadStore
from tests.scenario.killing import KILLING
from tests.scenario.program import Home

ANSWER = "the answer to hello\n"
PRINTED = ("answer marked, not finished", "answer finished")
AFTER_COMMIT = (
    "message committed",
    "answer taken",
    "handler running",
    "answer made, not stored",
    "answer stored, not posted",
    *PRINTED,
)


@dataclass(frozen=True)
class Kept:
    """What is in the database."""

    messages: list[tuple[object, ...]]
    answers: list[Answer]

    @classmethod
    async def at(cls, url: str) -> "Kept":
        async with ThreadStore(url) as store:
            (thread,) = await store.list()
            return cls(
                [(each.sequence, each.role, each.text) for each in thread.messages], await store.provider.list_answers()
            )


@pytest.fixture
def killing(home: Home, url: str) -> Home:
    home.write("killing.py", KILLING)
    home.configure(storage={"type": "killing", "url": url}, handler="killing:answer")
    return home


def killed(home: Home, stage: str) -> str:
    """Say `hello` to a bot that is killed at a stage, and return what it had printed."""
    with home.start(KILL_AT=stage) as program:
        program.say("hello")
        assert program.ended() == -signal.SIGKILL, program.err
    return program.out


@pytest.mark.parametrize("stage", ["message inserted, not committed", *AFTER_COMMIT])
async def test_kill_loses_nothing_and_repeats_nothing(killing: Home, url: str, stage: str) -> None:
    before = killed(killing, stage)
    restarted = killing.run(*([] if stage in AFTER_COMMIT else ["hello"]))  # a person sees that it was not taken
    kept = await Kept.at(url)
    assert restarted.process.returncode == 0, restarted.err
    assert before == (ANSWER if stage in PRINTED else "")
    assert before + restarted.out == ANSWER
    assert kept.messages == [(1, "user", "hello"), (2, "assistant", "the answer to hello")]
    assert [(answer.state, answer.tries) for answer in kept.answers] == [("sent", 0)]


async def test_kill_between_printing_and_its_mark_prints_at_most_twice_and_stores_once(killing: Home, url: str) -> None:
    before = killed(killing, "answer posted, not marked")
    restarted = killing.run()
    kept = await Kept.at(url)
    assert before == ANSWER
    assert restarted.out in ("", ANSWER)
    assert kept.messages == [(1, "user", "hello"), (2, "assistant", "the answer to hello")]
    assert [answer.state for answer in kept.answers] == ["sent"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_of_two_processes_in_turn_still_answers_once(killing: Home, url: str) -> None:
    assert killed(killing, "handler running") == ""
    with killing.start(KILL_AT="answer stored, not posted") as program:
        assert program.ended() == -signal.SIGKILL, program.err
    assert program.out == ""
    assert killing.run().out == ANSWER
    kept = await Kept.at(url)
    assert len(kept.messages) == 2
    assert [(answer.state, answer.takeovers) for answer in kept.answers] == [("sent", 2)]
