"""The running bot from its start to its end: signals, a database that is away, and a start from code."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from backscroll.storage.records import Answer
from backscroll.storage.store import ThreadStore
from tests.scenario.program import Home, Program
from tests.servers.postgres import Postgres, PostgresServer

OUTAGE_S = float(os.environ.get("BACKSCROLL_TEST_OUTAGE_S", "3"))
"""How long PostgreSQL is away in the middle of a stream of lines."""

SLOW = """
import asyncio
from pathlib import Path

async def answer(turn):
    Path("began").touch()
    while turn.message.text == "slow" and not Path("go").exists():
        await asyncio.sleep(0.01)
    return f"+ {turn.message.text}"
"""
PLAIN_HANG = """
import threading
from pathlib import Path

def answer(turn):
    Path("began").touch()
    threading.Event().wait()
"""
BLOCKING = """
import time
from pathlib import Path

async def answer(turn):
    Path("began").touch()
    while True:
        time.sleep(0.01)
"""


async def answers_of(url: str) -> list[Answer]:
    async with ThreadStore(url) as store:
        return await store.provider.list_answers(limit=None)


def began(home: Home, program: Program) -> None:
    program.wait_until((home.directory / "began").exists, "the handler")


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_an_idle_bot_with_0(home: Home, number: signal.Signals) -> None:
    with home.start() as program:
        program.wait_for("/help", stream="err")
        program.signal(number)
        assert program.ended() == 0
    assert program.err == "A new thread begins. /help lists the commands.\n"


def test_sigterm_lets_a_running_handler_finish(home: Home) -> None:
    home.write("slow.py", SLOW)
    home.configure(handler="slow:answer", shutdown_grace_s=30)
    with home.start() as program:
        program.say("slow")
        began(home, program)
        program.signal(signal.SIGTERM)
        home.write("go", "")
        assert program.ended() == 0
    assert program.out == "+ slow\n"


async def test_sigterm_after_the_grace_period_leaves_the_answer_to_the_next_start(home: Home) -> None:
    home.write("slow.py", SLOW)
    home.configure(handler="slow:answer", shutdown_grace_s=0.2)
    with home.start() as program:
        program.say("slow", "next")
        began(home, program)
        program.signal(signal.SIGTERM)
        assert program.ended() == 0
    assert program.out == ""
    first, _ = await answers_of(home.sqlite_url)
    assert (first.state, first.owner, first.tries) == ("waiting", None, 0)
    home.write("go", "")
    assert home.run().out.startswith("+ slow\n")


def test_sigterm_ends_a_bot_whose_plain_function_hangs(home: Home) -> None:
    home.write("hanging.py", PLAIN_HANG)
    home.configure(handler="hanging:answer", shutdown_grace_s=0.1)
    with home.start() as program:
        program.say("hello")
        began(home, program)
        program.signal(signal.SIGTERM)
        assert program.ended() == 0


def test_second_signal_ends_the_bot_at_once(home: Home) -> None:
    home.write("hanging.py", PLAIN_HANG)
    home.configure(handler="hanging:answer", shutdown_grace_s=3600)
    with home.start() as program:
        program.say("hello")
        began(home, program)
        program.signal(signal.SIGTERM)
        program.signal(signal.SIGINT)
        assert program.ended() == 130


def test_second_signal_ends_a_bot_whose_handler_blocks_it(home: Home) -> None:
    home.write("blocking.py", BLOCKING)
    home.configure(handler="blocking:answer", shutdown_grace_s=0)
    with home.start() as program:
        program.say("hello")
        began(home, program)
        program.signal(signal.SIGTERM)
        program.signal(signal.SIGINT)
        assert program.ended() == 130


async def test_bot_that_was_ended_at_once_leaves_its_answer_to_the_next_start(home: Home) -> None:
    home.write("slow.py", SLOW)
    home.configure(handler="slow:answer", shutdown_grace_s=3600, lease_s=1)
    with home.start() as program:
        program.say("slow")
        began(home, program)
        program.signal(signal.SIGTERM)
        program.signal(signal.SIGINT)
        assert program.ended() == 130
    home.write("go", "")
    assert home.run().out == "+ slow\n"


# Who reads


def test_reader_that_goes_away_ends_the_bot_without_a_traceback(home: Home) -> None:
    command = ["/bin/sh", "-c", 'yes hello | "$@" | head -1', "sh", *home.command("run")]
    done = subprocess.run(
        command, cwd=home.directory, env=home.environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "You said: hello\n"
    assert done.stderr == "A new thread begins. /help lists the commands.\n"


async def test_answers_that_nobody_read_are_said_by_the_next_start(home: Home) -> None:
    home.write("slow.py", SLOW)
    home.configure(handler="slow:answer")
    read, write = os.pipe()
    with home.start(stdout=write) as program:
        os.close(write)
        program.say("first")
        assert os.read(read, 100) == b"+ first\n"
        os.close(read)
        program.say("second", "third")
        program.end_input()
        assert program.ended() == 1
    assert "Traceback" not in program.err
    said = home.run().out.splitlines()
    assert said == [line for line in ("+ second", "+ third") if line in said]
    assert "+ second" in said
    assert "first" not in "".join(said)


# A database that is away


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Give a server of the test's own, which it may stop."""
    with PostgresServer() as started:
        yield started


