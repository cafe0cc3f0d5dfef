"""Kill -9 at every stage of a question's life on Discord: the question is kept once, and its answer stands there once.

Nothing in the product knows of this: the configuration names a provider and handlers that kill their own process. The
nonces are forgotten meanwhile, so what was posted has to be found.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from backscroll.adapters.discord import commands
from backscroll.bot.config import BotConfig
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.records import AnswerState
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage as Scene
from tests.scenario.discord import config_of, running
from tests.scenario.killing import KILLING
from tests.scenario.program import PATIENCE_S, Home

HANDLERS = """

from backscroll.adapters import edited
from backscroll.bot import growing
from backscroll.storage.models import Attachment, Message

growing.STREAM_AFTER_S = growing.EVERY_S = 0.02
close = edited.EditedStream.close


async def close_and_die(self, text):
    await close(self, text)
    reach("closed, not marked")


edited.EditedStream.close = close_and_die


flush, flushed = growing.Growing._flush, asyncio.Event()


async def flush_and_tell(self, text):
    await flush(self, text)
    flushed.set()


growing.Growing._flush = flush_and_tell


async def stream(turn):
    for piece in ("the answer ", "to "):
        flushed.clear()
        yield piece
        await flushed.wait()
    yield turn.message.text


async def post(turn):
    await turn.post("one moment")
    reach("first post out")
    return f"the answer to {turn.message.text}"


async def draw(turn):
    return Message(role="assistant", attachments=[Attachment(name="a.txt", content=b"a")])
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
    "closed, not marked",
    "answer finished",
)
Where = Literal["thread", "channel", "direct", "command"]


async def answer(turn: Turn) -> str:
    return f"the answer to {turn.message.text}"


async def stream(turn: Turn) -> AsyncIterator[str]:
    yield "the answer to "
    yield turn.message.text


async def post(turn: Turn) -> str:
    await turn.post("one moment")
    return await answer(turn)


async def draw(turn: Turn) -> Message:
    return Message(role="assistant", attachments=[Attachment(name="a.txt", content=b"a")])


class Stage:
    """A Discord with one person in one channel, and the bot there as a process."""

    def __init__(self, discord: FakeDiscord, home: Home, url: str) -> None:
        self.discord = discord
        self.url = url
        self._home = home
        self._where: Where = "thread"
        self._asked: Said | None = None
        self.anna = discord.add_user("anna")
        self.general = discord.add_channel("general")

    @property
    def posts(self) -> list[Said]:
        """What the bot said where its answer belongs."""
        place: Channel = self.discord.open_dm(self.anna) if self._where == "direct" else self.general
        thread = None if self._asked is None else self.discord.thread_of(self._asked)
        return self.discord.own_messages(thread or place)

    async def ask_and_kill(self, stage: str, handler: str = "answer", where: Where = "thread") -> None:
        """Ask a bot that is killed at a stage."""
        self._where = where
        discord: dict[str, Any] = {"token": self.discord.token, "api_base_url": self.discord.api_url}
        discord |= {"reply_in": "channel"} if where == "channel" else {}
        storage = {"type": "killing", "url": self.url}
        self._home.configure(storage=storage, adapters={"discord": discord}, handler=f"killing:{handler}", lease_s=1)
        with self._home.start(KILL_AT=stage) as program:
            await self._until_it_listens()
            if where == "command":
                await self.discord.use_command(self.anna, self.general, "ask", question="hello")
            else:
                place = self.discord.open_dm(self.anna) if where == "direct" else self.general
                self._asked = await self.discord.say(self.anna, place, "hello <@BOT>")
            assert await asyncio.to_thread(program.ended) == -signal.SIGKILL, program.err

    async def run_until_answered(self, handler: Handler) -> None:
        """Run the bot, here, until its answer is finished and all is kept."""
        reply_in = "channel" if self._where == "channel" else "thread"
        config = config_of(self.discord, self.url, handler=handler, bot=BotConfig(lease_s=1), reply_in=reply_in)
        async with ThreadStore(self.url) as store:
            scene = Scene(store=store, url=self.url, discord=self.discord, anna=self.anna, general=self.general)
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

    async def _until_it_listens(self) -> None:
        """Wait until the bot hears what is said, and would look for it after a kill."""
        await self.discord.until(lambda: self.discord.session_count, PATIENCE_S)
        key = join_key("discord", self.discord.guild.id)
        async with ThreadStore(self.url) as store:
            await self.discord.until(lambda: store.provider.get("watermarks", key), PATIENCE_S)


