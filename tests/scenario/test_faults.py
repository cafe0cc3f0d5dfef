"""What goes wrong around a bot: handlers that do anything, disks that are full, databases that are not there.

Each costs that one answer, or gives a clear error with its code; never a traceback, and no password.
"""

import asyncio
import os
import resource
import signal
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from backscroll.storage.records import Answer, AnswerState
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import eventually
from tests.scenario.conftest import Call, Called
from tests.scenario.program import Home, Program
from tests.servers.postgres import Postgres

CANARY = "canary-4711"

MISHAPS = f"""
import asyncio, sys, threading
from pathlib import Path
from backscroll import Message

async def texts():
    yield "from a "
    yield "generator"

async def breaks_off():
    yield "half of {CANARY}"
    raise ValueError("{CANARY}")

def answer(turn):
    kind = turn.message.text
    match kind:
        case "raises": raise ValueError("{CANARY} " + kind)
        case "hangs": return asyncio.Event().wait()
        case "hangs in a thread": threading.Event().wait()
        case "wrong type": return {{"text": "{CANARY}"}}
        case "wrong role": return Message(role="user", content="{CANARY}")
        case "SystemExit": sys.exit("{CANARY}")
        case "KeyboardInterrupt later": return interrupted()
        case "breaks off": return breaks_off()
        case "None": return None
        case "blank": return " \\n "
        case "generator": return texts()
        case "Message": return Message(role="assistant", content="from a message")
        case "retried": return "mended" if Path("mended").exists() else 1 / 0
    return "fine " + kind

async def interrupted():
    raise KeyboardInterrupt("{CANARY}")
"""
EXPECTED = "expected a text, an assistant's Message, an async iterator of texts, or None."
FAILING = {
    "raises": "The handler raised ValueError at mishaps.py:17.",
    "hangs": "The handler took longer than 1 s.",
    "hangs in a thread": "The handler took longer than 1 s.",
    "wrong type": f"The handler returned a dict; {EXPECTED}",
    "wrong role": f"The handler returned a message of role user; {EXPECTED}",
    "SystemExit": "The handler raised SystemExit at mishaps.py:22.",
    "KeyboardInterrupt later": "The handler raised KeyboardInterrupt at mishaps.py:33.",
    "breaks off": "The handler raised ValueError at mishaps.py:12.",
}
ANSWERED = {"generator": "from a generator", "Message": "from a message", "other": "fine other"}
SILENT = ("None", "blank")
FAILURE = "told that it failed"


class Mishaps:
    """A bot that had every kind of answer, each in a thread of its own, and what is kept of it."""

    def __init__(self, home: Home) -> None:
        home.write("mishaps.py", MISHAPS)
        home.configure(handler="mishaps:answer", handler_timeout_s=1, failure_text=FAILURE)
        kinds = [*FAILING, *SILENT, *ANSWERED]
        self.program = home.run(*[line for kind in kinds for line in (kind, "/new")])
        self.answers: dict[str, Answer] = {}
        self.told: dict[str, str | None] = {}
        asyncio.run(self._read(home.sqlite_url))

    async def _read(self, url: str) -> None:
        async with ThreadStore(url) as store:
            for thread in await store.list():
                question, *rest = [message.text for message in thread.messages]
                (self.answers[question],) = await store.provider.list_answers(thread_id=thread.id)
                self.told[question] = rest[0] if rest else None


