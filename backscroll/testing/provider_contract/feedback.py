"""Claims for feedback: what people think of an answer, told by a call or by a thumb that is a reaction."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from backscroll.errors import MessageNotFoundError, ThreadNotFoundError
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Feedback
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, at, begun, external, recorded, said, taken

TOLD: dict[str, Any] = {
    "comment": "too long",
    "correction": "forty-two",
    "query": "how many?",
    "response": "41?",
    "metadata": {"from": "web"},
}


@pytest_asyncio.fixture(loop_scope="function")
async def rated(provider: StorageProvider) -> str:
    """Keep thread "t" of agent "helper" with an answer "a", and give the answer's id."""
    await provider.create_thread("t", "U0", "helper")
    await provider.append_message("t", said("how many?", id="q"))
    await provider.append_message("t", answer())
    return "a"


def answer(**fields: Any) -> Message:
    return Message(role="assistant", id="a", content="41", **fields)


async def thumbs(provider: StorageProvider, message_id: str = "a") -> list[tuple[str, str | None]]:
    return sorted((each.user_id, each.thumb) for each in await provider.get_feedback(message_id=message_id))


async def react(
    provider: StorageProvider,
    place: ExternalId,
    seconds: float,
    *,
    added: bool = True,
    emoji: str = "+1",
    user: str = "U1",
) -> None:
    await provider.record_reaction(place, emoji, user, added=added, event_at=at(seconds))


async def posted(provider: StorageProvider) -> str:
    """Post an answer in two parts as "a1" and "a2", and give its message's id."""
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one", "two")
    for part in parts:
        await provider.mark_sent(mine.id, "one", part.number, external(f"a{part.number}"))
    return parts[0].message_id


