"""`backscroll demo slack`: the real bot in a stand-in for Slack, and what is kept of what they say there.

Needs no token, configuration or network, and leaves nothing behind unless it is told to. Proved by
`tests/scenario/test_demo.py`.
"""

import asyncio
import html
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from backscroll.bot.app import run_bot
from backscroll.bot.config import AdapterConfigs, BotConfig, Config, SlackConfig, StorageConfig
from backscroll.bot.handling import Handler
from backscroll.storage.keys import ExternalId
from backscroll.storage.records import UNFINISHED, Answer
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Channel, User
from backscroll.testing.slack.models import Message as Said

PACE_S = 0.3
"""Seconds between two lines in a terminal, so that they can be followed; in a pipe there are none."""

REPEAT_S = 0.3
"""Seconds until this Slack sends again what was not acknowledged; the real one waits three."""

BOT = "backscroll"

LOOK_S = 0.02


async def run_demo(handler: Handler, keep: Path | None = None) -> None:
    """Play the conversation, and show what is kept. Ctrl-C ends it early.

    Args: keep: the SQLite file to make; None makes one that goes with the end.
    """
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="backscroll-demo-") as directory:
        url = f"sqlite:///{(keep or Path(directory) / 'demo.db').absolute()}"
        async with _bot_in_slack(handler, url) as (slack, bot), ThreadStore(url) as store:
            story = asyncio.create_task(_play(Stage(slack, store, console)))
            await asyncio.wait([bot, story], return_when=asyncio.FIRST_COMPLETED)
            is_over = story.done()
            story.cancel()
            await asyncio.wait([story])
            (story if is_over else bot).result()
    if is_over:
        there = f'It stays: ThreadStore("{keep}").' if keep else "That database is gone now; --keep FILE keeps one."
        console.print(Text(f"{there} Your own Slack: docs/slack.md."), soft_wrap=True)


@asynccontextmanager
async def _bot_in_slack(handler: Handler, url: str) -> AsyncIterator[tuple[FakeSlack, asyncio.Task[None]]]:
    """Start a Slack and the bot in it, as `backscroll run` does, and end both."""
    async with FakeSlack(retry_after_s=REPEAT_S, retry_delays=(REPEAT_S,) * 30) as slack:
        there = SlackConfig(
            bot_token=slack.bot_token, app_token=slack.app_token, api_base_url=slack.api_url, ping_interval_s=1
        )
        storage = StorageConfig("sql", Provider, {"url": url})
        config = Config(Path("demo"), BotConfig(), storage, AdapterConfigs(slack=there), handler)
        bot = asyncio.create_task(run_bot(config))
        try:
            yield slack, bot
        finally:
            bot.cancel()
            await asyncio.wait([bot])


@dataclass
class Stage:
    """Where it is played: everything that happens in Slack is told on the console."""

    slack: FakeSlack
    store: ThreadStore
    console: Console
    names: dict[str | None, str] = field(default_factory=dict)
    _shown: set[str] = field(default_factory=set)

    async def tell(self, text: str) -> None:
        """Say what goes on."""
        await self._print(Text(f"\n{text}", style="italic"))

    async def say(self, who: User, channel: Channel, text: str, thread: Said | None = None) -> Said:
        """Let someone say something."""
        await self._show(who.name, channel, text, is_reply=thread is not None)
        return await self.slack.say(who, channel, text.replace(f"@{BOT}", "<@BOT>"), thread=thread)

    async def edit(self, message: Said, text: str) -> None:
        """Let an author change a message."""
        await self._note(message, f"{self.names.get(message.user, BOT)} changes it to: {text}")
        await self.slack.edit(message, text)

    async def react(self, who: User, message: Said, emoji: str) -> None:
        """Let someone react."""
        await self._note(message, f"{who.name} reacts to {self.names.get(message.user, BOT)}'s message with :{emoji}:")
        await self.slack.react(who, message, emoji)

    async def answered(self, message: Said) -> None:
        """Wait until all that was asked in a message's thread has an answer, or will have none, and show it."""
        while not (answers := await self._answers(message)):  # noqa: ASYNC110  # what another program writes tells nobody
            await asyncio.sleep(LOOK_S)
        for post in self.slack.own_messages(message.channel):
            if post.ts not in self._shown:
                self._shown.add(post.ts)
                await self._show(BOT, message.channel, html.unescape(post.text), is_reply=post.root is not None)
        if answers[-1].reason is not None:
            await self._note(message, f"{answers[-1].state}: {answers[-1].reason}")

    async def _answers(self, message: Said) -> list[Answer]:
        """Return what was asked in a message's thread, once all of it has come to its end."""
        provider = self.store.provider
        external = ExternalId("slack", self.slack.team_id, message.channel.id, message.ts)
        found = await provider.find_external(external)
        answers = await provider.list_answers(thread_id=found[0]) if found else []
        return answers if all(answer.state not in UNFINISHED for answer in answers) else []

    async def _show(self, who: str, channel: Channel, text: str, *, is_reply: bool) -> None:
        line = Text("\n" if not is_reply and who != BOT else "")
        line.append(_place(channel), style="dim").append(" ↳ " if is_reply else " ")
        line.append(f"{who}: ", style=_style(who))
        indent = " " * len(line.plain.lstrip("\n"))
        await self._print(line.append(text.replace("\n", f"\n{indent}")))

    async def _note(self, message: Said, text: str) -> None:
        await self._print(Text(f"{_place(message.channel)} · {text}"))

    async def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)
        if self.console.is_terminal:
            await asyncio.sleep(PACE_S)