@pytest.fixture(scope="module")
def mishaps(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Mishaps:
    """Run the bot once, for all the claims about it."""
    return Mishaps(Home(tmp_path_factory.mktemp("mishaps"), bytecode))


# Handlers


@pytest.mark.parametrize("kind", FAILING)
def test_handler_that_fails_is_given_up_with_its_reason_and_the_person_is_told(mishaps: Mishaps, kind: str) -> None:
    answer = mishaps.answers[kind]
    assert (answer.state, answer.tries, answer.reason) == ("failed", 2, FAILING[kind])
    assert mishaps.told[kind] == FAILURE


@pytest.mark.parametrize("kind", SILENT)
def test_handler_without_an_answer_says_nothing(mishaps: Mishaps, kind: str) -> None:
    assert mishaps.answers[kind].state == "skipped"
    assert mishaps.told[kind] is None


@pytest.mark.parametrize("kind", ANSWERED)
def test_handler_may_answer_in_several_ways(mishaps: Mishaps, kind: str) -> None:
    assert mishaps.answers[kind].state == "sent"
    assert mishaps.told[kind] == ANSWERED[kind]


def test_others_are_answered_while_one_fails(mishaps: Mishaps) -> None:
    said = mishaps.program.out.splitlines()
    assert sorted(said) == sorted([FAILURE] * len(FAILING) + list(ANSWERED.values()))
    assert said.index("fine other") < said.index(FAILURE)


def test_failures_end_nothing_and_leave_no_traceback(mishaps: Mishaps) -> None:
    assert mishaps.program.process.returncode == 0
    assert "Traceback" not in mishaps.program.err
    assert CANARY not in mishaps.program.err


def test_each_try_is_told_to_the_operator(mishaps: Mishaps) -> None:
    for number in (1, 2, 3):
        assert f"{mishaps.answers['raises'].id}, try {number} of 3: {FAILING['raises']}" in mishaps.program.err


async def in_state(store: ThreadStore, state: AnswerState) -> list[Answer] | None:
    return await store.provider.list_answers(state=state) or None


async def test_failed_answer_that_the_operator_retries_is_answered_by_the_running_bot(home: Home) -> None:
    home.write("mishaps.py", MISHAPS)
    home.configure(handler="mishaps:answer", failure_text=FAILURE)
    with home.start() as program:
        program.say("retried")
        program.wait_for(FAILURE)
        home.write("mended", "")
        async with ThreadStore(home.sqlite_url) as store:
            (failed,) = await eventually(partial(in_state, store, "failed"))
            assert failed.reason == "The handler raised ZeroDivisionError at mishaps.py:29."
            assert await store.provider.retry_answer(failed.id)
        program.wait_for("mended\n")
        program.end_input()
        assert program.ended() == 0


# Disks


def fill_disk(home: Home, program: Program) -> None:
    """Let no file of the program grow past what SQLite's log has now."""
    size = (home.directory / "backscroll.db-wal").stat().st_size
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def free_disk(program: Program) -> None:
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def test_full_disk_is_told_and_waited_for(home: Home) -> None:
    with home.start() as program:
        program.say("one")
        program.wait_for("You said: one\n")
        async with ThreadStore(home.sqlite_url) as store:
            await eventually(partial(in_state, store, "sent"))
        fill_disk(home, program)
        program.say("two")
        program.wait_for("Your line waits.", stream="err")
        program.say("three")
        free_disk(program)
        program.wait_for("You said: three\n")
        program.end_input()
        assert program.ended() == 0
    assert [line for line in program.out.splitlines() if line.startswith("You")] == [
        "You said: one",
        "You said: two",
        "You said: three",
    ]
    assert "Traceback" not in program.err


async def test_full_disk_while_an_answer_is_made_loses_no_answer(home: Home) -> None:
    home.write(
        "slow.py",
        """
        import time
        from pathlib import Path

        def answer(turn):
            Path("began").open("a").write("x")
            while not Path("go").exists():
                time.sleep(0.01)
            return "made once"
        """,
    )
    home.configure(handler="slow:answer")
    with home.start() as program:
        program.say("one")
        program.wait_until((home.directory / "began").exists)
        fill_disk(home, program)
        home.write("go", "")
        program.wait_for("waits for the storage", stream="err")
        free_disk(program)
        program.wait_for("made once\n")
        program.end_input()
        assert program.ended() == 0
    assert (home.directory / "began").read_text() == "x"
    assert program.out == "made once\n"


WITHOUT_OVERRIDE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Drops root's right to write where it may not: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE."""


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("closed", ["the directory", "the file"])
def test_database_that_may_not_be_written_ends_with_3(home: Home, closed: str, command: str) -> None:
    directory = home.directory / "closed"
    directory.mkdir()
    (directory / "backscroll.db").touch()
    home.configure(f"sqlite:///{directory}/{'backscroll.db' if closed == 'the file' else 'new.db'}")
    (directory / "backscroll.db").chmod(0o400)
    directory.chmod(0o500)
    start = [sys.executable, "-I", "-c", WITHOUT_OVERRIDE] if os.geteuid() == 0 else []
    with Program([*start, *home.command(command)], home.directory, home.environment) as program:
        program.end_input()
        assert program.ended() == 3
    directory.chmod(0o700)
    assert program.out == ""
    assert len(program.err.splitlines()) == 2, program.err
    assert f"sqlite+aiosqlite:///{directory}/" in program.err


def test_output_that_cannot_be_written_keeps_the_answer(home: Home) -> None:
    with Path("/dev/full").open("wb") as full, home.start(stdout=full) as program:
        program.say("hello")
        program.wait_for("stdout cannot be written: No space left on device.", stream="err")
        program.signal(signal.SIGTERM)
        assert program.ended() == 0
    assert "Traceback" not in program.err
    assert home.run().out == "You said: hello\nI remember 0 earlier messages of this thread.\n"


# Databases


def must_tell(called: Called, code: int = 3) -> str:
    """Check that a command said in two lines what is wrong with the storage, and return them."""
    assert (called.code, called.out) == (code, "")
    assert len(called.err.splitlines()) == 2, called.err
    assert CANARY not in called.err
    return called.err


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"mysql://bot:{CANARY}@db/bot", "The driver mysql is not supported."),
        (f"postgresql:/bot:{CANARY}@db/bot", "The storage's URL cannot be read."),
        (f"postgresql://bot:{CANARY}@db:99999/bot", "which is no port"),
        (f"postgresql://bot:{CANARY}@db", "names no database"),
    ],
)
def test_url_that_cannot_be_is_a_fault_of_the_configuration(
    home: Home, call: Call, url: str, told: str, command: str
) -> None:
    home.configure(url)
    said = must_tell(call(command), code=2)
    assert said.startswith("config.yaml:")
    assert told in said


