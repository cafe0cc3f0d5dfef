"""Kill -9 at every stage of a question's life on Slack: the question is kept once, and its answer stands there once.

Nothing in the product knows of this: the configuration names a provider and handlers that kill their own process.
"""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.storage.records import AnswerState
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Channel, User
from tests.scenario.killing import KILLING
from tests.scenario.program import PATIENCE_S, Home
from tests.scenario.slack import Stage as Scene
from tests.scenario.slack import config_of, running

STREAMING = """

from backscroll.adapters.slack import streams
from backscroll.bot import growing

growing.STREAM_AFTER_S = growing.EVERY_S = 0.02
close = streams.NativeStream.close


async def close_and_die(self, text):
    await close(self, text)
    reach("closed, not marked")


streams.NativeStream.close = close_and_die
open_post = growing.Growing._open
is_open = asyncio.Event()


async def open_and_tell(self, part):
    await open_post(self, part)
    is_open.set()


growing.Growing._open = open_and_tell


async def stream(turn):
    yield "the answer "
    await is_open.wait()
    while os.environ.get("KILL_AT") == "growing":
        yield "to "
        await asyncio.sleep(0.05)
    yield "to "
    yield turn.message.text


async def post(turn):
    await turn.post("one moment")
    reach("first post out")
    return f"the answer to {turn.message.text}"
"""
STAGES = (
    "message inserted, not committed",
    "message committed",
    "answer taken",
    "handler running",
    "answer made, not stored",
    "answer stored, not posted",
    "answer posted, not marked",
    "answer marked, not finished",
    "answer finished",
)
STREAM_STAGES = (
    "answer stored, not posted",
    "answer posted, not marked",
    "answer marked, not finished",
    "growing",
    "whole, not closed",
    "answer finished",
)


async def answer(turn: Turn) -> str:
    return f"the answer to {turn.message.text}"


async def stream(turn: Turn) -> AsyncIterator[str]:
    yield "the answer to "
    yield turn.message.text


async def post(turn: Turn) -> str:
    await turn.post("one moment")
    return await answer(turn)


class Stage:
    """A Slack with one person in one channel, and the bot there as a process."""

    def __init__(self, slack: FakeSlack, home: Home, url: str) -> None:
        self.slack = slack
        self.url = url
        self._home = home
        self.anna: User = slack.add_user("anna")
        self.general: Channel = slack.add_channel("general", members=[self.anna])

    def configure(self, handler: str) -> None:
        slack = self.slack
        tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token, "api_base_url": slack.api_url}
        storage = {"type": "killing", "url": self.url}
        self._home.configure(storage=storage, adapters={"slack": tokens}, handler=f"killing:{handler}")

    async def ask_and_kill(self, stage: str) -> None:
        """Ask a bot that is killed at a stage."""
        with self._home.start(KILL_AT=stage) as program:
            await self.slack.until(lambda: self.slack.socket_count or program.process.poll(), PATIENCE_S)
            await self.slack.say(self.anna, self.general, "hello <@BOT>")
            assert await asyncio.to_thread(program.ended) == -signal.SIGKILL, program.err

    async def run_until_answered(self, handler: Handler) -> None:
        """Run the bot, here, until its answer is finished and nothing is unacknowledged."""
        config = config_of(self.slack, self.url, handler=handler)
        async with ThreadStore(self.url) as store:
            scene = Scene(slack=self.slack, store=store, url=self.url, anna=self.anna, general=self.general)
            async with running(scene, config):
                await scene.until(store.provider.list_answers)
                await scene.settled()

    async def kept(self) -> list[tuple[int | None, str, str]]:
        async with ThreadStore(self.url) as store:
            (thread,) = await store.list()
            return [(each.sequence, each.role, each.text) for each in thread.messages]

    async def states(self) -> list[AnswerState]:
        async with ThreadStore(self.url) as store:
            return [answer.state for answer in await store.provider.list_answers()]


@pytest.fixture
async def stage(home: Home, url: str, short_waits: None) -> AsyncIterator[Stage]:
    home.write("killing.py", KILLING + STREAMING)
    async with FakeSlack(retry_after_s=1.0, retry_delays=(0.5, 0.5, 0.5)) as slack:
        yield Stage(slack, home, url)


QUESTION = (1, "user", "hello @backscroll")
ANSWER = "the answer to hello @backscroll"


@pytest.mark.parametrize("at", STAGES)
async def test_kill_loses_nothing_and_posts_the_answer_once(stage: Stage, at: str) -> None:
    stage.configure("answer")
    await stage.ask_and_kill(at)
    await stage.run_until_answered(answer)
    assert stage.slack.posted_by_bot(stage.general) == [ANSWER]
    assert await stage.kept() == [QUESTION, (2, "assistant", ANSWER)]
    assert await stage.states() == ["sent"]


@pytest.mark.parametrize(
    ("allow_streams", "at"),
    [*((True, at) for at in (*STREAM_STAGES, "closed, not marked")), *((False, at) for at in STREAM_STAGES)],
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_leaves_one_post_of_an_answer_that_grew(stage: Stage, at: str, allow_streams: bool) -> None:
    stage.slack.allow_streams = allow_streams
    stage.configure("stream")
    await stage.ask_and_kill(at)
    await stage.run_until_answered(stream)
    assert stage.slack.posted_by_bot(stage.general) == [ANSWER]
    assert await stage.kept() == [QUESTION, (2, "assistant", ANSWER)]
    assert await stage.states() == ["sent"]


@pytest.mark.parametrize("at", ["first post stored, not posted", "answer posted, not marked", "first post out"])
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_posts_what_a_handler_posts_besides_once(stage: Stage, at: str) -> None:
    stage.configure("post")
    await stage.ask_and_kill(at)
    await stage.run_until_answered(post)
    assert stage.slack.posted_by_bot(stage.general) == ["one moment", ANSWER]
    assert await stage.kept() == [QUESTION, (2, "assistant", "one moment"), (3, "assistant", ANSWER)]
