"""Answers that grow: Slack's streams where it allows them, edits where it does not."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from backscroll.bot import growing
from backscroll.bot.turn import Turn
from backscroll.testing import Fault
from tests.scenario.program import Home
from tests.scenario.slack import Stage, on_stage

PIECES = ["Once ", "upon ", "a <!chan", "nel> ", "time."]
TOLD = "".join(PIECES)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 0.01)
    monkeypatch.setattr(growing, "EVERY_S", 0.02)


async def tell(turn: Turn) -> AsyncIterator[str]:
    """Say a story piece by piece."""
    for piece in PIECES:
        yield piece
        await asyncio.sleep(0.06)


async def tell_in_sight(stage: Stage, *methods: str) -> AsyncIterator[str]:
    """Say it, each of the first pieces after Slack was called for the one before."""
    for number, piece in enumerate(PIECES, 1):
        yield piece
        await stage.until(partial(has_called, stage, methods, min(number, 3)))


def has_called(stage: Stage, methods: tuple[str, ...], times: int) -> bool:
    return sum(len(stage.slack.calls_of(method)) for method in methods) >= times


async def told(stage: Stage) -> tuple[Any, list[dict[str, Any]]]:
    """Ask in a thread, and return the question and what the bot said there in the end."""
    anna = stage.slack.add_user("anna")
    asked = await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), "tell <@BOT>")
    await stage.settled()
    return asked, [each for each in stage.slack.thread(asked.channel, asked) if each.get("bot_id")]


def shown(post: dict[str, Any]) -> str:
    """Return the Markdown that a post shows."""
    blocks = [block["text"] for block in post.get("blocks") or [] if block["type"] == "markdown"]
    return "".join(blocks) or str(post["text"])


async def test_stream_is_slacks_own_and_ends_with_the_whole_text(home: Home) -> None:
    def tell_slowly(turn: Turn) -> AsyncIterator[str]:
        return tell_in_sight(stage, "chat.startStream", "chat.appendStream")

    async with on_stage(home.sqlite_url, handler=tell_slowly) as stage:
        asked, posts = await told(stage)
        assert len(stage.slack.calls_of("chat.startStream")) == 1
        assert len(stage.slack.calls_of("chat.appendStream")) >= 2
        assert len(stage.slack.calls_of("chat.stopStream")) == 1
        assert [shown(post) for post in posts] == [TOLD.replace("<!channel>", "&lt;!channel>")]
        assert await stage.said_at(asked) == [("user", "tell @backscroll"), ("assistant", TOLD)]


async def test_stream_never_shows_a_ping_that_came_in_two_pieces(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        await told(stage)
        appended = "".join(call.get("markdown_text", "") for call in stage.slack.calls_of("chat.appendStream"))
        assert "<!chan" not in appended


async def test_answer_grows_by_edits_where_slack_allows_no_stream(home: Home) -> None:
    def tell_slowly(turn: Turn) -> AsyncIterator[str]:
        return tell_in_sight(stage, "chat.postMessage", "chat.update")

    async with on_stage(home.sqlite_url, handler=tell_slowly, switches={"allow_streams": False}) as stage:
        asked, posts = await told(stage)
        assert len(stage.slack.calls_of("chat.postMessage")) == 1
        assert len(stage.slack.calls_of("chat.update")) >= 2
        assert [shown(post) for post in posts] == [TOLD.replace("<!channel>", "&lt;!channel>")]
        assert await stage.said_at(asked) == [("user", "tell @backscroll"), ("assistant", TOLD)]


async def test_answer_grows_by_edits_when_streams_are_off(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=tell, streams=False) as stage:
        await told(stage)
        assert stage.slack.calls_of("chat.startStream") == []


async def test_answer_grows_in_a_direct_message(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        anna = stage.slack.add_user("anna")
        dm = stage.slack.open_dm(anna)
        await stage.slack.say(anna, dm, "tell")
        await stage.settled()
        assert [shown(each) for each in stage.slack.messages(dm) if each.get("bot_id")] == [
            TOLD.replace("<!channel>", "&lt;!channel>")
        ]


async def test_quick_answer_is_posted_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 30)
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        await told(stage)
        assert stage.slack.calls_of("chat.startStream") == []
        assert len(stage.slack.calls_of("chat.postMessage")) == 1


@pytest.mark.parametrize("allow_streams", [True, False], ids=["native", "edited"])
async def test_stream_that_outgrows_a_post_goes_on_in_the_next(home: Home, allow_streams: bool) -> None:
    async def long(turn: Turn) -> AsyncIterator[str]:
        for number in range(30):
            yield f"Paragraph {number}: {'word ' * 60}\n\n"
            await asyncio.sleep(0.02)

    async with on_stage(home.sqlite_url, handler=long, switches={"allow_streams": allow_streams}) as stage:
        asked, posts = await told(stage)
        assert len(posts) == 3
        (_, (_, kept)) = await stage.said_at(asked)
        assert "".join("".join(map(shown, posts)).split()) == "".join(kept.split())


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("chat.startStream", Fault.cut_after()),
        ("chat.startStream", Fault.server_error()),
        ("chat.startStream", Fault.rate_limited()),
        ("chat.appendStream", Fault.cut_before()),
        ("chat.appendStream", Fault.cut_after()),
        ("chat.appendStream", Fault.rate_limited()),
        ("chat.appendStream", Fault.error("message_not_in_streaming_state")),
        ("chat.stopStream", Fault.cut_before()),
        ("chat.stopStream", Fault.cut_after()),
        ("chat.stopStream", Fault.rate_limited()),
    ],
    ids=lambda each: each if isinstance(each, str) else each.kind,
)
async def test_stream_with_a_fault_ends_as_one_whole_post(
    home: Home, method: str, fault: Fault, short_waits: None
) -> None:
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        stage.slack.fail(method, fault)
        asked, posts = await told(stage)
        assert [shown(post) for post in posts] == [TOLD.replace("<!channel>", "&lt;!channel>")]
        assert await stage.said_at(asked) == [("user", "tell @backscroll"), ("assistant", TOLD)]
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_stream_whose_handler_raises_goes_on_in_the_same_post(home: Home, short_waits: None) -> None:
    async def stumble(turn: Turn) -> AsyncIterator[str]:
        yield f"try {turn.attempt}"
        await asyncio.sleep(0.1)
        if turn.attempt == 1:
            raise ValueError
        yield " is whole"

    async with on_stage(home.sqlite_url, handler=stumble) as stage:
        _, posts = await told(stage)
        assert [shown(post) for post in posts] == ["try 2 is whole"]


async def test_stream_that_fails_for_good_tells_so_behind_what_it_said(home: Home, short_waits: None) -> None:
    async def stumble(turn: Turn) -> AsyncIterator[str]:
        yield "so far"
        await asyncio.sleep(0.1)
        raise ValueError

    async with on_stage(home.sqlite_url, handler=stumble) as stage:
        _, posts = await told(stage)
        assert [shown(post).split("\n\n")[0] for post in posts] == ["so far"]
        assert "Sorry" in shown(posts[0])
        assert [answer.state for answer in await stage.answers()] == ["failed"]
