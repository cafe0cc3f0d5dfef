"""Discord that stumbles: asks to wait, breaks off before or after it took a post, hangs, refuses the token."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from backscroll.adapters.discord import api, commands
from backscroll.bot import delivery, desk, growing
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.storage.models import Attachment, Message
from backscroll.storage.records import UNFINISHED
from backscroll.testing import FakeDiscord, Fault
from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import Channel
from backscroll.testing.discord.models import Message as Said
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

THREADS = "/channels/{channel_id}/messages/{message_id}/threads"
MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
ORIGINAL = "/webhooks/{webhook_id}/{token}/messages/@original"
FOLLOW_UP = "/webhooks/{webhook_id}/{token}"
CALLBACK = "/interactions/{interaction_id}/{token}/callback"

Where = Literal["thread", "channel", "direct", "command"]
WHERE: tuple[Where, ...] = ("thread", "channel", "direct", "command")
Case = tuple[Where, Fault]
LetFail = Callable[[Stage, str, str, Fault], None]
FAULTS = (
    Fault.cut_before(),
    Fault.cut_after(),
    Fault.cut_within(),
    Fault.server_error(500),
    Fault.server_error(503),
    Fault.rate_limited(0.1),
    Fault.rate_limited(0.1, is_global=True),
    Fault.rate_limited(0.1, with_via=False),
    Fault.hang(0.5),
    Fault.page(),
)
UNKNOWN = (Fault.cut_after(), Fault.cut_within())
CASES: list[Case] = [
    *(("thread", fault) for fault in FAULTS),
    *(("command", fault) for fault in FAULTS),
    *(("channel", fault) for fault in (*UNKNOWN, Fault.server_error(503))),
    *(("direct", fault) for fault in (*UNKNOWN, Fault.server_error(503))),
]


def name_of(each: Any) -> str:
    """Name a parameter."""
    if not isinstance(each, Fault):
        return str(each)
    more = "-global" if each.is_global else "" if each.has_via else "-cloudflare"
    return f"{each.kind}{each.status if each.kind == 'server_error' else ''}{more}"


class Quick:
    """The `asyncio` of discord.py, whose waits are short, and noted."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        self.waits.append(delay)
        await asyncio.sleep(delay / 20)


@pytest.fixture(autouse=True)
def soon(short_waits: None, monkeypatch: pytest.MonkeyPatch) -> Quick:
    """Let what is to be tried again be tried soon."""
    quick = Quick()
    monkeypatch.setattr("discord.http.asyncio", quick)
    monkeypatch.setattr(commands, "EARLY_S", 0.0)
    monkeypatch.setattr(delivery, "POST_BACK_OFF_S", 0.1)
    monkeypatch.setattr(desk, "RETRY_S", 0.05)
    return quick


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> LetFail:
    """Give what lets a call go wrong; one that hangs is given up soon, any other a busy machine may hold up."""

    def let_fail(stage: Stage, method: str, path: str, fault: Fault) -> None:
        if fault.kind == "hang":
            monkeypatch.setattr(api, "CALL_S", 0.3)
        stage.discord.fail(method, path, fault)

    return let_fail


@pytest.fixture
def growing_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 0.01)
    monkeypatch.setattr(growing, "EVERY_S", 0.02)


class Asked:
    """A question somewhere, and what the bot said to it."""

    def __init__(self, stage: Stage, said: Said | Interaction) -> None:
        self._stage = stage
        self.said = said

    @property
    def place(self) -> Channel:
        """Where the answer stands, or is to stand."""
        thread = self._stage.discord.thread_of(self.said) if isinstance(self.said, Said) else None
        return thread or self.said.channel

    @property
    def posts(self) -> list[Said]:
        """What the bot said there."""
        return self._stage.discord.own_messages(self.place)

    @property
    def texts(self) -> list[str]:
        return [post.content for post in self.posts]


@dataclass
class Deafened:
    """A handler whose bot loses its connection meanwhile: it hears nothing of its own posts, and has to look."""

    handler: Handler
    discord: FakeDiscord | None = None

    async def __call__(self, turn: Turn) -> Any:
        assert self.discord is not None
        self.discord.refuse_connections()
        self.discord.drop_sockets()
        result = self.handler(turn)
        return await result if asyncio.iscoroutine(result) else result


@asynccontextmanager
async def on_deaf_stage(url: str, handler: Handler, where: Where, **switches: Any) -> AsyncIterator[Stage]:
    """Open a stage on which the bot is deaf from a handler's start on; wait with `answered`."""
    deafened = Deafened(handler)
    switches = {"nonce_window_s": 0.0} | switches
    async with on_stage(url, handler=deafened, switches=switches, **settings(where)) as stage:
        deafened.discord = stage.discord
        yield stage


