"""`backscroll demo slack`: earlier messages, a connection that breaks, an event that comes again.

Proved by `tests/scenario/test_demo.py`.
"""

import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console

from backscroll.bot.config import AdapterConfigs, SlackConfig
from backscroll.bot.demo.stage import BOT, Line, Stage
from backscroll.storage.keys import ExternalId
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack
from backscroll.testing.slack.models import Channel, User
from backscroll.testing.slack.models import Message as Said

REPEAT_S = 0.3
"""Seconds until this Slack sends again what was not acknowledged; the real one waits three."""


@asynccontextmanager
async def open_slack(store: ThreadStore, console: Console) -> AsyncIterator[Stage]:
    """Open a Slack, and end it."""
    async with FakeSlack(retry_after_s=REPEAT_S, retry_delays=(REPEAT_S,) * 30) as slack:
        yield SlackStage(store, console, slack)


@dataclass
class SlackStage(Stage):
    """A Slack with two people, a channel and a direct message."""

    slack: FakeSlack

    platform = "slack"
    way = "Your own Slack: docs/slack.md."

    @property
    def adapters(self) -> AdapterConfigs:
        """Socket Mode, so that the connection can break."""
        slack = self.slack
        return AdapterConfigs(
            slack=SlackConfig(
                bot_token=slack.bot_token, app_token=slack.app_token, api_base_url=slack.api_url, ping_interval_s=1
            )
        )

    async def play(self) -> None:
        """Play it."""
        slack = self.slack
        anna, ben = slack.add_user("anna"), slack.add_user("ben")
        launch, direct = slack.add_channel("launch", members=[anna, ben]), slack.open_dm(ben)
        self.title("Slack, played on this computer: a stand-in for it, and the real bot.")
        self.names = {anna.id: anna.name, ben.id: ben.name, slack.bot_user_id: BOT}
        await slack.until(lambda: slack.socket_count)

        await self.tell("Two people talk. The bot is in the channel, and listens.")
        root = await self._say(anna, launch, "We ship on Friday. Who writes the notes?")
        offer = await self._say(ben, launch, "Me. Who sends the list of changes?", root)
        await self.tell("Anna asks the bot. It reads what was said before, keeps that first, and answers.")
        await self._answered(await self._say(anna, launch, f"@{BOT} what was that about?", root))

        await self.tell(
            "Ben asks on; the bot is in the thread, and needs no mention. The connection is cut before",
            "Slack hears that his message has arrived, so it sends it again.",
        )
        count = len(slack.deliveries)
        again = await self._say(ben, launch, "And who tells the customers?", root)
        slack.drop_sockets()
        await self._answered(again)
        await slack.quiet()
        times = [delivery.event_id for delivery in slack.deliveries].count(slack.deliveries[count].event_id)
        await self.tell(
            f"Slack sent it {times} times; it is kept once, and answered once. Then Ben edits, and Anna reacts."
        )
        await self._edit(offer, "Me, with Anna's list of changes.")
        await self._react(anna, slack.own_messages(launch)[0] if slack.own_messages(launch) else offer, "tada")

        await self.tell("A direct message needs no mention.")
        await self._answered(await self._say(ben, direct, "What did I promise?"))
        await slack.quiet()
        await self.tell("This is kept, and found again so:")
        await self.show_kept({"channel": launch.id, "thread_ts": root.ts}, {"channel": direct.id})

    async def _say(self, who: User, channel: Channel, text: str, thread: Said | None = None) -> Said:
        await self.show(Line(_where(channel), who.name, text, is_reply=thread is not None))
        return await self.slack.say(who, channel, text.replace(f"@{BOT}", "<@BOT>"), thread=thread)

    async def _edit(self, message: Said, text: str) -> None:
        await self.note(_where(message.channel), f"{self._author(message)} changes it to: {text}")
        await self.slack.edit(message, text)

    async def _react(self, who: User, message: Said, emoji: str) -> None:
        done = f"{who.name} reacts to {self._author(message)}'s message with :{emoji}:"
        await self.note(_where(message.channel), done)
        await self.slack.react(who, message, emoji)

    async def _answered(self, message: Said) -> None:
        where, channel = _where(message.channel), message.channel

        def posts() -> list[Line]:
            found = self.slack.own_messages(channel)
            return [Line(where, BOT, html.unescape(each.text), each.root is not None, each.ts) for each in found]

        await self.answered(ExternalId("slack", self.slack.team_id, channel.id, message.ts), where, posts)

    def _author(self, message: Said) -> str:
        return self.names.get(message.user, BOT)


def _where(channel: Channel) -> str:
    return "direct" if channel.type == "im" else f"#{channel.name}"
