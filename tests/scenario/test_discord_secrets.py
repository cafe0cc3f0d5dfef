"""No text, token or signed address of Discord's reaches a log line, a reason, an error or a repr.

Whatever the libraries log: what counts is what a program sees that listens to every logger at DEBUG.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from backscroll.adapters.discord import catching_up, commands, gateway
from backscroll.adapters.discord.api import DiscordApi
from backscroll.bot.app import make_adapters, run_bot
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError
from backscroll.storage import memory
from backscroll.testing import FakeDiscord, Fault
from tests.scenario.discord import Stage, config_of, on_stage
from tests.scenario.program import Home

CANARY = "xyzzy4711"
LIBRARIES = ("discord", "aiohttp", "asyncio", "aiosqlite", "backscroll")
CALLBACK = "/interactions/{interaction_id}/{token}/callback"
ORIGINAL = "/webhooks/{application_id}/{token}/messages/@original"
POST = "/channels/{channel_id}/messages"


class Lines(logging.Handler):
    """Every line that reaches the root, and whatever hangs on it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.name}: {self.format(record)}\n{record.__dict__!r}\n"


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Let every library log all that it has, and listen as a program does."""
    found = logging.root.manager.loggerDict
    names = ["", *LIBRARIES, *(name for name in found if name.startswith(LIBRARIES))]
    before = {name: logging.getLogger(name or None).level for name in names}
    heard = Lines()
    logging.getLogger().addHandler(heard)
    for name in names:
        logging.getLogger(name or None).setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        logging.getLogger().removeHandler(heard)
        for name, level in before.items():
            logging.getLogger(name or None).setLevel(level)


def shows_none(lines: Lines, discord: FakeDiscord) -> None:
    assert lines.text
    secrets = [CANARY, discord.token, "hm=", *discord._world.interactions]
    assert [secret for secret in secrets if secret in lines.text] == []


async def troubled(turn: Turn) -> str:
    """Answer, fail, or say too much, as it is told."""
    if "fail" in turn.message.text:
        raise ValueError(turn.message.text)
    await turn.react("👀")
    return f"{CANARY} says {turn.message.text}"


async def talk(stage: Stage) -> None:
    discord, anna, general = stage.discord, stage.anna, stage.general
    files = [discord.add_file(anna, f"{CANARY}.txt", CANARY.encode(), size=size) for size in (None, 1)]
    root = await discord.say(anna, general, f"{CANARY} <@BOT>", files=files)
    await stage.answered(root)
    await discord.edit(root, f"{CANARY} again")
    await discord.react(anna, root, f"<:{CANARY}:123456789012345678>")
    thread = discord.thread_of(root)
    assert thread is not None
    await discord.rename_thread(thread, CANARY)
    await discord.say(anna, discord.open_dm(anna), CANARY)
    given = await discord.use_command(anna, general, "ask", question=CANARY)
    await discord.use_command(anna, general, CANARY, question=CANARY)
    await stage.until(lambda: given.texts)
    await stage.settled()
    await discord.delete(root)
    await stage.settled()


async def test_conversation_shows_nothing(home: Home, lines: Lines) -> None:
    async with on_stage(home.sqlite_url, handler=troubled) as stage:
        await talk(stage)
        stage.discord.drop_sockets()
        await stage.settled()
    shows_none(lines, stage.discord)


async def test_refused_answer_shows_nothing(home: Home, lines: Lines, short_waits: None) -> None:
    async with on_stage(home.sqlite_url, handler=troubled) as stage:
        path = "/channels/{channel_id}/messages/{message_id}/threads"
        faults = (Fault.cut_after(), Fault.server_error(503), Fault.rate_limited(0.05, with_via=False))
        for fault in faults:
            stage.discord.fail("POST", POST, fault)
        await stage.discord.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
        await stage.settled()
        stage.discord.fail("POST", path, Fault.error(403, 50013, CANARY))
        await stage.discord.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
        await stage.settled()
        answers = await stage.answers()
        assert answers[-1].state == "failed"
        assert CANARY not in repr(answers)
    assert "was refused by discord" in lines.text
    shows_none(lines, stage.discord)


async def test_approval_shows_nothing(home: Home, lines: Lines) -> None:
    async def ask(turn: Turn) -> str:
        return str(bool(await turn.ask_approval(f"{CANARY}?")))

    async with on_stage(home.sqlite_url, handler=ask) as stage:
        await stage.discord.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
        await stage.until(lambda: stage.discord.threads(stage.general))
        (thread,) = stage.discord.threads(stage.general)
        await stage.until(lambda: stage.discord.own_messages(thread))
        await stage.settled()
        (question,) = stage.discord.own_messages(thread)
        for fault in (Fault.error(403, 50013, CANARY), Fault.cut_before()):
            stage.discord.fail("POST", CALLBACK, fault)
        stage.discord.fail("PATCH", "/channels/{channel_id}/messages/{message_id}", Fault.error(403, 50001, CANARY))
        for user in (stage.discord.add_user(CANARY), stage.anna):
            await stage.discord.press(user, question, "Yes")
        await stage.until(lambda: stage.discord.posted_by_bot(thread)[1:] == ["True"])
        await stage.settled()
    shows_none(lines, stage.discord)


async def test_handler_that_fails_shows_nothing(home: Home, lines: Lines) -> None:
    async with on_stage(home.sqlite_url, handler=troubled) as stage:
        await stage.discord.say(stage.anna, stage.general, f"fail {CANARY} <@BOT>")
        await stage.until(lambda: "try 1 of 3" in lines.text)
    assert "ValueError at test_discord_secrets.py" in lines.text
    shows_none(lines, stage.discord)


async def test_command_that_has_trouble_shows_no_token(
    home: Home, lines: Lines, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "EARLY_S", 0.0)
    monkeypatch.setattr(catching_up, "NOTE_S", 0.02)
    async with on_stage(home.sqlite_url, handler=troubled) as stage:
        for fault in (Fault.error(400, 50035, CANARY), Fault.cut_after(), Fault.server_error(503)):
            stage.discord.fail("POST", CALLBACK, fault)
            stage.discord.fail("PATCH", ORIGINAL, fault)
            given = await stage.discord.use_command(stage.anna, stage.general, "ask", question=CANARY)
            await stage.until(lambda: stage.turns)
            await stage.settled()
            stage.turns.clear()
            assert given.token not in repr(await stage.answers())
    assert "is not acknowledged" in lines.text
    shows_none(lines, stage.discord)


BROKEN: list[dict[str, Any]] = [
    {"t": "MESSAGE_CREATE", "d": {"id": CANARY, "content": CANARY}},
    {"t": "MESSAGE_CREATE", "d": {"id": "1", "channel_id": "2", "author": [CANARY], "content": CANARY, "type": 0}},
    {"t": "MESSAGE_CREATE", "d": {"id": "1", "channel_id": "2", "author": {"id": "3"}, "type": CANARY}},
    {"t": "MESSAGE_UPDATE", "d": {"id": "1", "channel_id": "2", "content": CANARY, "edited_timestamp": CANARY}},
    {"t": "MESSAGE_REACTION_ADD", "d": {"message_id": "1", "channel_id": "2", "user_id": CANARY, "emoji": {}}},
    {"t": "MESSAGE_DELETE_BULK", "d": {"ids": CANARY, "channel_id": "2"}},
    {"t": "THREAD_UPDATE", "d": {"id": "1", "guild_id": CANARY, "parent_id": "2", "name": CANARY}},
    {"t": "INTERACTION_CREATE", "d": {"id": CANARY, "token": CANARY, "type": 2}},
    {"t": "INTERACTION_CREATE", "d": {"id": "1", "token": CANARY, "type": 2, "data": CANARY}},
    {"t": [CANARY], "d": CANARY},
]


async def test_event_that_is_put_aside_shows_nothing(home: Home, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BACK_OFF_S", (0.001, 0.001))
    async with on_stage(home.sqlite_url) as stage:
        frames = [json.dumps({"op": 0, "s": 1} | frame) for frame in BROKEN] + ['{"' + CANARY, f'["{CANARY}"]']
        for count, frame in enumerate(frames, 1):
            await stage.until(lambda: stage.discord.session_count > 0)
            await stage.discord.send_raw(frame)

            async def is_aside(count: int = count) -> bool:
                return len(await stage.rejected()) == count

            await stage.until(is_aside)
        rejected = await stage.rejected()
        assert CANARY not in "".join(event.reason for event in rejected)
        assert CANARY not in repr(rejected)
        assert len(rejected) == len(frames)
    assert "is made anew" in lines.text
    shows_none(lines, stage.discord)


async def test_discord_that_is_away_shows_nothing(home: Home, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BACK_OFF_S", (0.01, 0.01))
    async with on_stage(home.sqlite_url, handler=troubled) as stage:
        stage.discord.fail("GET", "/gateway/bot", Fault.server_error(503), times=2)
        await stage.discord.send_raw("{" + CANARY)
        await stage.until(lambda: len(stage.discord.identifies) == 2)
        await stage.discord.say(stage.anna, stage.general, f"{CANARY} <@BOT>")
        await stage.settled()
    assert "status 503" in lines.text or "is made anew" in lines.text
    shows_none(lines, stage.discord)


# Errors and reprs


async def test_wrong_token_is_in_no_error_and_no_log(home: Home, lines: Lines) -> None:
    async with FakeDiscord() as discord:
        with pytest.raises(AdapterError) as raised:
            await run_bot(config_of(discord, home.sqlite_url, token=CANARY))
    error: BaseException | None = raised.value
    while error is not None:
        assert CANARY not in repr(error) + str(error)
        error = error.__cause__ or error.__context__
    shows_none(lines, discord)


async def test_no_repr_shows_a_token(home: Home) -> None:
    async with FakeDiscord() as discord:
        config = config_of(discord, home.sqlite_url)
        (adapter,) = make_adapters(config.adapters, memory.Provider())
        shown = [config, config.adapters.discord, adapter, DiscordApi(discord.token, discord.api_url), vars(adapter)]
        assert [each for each in shown if discord.token in repr(each)] == []
