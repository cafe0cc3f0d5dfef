"""Whatever Slack sends is acknowledged: kept, put aside with its reason, or nothing to us; the next is handled.

`tests/payloads/slack/malformed.py` has what is broken in events of types that we know; here is the rest.
"""

import itertools
import json
import logging
from typing import Any, Literal

import pytest

from backscroll.bot.config import BotConfig
from tests.payloads.slack.malformed import MALFORMED
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, on_stage

Json = dict[str, Any]
Outcome = Literal["aside", "nothing", "kept"]
CANARY = "xyzzy-4711"
RECORDING = BotConfig(record="all", answer=frozenset())
BATCH = 20
LONE = "a\ud800b"
counter = itertools.count(1_736_000_000)


def nested(depth: int) -> Any:
    value: Any = CANARY
    for _ in range(depth):
        value = [value]
    return value


def message(**fields: Any) -> Json:
    """Make a message's event, with fields replaced; each has a ts of its own."""
    ts = f"{next(counter)}.000100"
    event = {"type": "message", "channel": "C1", "user": "U1", "text": CANARY, "ts": ts, "event_ts": ts}
    return {"event": event | fields}


def of_type(kind: str, **fields: Any) -> Json:
    return {"event": {"type": kind, "event_ts": "1736207085.000100"} | fields}


def around(**fields: Any) -> Json:
    """Make a good message in an odd envelope."""
    return message() | fields


def assistant(**fields: Any) -> Json:
    thread = {"user_id": "U1", "context": {}, "channel_id": "D1", "thread_ts": "1736207085.000100"}
    return of_type("assistant_thread_started", assistant_thread=thread | fields)


