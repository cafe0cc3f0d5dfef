"""Whatever Discord sends is kept, put aside with its reason, or nothing to us; the bot lives on, and the next is kept.

`tests/payloads/discord/malformed.py` has what is broken in events that we know; here is the rest. Most of it ends
discord.py's client, and with that costs a new one, and no event.
"""

import asyncio
import json
import logging
from typing import Any, Literal

import discord
import pytest

from backscroll.adapters.discord import catching_up, gateway
from backscroll.adapters.discord.receiving import TASK
from backscroll.bot.config import BotConfig
from backscroll.storage.provider.primitives import join_key
from tests.payloads.discord.malformed import MALFORMED
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

Json = dict[str, Any]
Outcome = Literal["aside", "nothing", "kept"]
CANARY = "xyzzy-4711"
RECORDING = BotConfig(record="all")
BATCH = 30
LONE = "a\ud800b"
# Of nothing, this compression, which discord.py takes where it finds a library for it, makes an empty text.
IS_ZSTD = discord.utils._ActiveDecompressionContext.COMPRESSION_TYPE == "zstd-stream"
GUILD, CHANNEL, MESSAGE, BOT = "41771983423143937", "290926798999357250", "334385199974967042", "100000000000000001"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a client be made anew at once, and all be noted all the time."""
    monkeypatch.setattr(gateway, "BACK_OFF_S", (0.001, 0.001))
    monkeypatch.setattr(catching_up, "LOOK_S", 0.05)
    monkeypatch.setattr(catching_up, "NOTE_S", 0.1)


def nested(depth: int) -> Any:
    value: Any = CANARY
    for _ in range(depth):
        value = [value]
    return value


def frame(kind: Any, data: Any, **around: Any) -> Json:
    return {"op": 0, "t": kind, "s": 7, "d": data} | around


def message(**fields: Any) -> Json:
    """Make a message's frame, with fields replaced; of what it says the bot is not asked."""
    author = {"id": "53908099506183680", "username": "anna", "discriminator": "0", "avatar": None}
    data: Json = {
        "id": MESSAGE,
        "channel_id": CHANNEL,
        "guild_id": GUILD,
        "author": author,
        "content": CANARY,
        "timestamp": "2017-07-11T17:27:07.299000+00:00",
        "edited_timestamp": None,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "type": 0,
    }
    return frame("MESSAGE_CREATE", data | fields)


def press(**fields: Any) -> Json:
    """Make the frame of a press in direct messages, with fields replaced."""
    data: Json = {"id": MESSAGE, "token": CANARY, "type": 3, "user": {"id": "1"}, "channel_id": CHANNEL}
    return frame("INTERACTION_CREATE", data | {"data": {"custom_id": "backscroll:yes:1"}} | fields)


def without(told: Json, *names: str) -> Json:
    return told | {"d": {name: value for name, value in told["d"].items() if name not in names}}


