"""What the SDK's documents promise of a session, and runs of its real runner."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.items import TResponseInputItem
from agents.memory import Session, SessionSettings
from agents.testing import ScriptedModel, assistant_message, function_call

from backscroll.errors import StoreClosedError
from backscroll.integrations.openai_agents import BackscrollSession
from backscroll.storage.models import Message
from backscroll.storage.store import ThreadStore


def item(**fields: Any) -> TResponseInputItem:
    return cast(TResponseInputItem, fields)


def said(*texts: str) -> list[TResponseInputItem]:
    return [item(role="user", content=text) for text in texts]


ITEMS = [
    item(role="developer", content="Be brief."),
    item(type="message", role="user", content=[{"type": "input_text", "text": "Weather in Köln? 👍"}]),
    item(type="reasoning", id="rs_1", summary=[{"type": "summary_text", "text": "I ask the tool"}]),
    item(type="function_call", id="fc_1", call_id="c1", name="weather", arguments='{"city":"Cologne"}'),
    item(type="function_call_output", call_id="c1", output="rainy"),
    item(
        type="message",
        id="msg_1",
        role="assistant",
        status="completed",
        content=[
            {"type": "output_text", "text": "It rains.", "annotations": [], "logprobs": None},
            {"type": "refusal", "refusal": "No more."},
        ],
    ),
    item(type="computer_call_output", call_id="c2", output={"type": "computer_screenshot", "image_url": "x"}),
]


async def test_session_fulfils_the_protocol(store: ThreadStore) -> None:
    session: Session = BackscrollSession("s", store, session_settings={"limit": 2})
    assert isinstance(session, Session)
    assert session.session_id == "s"
    assert session.session_settings == SessionSettings(limit=2)


async def test_items_come_back_equal_and_in_order(store: ThreadStore) -> None:
    session = BackscrollSession("s", store)
    assert await session.get_items() == []
    await session.add_items(ITEMS[:3])
    await session.add_items(ITEMS[3:])
    assert await session.get_items() == ITEMS
    assert await BackscrollSession("s", store).get_items() == ITEMS
    assert await BackscrollSession("other", store).get_items() == []


async def test_get_items_gives_the_newest_to_a_limit_oldest_first(store: ThreadStore) -> None:
    session = BackscrollSession("s", store, session_settings=SessionSettings(limit=2))
    await session.add_items(said(*"abcde"))
    assert await session.get_items(3) == said(*"cde")
    assert await session.get_items() == said(*"de")
    assert await session.get_items(99) == said(*"abcde")
    assert await session.get_items(0) == []


async def test_items_are_messages_with_a_text_that_is_found(store: ThreadStore) -> None:
    session = BackscrollSession("s", store, user_id="anna", agent_name="weather")
    await session.add_items(ITEMS)

    (thread,) = (await store.list_threads(agent_name="weather", user_id="anna"))[0]

    assert [(message.role, message.text) for message in thread.messages] == [
        ("system", "Be brief."),
        ("user", "Weather in Köln? 👍"),
        ("assistant", "I ask the tool"),
        ("assistant", 'weather {"city":"Cologne"}'),
        ("tool", "rainy"),
        ("assistant", "It rains.\nNo more."),
        ("tool", ""),
    ]
    assert thread.messages[4].tool_call_id == "c1"
    for words in ("köln weather", "it rains", "cologne", "rainy"):
        assert [found.id for found in await store.search_by_content(words)] == ["s"]


async def test_other_messages_of_the_thread_are_no_items(store: ThreadStore) -> None:
    session = BackscrollSession("s", store, user_id="anna")
    thread = await store.get_or_create("s")
    await store.add_message("s", Message(role="user", content="before"))
    await session.add_items(said("a"))
    for _ in range(5):
        await store.add_message("s", Message(role="user", content="after"))

    assert await session.get_items(1) == said("a")
    await session.clear_session()

    assert [message.content for message in await store.get_messages(thread.id)] == ["before", "", *["after"] * 5]
    loaded = await store.get("s")
    assert loaded is not None
    assert loaded.user_id is None  # it was somebody's before


async def test_pop_item_takes_the_newest_away(store: ThreadStore) -> None:
    session = BackscrollSession("s", store)
    assert await session.pop_item() is None
    await session.add_items(said(*"abc"))
    assert [await session.pop_item(), await session.pop_item()] == said(*"cb")
    assert await session.get_items() == said("a")
    await session.add_items(said("d"))
    assert await session.get_items(2) == said(*"ad")
    assert await store.search_by_content("c") == []


async def test_clear_session_takes_all_away_and_the_session_goes_on(store: ThreadStore) -> None:
    session = BackscrollSession("s", store)
    await session.clear_session()
    await session.add_items(said(*"abc"))
    await session.clear_session()
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.add_items(said("d"))
    assert await session.get_items() == said("d")


async def test_concurrent_sessions_lose_and_repeat_nothing(store: ThreadStore) -> None:
    sessions = [BackscrollSession("s", store) for _ in range(2)]
    batches = [said(f"{number} first", f"{number} second") for number in range(5)]
    await asyncio.gather(*(sessions[number % 2].add_items(batch) for number, batch in enumerate(batches)))

    kept = await sessions[0].get_items()
    assert sorted(map(str, kept)) == sorted(str(each) for batch in batches for each in batch)
    assert [kept[at : at + 2] for at in range(0, 10, 2) if kept[at : at + 2] not in batches] == []

    popped = await asyncio.gather(*(sessions[number % 2].pop_item() for number in range(12)))
    assert sorted(map(str, filter(None, popped))) == sorted(map(str, kept))


async def test_add_items_keeps_nothing_where_one_cannot_be_kept(store: ThreadStore) -> None:
    session = BackscrollSession("s", store)
    for odd in (b"x", datetime.now(UTC), float("nan"), object()):
        with pytest.raises(ValueError, match=r"items\[1\]\.\*"):
            await session.add_items([*said("a"), item(role="user", content=odd)])
    with pytest.raises(ValueError, match=r"items\[0\] is a JSON object"):
        await session.add_items(["text"])  # type: ignore[list-item]
    await session.add_items([])
    assert await store.get("s") is None


async def test_session_of_a_closed_store_refuses() -> None:
    store = ThreadStore()
    await store.close()
    with pytest.raises(StoreClosedError):
        await BackscrollSession("s", store).add_items(said("a"))


async def test_runner_goes_on_with_what_the_session_holds(store: ThreadStore) -> None:
    @function_tool
    def weather(city: str) -> str:
        return f"{city}: rain"

    model = ScriptedModel(
        [
            [function_call("weather", {"city": "Cologne"}, call_id="c1")],
            [assistant_message("It rains in Cologne.")],
            [assistant_message("You asked about Cologne.")],
        ]
    )
    agent = Agent(name="Weather", model=model, tools=[weather])
    config = RunConfig(tracing_disabled=True)

    first = await Runner.run(agent, "Weather?", session=BackscrollSession("s", store), run_config=config)
    again = BackscrollSession("s", store)
    second = await Runner.run(agent, "What did I ask?", session=again, run_config=config)

    assert (first.final_output, second.final_output) == ("It rains in Cologne.", "You asked about Cologne.")
    kept = await again.get_items()
    assert second.to_input_list() == kept
    assert model.calls[2].input == kept[:5]
    thread = await store.get("s")
    assert thread is not None
    assert [message.role for message in thread.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
    ]
