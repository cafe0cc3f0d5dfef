"""Handlers that do what none should: the bot outlives them, and ends when it is told to."""

import signal

from tests.scenario.program import Home

IMMORTAL = """\
import asyncio

async def answer(turn):
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            print("no", flush=True)
"""
CLOSING = """\
async def answer(turn):
    async with turn.store as store:
        count = len(await store.list())
    await turn.store.close()
    return f"{count} thread"
"""
FORGETFUL = """\
import asyncio

async def fail(text):
    raise RuntimeError(text)

async def answer(turn):
    asyncio.create_task(fail(turn.message.text))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return "done"
"""


def test_stop_ends_a_handler_that_does_not_let_itself_be_cancelled(home: Home) -> None:
    home.write("stubborn.py", IMMORTAL)
    home.configure(handler="stubborn:answer", shutdown_grace_s=0, handler_timeout_s=0.2)
    with home.start() as program:
        program.say("hello")
        program.wait_for("no")
        program.signal(signal.SIGTERM)
        code = program.ended()

    assert code == 1
    assert "does not end" in program.err
    assert "Traceback" not in program.err


def test_handler_that_closes_its_store_does_not_close_the_bots(home: Home) -> None:
    home.write("stubborn.py", CLOSING)
    home.configure(handler="stubborn:answer")
    program = home.run("one", "two")

    assert program.process.returncode == 0
    assert program.out.count("1 thread") == 2


def test_task_that_a_handler_leaves_behind_shows_no_text(home: Home) -> None:
    home.write("stubborn.py", FORGETFUL)
    home.configure(handler="stubborn:answer")
    program = home.run("canary")

    assert program.out == "done\n"
    assert "RuntimeError at stubborn.py:4" in program.err
    assert "canary" not in program.err