OWN: list[tuple[str, Outcome, Json]] = [
    # Envelopes
    ("no type and no event", "nothing", {"type": None}),
    ("type is a number", "nothing", around(type=5)),
    ("type is unknown", "nothing", around(type="event_callbak")),
    ("event_callback with nothing in it", "aside", {}),
    ("event is a number", "aside", {"event": 5}),
    ("event is empty", "aside", {"event": {}}),
    ("event_id is missing", "kept", around(event_id=None)),
    ("event_id is a list", "kept", around(event_id=[CANARY])),
    ("event_id is a lone surrogate", "kept", around(event_id=LONE)),
    ("event_id is a page of words", "kept", around(event_id=CANARY * 1_000)),
    ("team_id is a number", "kept", around(team_id=5, authorizations=None)),
    ("team_id is another's", "aside", around(team_id="T0OTHER", authorizations=None)),
    ("team_id is a lone surrogate", "aside", around(team_id=LONE, authorizations=None)),
    ("team_id is a sentence", "aside", around(team_id=f"{CANARY} and more", authorizations=None)),
    ("team_id is endless", "aside", around(team_id="T" * 100_000, authorizations=None)),
    ("team_id is an object", "kept", around(team_id={"id": CANARY}, authorizations=None)),
    ("authorizations are a text", "aside", around(authorizations=CANARY)),
    ("authorizations are empty", "kept", around(authorizations=[])),
    ("authorizations hold null", "aside", around(authorizations=[None])),
    ("authorizations hold a list", "aside", around(authorizations=[[CANARY]])),
    ("authorizations hold an empty object", "kept", around(authorizations=[{}])),
    ("authorizations are another's", "aside", around(authorizations=[{"team_id": "T0OTHER"}])),
    (
        "authorizations are an enterprise's",
        "aside",
        around(authorizations=[{"enterprise_id": "E1", "is_enterprise_install": True}]),
    ),
    ("authorizations hold a lone surrogate", "aside", around(authorizations=[{"team_id": LONE}])),
    ("authorizations hold a number", "kept", around(authorizations=[{"team_id": 7}])),
    ("event_time is huge", "kept", around(event_time=10**300)),
    ("event_time is not finite", "kept", around(event_time=float("inf"))),
    ("a command beside an event", "kept", around(command="/new")),
    ("ten thousand fields around it", "kept", around(**{f"field{n}": n for n in range(10_000)})),
    ("nested fifty deep around it", "kept", around(context=nested(50))),
    ("nested two hundred deep around it", "kept", around(context=nested(200))),
    # Messages
    ("text with a lone surrogate", "kept", message(text=LONE)),
    ("text with NUL", "kept", message(text="a\0b")),
    ("text of 900 KB", "kept", message(text=CANARY * 90_000)),
    ("text of 900 KB without ts", "aside", message(text=CANARY * 90_000, ts=None)),
    ("text of a thousand mentions", "kept", message(text="<@U0NOBODY>" * 1_000)),
    ("text of unfinished forms", "kept", message(text="<" * 5_000 + "@" * 5_000)),
    ("user with a lone surrogate", "kept", message(user=f"U{LONE}")),
    ("user with NUL", "kept", message(user="U\0")),
    ("channel with a lone surrogate", "kept", message(channel=f"C{LONE}")),
    ("channel with NUL", "kept", message(channel="C\0")),
    ("channel with colons", "kept", message(channel="C1:2:3")),
    ("channel_type is an object", "kept", message(channel_type={"im": CANARY})),
    ("ts is an object", "aside", message(ts={"$gt": 1})),
    ("ts is infinite", "aside", message(ts=float("inf"))),
    ("ts is a huge integer", "aside", message(ts=10**300)),
    ("thread_ts is an object", "aside", message(thread_ts={"$gt": 1})),
    ("blocks are a text", "kept", message(text="", blocks=CANARY)),
    (
        "blocks hold all sorts",
        "kept",
        message(text="", blocks=[None, 5, [], {"type": 5}, {"type": "rich_text", "elements": 5}]),
    ),
    ("blocks nested ninety deep", "kept", message(text="", blocks=nested(90))),
    ("blocks nested five hundred deep", "kept", message(text="", blocks=nested(500))),
    ("attachments are a text", "kept", message(text="", attachments=CANARY)),
    ("attachments hold all sorts", "kept", message(text="", attachments=[None, 5, {"fields": 5}, {"text": {}}])),
    ("files are a number", "aside", message(files=5)),
    ("files hold a list", "aside", message(files=[[{"id": "F1"}]])),
    ("files hold an empty object", "kept", message(files=[{}])),
    (
        "files of odd fields",
        "kept",
        message(files=[{"id": 5, "name": [], "size": -1, "url_private": {}, "mimetype": None}]),
    ),
    (
        "files with a lone surrogate",
        "kept",
        message(files=[{"id": "F1", "name": LONE, "url_private": f"https://{LONE}/"}]),
    ),
    ("files of a huge size", "kept", message(files=[{"id": "F1", "name": "x", "size": 10**300}])),
    ("metadata is a text", "kept", message(metadata=CANARY)),
    (
        "metadata is another's",
        "kept",
        message(metadata={"event_type": "backscroll", "event_payload": {"token": [CANARY]}}),
    ),
    ("bot_profile is a text", "kept", message(bot_profile=CANARY, bot_id="B1")),
    ("user_profile is a list", "kept", message(user_profile=[CANARY])),
    ("username is an object", "kept", message(user=None, bot_id="B1", username={"name": CANARY})),
    ("reactions are a text", "kept", message(reactions=CANARY)),
    ("subtype is unknown", "nothing", message(subtype=CANARY)),
    ("hidden is a text", "nothing", message(hidden=CANARY)),
    ("type is endless", "nothing", message(type="message" * 10_000)),
    # Other events
    ("event of an unknown type", "nothing", of_type("team_join", user={"id": CANARY})),
    ("assistant thread is missing", "aside", of_type("assistant_thread_started")),
    ("assistant thread is a text", "aside", of_type("assistant_thread_started", assistant_thread=CANARY)),
    ("assistant thread without channel", "aside", assistant(channel_id=None)),
    ("assistant thread in an object", "aside", assistant(channel_id={"id": CANARY})),
    ("assistant thread with a number as thread_ts", "aside", assistant(thread_ts=1736207085.0001)),
    ("assistant thread with words as thread_ts", "aside", assistant(thread_ts=f"{CANARY} and more")),
    ("assistant thread with a list as context", "aside", assistant(context=[CANARY])),
    ("assistant thread with a deep context", "aside", assistant(context={"deep": nested(200)})),
    ("assistant thread with a lone surrogate in its context", "nothing", assistant(context={LONE: LONE})),
    ("assistant thread with a channel too long for a key", "aside", assistant(channel_id="D" * 499)),
    ("renamed channel is a text", "aside", of_type("channel_rename", channel=CANARY)),
    ("renamed channel without id", "aside", of_type("channel_rename", channel={"name": CANARY})),
    ("renamed channel without name", "aside", of_type("channel_rename", channel={"id": "C1"})),
    ("renamed channel with an object as name", "aside", of_type("channel_rename", channel={"id": "C1", "name": {}})),
    ("renamed channel with a lone surrogate", "nothing", of_type("channel_rename", channel={"id": "C9", "name": LONE})),
    ("revoked tokens of nobody", "nothing", of_type("tokens_revoked", tokens=None)),
    ("app_uninstalled with more", "nothing", of_type("app_uninstalled", tokens=CANARY)),
    # No events
    ("button", "aside", {"type": "block_actions", "actions": CANARY}),
    ("button of somebody else's", "nothing", {"type": "block_actions", "actions": [{"action_id": CANARY}]}),
    ("view without anything", "nothing", {"type": "view_submission"}),
    ("rate limit", "nothing", {"type": "app_rate_limited", "minute_rate_limited": CANARY}),
    ("challenge over again", "nothing", {"type": "url_verification", "challenge": {"a": 1}}),
    ("command is a number", "aside", {"type": None, "command": 5}),
    ("command is unknown", "nothing", {"type": None, "command": CANARY}),
    ("command without a channel", "aside", {"type": None, "command": "/new"}),
    ("command in a list", "aside", {"type": None, "command": "/new", "channel_id": [CANARY]}),
    ("command in a channel too long for a key", "aside", {"type": None, "command": "/new", "channel_id": "D" * 499}),
]
GIVEN: list[tuple[str, Outcome, Json]] = [
    (name, "aside", {field: value for field, value in payload.items() if field not in ("team_id", "authorizations")})
    for name, payload in MALFORMED
]
ALL = [*OWN, *GIVEN]
BATCHES = [ALL[start : start + BATCH] for start in range(0, len(ALL), BATCH)]


