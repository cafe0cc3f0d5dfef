"""An assistant thread opens, is talked in, and shows status and title."""

from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp, AsyncAssistant
from slack_sdk.web.async_client import AsyncWebClient

from backscroll.testing import FakeSlack
from tests.unit.testing.conftest import Bot
from tests.unit.testing.test_chat import refused


async def test_assistant_thread_starts_and_changes_its_context(slack: FakeSlack, bot: Bot) -> None:
    anna = slack.add_user("anna")
    thread = await slack.open_assistant(anna, {"channel_id": "C1"})
    await slack.say(anna, slack.open_dm(anna), "hello", thread=thread)
    await slack.change_context(anna, thread, {"channel_id": "C2"})

    started, said, changed = await bot.wait_for(3)

    assert started["assistant_thread"] == {
        "user_id": anna.id,
        "context": {"channel_id": "C1"},
        "channel_id": slack.open_dm(anna).id,
        "thread_ts": thread.ts,
    }
    assert said["thread_ts"] == thread.ts
    assert changed["assistant_thread"]["context"] == {"channel_id": "C2"}


async def test_status_ends_with_the_next_message(slack: FakeSlack, client: AsyncWebClient) -> None:
    thread = await slack.open_assistant(slack.add_user("anna"))
    where: dict[str, Any] = {"channel_id": thread.channel.id, "thread_ts": thread.ts}

    await client.assistant_threads_setStatus(status="thinking", **where)
    assert slack.status(thread) == "thinking"
    await client.chat_postMessage(channel=thread.channel.id, thread_ts=thread.ts, text="done")
    assert slack.status(thread) == ""
    await client.assistant_threads_setStatus(status="again", **where)
    await client.assistant_threads_setStatus(status="", **where)
    assert slack.status(thread) == ""


async def test_title_comes_back_as_a_change_of_the_root(slack: FakeSlack, client: AsyncWebClient, bot: Bot) -> None:
    thread = await slack.open_assistant(slack.add_user("anna"))
    where: dict[str, Any] = {"channel_id": thread.channel.id, "thread_ts": thread.ts}
    await client.assistant_threads_setTitle(title="Holidays", **where)
    await client.assistant_threads_setSuggestedPrompts(prompts=[{"title": "Hi", "message": "Hi!"}], **where)

    changed = (await bot.wait_for(2))[1]

    assert changed["subtype"] == "message_changed"
    assert (changed["message"]["subtype"], changed["message"]["text"]) == ("assistant_app_thread", "Holidays")
    assert slack.calls_of("assistant.threads.setSuggestedPrompts")[0]["prompts"] == [{"title": "Hi", "message": "Hi!"}]


async def test_status_needs_a_thread(slack: FakeSlack, client: AsyncWebClient) -> None:
    anna = slack.add_user("anna")
    where: dict[str, Any] = {"channel_id": slack.open_dm(anna).id, "status": "x"}

    assert await refused(client.assistant_threads_setStatus(thread_ts="1.0", **where)) == "thread_not_found"


async def test_real_assistant_middleware_answers_in_the_thread(slack: FakeSlack, client: AsyncWebClient) -> None:
    app, assistant = AsyncApp(client=client), AsyncAssistant()

    @assistant.thread_started
    async def start(say) -> None:  # type: ignore[no-untyped-def]
        await say("How can I help?")

    @assistant.user_message
    async def answer(payload, set_status, say) -> None:  # type: ignore[no-untyped-def]
        await set_status("thinking")
        await say(f"You said {payload['text']}")

    app.use(assistant)
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=1)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    anna = slack.add_user("anna")
    thread = await slack.open_assistant(anna)
    dm = slack.open_dm(anna)
    await slack.until(lambda: "How can I help?" in slack.posted_by_bot(dm))
    await slack.say(anna, dm, "hello", thread=thread)
    await slack.until(lambda: "You said hello" in slack.posted_by_bot(dm))

    assert [message["text"] for message in slack.thread(dm, thread)][1:] == [
        "How can I help?",
        "hello",
        "You said hello",
    ]
    await handler.close_async()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("prompts", [[], [{"title": "x", "message": "x"}] * 5])
async def test_prompts_are_one_to_four(slack: FakeSlack, client: AsyncWebClient, prompts: list[dict[str, str]]) -> None:
    thread = await slack.open_assistant(slack.add_user("anna"))
    call = client.assistant_threads_setSuggestedPrompts(
        channel_id=thread.channel.id, thread_ts=thread.ts, prompts=prompts
    )

    assert await refused(call) == "invalid_arguments"
