"""Approvals with the real program, in a pipe and in a terminal: asked, decided, and never lost, whatever is killed."""

import signal
import sqlite3
from contextlib import closing
from functools import partial

import pytest

from backscroll.bot.manager import ConversationManager
from backscroll.storage.records import Answer
from backscroll.storage.store import ThreadStore
from tests.scenario.program import Home

DELETING = '''
"""The SQL provider, which kills its process at the stage that KILL_AT names, and a handler that asks."""

import os
import signal
from datetime import timedelta

from backscroll.storage import sql


def reach(stage):
    if os.environ.get("KILL_AT") == stage:
        os.kill(os.getpid(), signal.SIGKILL)


class Provider(sql.Provider):
    async def take_answer(self, owner, platforms, lease_s, **options):
        # Who is to be killed leaves a short lease behind, and believes in a long one: no stall costs it an answer.
        held_s = 1 if "KILL_AT" in os.environ else lease_s
        return await super().take_answer(owner, platforms, held_s, **options)

    async def begin_approval(self, *arguments, **options):
        reach("nothing stored")
        approval = await super().begin_approval(*arguments, **options)
        reach("stored, not posted")
        return approval

    async def mark_sent(self, *arguments, **options):
        reach("posted, not marked")
        await super().mark_sent(*arguments, **options)
        reach("marked, not suspended")

    async def suspend_answer(self, *arguments, **options):
        await super().suspend_answer(*arguments, **options)
        reach("suspended")

    async def decide_approval(self, *arguments, **options):
        reach("not decided")
        decided = await super().decide_approval(*arguments, **options)
        reach("decided")
        return decided

    async def begin_sending(self, *arguments, **options):
        reach("resumed, nothing stored")
        return await super().begin_sending(*arguments, **options)


async def answer(turn):
    if not turn.message.text.startswith("delete"):
        return f"+ {turn.message.text}"
    decision = await turn.ask_approval("sure?", expires_in=timedelta(seconds=float(os.environ.get("LIVES_S", 60))))
    return f"{decision.outcome} by {decision.by}"
'''
ASKED = "sure? (yes/no)\n"
APPROVED = "approved by you\n"


@pytest.fixture
def deleting(home: Home) -> Home:
    home.write("deleting.py", DELETING)
    home.configure(storage={"type": "deleting", "url": home.sqlite_url}, handler="deleting:answer")
    return home