def test_start_waits_for_a_database_that_is_down_and_says_so_once(home: Home, server: PostgresServer) -> None:
    server.stop()
    home.configure(server.url())
    with home.start() as program:
        program.say("hello")
        with socket.create_server(("127.0.0.1", server.port)) as knocked_at:
            for _ in range(3):
                knocked_at.accept()[0].close()
        server.start()
        program.wait_for("You said: hello\n")
        program.end_input()
        assert program.ended() == 0
    assert program.err.count("Waiting for the storage") == 1
    assert server.password not in program.err


def test_sigterm_ends_a_bot_that_waits_for_its_database(home: Home, server: PostgresServer) -> None:
    server.stop()
    home.configure(server.url())
    with home.start() as program:
        program.wait_for("Waiting for the storage", stream="err")
        program.signal(signal.SIGTERM)
        assert program.ended() == 0


def test_start_with_a_wrong_password_ends_with_3(home: Home, postgres_server: Postgres) -> None:
    url = postgres_server.url()
    password = url.split(":")[2].split("@")[0]
    home.configure(url.replace(password, "guessed-4711"))
    done = home.run()
    assert done.process.returncode == 3
    assert "refused the user or password" in done.err
    assert "guessed-4711" not in done.err
    assert "Traceback" not in done.err


async def test_outage_loses_nothing_and_answers_each_line_once(home: Home, server: PostgresServer) -> None:
    home.write("slow.py", SLOW)
    home.configure(server.url(), handler="slow:answer", lease_s=2)
    lines = [f"line {number}" for number in range(100)]
    with home.start() as program:
        program.say(*lines[:30])
        program.wait_for("+ line 5\n")
        server.stop()
        program.say(*lines[30:65])
        await asyncio.sleep(OUTAGE_S)  # the outage itself
        server.start()
        program.say(*lines[65:])
        program.wait_for("+ ", times=len(lines))
        program.end_input()
        assert program.ended() == 0, program.err
    async with ThreadStore(server.url()) as store:
        (thread,) = await store.list()
        answers = await store.provider.list_answers(limit=None)
    printed = Counter(program.out.splitlines())
    assert [message.text for message in thread.messages if message.role == "user"] == lines
    assert [message.text for message in thread.messages if message.role == "assistant"] == [
        f"+ {line}" for line in lines
    ]
    assert [message.sequence for message in thread.messages] == list(range(1, 201))
    assert printed == Counter(f"+ {line}" for line in lines)
    assert {answer.state for answer in answers} == {"sent"}
    assert "Traceback" not in program.err
    assert server.password not in program.err


# From code


FROM_CODE = """
import asyncio, sys
import backscroll

async def answer(turn: backscroll.Turn) -> str:
    return f"from code: {turn.message.text}"

asyncio.run(backscroll.run(answer, %s))
"""


@pytest.mark.parametrize("config", ['"config.yaml"', '__import__("pathlib").Path("config.yaml")', ""])
def test_run_from_code_answers_with_that_handler(new_home: Home, config: str) -> None:
    new_home.configure(handler="backscroll.bot.handlers:echo")
    new_home.write("bot.py", FROM_CODE % config)
    with Program([sys.executable, "bot.py"], new_home.directory, new_home.environment) as program:
        program.say("hello")
        program.end_input()
        assert program.ended() == 0, program.err
    assert program.out == "from code: hello\n"


CANCELLED = """
import asyncio
from pathlib import Path
import backscroll

async def answer(turn):
    Path("began").touch()
    await asyncio.Event().wait()

async def main():
    running = asyncio.ensure_future(backscroll.run(answer))
    while not Path("began").exists():
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    print(running.cancelled(), len(asyncio.all_tasks()))

asyncio.run(main())
"""


async def test_run_from_code_that_is_cancelled_gives_its_answers_back_and_leaves_no_task(home: Home) -> None:
    home.configure(shutdown_grace_s=0)
    home.write("bot.py", CANCELLED)
    with Program([sys.executable, "bot.py"], home.directory, home.environment) as program:
        program.say("hello")
        assert program.ended() == 0, program.err
    assert program.out == "True 1\n"
    assert program.err == "A new thread begins. /help lists the commands.\n"
    assert [(answer.state, answer.owner) for answer in await answers_of(home.sqlite_url)] == [("waiting", None)]


def test_run_from_code_in_a_thread_leaves_signals_alone(home: Home) -> None:
    home.write(
        "bot.py",
        """
        import asyncio, threading
        import backscroll

        thread = threading.Thread(target=lambda: asyncio.run(backscroll.run(lambda turn: turn.message.text.upper())))
        thread.start()
        thread.join()
        """,
    )
    with Program([sys.executable, "bot.py"], home.directory, home.environment) as program:
        program.say("hello")
        program.end_input()
        assert program.ended() == 0, program.err
    assert program.out == "HELLO\n"