async def answered(stage: Stage, count: int = 1) -> None:
    """Wait until so many answers are at their end, whether the bot hears anything or not."""

    async def are_finished() -> bool:
        answers = await stage.answers()
        return len(answers) == count and not [each for each in answers if each.state in UNFINISHED]

    await stage.until(are_finished)


async def ask(stage: Stage, where: Where) -> Asked:
    """Ask in a way, and wait until it is answered."""
    said: Said | Interaction
    if where == "command":
        said = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
    elif where == "direct":
        said = await stage.discord.say(stage.anna, stage.discord.open_dm(stage.anna), "hello <@BOT>")
    else:
        said = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
    await answered(stage)
    return Asked(stage, said)


def settings(where: Where) -> dict[str, Any]:
    return {"reply_in": "channel" if where == "channel" else "thread"}


def post_of(where: Where) -> tuple[str, str]:
    """Return the call by which an answer is posted."""
    return ("PATCH", ORIGINAL) if where == "command" else ("POST", MESSAGES)


async def said_once(stage: Stage, asked: Asked, *texts: str) -> None:
    """See that the bot said these, once outside and once in storage, at the first try."""
    assert asked.texts == list(texts)
    (thread,) = [await stage.store.get(thread.id) for thread in await stage.threads()]
    assert thread is not None
    assert [message.text for message in thread.messages if message.role == "assistant"] == list(texts)
    assert [(answer.state, answer.tries) for answer in await stage.answers()] == [("sent", 0)]


async def done(turn: Turn) -> str:
    return "done"


async def draw(turn: Turn) -> Message:
    return Message(role="assistant", attachments=[Attachment(name="a.txt", content=b"a")])


# Posts


@pytest.mark.parametrize(("where", "fault"), CASES, ids=name_of)
async def test_post_that_goes_wrong_is_there_once_in_the_end(
    home: Home, where: Where, fault: Fault, fail: LetFail
) -> None:
    async with on_stage(home.sqlite_url, handler=done, **settings(where)) as stage:
        fail(stage, *post_of(where), fault)
        await said_once(stage, await ask(stage, where), "done")


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("fault", [Fault.cut_after()], ids=name_of)
async def test_post_whose_nonce_is_forgotten_is_found_by_its_text(url: str, where: Where, fault: Fault) -> None:
    async with on_deaf_stage(url, done, where) as stage:
        stage.discord.fail(*post_of(where), fault)
        await said_once(stage, await ask(stage, where), "done")
        assert len(stage.discord.calls_of(*post_of(where))) == 1


async def test_post_that_no_history_shows_is_held_off_by_its_nonce(home: Home) -> None:
    async with on_deaf_stage(home.sqlite_url, done, "thread", nonce_window_s=120.0) as stage:
        stage.discord.forbid(stage.general, "READ_MESSAGE_HISTORY")
        stage.discord.fail("POST", MESSAGES, Fault.cut_after())
        await said_once(stage, await ask(stage, "thread"), "done")
        assert len(stage.discord.calls_of("POST", MESSAGES)) == 2


async def test_posts_of_one_answer_have_nonces_of_their_own(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: "word " * 900) as stage:
        asked = await ask(stage, "thread")
        nonces = [call.json["nonce"] for call in stage.discord.calls_of("POST", MESSAGES)]
        assert len(set(nonces)) == len(asked.posts) == 3
        assert max(map(len, nonces)) <= 25


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_part_that_goes_wrong_leaves_the_others_once_and_in_order(home: Home, number: int) -> None:
    async with on_deaf_stage(home.sqlite_url, long, "thread") as stage:
        stage.discord.fail("POST", THREADS, Fault.hang(0.0))
        for _ in range(number):
            stage.discord.fail("POST", MESSAGES, Fault.hang(0.0))
        stage.discord.fail("POST", MESSAGES, Fault.cut_after())
        asked = await ask(stage, "thread")
        assert [text[0] for text in asked.texts] == ["a", "b", "c"]


def long(turn: Turn) -> str:
    return "\n\n".join(f"{letter} {'word ' * 300}" for letter in "abc")


async def test_posts_that_say_the_same_are_each_found(home: Home) -> None:
    async with on_deaf_stage(home.sqlite_url, lambda turn: "x" * 6_000, "thread") as stage:
        stage.discord.fail("POST", MESSAGES, Fault.cut_after(), times=3)
        asked = await ask(stage, "thread")
        assert [len(text) for text in asked.texts] == [2_000] * 3
        assert len(stage.discord.calls_of("POST", MESSAGES)) == 3


