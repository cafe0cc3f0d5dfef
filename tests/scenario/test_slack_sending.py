"""Answers on Slack: where they stand, how they are cut, what they cannot do by accident, and what goes with them."""

from typing import Any

import pytest

from backscroll.bot.turn import Turn
from backscroll.storage.models import Attachment, Message
from backscroll.testing import Fault
from tests.scenario.program import Home
from tests.scenario.slack import Stage, on_stage

PING = "everybody: <!channel> <!here|now> <!subteam^S1> <@U1> & so on"


def words(post: dict[str, Any]) -> str:
    """Return all that Slack was given to show of a post."""
    return f"{post['text']}\n{post.get('blocks')}"


async def ask(stage: Stage, text: str = "hello <@BOT>") -> Any:
    """Ask in a channel."""
    anna = stage.slack.add_user("anna")
    return await stage.slack.say(anna, stage.slack.add_channel("general", members=[anna]), text)


async def test_answer_stands_in_the_thread_of_its_question(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage)
        await stage.answered(asked.channel)
        (post,) = stage.slack.calls_of("chat.postMessage")
        assert (post["channel"], post["thread_ts"]) == (asked.channel.id, asked.ts)


async def test_answer_is_markdown_with_a_text_beside_it(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: "**bold** & `a < b`") as stage:
        asked = await ask(stage)
        await stage.answered(asked.channel)
        (post,) = stage.slack.calls_of("chat.postMessage")
        assert post["blocks"] == [{"type": "markdown", "text": "**bold** & `a < b`"}]
        assert post["text"] == "**bold** &amp; `a &lt; b`"


async def test_answer_that_quotes_a_ping_pings_nobody(home: Home) -> None:
    async with on_stage(home.sqlite_url, handler=lambda turn: PING) as stage:
        asked = await ask(stage)
        await stage.answered(asked.channel)
        (post,) = stage.slack.calls_of("chat.postMessage")
        assert not [form for form in ("<!channel", "<!here", "<!subteam", "<@U1") if form in words(post)]


async def test_long_answer_is_split_and_never_cut(home: Home) -> None:
    text = "\n\n".join(f"Paragraph {number} & {'word ' * 60}" for number in range(40))
    async with on_stage(home.sqlite_url, handler=lambda turn: text) as stage:
        asked = await ask(stage)
        await stage.settled()
        posts = stage.slack.calls_of("chat.postMessage")
        assert len(posts) > 2
        assert all(len(post["text"]) <= 4_000 for post in posts)
        assert "".join("".join(post["blocks"][0]["text"] for post in posts).split()) == "".join(text.split())
        assert [role for role, _ in await stage.said_at(asked)] == ["user", "assistant"]


async def test_long_code_is_split_with_its_fences_whole(home: Home) -> None:
    code = "```python\n" + "print('x' * 10)\n" * 600 + "```"
    async with on_stage(home.sqlite_url, handler=lambda turn: code) as stage:
        await ask(stage)
        await stage.settled()
        texts = [post["blocks"][0]["text"] for post in stage.slack.calls_of("chat.postMessage")]
        assert len(texts) > 1
        assert all(text.startswith("```python\n") and text.endswith("```") and text.count("```") == 2 for text in texts)


