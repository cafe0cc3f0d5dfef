"""Slack and Discord in one process, on one database: neither takes anything from the other, nor takes it along."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import discord
import pytest
from discord.backoff import ExponentialBackoff

from backscroll.adapters.discord import catching_up, gateway
from backscroll.bot.app import run_bot
from backscroll.bot.config import Config
from backscroll.errors import AdapterError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.records import UNFINISHED
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeDiscord, FakeSlack
from tests.scenario import discord as on_discord
from tests.scenario import slack as on_slack
from tests.scenario.program import Home


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BACK_OFF_S", (0.02, 0.1))
    monkeypatch.setattr(catching_up, "LOOK_S", 0.02)
    # discord.py's own waits: up to two seconds for the first, and five before a second session.
    monkeypatch.setattr(ExponentialBackoff, "delay", lambda self: 0.02)

    async def go_on(client: discord.Client, shard_id: int | None, *, initial: bool = False) -> None: ...

    monkeypatch.setattr(discord.Client, "before_identify_hook", go_on)


@dataclass
class Both:
    """The two platforms, a person in a channel of each, and what is kept."""

    slack: FakeSlack
    discord: FakeDiscord
    store: ThreadStore
    bot: "asyncio.Task[None]"

    def __post_init__(self) -> None:
        self.anna_of_slack = self.slack.add_user("anna")
        self.channel_of_slack = self.slack.add_channel("general", members=[self.anna_of_slack])
        self.anna_of_discord = self.discord.add_user("anna")
        self.channel_of_discord = self.discord.add_channel("general")

    async def ask_slack(self, text: str = "hello <@BOT>") -> ThreadKey:
        """Ask on Slack, wait for the answer, and return the thread's key."""
        count = len(self.slack.posted_by_bot(self.channel_of_slack))
        asked = await self.slack.say(self.anna_of_slack, self.channel_of_slack, text)
        await self.until(lambda: len(self.slack.posted_by_bot(self.channel_of_slack)) > count)
        return on_slack.key_of(asked)

    async def ask_discord(self, text: str = "hello <@BOT>") -> ThreadKey:
        """Ask on Discord, wait for the answer, and return the thread's key."""
        asked = await self.discord.say(self.anna_of_discord, self.channel_of_discord, text)
        await self.until(lambda: asked.thread is not None and self.discord.posted_by_bot(asked.thread))
        return on_discord.key_of(asked)

    async def until_settled(self) -> None:
        """Wait until all is answered, and the answers are kept."""
        provider = self.store.provider
        await self.discord.until(provider.list_answers)

        async def is_settled() -> bool:
            return not [each for each in await provider.list_answers(limit=None) if each.state in UNFINISHED]

        await self.discord.until(is_settled)

    async def until(self, condition: Any) -> None:
        """Wait for a condition; a bot that ended raises what it ended with."""

        def holds() -> object:
            if self.bot.done():
                self.bot.result()
                raise AssertionError("The bot has ended.")
            return condition()

        await self.discord.until(holds)


def config_of(slack: FakeSlack, discord: FakeDiscord, url: str) -> Config:
    config = on_slack.config_of(slack, url)
    its = on_discord.config_of(discord, url).adapters.discord
    return replace(config, adapters=replace(config.adapters, discord=its))


@asynccontextmanager
async def both(url: str, *, without: str | None = None) -> AsyncIterator[Both]:
    """Run a bot on both platforms; it listens on each but the one that does not take its token."""
    async with FakeSlack() as slack, FakeDiscord() as discord, ThreadStore(url) as store:
        config = config_of(slack, discord, url)
        if without == "discord":
            discord.refuse_token()
        if without == "slack":
            await slack.revoke_tokens()
        bot = asyncio.create_task(run_bot(config))
        stage = Both(slack, discord, store, bot)
        try:
            await stage.until(lambda: without == "discord" or discord.session_count)
            await stage.until(lambda: without == "slack" or slack.socket_count)
            yield stage
        finally:
            bot.cancel()
            await asyncio.wait([bot])


