"""Assistant threads on Slack: suggestions, context, a status while the handler works, a title, and all that is said."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backscroll.bot.config import SlackAssistantConfig, SlackPrompt
from backscroll.bot.handling import Handler
from backscroll.bot.turn import Turn
from backscroll.testing import Fault
from backscroll.testing.slack.models import Message as Said
from tests.scenario.program import Home
from tests.scenario.slack import MODES, Mode, Stage, key_of, on_stage, plus

everywhere = pytest.mark.parametrize("mode", MODES)
PROMPTS = (SlackPrompt("Sum up", "Sum up this channel."), SlackPrompt("Who are you?"))
ASSISTANT = SlackAssistantConfig(status="is thinking", prompts_title="Ask me", prompts=PROMPTS)
SECRET_PLACE = "C0LOOKEDAT"


@asynccontextmanager
async def opened(
    url: str, mode: Mode = "socket", *, handler: Handler = plus, context: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Stage, Said]]:
    """Let anna open the assistant; give the thread's root too."""
    async with on_stage(url, mode, handler=handler, assistant=ASSISTANT) as stage:
        root = await stage.slack.open_assistant(stage.anna, context or {})
        await stage.slack.quiet()
        yield stage, root


class Held:
    """A handler that works until it is let go."""

    def __init__(self) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, turn: Turn) -> str:
        self.began.set()
        await self.go.wait()
        return "done"


def arguments_of(stage: Stage, method: str) -> list[dict[str, Any]]:
    return stage.slack.calls_of(f"assistant.threads.{method}")


def statuses(stage: Stage) -> list[object]:
    return [arguments["status"] for arguments in arguments_of(stage, "setStatus")]


# Opened


@everywhere
async def test_new_assistant_thread_shows_the_suggestions(home: Home, mode: Mode) -> None:
    async with opened(home.sqlite_url, mode) as (stage, root):
        await stage.until(lambda: arguments_of(stage, "setSuggestedPrompts"))
        (arguments,) = arguments_of(stage, "setSuggestedPrompts")
        assert (arguments["channel_id"], arguments["thread_ts"]) == (root.channel.id, root.ts)
        assert arguments["title"] == "Ask me"
        assert arguments["prompts"] == [
            {"title": "Sum up", "message": "Sum up this channel."},
            {"title": "Who are you?", "message": "Who are you?"},
        ]
        assert await stage.threads() == []


async def test_assistant_without_suggestions_shows_none(home: Home) -> None:
    async with on_stage(home.sqlite_url) as stage:
        root = await stage.slack.open_assistant(stage.anna)
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await answered(stage, root)
        assert arguments_of(stage, "setSuggestedPrompts") == []


async def answered(stage: Stage, root: Said, count: int = 1) -> list[str]:
    """Wait until the bot has answered so much under an assistant thread's root, which is the bot's too."""
    return (await stage.answered(root.channel, count + 1))[1:]


# Talking


@everywhere
async def test_question_in_an_assistant_thread_is_kept_and_answered_there(url: str, mode: Mode) -> None:
    async with opened(url, mode) as (stage, root):
        said = await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        assert await answered(stage, root) == ["+ hello"]
        assert await stage.said_at(said) == [("user", "hello"), ("assistant", "+ hello")]
        assert root.replies[1].text == "+ hello"
        assert key_of(said).thread == root.ts


async def test_two_assistant_threads_are_kept_apart(home: Home) -> None:
    async with opened(home.sqlite_url) as (stage, first):
        second = await stage.slack.open_assistant(stage.anna)
        one = await stage.slack.say(stage.anna, first.channel, "one", thread=first)
        two = await stage.slack.say(stage.anna, first.channel, "two", thread=second)
        await stage.answered(first.channel, 4)
        assert await stage.said_at(one) == [("user", "one"), ("assistant", "+ one")]
        assert await stage.said_at(two) == [("user", "two"), ("assistant", "+ two")]


@everywhere
async def test_edit_in_an_assistant_thread_is_kept(url: str, mode: Mode) -> None:
    async with opened(url, mode) as (stage, root):
        said = await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await answered(stage, root)
        await stage.slack.edit(said, "goodbye")
        await stage.settled()
        assert (await stage.said_at(said))[0] == ("user", "goodbye")


@everywhere
async def test_deletion_in_an_assistant_thread_is_kept(url: str, mode: Mode) -> None:
    async with opened(url, mode) as (stage, root):
        said = await stage.slack.say(stage.anna, root.channel, "secret", thread=root)
        await answered(stage, root)
        await stage.slack.delete(said)
        await stage.settled()
        kept = await stage.kept(said)
        assert kept is not None
        assert kept.deleted_at is not None
        assert kept.text == ""


# Context


@everywhere
async def test_handler_sees_where_the_person_is(url: str, mode: Mode) -> None:
    context = {"channel_id": SECRET_PLACE, "team_id": "T1"}
    async with opened(url, mode, context=context) as (stage, root):
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await answered(stage, root)
        assert stage.turns[0].context == context


async def test_handler_sees_the_context_that_came_last(home: Home) -> None:
    async with opened(home.sqlite_url, context={"channel_id": "C1"}) as (stage, root):
        await stage.slack.say(stage.anna, root.channel, "one", thread=root)
        await answered(stage, root)
        await stage.slack.change_context(stage.anna, root, {"channel_id": "C2"})
        await stage.slack.quiet()
        await stage.slack.say(stage.anna, root.channel, "two", thread=root)
        await answered(stage, root, 2)
        assert [turn.context for turn in stage.turns] == [{"channel_id": "C1"}, {"channel_id": "C2"}]
        assert len(arguments_of(stage, "setSuggestedPrompts")) == 1