def are_suspended(home: Home, wanted: int) -> bool:
    """Tell whether so many answers wait for people."""
    with closing(sqlite3.connect(home.directory / "backscroll.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM answers WHERE state = 'suspended'").fetchone()
    return int(count) == wanted


async def answers_of(home: Home) -> list[Answer]:
    async with ThreadStore(home.sqlite_url) as store:
        return await store.provider.list_answers()


async def texts_of(home: Home) -> list[str]:
    async with ThreadStore(home.sqlite_url) as store:
        (thread,) = await store.list_recent()
        return [message.text for message in thread.messages]


# In a pipe


@pytest.mark.parametrize(("said", "told"), [(" YES ", APPROVED), ("n", "rejected by you\n")])
async def test_pipe_decides_with_the_next_line(deleting: Home, said: str, told: str) -> None:
    done = deleting.run("delete", said)
    assert (done.process.returncode, done.out) == (0, ASKED + told), done.err
    assert await texts_of(deleting) == ["delete", "sure?", told.strip()]


def test_pipe_says_yes_where_nothing_is_asked(deleting: Home) -> None:
    assert deleting.run("yes", "delete", "maybe", "n", "no").out.split("\n")[:-1] == [
        "+ yes",
        "sure? (yes/no)",
        "+ maybe",
        "rejected by you",
        "+ no",
    ]


async def test_pipe_that_ends_leaves_the_question_open(deleting: Home) -> None:
    assert deleting.run("delete").out == ASKED
    assert [answer.state for answer in await answers_of(deleting)] == ["suspended"]
    again = deleting.run("yes")
    assert (again.process.returncode, again.out) == (0, ASKED + APPROVED), again.err


def test_question_expires_while_nobody_runs_the_bot(deleting: Home) -> None:
    assert deleting.run("delete", LIVES_S="0.001").out == ASKED
    with deleting.start() as program:
        program.wait_for("expired by None\n")


# In a terminal


def test_terminal_takes_another_text_for_a_message(deleting: Home) -> None:
    with deleting.open_terminal() as terminal:
        terminal.say("delete")
        terminal.wait_for("sure? (yes/no)")
        terminal.say("maybe")
        terminal.wait_for("+ maybe")
        terminal.say("YES")
        terminal.wait_for("approved by you")
        terminal.say("yes")
        terminal.wait_for("+ yes")


def test_terminal_decides_what_was_asked_last(home: Home) -> None:
    home.write(
        "asking.py", "async def answer(turn):\n    return (await turn.ask_approval(turn.message.text)).outcome\n"
    )
    home.configure(handler="asking:answer")
    with home.open_terminal() as terminal:
        for count, question in enumerate(("Do A?", "Do B?"), 1):
            terminal.say(question)
            terminal.wait_for(f"{question} (yes/no)")
            terminal.wait_until(partial(are_suspended, home, count), "its answer waits")
        terminal.say("yes")
        terminal.wait_for('"Do B?": approved\r\n')
        terminal.wait_for("Do A? (yes/no)\r\n", times=2)
        terminal.say("no")
        terminal.wait_for('"Do A?": rejected\r\n')


def test_terminal_does_not_ask_again_what_has_expired(deleting: Home) -> None:
    assert deleting.run("delete", LIVES_S="0.001").out == ASKED
    with deleting.open_terminal() as terminal:
        terminal.wait_for("expired by None\r\n")
    assert "(yes/no)" not in terminal.out


# Several processes, and what is killed


async def test_decision_in_another_process_resumes_the_handler(deleting: Home) -> None:
    with deleting.start() as program:
        program.say("delete")
        program.wait_for(ASKED)
        async with ThreadStore(deleting.sqlite_url) as store:
            (approval,) = await store.provider.list_approvals()
            assert await ConversationManager(store.provider).decide(approval.id, "you", approved=True) == "decided"
        program.wait_for(APPROVED)


@pytest.mark.parametrize(
    ("stage", "prints"),
    [
        ("nothing stored", 1),
        ("stored, not posted", 1),
        ("posted, not marked", 2),  # the console cannot look
        ("marked, not suspended", 2),  # it is shown once more, to whoever sits there now
        ("suspended", 2),
    ],
)
async def test_kill_while_it_is_asked_loses_no_question(deleting: Home, stage: str, prints: int) -> None:
    with deleting.start(KILL_AT=stage) as program:
        program.say("delete")
        assert program.ended() == -signal.SIGKILL, program.err
    again = deleting.run("yes")
    assert again.process.returncode == 0, again.err
    assert again.out.endswith(APPROVED)
    assert (program.out + again.out).count(ASKED) == prints
    assert await texts_of(deleting) == ["delete", "sure?", "approved by you"]
    assert [(answer.state, answer.tries) for answer in await answers_of(deleting)] == [("sent", 0)]


@pytest.mark.parametrize("stage", ["not decided", "decided", "resumed, nothing stored"])
async def test_kill_while_it_is_decided_answers_once(deleting: Home, stage: str) -> None:
    with deleting.start(KILL_AT=stage) as program:
        program.say("delete")
        program.wait_for(ASKED)
        program.say("yes")
        assert program.ended() == -signal.SIGKILL, program.err
    again = deleting.run(*(["yes"] if stage == "not decided" else []))
    assert again.process.returncode == 0, again.err
    assert again.out.count(APPROVED) == 1
    assert await texts_of(deleting) == ["delete", "sure?", "approved by you"]