async def test_add_feedback_gives_every_field_back(store: ThreadStore, rated: str) -> None:
    given = await store.add_feedback("t", "U1", "other", message_id=rated, rating=4, thumb="up", **TOLD)

    assert await store.get_feedback() == [given]
    assert given.as_dict() == {
        "id": given.id,
        "thread_id": "t",
        "message_id": rated,
        "user_id": "U1",
        "agent_name": "other",
        "rating": 4,
        "thumb": "up",
        "created_at": given.created_at,
        **TOLD,
    }
    assert abs(given.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert given.created_at.utcoffset() == timedelta(0)


async def test_add_feedback_shows_no_text(store: ThreadStore, rated: str) -> None:
    given = await store.add_feedback("t", "U1", message_id=rated, rating=4, **TOLD)

    assert not [text for text in ("too long", "forty", "how many", "41?", "web") if text in repr(given)]


async def test_add_feedback_takes_the_threads_agent(store: ThreadStore, rated: str) -> None:
    assert (await store.add_feedback("t", "U1", message_id=rated, comment="fine")).agent_name == "helper"


async def test_add_feedback_keeps_one_more_each_time(store: ThreadStore, rated: str) -> None:
    calls = (store.add_feedback("t", "U1", message_id=rated, rating=5) for _ in range(10))
    given: list[Feedback] = await asyncio.gather(*calls)

    assert {each.id for each in await store.get_feedback()} == {each.id for each in given}
    assert len({each.id for each in given}) == 10


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({}, "rating"),
        ({"comment": "", "query": "q", "response": "r"}, "rating"),
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": True}, "rating"),
        ({"rating": 4.0}, "rating"),
        ({"rating": "up"}, "rating"),
        ({"thumb": "sideways"}, "thumb"),
        ({"rating": 5, "comment": b"x"}, "comment"),
        ({"rating": 5, "metadata": {"a": float("inf")}}, "metadata"),
    ],
)
async def test_add_feedback_refuses_what_cannot_be(
    store: ThreadStore, rated: str, told: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        await store.add_feedback("t", "U1", message_id=rated, **told)
    assert await store.get_feedback() == []


async def test_add_feedback_says_which_id_it_does_not_know(store: ThreadStore, rated: str) -> None:
    await store.create_thread("other", "U1", "helper")

    with pytest.raises(ThreadNotFoundError, match="Thread unknown "):
        await store.add_feedback("unknown", "U1", message_id=rated, rating=5)
    for thread_id, message_id in (("other", rated), ("t", "unknown")):
        with pytest.raises(MessageNotFoundError, match=f"Message {message_id} is not in thread {thread_id}"):
            await store.add_feedback(thread_id, "U1", message_id=message_id, rating=5)
    assert await store.get_feedback() == []


async def test_add_feedback_refuses_a_tombstone(store: ThreadStore, rated: str) -> None:
    await store.delete_message(rated)

    with pytest.raises(MessageNotFoundError):
        await store.add_feedback("t", "U1", message_id=rated, rating=5)


async def test_get_feedback_gives_what_fits_newest_first(store: ThreadStore, rated: str) -> None:
    told: list[dict[str, Any]] = [{"rating": 5}, {"thumb": "up"}, {"rating": 5, "thumb": "down"}, {"comment": "x"}]
    for number, each in enumerate(told):
        await store.add_feedback("t", f"U{number % 2}", f"agent{number // 2}", message_id=rated, **each)
    await store.add_feedback("t", "U9", message_id="q", comment="a question")

    async def found(**filters: Any) -> list[str | int]:
        kept = await store.get_feedback(**filters)
        assert kept == sorted(kept, key=lambda each: (each.created_at, each.id), reverse=True)
        return [each.rating or each.thumb or each.comment or "" for each in kept]

    assert await found() == ["a question", "x", 5, "up", 5]
    assert await found(message_id=rated, thread_id="t") == ["x", 5, "up", 5]
    assert await found(rating=5) == [5, 5]
    assert await found(thumb="down", rating=5) == [5]
    assert await found(user_id="U1") == ["x", "up"]
    assert await found(agent_name="agent0") == ["up", 5]
    assert [await found(limit=2), await found(limit=2, offset=2), await found(offset=5)] == [
        ["a question", "x"],
        [5, "up"],
        [],
    ]
    assert await found(thread_id="unknown") == []


async def test_get_feedback_refuses_what_cannot_be(store: ThreadStore) -> None:
    refused: list[dict[str, Any]] = [{"rating": 6}, {"thumb": "x"}, {"limit": 0}, {"offset": -1}, {"user_id": 5}]
    for each in refused:
        with pytest.raises(ValueError, match=next(iter(each))):
            await store.get_feedback(**each)


async def test_feedback_goes_with_its_message_and_its_thread(store: ThreadStore, rated: str) -> None:
    await store.add_feedback("t", "U1", message_id=rated, comment="secret")
    await store.add_reaction("t", rated, "+1", "U1")
    await store.add_feedback("t", "U1", message_id="q", comment="kept")
    await store.delete_message(rated)
    assert [each.comment for each in await store.get_feedback()] == ["kept"]

    await store.delete("t")
    assert await store.get_feedback() == []


# Thumbs


async def test_thumb_on_an_answer_becomes_feedback_and_is_taken_back(store: ThreadStore, rated: str) -> None:
    await store.add_reaction("t", rated, "+1", "U1")
    await store.add_reaction("t", rated, "👎", "U2")
    first, second = sorted(await store.get_feedback(), key=lambda each: each.user_id)

    told = first.thread_id, first.agent_name, first.thumb, first.rating, first.comment, first.metadata
    assert told == ("t", "helper", "up", None, None, {"source": "reaction"})
    assert (second.user_id, second.thumb) == ("U2", "down")
    await store.remove_reaction("t", rated, "+1", "U1")
    assert await thumbs(store.provider) == [("U2", "down")]


@pytest.mark.parametrize(
    ("emoji", "thumb"),
    [
        ("thumbsup", "up"),
        ("+1::skin-tone-3", "up"),
        ("👍🏽", "up"),
        ("👍\ufe0f", "up"),
        ("-1", "down"),
        ("thumbsdown::skin-tone-6", "down"),
        ("👎🏿", "down"),
        ("eyes", None),
        ("custom:+1", None),
        ("+1::party", None),
        ("+11", None),
    ],
)
async def test_thumb_is_told_by_its_name_or_character(
    store: ThreadStore, rated: str, emoji: str, thumb: str | None
) -> None:
    await store.add_reaction("t", rated, emoji, "U1")
    assert await thumbs(store.provider) == ([] if thumb is None else [("U1", thumb)])


async def test_thumb_beside_one_that_a_fork_copied_is_feedback(store: ThreadStore, rated: str) -> None:
    await store.add_reaction("t", rated, "+1", "U1")
    fork = await store.fork_thread("t", 1, "fork")
    assert fork is not None
    copy = fork.messages[1].id
    assert await thumbs(store.provider, copy) == []

    await store.add_reaction("fork", copy, "thumbsup", "U1")
    assert await thumbs(store.provider, copy) == [("U1", "up")]
    await store.remove_reaction("fork", copy, "thumbsup", "U1")
    assert await thumbs(store.provider, copy) == [("U1", "up")]  # as long as one stands
    await store.remove_reaction("fork", copy, "+1", "U1")
    assert await thumbs(store.provider, copy) == []


async def test_thumb_on_a_question_is_no_feedback(store: ThreadStore, rated: str) -> None:
    await store.add_reaction("t", "q", "+1", "U1")
    assert await store.get_feedback() == []


async def test_thumb_in_two_tones_is_one_until_the_last_is_gone(store: ThreadStore, rated: str) -> None:
    for emoji in ("+1", "+1::skin-tone-3"):
        await store.add_reaction("t", rated, emoji, "U1")
    assert await thumbs(store.provider) == [("U1", "up")]

    await store.remove_reaction("t", rated, "+1", "U1")
    assert await thumbs(store.provider) == [("U1", "up")]
    await store.remove_reaction("t", rated, "+1::skin-tone-3", "U1")
    assert await thumbs(store.provider) == []


async def test_thumb_taken_back_leaves_what_the_user_told_otherwise(store: ThreadStore, rated: str) -> None:
    await store.add_feedback("t", "U1", message_id=rated, thumb="up", comment="fine")
    await store.add_reaction("t", rated, "+1", "U1")
    await store.remove_reaction("t", rated, "+1", "U1")
    assert [each.comment for each in await store.get_feedback()] == ["fine"]


async def test_thumb_ends_as_the_platforms_last_whatever_comes_first(provider: StorageProvider) -> None:
    message_id = await posted(provider)
    for seconds, added in ((5, False), (1, True), (3, True), (5, False)):
        await react(provider, external("a2"), seconds, added=added)
    assert await thumbs(provider, message_id) == []

    for seconds, added in ((9, True), (7, False), (9, True)):
        await react(provider, external("a1"), seconds, added=added)
    assert await thumbs(provider, message_id) == [("U1", "up")]
    assert [each.created_at for each in await provider.get_feedback()] == [at(9)]


async def test_thumb_before_its_answer_counts_once_that_is_posted(provider: StorageProvider) -> None:
    await react(provider, external("a1"), 1)
    await react(provider, external("a2"), 1, emoji="👎", user="U2")
    await react(provider, external("a2"), 3, emoji="👎", user="U3")
    await react(provider, external("a2"), 4, emoji="👎", user="U3", added=False)
    assert await provider.get_feedback() == []

    assert await thumbs(provider, await posted(provider)) == [("U1", "up"), ("U2", "down")]


async def test_thumb_before_a_recorded_answer_counts_once_that_comes(provider: StorageProvider) -> None:
    await react(provider, external(1), 1)
    await react(provider, external(1), 2, user="U2")
    await provider.record_clearing(external(1), "+1", at(1.5))
    await recorded(provider, 1, message=answer())

    assert await thumbs(provider) == [("U2", "up")]
    assert [each.created_at for each in await provider.get_feedback()] == [at(2)]


async def test_thumb_that_an_answer_brings_counts(store: ThreadStore) -> None:
    await store.create_thread("t", "U0", "helper")
    await store.add_message("t", answer(reactions={"+1": ["U1"], "👍🏽": ["U1", "U2"], "eyes": ["U3"]}))
    assert await thumbs(store.provider) == [("U1", "up"), ("U2", "up")]
    assert {each.agent_name for each in await store.get_feedback()} == {"helper"}


async def test_thumb_that_is_saved_counts(store: ThreadStore) -> None:
    thread = Thread(id="t", agent_name="helper", messages=[answer(reactions={"+1": ["U1"]})])
    await store.save(thread)
    thread.add_reaction("a", "-1", "U2")
    thread.remove_reaction("a", "+1", "U1")
    await store.save(thread)
    assert await thumbs(store.provider) == [("U2", "down")]


@pytest.mark.parametrize("emoji", [None, "+1"])
async def test_thumb_goes_when_reactions_are_cleared(provider: StorageProvider, emoji: str | None) -> None:
    message_id = await posted(provider)
    await react(provider, external("a1"), 1)
    await react(provider, external("a1"), 1, emoji="👎", user="U2")
    await react(provider, external("a1"), 5, user="U3")
    await provider.record_clearing(external("a1"), emoji, at(3))

    left = [("U3", "up")] if emoji is None else [("U2", "down"), ("U3", "up")]
    assert await thumbs(provider, message_id) == left


async def test_thumb_ends_as_the_reactions_do_under_concurrency(store: ThreadStore, rated: str) -> None:
    calls = [store.add_reaction, store.remove_reaction] * 10
    await asyncio.gather(*(call("t", rated, "+1", user) for call in calls for user in ("U1", "U2")))
    thread = await store.get("t")
    assert thread is not None
    standing = thread.get_reactions(rated).get("+1", [])
    assert await thumbs(store.provider) == [(user, "up") for user in sorted(standing)]