async def test_earlier_answer_of_the_same_text_is_not_taken_for_a_lost_one(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done, switches={"nonce_window_s": 0.0}) as stage:
        dm = stage.discord.open_dm(stage.anna)
        await stage.discord.say(stage.anna, dm, "first")
        await stage.until(lambda: stage.discord.posted_by_bot(dm))
        await stage.settled()
        stage.discord.fail("POST", MESSAGES, Fault.cut_before())
        await stage.discord.say(stage.anna, dm, "second")
        await stage.until(lambda: len(stage.turns) == 2)
        await stage.settled()
        assert stage.discord.posted_by_bot(dm) == ["done", "done"]


async def test_lost_answers_of_one_text_are_each_found_by_the_question_that_they_reply_to(url: str) -> None:
    count = 0
    all_are_here = asyncio.Event()

    async def together(turn: Turn) -> str:
        nonlocal count
        count += 1
        if count == 4:
            all_are_here.set()
        await all_are_here.wait()
        return await Deafened(done, stage.discord)(turn)  # type: ignore[no-any-return]

    switches = {"nonce_window_s": 0.0}
    async with on_stage(url, handler=together, switches=switches, reply_in="channel") as stage:
        stage.discord.fail("POST", MESSAGES, Fault.cut_after(), times=4)
        stage.discord.fail("GET", MESSAGES, Fault.hang(0.1), times=4)
        asked = [await stage.discord.say(stage.anna, stage.general, f"{number} <@BOT>") for number in range(4)]
        await answered(stage, 4)
        assert stage.discord.posted_by_bot(stage.general) == ["done"] * 4
        for question in asked:
            thread = await stage.thread_at(question)
            assert thread is not None
            (answer,) = [message for message in thread.messages if message.role == "assistant"]
            post = stage.discord.message(answer.platforms["discord"]["message"])
            assert post.referenced is question


@pytest.mark.parametrize("fault", [Fault.server_error(503), Fault.rate_limited(0.1, with_via=False)], ids=name_of)
async def test_look_that_fails_leaves_the_outcome_unknown(home: Home, fault: Fault) -> None:
    async with on_deaf_stage(home.sqlite_url, done, "thread") as stage:
        stage.discord.fail("POST", MESSAGES, Fault.cut_after())
        stage.discord.fail("GET", MESSAGES, fault, times=2)
        await said_once(stage, await ask(stage, "thread"), "done")
        assert len(stage.discord.calls_of("POST", MESSAGES)) == 1


async def test_wait_is_obeyed_without_a_look(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", MESSAGES, Fault.rate_limited(0.1, with_via=False), times=2)
        asked = await ask(stage, "thread")
        assert stage.discord.calls_of("GET", f"/channels/{asked.place.id}/messages") == []
        assert len(stage.discord.calls_of("POST", MESSAGES)) == 3


# Threads


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
async def test_thread_whose_creation_goes_wrong_is_there_once(home: Home, fault: Fault, fail: LetFail) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        fail(stage, "POST", THREADS, fault)
        await said_once(stage, await ask(stage, "thread"), "done")
        assert len(stage.discord.threads(stage.general)) == 1


async def test_thread_of_which_nothing_is_said_is_begun_again(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", THREADS, Fault.error(200))
        await said_once(stage, await ask(stage, "thread"), "done")
        assert len(stage.discord.calls_of("POST", THREADS)) == 2


# Posts besides the answer


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.server_error(503)], ids=name_of)
async def test_post_besides_the_answer_is_there_once(home: Home, where: Where, fault: Fault) -> None:
    async def post(turn: Turn) -> str:
        await turn.post("one moment")
        return "done"

    async with on_deaf_stage(home.sqlite_url, post, where) as stage:
        stage.discord.fail(*post_of(where), fault)
        if where == "command":
            stage.discord.fail("POST", FOLLOW_UP, fault)
        await said_once(stage, await ask(stage, where), "one moment", "done")


@pytest.mark.parametrize("fault", [Fault.server_error(503), Fault.rate_limited(0.1, with_via=False)], ids=name_of)
async def test_emoji_waits_until_discord_takes_it(home: Home, fault: Fault) -> None:
    async def react(turn: Turn) -> str:
        await turn.react("👀")
        return "done"

    async with on_stage(home.sqlite_url, handler=react) as stage:
        stage.discord.fail("PUT", "*", fault)
        asked = await ask(stage, "thread")
        assert isinstance(asked.said, Said)
        assert stage.discord.reactions(asked.said) == {"👀": ["backscroll"]}
        await said_once(stage, asked, "done")


# Uploads


