"""Slack over Socket Mode: dropped sockets, retries, several sockets, the end."""

import asyncio

import pytest

from tests.scenario.program import Home
from tests.scenario.slack import config_of, on_stage, running

REPEATS = {"retry_after_s": 0.3, "retry_delays": (0.0, *(0.2,) * 50)}
"""Slack's repeats, soon, and so many that they outlast a stall of the machine."""


async def test_event_that_came_while_no_socket_was_open_is_answered_once(home: Home) -> None:
    async with on_stage(home.sqlite_url, switches=REPEATS) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        stage.slack.drop_sockets()
        await stage.slack.say(anna, general, "hello <@BOT>")
        assert await stage.answered(general) == ["+ hello @backscroll"]
        assert any(each.attempt > 0 and each.acked for each in stage.slack.deliveries)


async def test_retry_of_what_was_kept_and_not_acknowledged_changes_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url, switches=REPEATS) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        provider = stage.store.provider
        asked = await stage.slack.say(anna, general, "hello <@BOT>")
        stage.slack.drop_sockets()  # before the acknowledgement is out, or after
        await stage.until(provider.list_answers)
        assert await stage.answered(general) == ["+ hello @backscroll"]
        assert len(await stage.said_at(asked)) == 2


async def test_event_by_two_sockets_is_kept_and_answered_once(home: Home, url: str) -> None:
    async with on_stage(url, switches={"to_all_sockets": True}) as stage:
        first = stage.bot
        async with running(stage, config_of(stage.slack, url)):
            anna = stage.slack.add_user("anna")
            general = stage.slack.add_channel("general", members=[anna])
            asked = await stage.slack.say(anna, general, "hello <@BOT>")
            assert await stage.answered(general) == ["+ hello @backscroll"]
            assert len(await stage.said_at(asked)) == 2
        stage.bot = first


async def test_thread_split_over_two_bots_is_whole(home: Home, url: str) -> None:
    async with on_stage(url) as stage:
        first = stage.bot
        async with running(stage, config_of(stage.slack, url)):
            anna = stage.slack.add_user("anna")
            general = stage.slack.add_channel("general", members=[anna])
            root = await stage.slack.say(anna, general, "0 <@BOT>")
            for number in range(1, 6):
                await stage.slack.say(anna, general, str(number), thread=root)
            posted = await stage.answered(general, 6)
            thread = await stage.thread_at(root)
            assert thread is not None
            assert sorted(posted) == ["+ 0 @backscroll", *(f"+ {number}" for number in range(1, 6))]
            assert [message.sequence for message in thread.messages] == list(range(1, 13))
        stage.bot = first


async def test_sockets_that_slack_refreshes_lose_nothing(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        for number in range(6):
            await stage.slack.say(anna, general, f"{number} <@BOT>")
            if number % 2:
                await stage.slack.refresh_sockets()
        posted = await stage.answered(general, 6)
        assert sorted(posted) == [f"+ {number} @backscroll" for number in range(6)]


async def test_bot_that_stops_acknowledges_what_it_keeps(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        said = [await stage.slack.say(anna, general, f"{number} <@BOT>", twins="message_only") for number in range(20)]
        assert stage.bot is not None
        bot, stage.bot = stage.bot, None
        bot.cancel()
        await asyncio.wait([bot])
        kept = [await stage.kept(each) for each in said]
        acked = {each.event_id for each in stage.slack.deliveries if each.acked}
        assert len(acked) <= len([each for each in kept if each is not None])


@pytest.mark.parametrize("echo_metadata", [True, False])
async def test_echoes_of_answers_are_acknowledged_and_kept_once(home: Home, url: str, echo_metadata: bool) -> None:
    async with on_stage(url, switches={"echo_metadata": echo_metadata}) as stage:
        anna = stage.slack.add_user("anna")
        general = stage.slack.add_channel("general", members=[anna])
        said = [await stage.slack.say(anna, general, f"{number} <@BOT>") for number in range(10)]
        await stage.answered(general, 10)
        assert [len(await stage.said_at(each)) for each in said] == [2] * 10
        assert stage.unacknowledged() == set()