async def test_answer_carries_its_token_in_the_metadata(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        asked = await ask(stage)
        await stage.answered(asked.channel)
        (post,) = stage.slack.calls_of("chat.postMessage")
        (answer,) = await stage.answers()
        assert post["metadata"]["event_payload"] == {"token": f"{answer.answer_message_id}.1"}


async def test_react_puts_an_emoji_on_the_question_and_keeps_it(home: Home) -> None:
    async def react(turn: Turn) -> None:
        await turn.react("eyes")

    async with on_stage(home.sqlite_url, handler=react) as stage:
        asked = await ask(stage)
        await stage.settled()
        kept = await stage.kept(asked)
        assert asked.reactions == {"eyes": [stage.slack.bot_user_id]}
        assert kept is not None
        assert kept.reactions == {"eyes": [stage.slack.bot_user_id]}


async def test_post_goes_out_before_the_answer_and_is_kept(home: Home) -> None:
    async def post(turn: Turn) -> str:
        await turn.post("one moment")
        return "done"

    async with on_stage(home.sqlite_url, handler=post) as stage:
        asked = await ask(stage)
        assert await stage.answered(asked.channel, 2) == ["one moment", "done"]
        assert await stage.said_at(asked) == [
            ("user", "hello @backscroll"),
            ("assistant", "one moment"),
            ("assistant", "done"),
        ]


async def test_post_is_not_repeated_when_the_handler_is_tried_again(home: Home) -> None:
    async def fail_once(turn: Turn) -> str:
        await turn.post(f"try {turn.attempt}")
        if turn.attempt == 1:
            raise ValueError
        return "done"

    async with on_stage(home.sqlite_url, handler=fail_once) as stage:
        asked = await ask(stage)
        assert await stage.answered(asked.channel, 2) == ["try 1", "done"]


async def test_typing_shows_a_status_in_the_thread(home: Home) -> None:
    async def typing(turn: Turn) -> str:
        await turn.typing("looks it up")
        return "done"

    async with on_stage(home.sqlite_url, handler=typing) as stage:
        asked = await ask(stage)
        await stage.answered(asked.channel)
        (shown,) = stage.slack.calls_of("assistant.threads.setStatus")
        assert (shown["thread_ts"], shown["status"]) == (asked.ts, "looks it up")


async def test_file_of_an_answer_is_uploaded_into_the_thread(home: Home) -> None:
    def draw(turn: Turn) -> Message:
        plan = Attachment(name="plan.txt", type="text/plain", content=b"the plan")
        return Message(role="assistant", content="Here it is", attachments=[plan])

    async with on_stage(home.sqlite_url, handler=draw) as stage:
        asked = await ask(stage)
        await stage.settled()
        text, upload = [each for each in stage.slack.thread(asked.channel, asked) if each.get("bot_id")]
        assert text["text"] == "Here it is"
        assert [file["name"] for file in upload["files"]] == ["plan.txt"]
        thread = await stage.thread_at(asked)
        assert thread is not None
        (answer,) = [message for message in thread.messages if message.role == "assistant"]
        assert await stage.store.read_file(answer.attachments[0]) == b"the plan"


async def test_file_alone_is_an_answer(home: Home) -> None:
    def draw(turn: Turn) -> Message:
        return Message(role="assistant", attachments=[Attachment(name="a.txt", content=b"a")])

    async with on_stage(home.sqlite_url, handler=draw) as stage:
        asked = await ask(stage)
        await stage.settled()
        (upload,) = [each for each in stage.slack.thread(asked.channel, asked) if each.get("bot_id")]
        assert [file["name"] for file in upload["files"]] == ["a.txt"]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal", "files.info"])
@pytest.mark.parametrize(
    "fault", [Fault.cut_before(), Fault.cut_after(), Fault.server_error(), Fault.rate_limited(1)], ids=lambda f: f.kind
)
async def test_upload_of_unknown_outcome_leaves_one_file(
    home: Home, method: str, fault: Fault, short_waits: None
) -> None:
    def draw(turn: Turn) -> Message:
        return Message(role="assistant", attachments=[Attachment(name="a.txt", content=b"a")])

    async with on_stage(home.sqlite_url, handler=draw) as stage:
        stage.slack.fail(method, fault)
        asked = await ask(stage)
        await stage.settled()
        assert len([each for each in stage.slack.thread(asked.channel, asked) if each.get("bot_id")]) == 1
        assert [answer.state for answer in await stage.answers()] == ["sent"]


async def test_refused_answer_is_kept_as_failed_with_slacks_word(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        stage.slack.fail("chat.postMessage", Fault.error("is_archived"))
        asked = await ask(stage)
        await stage.settled()
        (answer,) = await stage.answers()
        assert (answer.state, answer.reason) == (
            "failed",
            f"Slack refused chat.postMessage in channel {asked.channel.id}: is_archived.",
        )


async def test_file_that_slack_does_not_take_costs_no_other(home: Home) -> None:
    def draw(turn: Turn) -> Message:
        files = [Attachment(name="empty", content=b""), Attachment(name="b.txt", content=b"b")]
        return Message(role="assistant", content="Here", attachments=files)

    async with on_stage(home.sqlite_url, handler=draw) as stage:
        asked = await ask(stage)
        await stage.settled()
        posts = [each for each in stage.slack.thread(asked.channel, asked) if each.get("bot_id")]
        assert [[file["name"] for file in post.get("files", [])] for post in posts] == [[], ["b.txt"]]