@pytest.mark.parametrize("command", ["run", "check"])
def test_path_whose_directory_is_missing_ends_with_3(home: Home, call: Call, command: str) -> None:
    home.configure("sqlite:////nowhere/of/this/name/backscroll.db")
    assert "cannot be written." in must_tell(call(command))


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("fault", ["password", "user", "database"])
def test_database_that_says_no_ends_with_3(
    home: Home, call: Call, postgres_server: Postgres, fault: str, command: str
) -> None:
    right = urlsplit(postgres_server.url())
    user = "nobody-of-this-name" if fault == "user" else right.username
    password = CANARY if fault == "password" else right.password
    database = "none-of-this-name" if fault == "database" else "postgres"
    home.configure(f"postgresql://{user}:{password}@{right.hostname}:{right.port}/{database}")
    told = must_tell(call(command))
    assert "***" in told
    assert str(right.password) not in told
    assert ("has no such database" if fault == "database" else "refused the user or password") in told


@pytest.mark.parametrize("place", ["127.0.0.1:1", "no-such-host.invalid"])
def test_check_of_a_database_that_is_not_there_does_not_wait(home: Home, call: Call, place: str) -> None:
    home.configure(f"postgresql://bot:{CANARY}@{place}/bot")
    told = must_tell(call("check"))
    assert "does not answer" in told
    assert "Check that the server is up and storage.url is right." in told


@pytest.mark.parametrize("command", ["run", "check"])
def test_file_that_is_no_database_is_told(home: Home, call: Call, command: str) -> None:
    (home.directory / "backscroll.db").write_bytes(b"no database at all, but a text of some length\n" * 100)
    assert "is not an SQLite database" in must_tell(call(command))
