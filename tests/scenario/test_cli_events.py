"""`events rejected`: what could not be kept is looked at, played again after the fault is gone, or thrown away."""

import asyncio
import json
from typing import Any

import pytest

from backscroll.adapters.discord import receiving as discord_receiving
from backscroll.adapters.slack import receiving as slack_receiving
from backscroll.storage.store import ThreadStore
from backscroll.testing.discord.models import Message as DiscordMessage
from tests.scenario import discord, slack
from tests.scenario.conftest import Call, Called
from tests.scenario.program import Home

CANARY = "canary-4711"


def broken(*_args: Any, **_named: Any) -> Any:
    raise LookupError(CANARY)


def put_aside(home: Home, *payloads: dict[str, Any]) -> list[str]:
    """Put events of Slack's aside, and return their ids."""

    async def work() -> list[str]:
        async with ThreadStore(home.sqlite_url) as store:
            return [await store.provider.reject_event("slack", "event.ts is missing.", each) for each in payloads]

    return asyncio.run(work())


def configure_slack(home: Home, stage: slack.Stage) -> None:
    """Let the commands work for the bot of the stage."""
    fake = stage.slack
    given = {"bot_token": fake.bot_token, "app_token": fake.app_token, "api_base_url": fake.api_url}
    home.configure(adapters={"slack": given})


async def has_rejected(stage: slack.Stage, count: int) -> bool:
    return len(await stage.rejected()) == count


async def replayed(call: Call) -> Called:
    """Play all again beside the bot, which runs in this loop."""
    return await asyncio.to_thread(call, "events", "rejected", "replay", "--all", "--json")


async def test_replay_keeps_what_slack_said_and_the_bot_answers_it(
    home: Home, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slack.on_stage(home.sqlite_url) as stage:
        with monkeypatch.context() as fault:
            fault.setattr(slack_receiving, "translate", broken)
            asked = await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
            await stage.until(lambda: has_rejected(stage, 2))  # Slack tells of it as message and as app_mention
        events = await stage.rejected()
        configure_slack(home, stage)
        told = [json.loads(line) for line in (await replayed(call)).out.splitlines()]
        assert told == [{"id": each.id, "platform": "slack", "kept": True, "reason": None} for each in events]
        assert await stage.answered(stage.general) == ["+ hello @backscroll"]
        assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]
        assert await stage.rejected() == []


async def test_replay_keeps_what_discord_said_and_the_bot_answers_it(
    home: Home, call: Call, monkeypatch: pytest.MonkeyPatch, quick_gaps: None, door: asyncio.Event
) -> None:
    async with discord.on_stage(home.sqlite_url) as stage:
        asked: DiscordMessage
        with monkeypatch.context() as fault:
            fault.setattr(discord_receiving, "message_event", broken)
            asked = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
            await stage.until(stage.rejected)
        given = {"token": stage.discord.token, "api_base_url": stage.discord.api_url}
        home.configure(adapters={"discord": given})
        assert (await replayed(call)).code == 0
        assert len(await stage.answered(asked)) == 1
        assert await stage.rejected() == []


async def test_replay_that_fails_again_leaves_the_event_with_its_new_reason(
    home: Home, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slack.on_stage(home.sqlite_url) as stage:
        event_id = await stage.store.provider.reject_event("slack", "an older reason", {"event": {"type": 5}})
        other_id = await stage.store.provider.reject_event("slack", "no event", {"command": "/new"})
        configure_slack(home, stage)
        told = await asyncio.to_thread(call, "events", "rejected", "replay", event_id, other_id)
        assert told.code == 4
        assert told.err.endswith("0 of 2 played again.\n")
        reasons = {event.id: event.reason for event in await stage.rejected()}
        assert reasons[event_id].startswith("event.type is a str, got int.")
        assert reasons[other_id].startswith("It is no event: commands")


def test_list_shows_no_payload_unless_it_is_asked_for(home: Home, call: Call) -> None:
    (event_id,) = put_aside(home, {"text": CANARY})
    told = call("events", "rejected", "list")
    assert told.out.splitlines()[1].split()[:2] == [event_id, "slack"]
    assert CANARY not in told.out + call("events", "rejected", "list", "--json").out
    (row,) = [json.loads(line) for line in call("events", "rejected", "list", "--json", "--payload").out.splitlines()]
    assert row["payload"] == {"text": CANARY}
    assert call("events", "rejected", "list", "--payload").code == 2


def test_show_has_the_payload(home: Home, call: Call) -> None:
    (event_id,) = put_aside(home, {"text": f"\x1b[2J{CANARY}"})
    told = call("events", "rejected", "show", event_id)
    assert CANARY in told.out
    assert "\x1b" not in told.out


def test_drop_tells_what_is_not_there_beside_what_was_thrown_away(home: Home, call: Call) -> None:
    one, two = put_aside(home, {}, {})
    told = call("events", "rejected", "drop", one, "unknown")
    assert (told.code, told.err.splitlines()[0]) == (3, "Event 'unknown' is not put aside.")
    assert told.err.endswith("\n1 event was thrown away.\n")
    told = call("events", "rejected", "drop", two, "--json")
    assert (told.code, json.loads(told.out)) == (0, {"id": two, "dropped": True})
    assert call("events", "rejected", "list").err == "Nothing is put aside.\n"


def test_replay_of_a_platform_that_is_not_configured_says_so(home: Home, call: Call) -> None:
    put_aside(home, {"event": {}})
    told = call("events", "rejected", "replay", "--all")
    assert told.code == 4
    assert "stays put aside: The configuration names no adapter for slack." in told.err
