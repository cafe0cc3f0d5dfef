"""Stopping a bot on Slack, with the real program: nothing new is taken in, and nothing is lost or said twice.

What is the same on every platform, such as the grace period's end and the second signal, stands in `test_run.py`.
"""

import asyncio
import json
import signal
from typing import Any

from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack, Fault
from backscroll.testing.slack.models import Channel
from tests.scenario.program import PATIENCE_S, Home, Program
from tests.scenario.slack import free_port
from tests.scenario.test_watching import page
from tests.servers.postgres import PostgresServer

PLUS = """
async def answer(turn):
    return f"+ {turn.message.text}"
"""
SLOW = """
import asyncio
from pathlib import Path

async def answer(turn):
    Path("began").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return f"+ {turn.message.text}"
"""
SLOW_LAST = """
import plus, slow

async def answer(turn):
    return await (slow if turn.message.text.startswith("19 ") else plus).answer(turn)
"""


def configure(home: Home, slack: FakeSlack, port: int, url: str | None = None, **bot: Any) -> None:
    tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url}
    given: dict[str, Any] = {
        "bot": {"handler": "slow:answer", "shutdown_grace_s": 30} | bot,
        "storage": {"type": "sql", "url": url or home.sqlite_url},
        "adapters": {"slack": tokens | {"streams": False}},
        "watch": {"port": port},
    }
    home.write("config.yaml", json.dumps(given))
    home.write("slow.py", SLOW)
    home.write("slow_last.py", SLOW_LAST)
    home.write("plus.py", PLUS)


async def ended(program: Program, patience_s: float = PATIENCE_S) -> int:
    return await asyncio.to_thread(program.ended, patience_s)


async def run_until_posted(home: Home, slack: FakeSlack, channel: Channel, count: int) -> None:
    """Run the program until it has posted so much there, and has nothing more to do."""
    with home.start() as program:
        await slack.until(lambda: len(slack.posted_by_bot(channel)) >= count, PATIENCE_S)
        await slack.quiet()
        program.signal(signal.SIGTERM)
        assert await ended(program) == 0, program.err


async def test_sigterm_takes_nothing_new_while_a_handler_finishes_and_the_next_start_does(home: Home) -> None:
    port = free_port()
    async with FakeSlack(retry_after_s=1.0, retry_delays=(0.5, 0.5, 0.5)) as slack:
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        configure(home, slack, port)
        with home.start() as program:
            await slack.until(lambda: slack.socket_count, PATIENCE_S)
            await slack.say(anna, general, "first <@BOT>")
            await slack.until((home.directory / "began").exists, PATIENCE_S)
            program.signal(signal.SIGTERM)

            async def is_stopping() -> bool:
                code, told = await page(port, "/readyz")
                return code == 503 and json.loads(told)["stopping"]

            await slack.until(is_stopping, PATIENCE_S)
            await slack.until(lambda: slack.socket_count == 0, PATIENCE_S)
            await slack.say(anna, general, "second <@BOT>")
            assert (await page(port, "/healthz"))[0] == 200
            home.write("go", "")
            assert await ended(program) == 0, program.err
        assert slack.posted_by_bot(general) == ["+ first @backscroll"]
        async with ThreadStore(home.sqlite_url) as store:
            assert [answer.state for answer in await store.provider.list_answers()] == ["sent"]

        await run_until_posted(home, slack, general, 2)
        assert slack.posted_by_bot(general) == ["+ first @backscroll", "+ second @backscroll"]


async def test_sigterm_ends_a_bot_whose_platform_does_not_answer_its_start(home: Home) -> None:
    async with FakeSlack() as slack:
        configure(home, slack, free_port())
        slack.fail("*", Fault.hang(3600), times=100)
        with home.start() as program:
            await slack.until(lambda: slack.calls_of("auth.test"), PATIENCE_S)
            program.signal(signal.SIGTERM)
            assert await ended(program, 15) == 0, program.err  # the call itself would be given up after 20 s
        slack.forgive()


async def test_sigterm_ends_a_bot_whose_database_hangs_and_the_next_start_answers_once(home: Home) -> None:
    async with FakeSlack(retry_after_s=1.0, retry_delays=(0.5, 0.5, 0.5)) as slack:
        with PostgresServer() as server:
            anna = slack.add_user("anna")
            general = slack.add_channel("general", members=[anna])
            bot = {"handler": "slow_last:answer", "shutdown_grace_s": 0.2, "lease_s": 1}
            configure(home, slack, free_port(), server.url(), **bot)
            with home.start() as program:
                await slack.until(lambda: slack.socket_count, PATIENCE_S)
                for number in range(20):
                    await slack.say(anna, general, f"{number} <@BOT>")
                await slack.until(lambda: slack.posted_by_bot(general), PATIENCE_S)
                await slack.until((home.directory / "began").exists, PATIENCE_S)
                with server.hanging():
                    home.write("go", "")
                    program.signal(signal.SIGTERM)
                    assert await ended(program, 20) == 0, program.err
            assert "is cut off" in program.err
            assert "Exception" not in program.err
            await run_until_posted(home, slack, general, 20)
            async with ThreadStore(server.url()) as store:
                assert {answer.state for answer in await store.provider.list_answers(limit=None)} == {"sent"}
    assert sorted(slack.posted_by_bot(general)) == sorted(f"+ {number} @backscroll" for number in range(20))


async def test_sigterm_while_an_answer_is_posted_leaves_it_there_once(home: Home) -> None:
    async with FakeSlack() as slack:
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        configure(home, slack, free_port(), handler="plus:answer", shutdown_grace_s=0.2)
        slack.fail("chat.postMessage", Fault.hang(2))
        with home.start() as program:
            await slack.until(lambda: slack.socket_count, PATIENCE_S)
            await slack.say(anna, general, "first <@BOT>")
            await slack.until(lambda: slack.calls_of("chat.postMessage"), PATIENCE_S)
            await slack.say(anna, general, "second <@BOT>")
            program.signal(signal.SIGTERM)
            assert await ended(program) == 0, program.err
        await slack.until(lambda: "+ first @backscroll" in slack.posted_by_bot(general))  # after the bot has gone
        await run_until_posted(home, slack, general, 2)
    assert sorted(slack.posted_by_bot(general)) == ["+ first @backscroll", "+ second @backscroll"]