async def test_context_outlives_the_process(url: str) -> None:
    async with opened(url, context={"channel_id": SECRET_PLACE}) as (stage, root):
        pass
    async with on_stage_again(url, stage) as again:
        await again.slack.say(again.anna, root.channel, "hello", thread=root)
        await answered(again, root)
        assert again.turns[0].context == {"channel_id": SECRET_PLACE}


async def test_context_is_in_no_message_and_costs_no_call(home: Home) -> None:
    async with opened(home.sqlite_url, context={"channel_id": SECRET_PLACE}) as (stage, root):
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await answered(stage, root)
        assert SECRET_PLACE not in json.dumps(stage.slack.messages(root.channel))
        assert SECRET_PLACE not in json.dumps([call.params for call in stage.slack.calls])
        methods = {call.method for call in stage.slack.calls}
        assert not methods & {"conversations.history", "chat.update"}


async def test_talk_outside_assistant_threads_has_no_context(home: Home) -> None:
    async with opened(home.sqlite_url, context={"channel_id": SECRET_PLACE}) as (stage, _):
        await stage.slack.say(stage.anna, stage.general, "hello <@BOT>")
        await stage.answered(stage.general)
        assert stage.turns[0].context == {}


# Status


@everywhere
async def test_status_is_shown_while_the_handler_works(home: Home, mode: Mode) -> None:
    held = Held()
    async with opened(home.sqlite_url, mode, handler=held) as (stage, root):
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await held.began.wait()
        await stage.until(lambda: stage.slack.status(root) == "is thinking")
        held.go.set()
        await answered(stage, root)
        await stage.until(lambda: statuses(stage) == ["is thinking", ""])
        assert stage.slack.status(root) == ""


async def test_status_that_slack_shows_late_does_not_stay(home: Home) -> None:
    async with opened(home.sqlite_url) as (stage, root):
        stage.slack.fail("assistant.threads.setStatus", Fault.hang(0.5))
        began_s = time.monotonic()
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await answered(stage, root)
        await stage.until(lambda: len(statuses(stage)) == 2)
        assert time.monotonic() - began_s >= 0.5  # taken away before it was shown, it would stay for two minutes
        await stage.until(lambda: stage.slack.status(root) == "")
        assert statuses(stage) == ["is thinking", ""]


async def test_status_is_taken_away_from_a_handler_that_fails(home: Home) -> None:
    async def broken(turn: Turn) -> str:
        await stage.until(lambda: stage.slack.status(root) == "is thinking")
        raise RuntimeError

    async with opened(home.sqlite_url, handler=broken) as (stage, root):
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await stage.until(lambda: "" in statuses(stage))
        await stage.until(lambda: stage.slack.status(root) == "")


@pytest.mark.parametrize(
    "fault", [Fault.error("missing_scope"), Fault.server_error(), Fault.rate_limited(60), Fault.cut_before()]
)
async def test_status_that_slack_does_not_take_hinders_no_answer(home: Home, fault: Fault) -> None:
    async with opened(home.sqlite_url) as (stage, root):
        for method in ("setStatus", "setTitle"):
            stage.slack.fail(f"assistant.threads.{method}", fault, times=2)
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        assert await answered(stage, root) == ["+ hello"]


async def test_empty_status_shows_none(home: Home) -> None:
    async with on_stage(home.sqlite_url, assistant=SlackAssistantConfig(status="")) as stage:
        root = await stage.slack.open_assistant(stage.anna)
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        await answered(stage, root)
        assert statuses(stage) == []


async def test_handler_shows_a_status_of_its_own(home: Home) -> None:
    async def typing(turn: Turn) -> str:
        await turn.typing("is reading the plan")
        assert stage.slack.status(root) == "is reading the plan"
        return "done"

    async with opened(home.sqlite_url, handler=typing) as (stage, root):
        await stage.slack.say(stage.anna, root.channel, "hello", thread=root)
        assert await answered(stage, root) == ["done"]


# Title


@everywhere
async def test_title_is_the_first_question(home: Home, mode: Mode) -> None:
    async with opened(home.sqlite_url, mode) as (stage, root):
        for number, text in enumerate(("When is lunch?", "And dinner?"), 1):
            await stage.slack.say(stage.anna, root.channel, text, thread=root)
            await answered_with_title(stage, root, number)
        assert [arguments["title"] for arguments in arguments_of(stage, "setTitle")] == ["When is lunch?"]
        assert root.text == "When is lunch?"


async def answered_with_title(stage: Stage, root: Said, count: int) -> None:
    await answered(stage, root, count)
    await stage.until(lambda: root.text == "When is lunch?")


async def test_title_is_no_message(home: Home) -> None:
    async with opened(home.sqlite_url) as (stage, root):
        said = await stage.slack.say(stage.anna, root.channel, "When is lunch?", thread=root)
        await answered_with_title(stage, root, 1)
        await stage.settled()
        assert await stage.said_at(said) == [("user", "When is lunch?"), ("assistant", "+ When is lunch?")]
        assert len(await stage.threads()) == 1
        assert await stage.rejected() == []


@asynccontextmanager
async def on_stage_again(url: str, before: Stage) -> AsyncIterator[Stage]:
    """Run another bot in the Slack of a stage that is over."""
    async with before.slack, on_stage(url, slack=before.slack, assistant=ASSISTANT) as stage:
        stage.anna = before.anna
        yield stage