OWN: list[tuple[str, Outcome, Json]] = [
    # Frames
    ("nothing in it", "aside", {}),
    ("op alone", "aside", {"op": 0}),
    ("kind is null", "aside", frame(None, {})),
    ("kind is a number", "aside", frame(5, {})),
    ("kind is an object", "aside", frame({"a": CANARY}, {})),
    ("kind is unknown", "nothing", frame("SOMETHING_NEW", {"id": CANARY})),
    ("kind is endless", "nothing", frame("MESSAGE_CREATE" * 1_000, {})),
    ("kind in small letters", "nothing", frame("message_create", {"id": CANARY})),
    ("op is unknown", "nothing", {"op": 99, "d": CANARY}),
    ("op is a text", "nothing", {"op": "zero", "d": CANARY}),
    ("op is an object", "nothing", {"op": {"a": 1}, "d": CANARY}),
    ("hello over again", "nothing", {"op": 10, "d": None}),
    ("sequence is a text", "kept", message() | {"s": CANARY}),
    ("sequence is missing", "kept", {name: value for name, value in message().items() if name != "s"}),
    ("ready without anything", "nothing", frame("READY", {})),
    ("ready with null", "nothing", frame("READY", None)),
    ("ready with guilds that are words", "nothing", frame("READY", {"guilds": CANARY})),
    ("guild without id", "nothing", frame("GUILD_CREATE", {"name": CANARY})),
    ("guild with null", "nothing", frame("GUILD_CREATE", None)),
    ("guild with an id with NUL", "nothing", frame("GUILD_CREATE", {"id": "4177\0"})),
    ("guild with an endless id", "nothing", frame("GUILD_CREATE", {"id": "9" * 5_000})),
    ("guild with an id of a lone surrogate", "nothing", frame("GUILD_CREATE", {"id": LONE})),
    ("guild that is gone without id", "nothing", frame("GUILD_DELETE", {"unavailable": CANARY})),
    ("guild that is gone in a list", "nothing", frame("GUILD_DELETE", [CANARY])),
    ("typing of nobody", "nothing", frame("TYPING_START", {"user_id": None})),
    # Messages
    ("content with a lone surrogate", "kept", message(content=LONE)),
    ("content with NUL", "kept", message(content="a\0b")),
    ("content of 90 KB", "kept", message(content=CANARY * 9_000)),
    ("content of a thousand mentions", "kept", message(content="<@1>" * 1_000)),
    ("content null", "kept", message(content=None)),
    ("content missing", "kept", without(message(), "content")),
    ("nothing but what a message must have", "kept", without(message(), "embeds", "attachments", "mentions")),
    ("mentions of all sorts", "kept", message(mentions=[None, 5, [], {}, {"id": [1]}, {"id": "1", "username": {}}])),
    ("roles of all sorts", "kept", message(mention_roles=[None, 5, [], {}])),
    ("author with odd names", "kept", message(author={"id": "1", "username": 5, "global_name": [CANARY]})),
    ("author's name with a lone surrogate", "kept", message(author={"id": "1", "username": LONE})),
    ("member is a text", "kept", message(member=CANARY)),
    ("member's nick is an object", "kept", message(member={"nick": {"a": CANARY}})),
    ("webhook is an object", "kept", message(webhook_id={"a": 1})),
    ("flags are a text", "kept", message(flags=CANARY)),
    ("flags are huge", "kept", message(flags=10**300 - 10**300 % 128)),
    ("type is huge", "nothing", message(type=10**300)),
    ("nonce is an object", "kept", message(nonce={"a": CANARY})),
    ("timestamp is a number", "kept", message(timestamp=5)),
    ("reactions are a text", "kept", message(reactions=CANARY)),
    ("referenced message is a text", "kept", message(type=19, referenced_message=CANARY)),
    ("reference of odd fields", "kept", message(type=19, message_reference={"message_id": 5, "channel_id": []})),
    ("edited in the year 1", "aside", message(edited_timestamp="0001-01-01T00:00:00+23:00")),
    (
        "files of odd fields",
        "kept",
        message(attachments=[{"size": -1, "url": {}}, {"size": 10**300, "url": "file:///"}]),
    ),
    ("files with a lone surrogate", "kept", message(attachments=[{"filename": LONE, "url": f"https://{LONE}/"}])),
    ("file is null", "kept", message(attachments=[None])),
    ("embeds of odd fields", "kept", message(content="", embeds=[{"title": 5, "fields": [{"name": {}}]}])),
    ("ten thousand fields", "kept", message(**{f"field{number}": number for number in range(10_000)})),
    ("nested fifty deep beside it", "kept", message(deep=nested(50))),
    ("nested five hundred deep in its content", "aside", message(content=nested(500))),
    ("not a number in its content", "aside", message(content=float("nan"))),
    ("infinity beside it", "kept", message(more=float("inf"))),
    ("lone surrogate in what is put aside", "aside", message(type=LONE)),
    ("NUL in what is put aside", "aside", message(type="a\0b")),
    ("forwards nested fifty deep", "kept", message(content="", message_snapshots=[{"message": {"content": "x"}}] * 50)),
    ("guild is endless", "aside", message(guild_id="9" * 5_000)),
    ("guild with NUL", "aside", message(guild_id="4177\0")),
    ("guild with a lone surrogate", "aside", message(guild_id=LONE)),
    ("channel is endless", "aside", message(channel_id="9" * 5_000)),
    # Others
    ("edit without author and type", "nothing", without(frame("MESSAGE_UPDATE", message()["d"]), "author", "type")),
    (
        "reaction in a direct message",
        "aside",
        frame(
            "MESSAGE_REACTION_ADD",
            {"channel_id": CHANNEL, "message_id": MESSAGE, "user_id": "1", "emoji": {"name": LONE}},
        ),
    ),
    ("channel without a guild that is deleted", "nothing", frame("CHANNEL_DELETE", {"id": CHANNEL[::-1]})),
    ("thread without a parent", "nothing", frame("THREAD_DELETE", {"id": MESSAGE, "guild_id": GUILD})),
    ("channel that is changed to nothing", "nothing", frame("CHANNEL_UPDATE", {})),
    ("ping", "nothing", frame("INTERACTION_CREATE", {"type": 1})),
    ("button of somebody else's", "nothing", press(data={"custom_id": CANARY})),
    ("button that carries a text", "aside", press(data=CANARY)),
    ("button that carries nothing", "aside", press(data={})),
    ("button that carries a list", "aside", press(data={"custom_id": [CANARY]})),
    ("button with a choice that is none", "aside", press(data={"custom_id": f"backscroll:{CANARY}:1"})),
    ("button without an approval", "aside", press(data={"custom_id": "backscroll:no:"})),
    ("button of an approval that nobody knows", "nothing", press()),
    ("button of an approval with NUL", "nothing", press(data={"custom_id": "backscroll:yes:a\0b"})),
    ("button of an approval with a lone surrogate", "nothing", press(data={"custom_id": f"backscroll:yes:{LONE}"})),
    ("button that nobody pressed", "aside", press(user=None)),
    ("button that a text pressed", "aside", press(member=CANARY)),
    ("button with an endless id", "aside", press(id="9" * 5_000)),
    ("button with a token of two words", "aside", press(token="a b")),
    ("button in a list", "aside", frame("INTERACTION_CREATE", [CANARY])),
]
GIVEN: list[tuple[str, Outcome, Json]] = [(name, "aside", told) for name, told in MALFORMED]
ALL = [*OWN, *GIVEN]
BATCHES = [ALL[start : start + BATCH] for start in range(0, len(ALL), BATCH)]