async def kept_count(stage: Stage) -> int:
    return sum(len(thread.messages) for thread in await stage.threads())


def enveloped(stage: Stage, payload: Json) -> Json:
    """Put an event into an envelope of this Slack's; what the payload has itself stands."""
    envelope = stage.slack._workspace.outer(stage.slack.team, {}, {})
    del envelope["event"]
    return {name: value for name, value in (envelope | payload).items() if name != "type" or value is not None}


async def next_is_handled(stage: Stage) -> None:
    good = await stage.slack.say(stage.anna, stage.general, "good")
    await stage.slack.quiet()
    assert await stage.kept(good) is not None


def test_there_are_two_hundred() -> None:
    assert len({name for name, _, _ in ALL}) == len(ALL) >= 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", range(len(BATCHES)))
async def test_malformed_event_is_acknowledged_and_put_aside_and_the_next_is_handled(
    home: Home, mode: Mode, batch: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with on_stage(home.sqlite_url, mode, bot=RECORDING) as stage:
        asides = kepts = 0
        for name, outcome, payload in BATCHES[batch]:
            stage.slack.deliveries.clear()
            await stage.slack.send_payload(enveloped(stage, payload))
            await stage.slack.quiet()
            assert stage.slack.deliveries, name
            assert stage.unacknowledged() == set(), name
            asides += outcome == "aside"
            kepts += outcome == "kept"
            await next_is_handled(stage)
            rejected = await stage.rejected()
            assert len(rejected) == asides, (name, [each.reason for each in rejected])
            assert await kept_count(stage) == kepts + 1 + BATCHES[batch].index((name, outcome, payload)), name
        for event in await stage.rejected():
            assert event.reason
            assert event.payload
            assert CANARY not in event.reason
            assert "\n" not in event.reason
    assert CANARY not in caplog.text


EVENT = message()["event"]
FRAMES: list[bytes] = [
    b"",
    b"null",
    b"7",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b"{}",
    b'{"type": "events_api"}',
    b'{"type": "hello"}',
    b'{"type": "error", "error": {"code": 1}}',
    b'{"type": ["events_api"], "envelope_id": "1", "payload": {}}',
    b'{"type": "interactive", "envelope_id": "1", "payload": {}}',
    b'{"type": "slash_commands", "envelope_id": "1", "payload": {"command": null}}',
    b'{"type": "events_api", "envelope_id": "1", "payload": null}',
    b'{"type": "events_api", "envelope_id": "1", "payload": 7}',
    b'{"type": "events_api", "envelope_id": "1", "payload": "words"}',
    b'{"type": "events_api", "envelope_id": "1", "payload": []}',
    b'{"type": "events_api", "envelope_id": "1", "payload": [{"type": "event_callback"}]}',
    b'{"type": "events_api", "envelope_id": null, "payload": {"type": "event_callback"}}',
    b'{"type": "events_api", "envelope_id": ["1"], "payload": {"type": "event_callback"}}',
    b'{"type": "events_api", "envelope_id": {"a": 1}, "payload": {"type": "event_callback", "event": NaN}}',
    b'{"type": "events_api", "envelope_id": "1", "retry_attempt": "x", "retry_reason": [], "payload": {"event": null}}',
    b'{"type": "events_api", "envelope_id": "1", "payload": {"type": "event_callback", "event": '
    + b"9" * 5_000
    + b"}}",
    b'{"type": "events_api", "envelope_id": "1", "payload": ' + b'{"event":' * 900 + b"1" + b"}" * 900 + b"}",
    json.dumps({"type": "events_api", "payload": {"type": "event_callback", "event": EVENT}}).encode(),
]


@pytest.mark.parametrize("frame", range(len(FRAMES)))
async def test_odd_frame_stops_nothing(home: Home, frame: int) -> None:
    async with on_stage(home.sqlite_url, bot=RECORDING) as stage:
        await stage.slack.send_payload(FRAMES[frame])
        await next_is_handled(stage)
        assert stage.slack.socket_count == 1


async def test_text_of_nearly_4_mb_is_kept(home: Home) -> None:
    async with on_stage(home.sqlite_url, bot=RECORDING) as stage:
        text = "word " * 800_000
        said = await stage.slack.say(stage.anna, stage.general, text, blocks=[])
        await stage.slack.quiet()
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.text == text
        assert {each.attempt for each in stage.slack.deliveries} == {0}