@pytest.mark.parametrize(
    ("where", "window_s", "fault"),
    [
        *(("thread", window_s, fault) for window_s in (0.0, 120.0) for fault in (*UNKNOWN, Fault.server_error(503))),
        *((where, 0.0, Fault.cut_after()) for where in ("channel", "direct", "command")),
    ],
    ids=name_of,
)
async def test_upload_of_unknown_outcome_leaves_one_file(
    home: Home, where: Where, window_s: float, fault: Fault
) -> None:
    async with on_deaf_stage(home.sqlite_url, draw, where, nonce_window_s=window_s) as stage:
        stage.discord.fail(*post_of(where), fault)
        asked = await ask(stage, where)
        assert [[(file.name, file.content) for file in post.files] for post in asked.posts] == [[("a.txt", b"a")]]
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_file_that_is_too_large_costs_no_other(home: Home) -> None:
    def two(turn: Turn) -> Message:
        files = [Attachment(name="large", content=b"x" * 101), Attachment(name="b.txt", content=b"b")]
        return Message(role="assistant", content="Here", attachments=files)

    async with on_deaf_stage(home.sqlite_url, two, "thread", attachment_limit_bytes=100) as stage:
        stage.discord.fail("POST", MESSAGES, Fault.hang(0.0), times=2)  # the text, and the one that is too large
        stage.discord.fail("POST", MESSAGES, Fault.cut_after())
        asked = await ask(stage, "thread")
        assert [[file.name for file in post.files] for post in asked.posts] == [[], ["b.txt"]]
        (answer,) = await stage.answers()
        assert (answer.state, (answer.reason or "").partition("code ")[2]) == (
            "failed",
            "40005, the file is larger than this server takes.",
        )


# Edits and deletions


@pytest.mark.parametrize(
    ("where", "fault"),
    [*(("thread", fault) for fault in FAULTS), *(("command", fault) for fault in (*UNKNOWN, Fault.server_error(503)))],
    ids=name_of,
)
@pytest.mark.usefixtures("growing_soon")
async def test_last_edit_that_goes_wrong_leaves_the_whole_text(
    home: Home, where: Where, fault: Fault, fail: LetFail
) -> None:
    ready = asyncio.Event()

    async def tell(turn: Turn) -> AsyncIterator[str]:
        yield "so far"
        await ready.wait()
        yield " and whole"

    method, path = ("PATCH", "/webhooks/{webhook_id}/{token}/messages/{message_id}")
    async with on_stage(home.sqlite_url, handler=tell, **settings(where)) as stage:
        asking = asyncio.ensure_future(ask(stage, where))
        await stage.until(lambda: shown(stage, "so far"))
        fail(stage, method, path if where == "command" else MESSAGE, fault)
        ready.set()
        await said_once(stage, await asking, "so far and whole")


def shown(stage: Stage, text: str) -> bool:
    places = [stage.general, *stage.discord.threads(stage.general), stage.discord.open_dm(stage.anna)]
    return any(text in stage.discord.posted_by_bot(place) for place in places)


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
@pytest.mark.usefixtures("growing_soon")
async def test_deletion_that_goes_wrong_takes_the_post_away_in_the_end(home: Home, fault: Fault, fail: LetFail) -> None:
    stage: Stage

    async def shrink(turn: Turn) -> AsyncIterator[str]:
        if turn.attempt == 2:
            yield "short"
            return
        yield "word " * 700
        await stage.until(lambda: len(stage.discord.calls_of("POST", MESSAGES)) == 2)
        await stage.until(lambda: [len(stage.discord.posted_by_bot(each)) for each in threads(stage)] == [2])
        raise ValueError

    async with on_stage(home.sqlite_url, handler=shrink) as stage:
        fail(stage, "DELETE", MESSAGE, fault)
        asked = await ask(stage, "thread")
        assert asked.texts == ["short"]
        assert [answer.state for answer in await stage.answers()] == ["sent"]


def threads(stage: Stage) -> list[Any]:
    return stage.discord.threads(stage.general)


# Limits


