"""Slack's agent view, in which every conversation in a DM is a thread of its own."""

from typing import Any

from backscroll.bot.config import SlackAssistantConfig, SlackPrompt
from backscroll.testing.slack.models import User
from tests.scenario.program import Home
from tests.scenario.slack import Stage, on_stage

AGENT = SlackAssistantConfig(view="agent", prompts=(SlackPrompt("Help me"),), prompts_title="Ask")
LOOKING_AT = {"entities": [{"type": "slack#/types/channel_id", "value": "C1", "team_id": "T1"}]}


async def open_messages(stage: Stage, anna: User, context: dict[str, Any], kind: str = "app_home_opened") -> None:
    """Let Anna open the messages of the app, or look at something else beside them."""
    dm = stage.slack.open_dm(anna)
    tab = {"tab": "messages"} if kind == "app_home_opened" else {}
    event = {"type": kind, "user": anna.id, "channel": dm.id, "event_ts": "1712345678.000100", "context": context}
    await stage.slack.send_event(event | tab)
    await stage.slack.quiet()


async def test_agent_answers_in_a_thread_of_each_direct_message(home: Home) -> None:
    async with on_stage(home.sqlite_url, assistant=AGENT) as stage:
        anna = stage.slack.add_user("anna")
        dm = stage.slack.open_dm(anna)
        first = await stage.slack.say(anna, dm, "one")
        second = await stage.slack.say(anna, dm, "two")
        await stage.slack.say(anna, dm, "and", thread=first)
        await stage.settled()
        posts = [(post["thread_ts"], post["text"]) for post in stage.slack.calls_of("chat.postMessage")]
        assert sorted(posts) == [(first.ts, "+ and"), (first.ts, "+ one"), (second.ts, "+ two")]
        assert sorted(len(thread.messages) for thread in await stage.threads()) == [2, 4]


async def test_agent_suggests_what_to_ask_when_its_messages_are_opened(home: Home) -> None:
    async with on_stage(home.sqlite_url, assistant=AGENT) as stage:
        await open_messages(stage, stage.slack.add_user("anna"), {})
        await stage.until(lambda: stage.slack.calls_of("assistant.threads.setSuggestedPrompts"))
        (call,) = stage.slack.calls_of("assistant.threads.setSuggestedPrompts")
        assert "thread_ts" not in call
        assert call["prompts"] == [{"title": "Help me", "message": "Help me"}]


async def test_agent_is_told_what_the_person_looks_at(home: Home) -> None:
    async with on_stage(home.sqlite_url, assistant=AGENT) as stage:
        anna = stage.slack.add_user("anna")
        await open_messages(stage, anna, {})
        await open_messages(stage, anna, LOOKING_AT, "app_context_changed")
        dm = stage.slack.open_dm(anna)
        await stage.slack.say(anna, dm, "what is this?")
        await stage.answered(dm)
        assert stage.turns[0].context == LOOKING_AT


async def test_agent_shows_its_status_in_the_thread(home: Home) -> None:
    async with on_stage(home.sqlite_url, assistant=AGENT) as stage:
        anna = stage.slack.add_user("anna")
        asked = await stage.slack.say(anna, stage.slack.open_dm(anna), "one")
        await stage.until(lambda: stage.slack.calls_of("assistant.threads.setStatus"))
        call = stage.slack.calls_of("assistant.threads.setStatus")[0]
        assert (call["thread_ts"], call["status"]) == (asked.ts, "is thinking…")
