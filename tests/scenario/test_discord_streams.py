"""Answers that grow on Discord: one post that is edited about once a second, then the next."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from backscroll.adapters.discord import api
from backscroll.bot import delivery, growing
from backscroll.bot.turn import Turn
from backscroll.testing import Fault
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
THREADS = "/channels/{channel_id}/messages/{message_id}/threads"
PIECES = ["Once ", "upon ", "a @every", "one ", "time."]
TOLD = "".join(PIECES)


EVERY_S = growing.EVERY_S


def test_time_between_two_edits_is_a_second() -> None:
    assert EVERY_S == 1.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 0.01)
    monkeypatch.setattr(growing, "EVERY_S", 0.02)


async def tell(turn: Turn) -> AsyncIterator[str]:
    """Say a story piece by piece."""
    for piece in PIECES:
        yield piece
        await asyncio.sleep(0.05)


class Teller:
    """A handler that says the story piece by piece, each when Discord shows the ones before."""

    stage: Stage

    async def __call__(self, turn: Turn) -> AsyncIterator[str]:
        for count, piece in enumerate(PIECES, 1):
            yield piece
            so_far = "".join(PIECES[:count]).strip()
            await self.stage.until(lambda so_far=so_far: so_far in self.shown())  # type: ignore[misc]

    def shown(self) -> list[str]:
        """Return the texts that Discord was told."""
        texts = [call.json.get("content") for call in self.stage.discord.calls if isinstance(call.json, dict)]
        return [text.strip() for text in texts if text]


def posts(stage: Stage) -> list[str]:
    """Return what the bot said in the threads of the channel."""
    return [text for each in stage.discord.threads(stage.general) for text in stage.discord.posted_by_bot(each)]


async def told(stage: Stage) -> tuple[Said, list[str]]:
    """Ask, and return the question and what the bot said in its thread in the end."""
    asked = await stage.discord.say(stage.anna, stage.general, "tell <@BOT>")
    await stage.until(stage.answers)
    await stage.settled()
    thread = stage.discord.thread_of(asked)
    assert thread is not None
    return asked, stage.discord.posted_by_bot(thread)


async def is_told_once(stage: Stage) -> None:
    """See that the whole story stands there once, and is kept so."""
    asked, texts = await told(stage)
    assert texts == [TOLD]
    assert await stage.said_at(asked) == [("user", "tell @backscroll"), ("assistant", TOLD)]
    assert [(answer.state, answer.tries) for answer in await stage.answers()] == [("sent", 0)]


async def test_answer_grows_by_edits_of_one_post(url: str) -> None:
    teller = Teller()
    async with on_stage(url, handler=teller) as stage:
        teller.stage = stage
        await is_told_once(stage)
        assert len(stage.discord.calls_of("POST", MESSAGES)) == 1
        assert len(stage.discord.calls_of("PATCH", MESSAGE)) >= 2


async def test_each_text_that_is_shown_goes_on_from_the_one_before(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        await told(stage)
        calls = stage.discord.calls_of("*", MESSAGES) + stage.discord.calls_of("PATCH", MESSAGE)
        shown = [call.json["content"] for call in calls if call.method in ("POST", "PATCH")]
        assert shown[-1] == TOLD
        assert all(TOLD.startswith(text.strip()) for text in shown)
        assert shown == sorted(shown, key=len)


async def test_answer_is_edited_at_most_once_in_the_time_between(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "EVERY_S", 0.25)
    clock = asyncio.get_running_loop().time

    async def hurry(turn: Turn) -> AsyncIterator[str]:
        for number in range(60):
            yield f"{number} "
            await asyncio.sleep(0.01)

    async with on_stage(home.sqlite_url, handler=hurry) as stage:
        began_at = clock()
        await told(stage)
        edits = stage.discord.calls_of("PATCH", MESSAGE)
        assert 1 <= len(edits) <= (clock() - began_at) / 0.25 + 1  # and the last one


@pytest.mark.parametrize("where", ["direct", "command", "channel"])
async def test_answer_grows_elsewhere_too(home: Home, where: str) -> None:
    reply_in, teller = "channel" if where == "channel" else "thread", Teller()
    async with on_stage(home.sqlite_url, handler=teller, reply_in=reply_in) as stage:
        teller.stage = stage
        place = stage.discord.open_dm(stage.anna) if where == "direct" else stage.general
        if where == "command":
            await stage.discord.use_command(stage.anna, place, "ask", question="tell")
        else:
            await stage.discord.say(stage.anna, place, "tell <@BOT>")
        await stage.until(stage.answers)
        await stage.settled()
        assert stage.discord.posted_by_bot(place) == [TOLD]
        path = "/webhooks/{webhook_id}/{token}/messages/{message_id}" if where == "command" else MESSAGE
        assert len(stage.discord.calls_of("PATCH", path)) >= 2


async def test_quick_answer_is_posted_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 30)
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        await is_told_once(stage)
        assert stage.discord.calls_of("PATCH", MESSAGE) == []


@pytest.mark.parametrize("where", ["thread", "command"])
async def test_stream_that_outgrows_a_post_goes_on_in_the_next(home: Home, where: str) -> None:
    async def long(turn: Turn) -> AsyncIterator[str]:
        for number in range(14):
            yield f"Paragraph {number}: {'word ' * 60}\n\n"
            await asyncio.sleep(0.02)

    async with on_stage(home.sqlite_url, handler=long) as stage:
        if where == "command":
            asked = await stage.discord.use_command(stage.anna, stage.general, "ask", question="tell")
            await stage.until(stage.answers)
            await stage.settled()
            texts = asked.texts
        else:
            _, texts = await told(stage)
        assert len(texts) == 3
        (thread,) = [await stage.store.get(each.id) for each in await stage.threads()]
        assert thread is not None
        assert "".join("".join(texts).split()) == "".join(thread.messages[-1].text.split())


async def test_whole_text_that_is_another_replaces_what_grew(home: Home, short_waits: None) -> None:
    stage: Stage

    async def shrink(turn: Turn) -> AsyncIterator[str]:
        if turn.attempt == 1:
            yield "word " * 700
            await stage.until(lambda: len(posts(stage)) == 2)
            raise ValueError
        yield "short"

    async with on_stage(home.sqlite_url, handler=shrink) as stage:
        await told(stage)
        assert posts(stage) == ["short"]


@pytest.mark.parametrize(
    ("method", "path", "fault"),
    [
        ("POST", THREADS, Fault.cut_after()),
        ("POST", THREADS, Fault.server_error(503)),
        ("POST", MESSAGES, Fault.cut_before()),
        ("POST", MESSAGES, Fault.cut_after()),
        ("POST", MESSAGES, Fault.server_error(503)),
        ("POST", MESSAGES, Fault.rate_limited(0.1)),
        ("POST", MESSAGES, Fault.rate_limited(0.1, with_via=False)),
        ("POST", MESSAGES, Fault.hang(0.5)),
        ("PATCH", MESSAGE, Fault.cut_before()),
        ("PATCH", MESSAGE, Fault.cut_after()),
        ("PATCH", MESSAGE, Fault.server_error(503)),
        ("PATCH", MESSAGE, Fault.rate_limited(0.1)),
        ("PATCH", MESSAGE, Fault.rate_limited(0.1, with_via=False)),
        ("PATCH", MESSAGE, Fault.hang(0.5)),
    ],
    ids=lambda each: f"{each.kind}{'' if each.has_via else '-cloudflare'}" if isinstance(each, Fault) else None,
)
async def test_stream_with_a_fault_ends_as_one_whole_post(
    home: Home, method: str, path: str, fault: Fault, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(home.sqlite_url, handler=tell) as stage:
        if fault.kind == "hang":  # a busy machine may hold up another call for as long
            monkeypatch.setattr(api, "CALL_S", 0.3)
        stage.discord.fail(method, path, fault)
        await is_told_once(stage)


@pytest.mark.parametrize("fault", [Fault.cut_before(), Fault.cut_after()], ids=lambda each: each.kind)
async def test_stream_whose_beginning_is_lost_ends_as_one_whole_post_without_nonces(
    home: Home, fault: Fault, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "POST_BACK_OFF_S", 0.1)
    async with on_stage(home.sqlite_url, handler=tell, switches={"nonce_window_s": 0.0}) as stage:
        stage.discord.fail("POST", MESSAGES, fault)
        await is_told_once(stage)


async def test_stream_whose_post_is_deleted_stays_gone(home: Home) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> AsyncIterator[str]:
        yield "so far"
        await go_on.wait()
        yield " and whole"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "tell <@BOT>")
        await stage.until(
            lambda: [1 for each in stage.discord.threads(stage.general) if stage.discord.own_messages(each)]
        )
        thread = stage.discord.thread_of(asked)
        assert thread is not None
        await stage.discord.delete(stage.discord.own_messages(thread)[0])
        go_on.set()
        await stage.settled()
        assert stage.discord.posted_by_bot(thread) == []
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_stream_goes_on_in_a_thread_that_is_archived_meanwhile(home: Home) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> AsyncIterator[str]:
        yield "so far"
        await go_on.wait()
        yield " and whole"

    async with on_stage(home.sqlite_url, handler=wait) as stage:
        asked = await stage.discord.say(stage.anna, stage.general, "tell <@BOT>")
        await stage.until(
            lambda: [1 for each in stage.discord.threads(stage.general) if stage.discord.own_messages(each)]
        )
        thread = stage.discord.thread_of(asked)
        assert thread is not None
        await stage.discord.archive_thread(thread)
        go_on.set()
        await stage.settled()
        assert stage.discord.posted_by_bot(thread) == ["so far and whole"]
        assert not thread.is_archived


async def test_stream_whose_handler_raises_goes_on_in_the_same_post(home: Home, short_waits: None) -> None:
    stage: Stage

    async def stumble(turn: Turn) -> AsyncIterator[str]:
        yield f"try {turn.attempt}"
        if turn.attempt == 1:
            await stage.until(lambda: posts(stage) == ["try 1"])
            raise ValueError
        yield " is whole"

    async with on_stage(home.sqlite_url, handler=stumble) as stage:
        await told(stage)
        assert posts(stage) == ["try 2 is whole"]


async def test_stream_that_fails_for_good_tells_so_behind_what_it_said(home: Home, short_waits: None) -> None:
    stage: Stage

    async def stumble(turn: Turn) -> AsyncIterator[str]:
        yield "so far"
        await stage.until(lambda: posts(stage) == ["so far"])
        raise ValueError

    async with on_stage(home.sqlite_url, handler=stumble) as stage:
        await told(stage)
        (post,) = posts(stage)
        assert post.split("\n\n")[0] == "so far"
        assert "Sorry" in post
        assert [answer.state for answer in await stage.answers()] == ["failed"]
