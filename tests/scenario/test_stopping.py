"""Stopping a bot on Slack, with the real program: nothing new is taken in, and nothing is lost or said twice.

What is the same on every platform, such as the grace period's end and the second signal, stands in `test_run.py`.
"""

import asyncio
import json
import signal
from typing import Any

from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack, Fault
from tests.scenario.program import PATIENCE_S, Home, Program
from tests.scenario.slack import free_port
from tests.scenario.test_watching import page

SLOW = """
import asyncio
from pathlib import Path

async def answer(turn):
    Path("began").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return f"+ {turn.message.text}"
"""


def configure(home: Home, slack: FakeSlack, port: int) -> None:
    tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url}
    given: dict[str, Any] = {
        "bot": {"handler": "slow:answer", "shutdown_grace_s": 30},
        "storage": {"type": "sql", "url": home.sqlite_url},
        "adapters": {"slack": tokens | {"streams": False}},
        "watch": {"port": port},
    }
    home.write("config.yaml", json.dumps(given))
    home.write("slow.py", SLOW)


async def ended(program: Program, patience_s: float = PATIENCE_S) -> int:
    return await asyncio.to_thread(program.ended, patience_s)


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

        with home.start() as program:
            await slack.until(lambda: len(slack.posted_by_bot(general)) > 1, PATIENCE_S)
            await slack.quiet()
            program.signal(signal.SIGTERM)
            assert await ended(program) == 0, program.err
        assert slack.posted_by_bot(general) == ["+ first @backscroll", "+ second @backscroll"]


async def test_sigterm_ends_a_bot_whose_platform_does_not_answer_its_start(home: Home) -> None:
    async with FakeSlack() as slack:
        configure(home, slack, free_port())
        slack.fail("*", Fault.hang(3600), times=100)
        with home.start() as program:
            await slack.until(lambda: slack.calls_of("auth.test"), PATIENCE_S)
            program.signal(signal.SIGTERM)
            assert await ended(program, 10) == 0, program.err  # the call itself would be given up after 20 s
        slack.forgive()