def put_in(stage: Stage, told: Json) -> str:
    """Return a frame as text that stands in this Discord's channel, as a message of its own."""
    written = json.dumps(told)
    new = stage.discord._world.new_id()
    for old, other in ((GUILD, stage.discord.guild.id), (CHANNEL, stage.general.id), (BOT, stage.discord.bot_user_id)):
        written = written.replace(f'"{old}"', f'"{other}"')
    return written.replace(MESSAGE, new)


async def begun(stage: Stage) -> None:
    """Wait until it is noted how far all is kept, so that a client that ends from now on costs nothing."""

    async def is_noted() -> bool:
        return await stage.store.provider.get("watermarks", join_key("discord", stage.discord.guild.id)) is not None

    await stage.until(is_noted)


async def kept_count(stage: Stage) -> int:
    return int((await stage.store.get_usage_stats())["total_messages"])


def under_way() -> bool:
    """Tell whether the bot has events that it has neither kept nor put aside."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    return not names.isdisjoint({TASK, "discord.py: on_socket_raw_receive"})


async def next_is_kept(stage: Stage) -> None:
    """Say something, which is kept: as it comes, or when a new client reads the channel back."""
    await stage.until(lambda: stage.discord.session_count > 0)
    good = await stage.discord.say(stage.anna, stage.general, "good")
    await stage.until_kept(good)


async def asked_is_answered(stage: Stage) -> None:
    good = await stage.discord.say(stage.anna, stage.general, "good <@BOT>")
    await stage.answered(good)


def test_there_are_enough() -> None:
    assert len({name for name, _, _ in ALL}) == len(ALL) >= 150


@pytest.mark.parametrize("batch", range(len(BATCHES)))
async def test_malformed_event_is_put_aside_and_the_next_is_kept(
    home: Home, batch: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "backscroll")
    async with on_stage(home.sqlite_url, bot=RECORDING) as stage:
        await begun(stage)
        asides = kepts = 0
        for number, (name, outcome, told) in enumerate(BATCHES[batch], 1):
            await stage.discord.send_raw(put_in(stage, told))
            await next_is_kept(stage)
            asides += outcome == "aside"
            kepts += outcome == "kept"
            await stage.until(lambda: not under_way())
            reasons = [each.reason for each in await stage.rejected()]
            assert len(reasons) == asides, (name, outcome, reasons[-3:])
            assert await kept_count(stage) == kepts + number, (name, outcome)
        for event in await stage.rejected():
            assert event.reason
            assert event.payload
            assert CANARY not in event.reason
            assert "\n" not in event.reason
        await asked_is_answered(stage)
    assert CANARY not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("backscroll")
    )


FRAMES: list[tuple[str | bytes, int]] = [
    ("", 1),
    ("null", 1),
    ("7", 1),
    ('"words"', 1),
    ("[]", 1),
    ("{", 1),
    ("not JSON", 1),
    ('{"op": 0, "t": "MESSAGE_CREATE", "d": ' + "9" * 5_000 + "}", 1),
    ('{"op": 0, "t": "MESSAGE_CREATE", "d": ' + "[" * 2_000 + "]" * 2_000 + "}", 1),
    ("[" * 100_000, 1),
    (b"", int(IS_ZSTD)),
    (b"\xff\xfe", 0),
    (b"\0" * 1_000, 0),
    (b"words without end", 0),
]


@pytest.mark.parametrize("number", range(len(FRAMES)))
async def test_frame_that_is_none_stops_nothing(home: Home, number: int) -> None:
    told, aside_count = FRAMES[number]
    async with on_stage(home.sqlite_url, bot=RECORDING) as stage:
        await begun(stage)
        await stage.discord.send_raw(told)
        await next_is_kept(stage)
        await stage.until(lambda: not under_way())
        assert len(await stage.rejected()) == aside_count


async def test_token_of_a_command_is_not_put_aside_with_it(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        data = {"id": MESSAGE, "type": 2, "token": CANARY, "channel_id": CHANNEL, "data": []}
        await stage.discord.send_raw(put_in(stage, frame("INTERACTION_CREATE", data)))
        await stage.until(stage.rejected)
        (rejected,) = await stage.rejected()
        assert CANARY not in json.dumps(rejected.payload)


async def test_events_before_the_broken_one_are_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=RECORDING) as stage:
        await begun(stage)
        said = [await stage.discord.say(stage.anna, stage.general, f"{number}") for number in range(5)]
        await stage.discord.send_raw("{")
        said += [await stage.discord.say(stage.anna, stage.general, f"{number}") for number in range(5, 10)]
        for each in said:
            await stage.until_kept(each)
        assert await kept_count(stage) == 10