@pytest.fixture
async def stage(home: Home, url: str, short_waits: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(commands, "EARLY_S", 0.0)
    monkeypatch.chdir(home.directory)
    home.write("killing.py", KILLING + HANDLERS)
    async with FakeDiscord(nonce_window_s=0.0) as discord:
        yield Stage(discord, home, url)


QUESTION = (1, "user", "hello @backscroll")
ANSWER = "the answer to hello @backscroll"


@pytest.mark.parametrize("at", STAGES)
async def test_kill_loses_nothing_and_posts_the_answer_once(stage: Stage, at: str) -> None:
    await stage.ask_and_kill(at)
    await stage.run_until_answered(answer)
    assert [post.content for post in stage.posts] == [ANSWER]
    assert await stage.kept() == [QUESTION, (2, "assistant", ANSWER)]
    assert await stage.states() == ["sent"]
    assert len(stage.discord.threads(stage.general)) == 1


@pytest.mark.parametrize(
    ("where", "at"),
    [
        ("channel", "message inserted, not committed"),
        ("channel", "answer posted, not marked"),
        ("direct", "answer posted, not marked"),
    ],
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_posts_the_answer_once_elsewhere_too(stage: Stage, where: Where, at: str) -> None:
    await stage.ask_and_kill(at, where=where)
    await stage.run_until_answered(answer)
    assert [post.content for post in stage.posts] == [ANSWER]
    assert await stage.kept() == [QUESTION, (2, "assistant", ANSWER)]
    assert await stage.states() == ["sent"]


@pytest.mark.parametrize(
    "at",
    ["message committed", "answer stored, not posted", "answer posted, not marked", "answer marked, not finished"],
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_answers_a_command_once(stage: Stage, at: str) -> None:
    await stage.ask_and_kill(at, where="command")
    await stage.run_until_answered(answer)
    assert [post.content for post in stage.posts] == ["the answer to hello"]
    assert await stage.kept() == [(1, "user", "hello"), (2, "assistant", "the answer to hello")]
    assert await stage.states() == ["sent"]


@pytest.mark.parametrize(
    ("where", "at"),
    [*(("thread", at) for at in STREAM_STAGES), ("command", "growing"), ("channel", "answer posted, not marked")],
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_leaves_one_post_of_an_answer_that_grew(stage: Stage, where: Where, at: str) -> None:
    await stage.ask_and_kill(at, "stream", where)
    begun = [post.id for post in stage.posts]
    await stage.run_until_answered(stream)
    answer = "the answer to hello" if where == "command" else ANSWER
    assert [post.content for post in stage.posts] == [answer]
    assert begun in ([], [post.id for post in stage.posts])
    assert [text for _, role, text in await stage.kept() if role == "assistant"] == [answer]
    assert await stage.states() == ["sent"]


@pytest.mark.parametrize("at", ["first post stored, not posted", "answer posted, not marked", "first post out"])
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_posts_what_a_handler_posts_besides_once(stage: Stage, at: str) -> None:
    await stage.ask_and_kill(at, "post")
    await stage.run_until_answered(post)
    assert [post.content for post in stage.posts] == ["one moment", ANSWER]
    assert await stage.kept() == [QUESTION, (2, "assistant", "one moment"), (3, "assistant", ANSWER)]


@pytest.mark.parametrize("at", ["answer stored, not posted", "answer posted, not marked"])
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_kill_uploads_a_file_once(stage: Stage, at: str) -> None:
    await stage.ask_and_kill(at, "draw")
    await stage.run_until_answered(draw)
    assert [[(file.name, file.content) for file in post.files] for post in stage.posts] == [[("a.txt", b"a")]]
    assert await stage.states() == ["sent"]
