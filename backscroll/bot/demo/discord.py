"""`backscroll demo discord`: a mention that opens a thread, a session that is lost, a command.

Proved by `tests/scenario/test_demo.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console

from backscroll.bot.config import AdapterConfigs, DiscordConfig
from backscroll.bot.demo.stage import BOT, Line, Stage
from backscroll.storage.keys import ExternalId
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, Thread, User
from backscroll.testing.discord.models import Message as Said


@asynccontextmanager
async def open_discord(store: ThreadStore, console: Console) -> AsyncIterator[Stage]:
    """Open a Discord, and end it."""
    async with FakeDiscord() as discord:
        yield DiscordStage(store, console, discord)


@dataclass
class DiscordStage(Stage):
    """A Discord with two people, a channel and a direct message."""

    discord: FakeDiscord

    platform = "discord"
    way = "Your own server: docs/discord.md."

    @property
    def adapters(self) -> AdapterConfigs:
        """One connection, and the command /ask."""
        return AdapterConfigs(discord=DiscordConfig(token=self.discord.token, api_base_url=self.discord.api_url))

    async def play(self) -> None:
        """Play it."""
        discord = self.discord
        anna, ben = discord.add_user("anna"), discord.add_user("ben")
        launch, direct = discord.add_channel("launch"), discord.open_dm(ben)
        self.title("Discord, played on this computer: a stand-in for it, and the real bot.")
        self.names = {anna.id: anna.name, ben.id: ben.name, discord.bot_user_id: BOT}
        await discord.until(lambda: discord.session_count and discord.commands)

        await self.tell("Two people talk. Ben asks the bot: it begins a thread from what he says, and answers there.")
        await self._say(anna, launch, "We ship on Friday. I write the notes.")
        offer = await self._say(ben, launch, f"@{BOT} who sends the list of changes?")
        await self._answered(offer)
        thread = discord.thread_of(offer) or await self._begin_thread(anna, offer)  # without an answer there is none
        await self.tell("Anna asks on; the bot is in the thread, and needs no mention.")
        await self._answered(await self._say(anna, thread, "And who tells the customers?"))

        await self.tell(
            "Discord declares the bot's session over, and tells it nothing of what is said until there is a new one,",
            "in five seconds. The bot reads it in the channel's history.",
        )
        await discord.invalidate_sessions()
        missed = await self._say(ben, thread, "I tell them, at noon. Any objection?")
        await self._answered(missed)
        await discord.quiet()
        await self.tell("It is kept once, and answered once. Then Ben edits, and Anna reacts.")
        await self._edit(missed, "I tell them, at one. Any objection?")
        await self._react(anna, next(iter(discord.own_messages(thread)), missed), "🎉")

        await self.tell("A direct message needs no mention, and a command no right to read the channel.")
        await self._answered(await self._say(ben, direct, "What did I promise?"))
        asked = await self._ask(anna, launch, "what is planned for Friday?")
        await discord.quiet()
        await self.tell("This is kept, and found again so:")
        channel = {"guild": discord.guild.id, "channel": launch.id}
        await self.show_kept(channel | {"thread": thread.id}, {"channel": direct.id}, {"thread": asked})
        await self.tell('Slack\'s threads are found likewise, with find_by_platform("slack", …).')

    async def _say(self, who: User, channel: Channel, text: str) -> Said:
        await self.show(Line(_where(channel), who.name, text, is_reply=isinstance(channel, Thread)))
        return await self.discord.say(who, channel, text.replace(f"@{BOT}", "<@BOT>"))

    async def _ask(self, who: User, channel: Channel, question: str) -> str:
        """Let someone give the command, wait for its answer, and return its id."""
        await self.show(Line(_where(channel), who.name, f"/ask {question}"))
        asked = await self.discord.use_command(who, channel, "ask", question=question)
        await self._answered_in(channel, asked.id)
        return asked.id

    async def _begin_thread(self, who: User, message: Said) -> Thread:
        await self.note(_where(message.channel), f"{who.name} begins a thread")
        return await self.discord.start_thread(who, message.channel, "The changes", message)

    async def _edit(self, message: Said, text: str) -> None:
        await self.note(_where(message.channel), f"{message.author.name} changes it to: {text}")
        await self.discord.edit(message, text)

    async def _react(self, who: User, message: Said, emoji: str) -> None:
        author = self.names.get(message.author.id, BOT)
        await self.note(_where(message.channel), f"{who.name} reacts to {author}'s message with {emoji}")
        await self.discord.react(who, message, emoji)

    async def _answered(self, message: Said) -> None:
        await self._answered_in(message.channel, message.id)

    async def _answered_in(self, channel: Channel, asked: str) -> None:
        """Wait for the answer to a message or a command, which stands in the thread that it opened, or beside it."""

        def posts() -> list[Line]:
            said = channel.messages.get(asked)
            place = (said and self.discord.thread_of(said)) or channel
            found = self.discord.own_messages(place)
            return [Line(_where(place), BOT, each.content, isinstance(place, Thread), each.id) for each in found]

        guild = "@me" if channel.guild is None else channel.guild.id
        await self.answered(ExternalId("discord", guild, channel.id, asked), _where(channel), posts)


def _where(channel: Channel) -> str:
    if channel.is_dm:
        return "direct"
    return f"#{channel.parent.name if isinstance(channel, Thread) else channel.name}"
