"""Answers on Discord: where they stand, how they are cut, whom they never ping, and what goes with them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from backscroll.bot import growing
from backscroll.bot.config import BotConfig
from backscroll.bot.turn import Turn
from backscroll.storage.models import Attachment, Message
from backscroll.testing import Fault
from backscroll.testing.discord.models import Message as Said
from backscroll.testing.discord.models import Thread
from backscroll.testing.discord.rest import ReceivedCall
from tests.scenario.discord import Stage, on_stage
from tests.scenario.program import Home

THREADS = "/channels/{channel_id}/messages/{message_id}/threads"
MESSAGES = "/channels/{channel_id}/messages"


async def ask(stage: Stage, text: str = "hello <@BOT>") -> Said:
    """Ask in a channel."""
    return await stage.discord.say(stage.anna, stage.general, text)


def thread_of(stage: Stage, said: Said) -> Thread:
    """Return the thread that was begun on a message."""
    thread = stage.discord.thread_of(said)
    assert thread is not None
    return thread


class Door:
    """A handler that says when it began, and answers when it may."""

    def __init__(self) -> None:
        self.is_reached = asyncio.Event()
        self.is_open = asyncio.Event()

    async def __call__(self, turn: Turn) -> str:
        self.is_reached.set()
        await self.is_open.wait()
        return f"+ {turn.message.text}"


async def draw(turn: Turn) -> Message:
    plan = Attachment(name="plan.txt", type="text/plain", content=b"the plan")
    return Message(role="assistant", content="Here it is", attachments=[plan])


async def draw_alone(turn: Turn) -> Message:
    return Message(role="assistant", attachments=[Attachment(name="a.txt", content=b"a")])


async def failed(stage: Stage) -> tuple[str, str]:
    """Wait until all is settled, and return the state of the one answer and its reason."""
    await stage.settled()
    (answer,) = await stage.answers()
    return answer.state, answer.reason or ""


# The thread of a question


async def test_mention_opens_a_thread_that_is_called_like_the_question(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage, "where is lunch, <@BOT>?\nAnd when?")
        await stage.answered(asked)
        thread = thread_of(stage, asked)
        assert (thread.id, thread.parent, thread.name) == (asked.id, stage.general, "where is lunch, @backscroll?")
        assert stage.discord.posted_by_bot(stage.general) == []


@pytest.mark.parametrize("text", ["🧑‍🧑‍🧒" * 200, "x" * 1_900, "\u200b \u3164 " * 90])
async def test_name_of_a_thread_is_one_that_discord_takes(home: Home, text: str) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage, f"{text} <@BOT>")
        await stage.answered(asked)
        assert 1 <= len(thread_of(stage, asked).name) <= 100


async def test_question_without_words_opens_a_thread_all_the_same(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: "seen") as stage:
        above = await ask(stage)
        await stage.answered(above)
        first = await stage.discord.say(stage.anna, stage.general, "look", files=[])
        robot = stage.discord.own_messages(thread_of(stage, above))[0]
        robot.channel = stage.general  # an earlier post of ours in the channel, to which somebody replies with a file
        stage.general.messages[robot.id] = robot
        file = stage.discord.add_file(stage.anna, "plan.txt", b"plan")
        asked = await stage.discord.say(stage.anna, stage.general, "", reply_to=robot, files=[file])
        await stage.until(lambda: stage.discord.thread_of(asked))
        await stage.settled()
        assert stage.discord.thread_of(first) is None
        assert stage.discord.posted_by_bot(thread_of(stage, asked)) == ["seen"]


async def test_second_question_in_a_thread_opens_no_other(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage)
        await stage.answered(asked)
        await stage.discord.say(stage.anna, thread_of(stage, asked), "again")
        assert await stage.answered(asked, 2) == ["+ hello @backscroll", "+ again"]
        assert len(stage.discord.calls_of("POST", THREADS)) == 1
        assert len(await stage.threads()) == 1


async def test_two_posts_of_one_answer_open_one_thread(home: Home) -> None:
    async def post(turn: Turn) -> str:
        await turn.post("one moment")
        return "done"

    async with on_stage(home.sqlite_url, handler=post) as stage:
        asked = await ask(stage)
        assert await stage.answered(asked, 2) == ["one moment", "done"]
        assert len(stage.discord.calls_of("POST", THREADS)) == 1


async def test_thread_that_somebody_opens_in_the_same_moment_is_used(url: str) -> None:
    async with on_stage(url) as stage:
        stage.discord.fail("POST", THREADS, Fault.hang(0.2))
        asked = await ask(stage)
        await stage.until(lambda: stage.discord.calls_of("POST", THREADS))
        await stage.discord.start_thread(stage.anna, stage.general, "mine", asked)
        assert await stage.answered(asked) == ["+ hello @backscroll"]
        assert thread_of(stage, asked).name == "mine"
        assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", "+ hello @backscroll")]


async def test_thread_that_somebody_opened_before_the_answer_is_used_without_asking(home: Home) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door) as stage:
        asked = await ask(stage)
        await door.is_reached.wait()
        await stage.discord.start_thread(stage.anna, stage.general, "mine", asked)
        await stage.discord.quiet()
        door.is_open.set()
        assert await stage.answered(asked) == ["+ hello @backscroll"]
        assert stage.discord.calls_of("POST", THREADS) == []


async def test_answer_in_a_forum_stands_in_the_post(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        forum = stage.discord.add_channel("help", "forum")
        post = await stage.discord.post_in_forum(stage.anna, forum, "Lunch", "when? <@BOT>")
        await stage.until(lambda: stage.discord.posted_by_bot(post))
        await stage.settled()
        assert stage.discord.posted_by_bot(post) == ["+ when? @backscroll"]
        assert stage.discord.calls_of("POST", THREADS) == []


# What became of the place meanwhile


async def test_thread_that_is_deleted_meanwhile_takes_its_answer_along(url: str) -> None:
    door = Door()
    async with on_stage(url, handler=door) as stage:
        asked = await ask(stage)
        await door.is_reached.wait()
        thread = await stage.discord.start_thread(stage.anna, stage.general, "mine", asked)
        await stage.discord.delete_thread(thread)
        await stage.until(lambda: gone(stage))
        door.is_open.set()
        await stage.settled()
        assert stage.discord.calls_of("POST", MESSAGES) == []
        other = await ask(stage, "more <@BOT>")
        assert await stage.answered(other) == ["+ more @backscroll"]


async def gone(stage: Stage) -> bool:
    return await stage.threads() == []


async def test_question_that_is_deleted_meanwhile_fails_its_answer_with_the_reason(home: Home) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door) as stage:
        asked = await ask(stage)
        await door.is_reached.wait()
        await stage.discord.delete(asked)
        door.is_open.set()
        state, reason = await failed(stage)
        assert (state, stage.discord.threads(stage.general)) == ("failed", [])
        assert reason.endswith("code 10008, the message was deleted.")


async def test_question_that_is_deleted_meanwhile_is_answered_in_the_channel(home: Home) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door, reply_in="channel") as stage:
        asked = await ask(stage)
        await door.is_reached.wait()
        await stage.discord.delete(asked)
        door.is_open.set()
        assert await stage.answered(asked) == ["+ hello @backscroll"]
        assert stage.discord.own_messages(stage.general)[0].reference is None


async def test_archived_thread_comes_back_with_the_answer(home: Home) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "lunch")
        await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await door.is_reached.wait()
        await stage.discord.archive_thread(thread)
        await stage.discord.quiet()
        door.is_open.set()
        await stage.settled()
        assert stage.discord.posted_by_bot(thread) == ["+ hello @backscroll"]
        assert not thread.is_archived


async def test_emoji_brings_an_archived_thread_back(home: Home) -> None:
    door = Door()

    async def react(turn: Turn) -> None:
        await door(turn)
        await turn.react("👀")

    async with on_stage(home.sqlite_url, handler=react) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "lunch")
        said = await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await door.is_reached.wait()
        await stage.discord.archive_thread(thread)
        await stage.discord.quiet()
        door.is_open.set()
        await stage.settled()
        assert stage.discord.reactions(said) == {"👀": ["backscroll"]}


async def test_locked_thread_fails_the_answer_with_the_reason(home: Home) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door) as stage:
        thread = await stage.discord.start_thread(stage.anna, stage.general, "lunch")
        await stage.discord.say(stage.anna, thread, "hello <@BOT>")
        await door.is_reached.wait()
        await stage.discord.archive_thread(thread, locked=True)
        door.is_open.set()
        assert await failed(stage) == (
            "failed",
            f"Discord refused POST {MESSAGES} in channel {thread.id}: code 160005, the thread is locked.",
        )


@pytest.mark.parametrize(
    ("permission", "reply_in", "code"),
    [
        ("CREATE_PUBLIC_THREADS", "thread", 50013),
        ("SEND_MESSAGES_IN_THREADS", "thread", 50013),
        ("SEND_MESSAGES", "channel", 50013),
        ("READ_MESSAGE_HISTORY", "channel", 160002),
        ("VIEW_CHANNEL", "channel", 50001),
    ],
)
async def test_missing_permission_fails_the_answer_with_a_reason_and_a_hint(
    home: Home, permission: str, reply_in: Any, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door, reply_in=reply_in) as stage:
        await ask(stage)
        await door.is_reached.wait()
        stage.discord.forbid(stage.general, permission)
        door.is_open.set()
        state, reason = await failed(stage)
        assert state == "failed"
        assert f"in channel {stage.general.id}: code {code}, " in reason or "SEND_MESSAGES_IN" in permission
        assert "docs/discord.md" in caplog.text


async def test_closed_direct_messages_fail_the_answer_with_the_reason(home: Home) -> None:
    door = Door()
    async with on_stage(home.sqlite_url, handler=door) as stage:
        dm = stage.discord.open_dm(stage.anna)
        await stage.discord.say(stage.anna, dm, "hello")
        await door.is_reached.wait()
        stage.anna.accepts_dms = False
        door.is_open.set()
        state, reason = await failed(stage)
        assert state == "failed"
        assert reason.endswith("code 50007, the person takes no direct messages from the bot.")


async def test_refused_answer_leaves_the_next_one_alone(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.discord.forbid(stage.general, "CREATE_PUBLIC_THREADS")
        await ask(stage)
        await stage.settled()
        stage.discord.allow(stage.general)
        asked = await ask(stage, "again <@BOT>")
        assert await stage.answered(asked) == ["+ again @backscroll"]


# Replies in the channel


async def test_answer_in_the_channel_replies_to_its_question(home: Home) -> None:
    async with on_stage(home.sqlite_url, reply_in="channel") as stage:
        asked = await ask(stage)
        assert await stage.answered(asked) == ["+ hello @backscroll"]
        (post,) = stage.discord.own_messages(stage.general)
        assert post.referenced is asked
        assert stage.discord.threads(stage.general) == []


async def test_only_the_first_post_of_a_long_reply_refers_to_its_question(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: "word " * 900, reply_in="channel") as stage:
        asked = await ask(stage)
        await stage.answered(asked, 3)
        assert [post.referenced for post in stage.discord.own_messages(stage.general)] == [asked, None, None]


# Cutting


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀", "🧑‍🧑‍🧒", "🇨🇭"])
async def test_long_answer_is_split_by_utf_16_units_and_no_character_is_cut(home: Home, character: str) -> None:
    text = " ".join([character * (100 // len(character))] * 45)
    async with on_stage(home.sqlite_url, handler=lambda turn: text) as stage:
        asked = await ask(stage)
        await stage.settled()
        posts = stage.discord.posted_by_bot(thread_of(stage, asked))
        assert len(posts) > 1
        assert max(map(units, posts)) <= 2_000
        assert " ".join(posts) == text
        assert await stage.said_at(asked) == [("user", "hello @backscroll"), ("assistant", text)]


async def test_word_longer_than_a_post_is_cut_between_emoji(home: Home) -> None:
    text = "🧑‍🧑‍🧒" * 600
    async with on_stage(home.sqlite_url, handler=lambda turn: text) as stage:
        asked = await ask(stage)
        await stage.settled()
        posts = stage.discord.posted_by_bot(thread_of(stage, asked))
        assert "".join(posts) == text
        assert all(len(post) % 5 == 0 for post in posts)


@pytest.mark.parametrize("length", [1_999, 2_000, 2_001])
async def test_answer_of_just_a_posts_length_is_one_post(home: Home, length: int) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: "x" * length) as stage:
        asked = await ask(stage)
        await stage.settled()
        assert len(stage.discord.posted_by_bot(thread_of(stage, asked))) == (1 if length <= 2_000 else 2)


async def test_long_code_is_split_with_its_fences_whole(home: Home) -> None:
    code = "```python\n" + "print('x' * 10)\n" * 300 + "```"
    async with on_stage(home.sqlite_url, handler=lambda turn: code) as stage:
        asked = await ask(stage)
        await stage.settled()
        posts = stage.discord.posted_by_bot(thread_of(stage, asked))
        assert len(posts) > 1
        assert all(post.startswith("```python\n") and post.endswith("```") and post.count("```") == 2 for post in posts)


async def test_cut_falls_into_no_mention_and_no_custom_emoji(home: Home) -> None:
    text = "x" * 1_990 + "<:party_parrot:123456789012345678>" + "y" * 1_950 + "<@123456789012345678>" + "z" * 500
    async with on_stage(home.sqlite_url, handler=lambda turn: text) as stage:
        asked = await ask(stage)
        await stage.settled()
        posts = stage.discord.posted_by_bot(thread_of(stage, asked))
        assert "".join(posts) == text
        assert all(post.count("<") == post.count(">") for post in posts)


async def test_text_with_lone_surrogates_and_nul_is_answered(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: "a\ud800b\x00c") as stage:
        asked = await ask(stage)
        (post,) = await stage.answered(asked)
        assert post[0] == "a"
        assert [answer.state for answer in await stage.answers()] == ["sent"]


# Nobody is pinged


def loud(stage: Stage) -> str:
    role = stage.discord.add_role(stage.discord.guild, "all")
    return f"@everyone @here {stage.anna.mention} {role.mention}"


async def test_answer_that_quotes_a_ping_pings_nobody(home: Home) -> None:
    told: list[str] = []
    async with on_stage(home.sqlite_url, handler=lambda turn: told[0]) as stage:
        told.append(loud(stage))
        asked = await ask(stage)
        assert await stage.answered(asked) == told
        assert [post.pings for post in stage.discord.own_messages(thread_of(stage, asked))] == [frozenset()]


async def test_reply_pings_nobody_not_even_who_asked(home: Home) -> None:
    told: list[str] = []
    async with on_stage(home.sqlite_url, handler=lambda turn: told[0], reply_in="channel") as stage:
        told.append(loud(stage))
        asked = await ask(stage)
        assert await stage.answered(asked) == told
        (post,) = stage.discord.own_messages(stage.general)
        assert (post.referenced, post.pings) == (asked, frozenset())


async def test_post_besides_the_answer_pings_nobody(home: Home) -> None:
    told: list[str] = []

    async def post(turn: Turn) -> None:
        await turn.post(told[0])

    async with on_stage(home.sqlite_url, handler=post) as stage:
        told.append(loud(stage))
        asked = await ask(stage)
        assert await stage.answered(asked) == told
        assert [post.pings for post in stage.discord.own_messages(thread_of(stage, asked))] == [frozenset()]


async def test_edits_of_an_answer_that_grows_ping_nobody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 0.01)
    monkeypatch.setattr(growing, "EVERY_S", 0.02)
    stages: list[Stage] = []

    def edits() -> list[ReceivedCall]:
        return stages[0].discord.calls_of("PATCH", MESSAGES + "/{message_id}")

    async def tell(turn: Turn) -> AsyncIterator[str]:
        discord, (first, second, rest) = stages[0].discord, told.split(" ", 2)
        yield f"{first} "
        await discord.until(lambda: discord.calls_of("POST", MESSAGES))
        yield f"{second} "
        await discord.until(lambda: len(edits()) >= 1)
        yield rest

    async with on_stage(home.sqlite_url, handler=tell) as stage:
        stages.append(stage)
        told = loud(stage)
        asked = await ask(stage)
        await stage.settled()
        (post,) = stage.discord.own_messages(thread_of(stage, asked))
        assert len(edits()) >= 2
        assert all(call.json["allowed_mentions"]["parse"] == [] for call in edits())
        assert (post.content, post.pings) == (told, frozenset())


@pytest.mark.parametrize("reply_in", ["thread", "channel"])
async def test_upload_pings_nobody(home: Home, reply_in: Any) -> None:
    async with on_stage(home.sqlite_url, handler=draw_alone, reply_in=reply_in) as stage:
        asked = await ask(stage)
        await stage.settled()
        place = stage.discord.thread_of(asked) or stage.general
        (post,) = stage.discord.own_messages(place)
        assert (len(post.files), post.pings) == (1, frozenset())
        assert post.allowed_mentions == {"parse": [], "replied_user": False}


async def test_answers_to_a_command_ping_nobody(home: Home) -> None:
    told: list[str] = []
    async with on_stage(home.sqlite_url, handler=lambda turn: told[0]) as stage:
        told.append(loud(stage) + " word" * 600)
        asked = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: len(asked.texts) == 2)
        await stage.settled()
        assert "".join(asked.texts).startswith("@everyone")
        assert [post.pings for post in asked.messages] == [frozenset(), frozenset()]


# What a handler does besides


async def test_post_goes_out_before_the_answer_and_is_kept(url: str) -> None:
    async def post(turn: Turn) -> str:
        await turn.post("one moment")
        return "done"

    async with on_stage(url, handler=post) as stage:
        asked = await ask(stage)
        assert await stage.answered(asked, 2) == ["one moment", "done"]
        assert await stage.said_at(asked) == [
            ("user", "hello @backscroll"),
            ("assistant", "one moment"),
            ("assistant", "done"),
        ]


@pytest.mark.usefixtures("short_waits")
async def test_post_is_not_repeated_when_the_handler_is_tried_again(home: Home) -> None:
    async def fail_once(turn: Turn) -> str:
        await turn.post(f"try {turn.attempt}")
        if turn.attempt == 1:
            raise ValueError
        return "done"

    async with on_stage(home.sqlite_url, handler=fail_once) as stage:
        asked = await ask(stage)
        assert await stage.answered(asked, 2) == ["try 1", "done"]


@pytest.mark.parametrize(
    ("emoji", "shown", "kept"),
    [
        ("👀", "👀", "👀"),
        ("❤️", "❤️", "❤"),
        ("👍🏽", "👍🏽", "👍🏽"),
        ("<:blob:123456789012345678>", "<:blob:123456789012345678>", "123456789012345678"),
        ("blob:123456789012345678", "<:blob:123456789012345678>", "123456789012345678"),
    ],
)
async def test_react_puts_an_emoji_on_the_question_and_keeps_it_once(
    home: Home, emoji: str, shown: str, kept: str
) -> None:
    async def react(turn: Turn) -> None:
        await turn.react(emoji)

    async with on_stage(home.sqlite_url, handler=react) as stage:
        asked = await ask(stage)
        await stage.settled()
        assert stage.discord.reactions(asked) == {shown: ["backscroll"]}
        question = await stage.kept(asked)
        assert question is not None
        assert question.reactions == {kept: [stage.discord.bot_user_id]}


async def test_react_refuses_what_is_no_emoji_with_the_hint(home: Home) -> None:
    errors: list[str] = []

    async def react(turn: Turn) -> None:
        try:
            await turn.react("thumbsup")
        except Exception as error:  # noqa: BLE001  # whatever comes is shown
            errors.append(str(error))

    async with on_stage(home.sqlite_url, handler=react) as stage:
        await ask(stage)
        await stage.settled()
        assert "code 10014" in errors[0]
        assert "name:id" in errors[0]


async def test_react_to_a_command_stands_on_its_answer(home: Home) -> None:
    async def react(turn: Turn) -> str:
        await turn.react("👀")
        return "done"

    async with on_stage(home.sqlite_url, handler=react) as stage:
        asked = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: asked.texts == ["done"])
        await stage.settled()
        assert asked.original is not None
        assert stage.discord.reactions(asked.original) == {"👀": ["backscroll"]}


async def test_typing_shows_while_the_handler_works(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.adapters.discord.app.TYPING_S", 0.02)
    door = Door()
    async with on_stage(home.sqlite_url, handler=door) as stage:
        asked = await ask(stage)
        await stage.until(lambda: stage.discord.typing_in(stage.general) >= 2)
        door.is_open.set()
        await stage.answered(asked)
        count = len(stage.discord.calls_of("POST", "/channels/{channel_id}/typing"))
        await ask(stage, "nothing for the bot")
        await stage.settled()
        assert len(stage.discord.calls_of("POST", "/channels/{channel_id}/typing")) == count


async def test_typing_shows_in_the_thread_of_the_question(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage)
        await stage.answered(asked)
        thread, before = thread_of(stage, asked), stage.discord.typing_in(stage.general)
        await stage.discord.say(stage.anna, thread, "again")
        await stage.answered(asked, 2)
        assert (stage.discord.typing_in(thread), stage.discord.typing_in(stage.general)) == (1, before)


@pytest.mark.parametrize("fault", [Fault.error(403, 50013), Fault.server_error(503), Fault.cut_before()])
async def test_typing_that_discord_does_not_take_costs_nothing(home: Home, fault: Fault) -> None:
    async def typing(turn: Turn) -> str:
        await turn.typing()
        return "done"

    async with on_stage(home.sqlite_url, handler=typing) as stage:
        stage.discord.fail("POST", "/channels/{channel_id}/typing", fault, times=2)
        asked = await ask(stage)
        assert await stage.answered(asked) == ["done"]
        assert [answer.tries for answer in await stage.answers()] == [0]


# Files of answers


async def test_file_of_an_answer_is_uploaded_behind_its_text(url: str, home: Home, monkeypatch: Any) -> None:
    monkeypatch.chdir(home.directory)
    async with on_stage(url, handler=draw) as stage:
        asked = await ask(stage)
        await stage.settled()
        text, upload = stage.discord.own_messages(thread_of(stage, asked))
        assert (text.content, [(file.name, file.content) for file in upload.files]) == (
            "Here it is",
            [("plan.txt", b"the plan")],
        )
        thread = await stage.thread_at(asked)
        assert thread is not None
        (answer,) = [message for message in thread.messages if message.role == "assistant"]
        assert await stage.store.read_file(answer.attachments[0]) == b"the plan"


@pytest.mark.parametrize("reply_in", ["thread", "channel"])
async def test_file_alone_is_an_answer(home: Home, reply_in: Any) -> None:
    async with on_stage(home.sqlite_url, handler=draw_alone, reply_in=reply_in) as stage:
        asked = await ask(stage)
        await stage.settled()
        (post,) = stage.discord.own_messages(stage.discord.thread_of(asked) or stage.general)
        assert [file.name for file in post.files] == ["a.txt"]
        assert post.referenced is (asked if reply_in == "channel" else None)


async def test_file_alone_answers_a_command(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=draw_alone) as stage:
        asked = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: [each for each in asked.messages if each.files])
        await stage.settled()
        assert [[file.name for file in post.files] for post in asked.messages] == [["a.txt"]]


async def test_file_of_an_answer_to_a_command_follows_its_text(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=draw) as stage:
        asked = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: [each for each in asked.messages if each.files])
        await stage.settled()
        assert [(post.content, len(post.files)) for post in asked.messages] == [("Here it is", 0), ("", 1)]


# No answer


@pytest.mark.parametrize("empty", [None, "", " \n\t "])
async def test_empty_answer_opens_no_thread(home: Home, empty: str | None) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: empty) as stage:
        asked = await ask(stage)
        await stage.until(stage.answers)
        await stage.settled()
        assert stage.discord.thread_of(asked) is None
        assert [answer.state for answer in await stage.answers()] == ["skipped"]


@pytest.mark.usefixtures("short_waits")
async def test_handler_that_fails_three_times_tells_the_person_so(home: Home) -> None:
    async def fail(turn: Turn) -> str:
        raise ValueError

    async with on_stage(home.sqlite_url, handler=fail, bot=BotConfig(failure_text="@everyone I give up")) as stage:
        asked = await ask(stage)
        assert await stage.answered(asked) == ["@everyone I give up"]
        (post,) = stage.discord.own_messages(thread_of(stage, asked))
        assert post.pings == frozenset()
        assert len(stage.turns) == 3
        assert [answer.state for answer in await stage.answers()] == ["failed"]


@pytest.mark.usefixtures("short_waits")
async def test_command_whose_handler_fails_tells_the_person_so(home: Home) -> None:
    async def fail(turn: Turn) -> str:
        raise ValueError

    async with on_stage(home.sqlite_url, handler=fail, bot=BotConfig(failure_text="I give up")) as stage:
        asked = await stage.discord.use_command(stage.anna, stage.general, "ask", question="hello")
        await stage.until(lambda: asked.texts == ["I give up"])
        await stage.settled()
        assert [answer.state for answer in await stage.answers()] == ["failed"]