async def _play(stage: Stage) -> None:
    slack = stage.slack
    anna, ben = slack.add_user("anna"), slack.add_user("ben")
    launch, direct = slack.add_channel("launch", members=[anna, ben]), slack.open_dm(ben)
    stage.console.print(Text("Slack, played on this computer: a stand-in for it, and the real bot.", style="bold"))
    stage.names = {anna.id: anna.name, ben.id: ben.name, slack.bot_user_id: BOT}
    await slack.until(lambda: slack.socket_count)

    await stage.tell("Two people talk. The bot is in the channel, and listens.")
    root = await stage.say(anna, launch, "We ship on Friday. Who writes the notes?")
    offer = await stage.say(ben, launch, "Me. Who sends the list of changes?", root)
    await stage.tell("Anna asks the bot. It reads what was said before, keeps that first, and answers.")
    asked = await stage.say(anna, launch, f"@{BOT} what was that about?", root)
    await stage.answered(asked)

    await stage.tell("Ben asks on; the bot is in the thread, and needs no mention. The connection is cut before\n"
                     "Slack hears that his message has arrived, so it sends it again.")  # fmt: skip
    count = len(slack.deliveries)
    again = await stage.say(ben, launch, "And who tells the customers?", root)
    slack.drop_sockets()
    await stage.answered(again)
    await slack.quiet()
    times = [delivery.event_id for delivery in slack.deliveries].count(slack.deliveries[count].event_id)
    await stage.tell(
        f"Slack sent it {times} times; it is kept once, and answered once. Then somebody edits, and somebody reacts."
    )
    await stage.edit(offer, "Me, with Anna's list of changes.")
    await stage.react(anna, slack.own_messages(launch)[0] if slack.own_messages(launch) else offer, "tada")

    await stage.tell("A direct message needs no mention.")
    private = await stage.say(ben, direct, "What did I promise?")
    await stage.answered(private)
    await slack.quiet()
    await stage.tell("This is kept, and found again so:")
    await _show_kept(stage, {"channel": launch.id, "thread_ts": root.ts})
    await _show_kept(stage, {"channel": direct.id})


async def _show_kept(stage: Stage, where: dict[str, str]) -> None:
    stage.console.print(
        Text(f'\nawait store.find_by_platform("slack", {json.dumps(where)})', style="bold"), soft_wrap=True
    )
    for thread in await stage.store.find_by_platform("slack", where):
        table = Table("", "who", "text", "since then", box=SIMPLE_HEAD)
        for message in thread.messages:
            who = BOT if message.role == "assistant" else stage.names.get((message.source or {}).get("id"), "?")
            since = ["edited"] if message.edited_at else []
            for emoji, users in message.reactions.items():
                since += [f":{emoji}: {stage.names.get(user, user)}" for user in users]
            cells = Text(who, style=_style(who)), Text(message.text), Text(", ".join(since))
            table.add_row(str(message.sequence), *cells)
        stage.console.print(table)


def _place(channel: Channel) -> str:
    return f"{'direct' if channel.type == 'im' else '#' + channel.name:<8}"


def _style(who: str) -> str:
    return "bold green" if who == BOT else "bold cyan"