async def test_wait_in_one_channel_holds_up_no_other(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        busy, free = stage.discord.add_channel("busy"), stage.discord.add_channel("free")
        stage.discord.fail(
            "POST", f"/channels/{busy.id}/messages/{{message_id}}/threads", Fault.rate_limited(60), times=99
        )
        for number in range(20):
            await stage.discord.say(stage.anna, busy, f"{number} <@BOT>")
        await stage.until(lambda: len(stage.discord.calls_of("POST", THREADS)) == 20)
        asked = await stage.discord.say(stage.anna, free, "hello <@BOT>")
        await stage.until(lambda: stage.discord.thread_of(asked))
        assert stage.discord.threads(busy) == []
        assert len(stage.discord.calls_of("POST", THREADS)) == 21


async def test_wait_that_discord_py_sits_out_holds_up_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discord.http.asyncio", asyncio)
    async with on_stage(home.sqlite_url, handler=done) as stage:
        busy, free = stage.discord.add_channel("busy"), stage.discord.add_channel("free")
        stage.discord.fail("POST", THREADS, Fault.rate_limited(20))
        await stage.discord.say(stage.anna, busy, "hello <@BOT>")
        await stage.until(lambda: stage.discord.calls_of("POST", THREADS))
        asked = await stage.discord.say(stage.anna, free, "hello <@BOT>")
        await stage.until(
            lambda: [stage.discord.posted_by_bot(thread) for thread in stage.discord.threads(free)] == [["done"]]
        )
        assert stage.discord.thread_of(asked) is not None


async def test_long_wait_gives_the_answer_back_for_as_long(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", MESSAGES, Fault.rate_limited(3_000), times=9)
        await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.until(lambda: stage.discord.calls_of("POST", MESSAGES))

        async def waits() -> bool:
            (seconds,) = [await stage.store.provider.seconds_until_ready(["discord"])]
            return seconds is not None and 2_900 < seconds <= 3_000

        await stage.until(waits)
        (answer,) = await stage.answers()
        assert (answer.state, answer.tries) == ("sending", 0)


async def test_call_that_is_cancelled_during_discords_limit_lets_the_others_go_on(home: Home, soon: Quick) -> None:
    async def work(turn: Turn) -> str:
        await stage.until(lambda: 4 in soon.waits)
        return "done"  # then the bot types no more

    async with on_stage(home.sqlite_url, handler=work) as stage:
        limit = Fault.rate_limited(4, is_global=True)
        stage.discord.fail("POST", "/channels/{channel_id}/typing", limit)
        await said_once(stage, await ask(stage, "thread"), "done")


async def test_bot_stops_while_discord_makes_it_wait(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discord.http.asyncio", asyncio)
    loop = asyncio.get_running_loop()
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", "*", Fault.rate_limited(20, is_global=True), times=9)
        await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.until(lambda: stage.discord.calls_of("POST", "*"))
        began_at = loop.time()
    assert loop.time() - began_at < 15


# The token


async def test_answers_wait_while_the_token_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "TOKEN_RETRY_S", 0.1)
    async with on_stage(url, handler=done) as stage:
        stage.discord.refuse_token()
        said = await stage.discord.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.until(lambda: len(stage.discord.calls_of("POST", THREADS)) >= 3)
        (answer,) = await stage.answers()
        assert (answer.state, answer.tries) == ("sending", 0)
        stage.discord.refuse_token(False)
        await answered(stage)
        await said_once(stage, Asked(stage, said), "done")


# Commands


async def test_answer_that_is_quicker_than_the_acknowledgement_waits_for_it(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", CALLBACK, Fault.hang(0.2))
        asked = await ask(stage, "command")
        assert isinstance(asked.said, Interaction)
        assert asked.said.texts == ["done"]
        await said_once(stage, asked, "done")


async def test_acknowledgement_that_hangs_holds_up_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALL_S", 20.0)
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", CALLBACK, Fault.hang(20))
        first = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: stage.discord.calls_of("POST", CALLBACK))
        second = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: second.texts == ["done"])
        assert first.response_type is None


async def test_command_that_takes_no_answer_any_more_is_answered_in_its_channel(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done, switches={"interaction_ttl_s": -1.0}) as stage:
        asked = await ask(stage, "command")
        assert stage.discord.posted_by_bot(stage.general) == ["", "done"]
        assert isinstance(asked.said, Interaction)
        assert asked.said.is_deferred
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_command_whose_acknowledgement_is_lost_is_answered_in_its_channel(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=done) as stage:
        stage.discord.fail("POST", CALLBACK, Fault.cut_before())
        asked = await ask(stage, "command")
        await said_once(stage, asked, "done")
        assert isinstance(asked.said, Interaction)
        assert asked.said.response_type is None


async def test_follow_up_of_unknown_outcome_is_there_once(home: Home) -> None:
    async with on_deaf_stage(home.sqlite_url, long, "command") as stage:
        stage.discord.fail("POST", FOLLOW_UP, Fault.cut_after())
        asked = await ask(stage, "command")
        assert [text[0] for text in asked.texts] == ["a", "b", "c"]
        assert isinstance(asked.said, Interaction)
        assert [text[0] for text in asked.said.texts] == ["a", "b", "c"]