async def test_threads_of_either_platform_are_found(url: str) -> None:
    async with both(url) as stage:
        slack, discord = await stage.ask_slack(), await stage.ask_discord()
        await stage.until_settled()
        for key in (slack, discord):
            place = key.platforms[key.platform]
            found = await stage.store.find_by_platform(key.platform, place)
            assert [[message.text for message in thread.messages] for thread in found] == [
                ["hello @backscroll", "+ hello @backscroll"]
            ]
            assert [thread.id for thread in await stage.store.find_by_platform(key.platform, {})] == [found[0].id]
            at = await stage.store.provider.get_by_alias(key.alias)
            assert at is not None
            assert at.id == found[0].id


async def test_equal_ids_on_both_do_not_mix(home: Home) -> None:
    async with both(home.sqlite_url) as stage:
        of_discord, anna, provider = await stage.ask_discord(), stage.anna_of_slack, stage.store.provider
        twin = stage.slack.add_channel("twin", members=[anna], channel_id=of_discord.channel)
        said = await stage.slack.say(anna, twin, "of Slack <@BOT>")
        await stage.until(lambda: stage.slack.posted_by_bot(twin))
        of_slack = on_slack.key_of(said)
        await stage.until_settled()
        assert of_slack.channel == of_discord.channel
        threads = [await provider.get_by_alias(key.alias) for key in (of_slack, of_discord)]
        assert [thread and [message.text for message in thread.messages] for thread in threads] == [
            ["of Slack @backscroll", "+ of Slack @backscroll"],
            ["hello @backscroll", "+ hello @backscroll"],
        ]
        for key in (of_slack, of_discord):
            (found,) = await stage.store.find_by_platform(key.platform, {"channel": key.channel})
            assert found.platforms.keys() == {key.platform}
        (asked,) = stage.channel_of_discord.messages.values()
        external = ExternalId("discord", of_discord.workspace, of_discord.channel, asked.id)
        assert await provider.find_external(external) is not None
        assert await provider.find_external(replace(external, platform="slack")) is None


@pytest.mark.parametrize("without", ["slack", "discord"])
async def test_platform_that_takes_no_token_leaves_the_other_answering(home: Home, without: str) -> None:
    async with both(home.sqlite_url, without=without) as stage:
        await (stage.ask_discord() if without == "slack" else stage.ask_slack())
        assert not stage.bot.done()


async def test_discord_that_refuses_later_leaves_slack_answering(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async with both(home.sqlite_url) as stage:
        await stage.ask_discord()
        stage.discord.refuse_token()
        await stage.discord.close_sockets(4004)
        await stage.until(lambda: "discord is left: Discord does not take the token." in caplog.text)
        await stage.ask_slack()
        assert not stage.bot.done()


async def test_slack_that_goes_away_leaves_discord_answering(home: Home) -> None:
    async with both(home.sqlite_url) as stage:
        await stage.ask_slack()
        await stage.slack.__aexit__(None, None, None)
        await stage.ask_discord()
        await stage.slack.__aenter__()


async def test_discord_that_goes_away_leaves_slack_answering_and_comes_back(home: Home) -> None:
    async with both(home.sqlite_url) as stage:
        await stage.ask_discord()
        await stage.discord.__aexit__(None, None, None)
        await stage.ask_slack()
        await stage.discord.__aenter__()
        await stage.until(lambda: stage.discord.session_count)
        await stage.ask_discord("again <@BOT>")


async def test_refusal_of_both_ends_the_bot(home: Home) -> None:
    async with FakeSlack() as slack, FakeDiscord() as discord:
        discord.refuse_token()
        await slack.revoke_tokens()
        with pytest.raises(AdapterError):
            await run_bot(config_of(slack, discord, home.sqlite_url))
