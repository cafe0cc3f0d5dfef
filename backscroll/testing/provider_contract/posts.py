"""Claims for what a handler posts besides its answer, for files that are parts, and for what is known of a post."""

import hashlib
from typing import Any

import pytest

from backscroll.errors import AnswerLostError, MessageExistsError
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Part
from backscroll.testing.provider_contract.samples import (
    OTHER_KEY,
    asked,
    at,
    begun,
    eventually,
    external,
    got,
    now,
    recorded,
    said,
    stored,
    taken,
)

SHORT_S = 0.02


def post(content: str = "by the way", message_id: str = "post", **fields: Any) -> Message:
    """Make a message that a handler posts."""
    return Message(role="assistant", content=content, id=message_id, **fields)


def kept_file(name: str) -> Attachment:
    """Describe a file whose content lies in the file store."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Attachment(name=name, sha256=sha256, location=file_location(sha256))


async def answering(provider: StorageProvider) -> Answer:
    """Take the answer to a question."""
    await asked(provider)
    return await taken(provider)


async def begin(provider: StorageProvider, answer: Answer, message: Message, *texts: str) -> list[Part]:
    """Begin a post."""
    return await provider.begin_post(answer.id, "one", message, list(texts or [message.text]))


async def test_begin_post_stores_the_message_in_the_thread(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post("by the way"))
    kept = (await got(provider, mine.thread_id)).messages[-1]
    assert (kept.id, kept.role, kept.content, kept.sequence) == ("post", "assistant", "by the way", 2)


async def test_begin_post_gives_the_parts_in_order(provider: StorageProvider) -> None:
    mine = await answering(provider)
    parts = await begin(provider, mine, post(), "by", "the", "way")
    assert [(part.message_id, part.number, part.text) for part in parts] == [
        ("post", 1, "by"),
        ("post", 2, "the"),
        ("post", 3, "way"),
    ]
    assert {(part.state, part.external, part.kind) for part in parts} == {("waiting", None, "text")}
    assert len({part.token for part in parts}) == 3


async def test_begin_post_leaves_the_answer_as_it_is(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post())
    after = await now(provider, mine)
    assert (after.state, after.answer_message_id, await provider.get_parts(mine.id)) == ("running", None, [])


async def test_begin_post_repeated_gives_the_parts_that_are_stored(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post("by the way"), "by", "the way")
    await provider.mark_sent(mine.id, "one", 1, external("p1"), message_id="post")
    again = await begin(provider, mine, post("something else altogether"))
    assert [(part.text, part.state, part.external) for part in again] == [
        ("by", "sent", external("p1")),
        ("the way", "waiting", None),
    ]
    assert (await stored(provider, "post")).content == "by the way"


async def test_begin_post_repeated_by_the_next_owner_gives_the_same(provider: StorageProvider) -> None:
    mine = await answering(provider)
    parts = await begin(provider, mine, post())
    await provider.release_answers("one")
    await taken(provider, "two")
    assert await provider.begin_post(mine.id, "two", post("other"), ["other"]) == parts


async def test_begin_post_is_possible_while_the_answer_is_sent(provider: StorageProvider) -> None:
    mine = await answering(provider)
    own = await begun(provider, mine, "an answer", is_growing=True)
    await begin(provider, mine, post())
    assert await provider.get_parts(mine.id) == own


async def test_begin_post_refuses_a_message_of_another_answer(provider: StorageProvider) -> None:
    first = await answering(provider)
    await begin(provider, first, post())
    await provider.finish_answer(first.id, "one", "skipped")
    await asked(provider, 2)
    second = await taken(provider)
    with pytest.raises(MessageExistsError):
        await begin(provider, second, post("other"))
    assert (await stored(provider, "post")).content == "by the way"


async def test_begin_post_refuses_a_message_that_came_from_outside(provider: StorageProvider) -> None:
    mine = await answering(provider)
    with pytest.raises(MessageExistsError):
        await begin(provider, mine, post("other", mine.message_id))
    assert (await stored(provider, mine.message_id)).content == "hello"


async def test_begin_post_refuses_a_message_of_another_thread(provider: StorageProvider) -> None:
    await recorded(provider, "other", key=OTHER_KEY, message=said(id="post"))
    mine = await answering(provider)
    with pytest.raises(MessageExistsError):
        await begin(provider, mine, post())


async def test_begin_sending_refuses_the_message_of_a_post(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post())
    await provider.mark_sent(mine.id, "one", 1, external("p1"), message_id="post")
    with pytest.raises(MessageExistsError):
        await provider.begin_sending(mine.id, "one", post(), ["by the way"])


async def test_begin_post_refuses_no_parts_at_all(provider: StorageProvider) -> None:
    mine = await answering(provider)
    with pytest.raises(ValueError, match="one part"):
        await provider.begin_post(mine.id, "one", post(""), [])
    assert await provider.get_message("post") is None


@pytest.mark.parametrize("case", ["another's", "unknown", "finished"])
async def test_begin_post_is_refused_to_who_does_not_have_the_answer(provider: StorageProvider, case: str) -> None:
    mine = await answering(provider)
    if case == "finished":
        await provider.finish_answer(mine.id, "one", "skipped")
    owner, answer_id = "two" if case == "another's" else "one", "unknown" if case == "unknown" else mine.id
    with pytest.raises(AnswerLostError):
        await provider.begin_post(answer_id, owner, post(), ["text"])
    assert await provider.get_message("post") is None


async def test_mark_sent_of_a_post_gives_it_its_id(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post(), "by", "the way")
    for number in (1, 2):
        await provider.mark_sent(mine.id, "one", number, external(f"p{number}"), message_id="post")
    message = await stored(provider, "post")
    assert message.platforms == external("p1").platforms
    found = await provider.find_external(external("p2"))
    assert found == (mine.thread_id, message)


async def test_mark_sent_of_a_post_leaves_the_answers_own_parts(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post())
    own = await begun(provider, mine, "an answer")
    await provider.mark_sent(mine.id, "one", 1, external("p1"), message_id="post")
    assert await provider.get_parts(mine.id) == own


async def test_mark_sent_of_a_post_is_refused_to_who_does_not_have_the_answer(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post())
    with pytest.raises(AnswerLostError):
        await provider.mark_sent(mine.id, "two", 1, external("p1"), message_id="post")


async def test_mark_sent_of_a_post_applies_what_came_before(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post())
    await provider.record_reaction(external("p1"), "+1", "U1", added=True, event_at=at(1))
    await provider.mark_sent(mine.id, "one", 1, external("p1"), message_id="post")
    assert (await stored(provider, "post")).reactions == {"+1": ["U1"]}


async def test_mark_sent_of_a_post_applies_a_clearing_that_came_before(provider: StorageProvider) -> None:
    mine = await answering(provider)
    await begin(provider, mine, post())
    for emoji in ("+1", "eyes"):
        await provider.record_reaction(external("p1"), emoji, "U1", added=True, event_at=at(1))
    await provider.record_clearing(external("p1"), "+1", at(2))
    await provider.mark_sent(mine.id, "one", 1, external("p1"), message_id="post")
    assert (await stored(provider, "post")).reactions == {"eyes": ["U1"]}


async def test_posts_stand_before_the_answer(provider: StorageProvider) -> None:
    mine = await answering(provider)
    for name in ("first", "second"):
        await begin(provider, mine, post(name, name))
    await begun(provider, mine, "an answer")
    texts = [message.text for message in (await got(provider, mine.thread_id)).messages]
    assert texts == ["hello", "first", "second", "an answer"]


# Files


async def test_kept_attachments_are_parts_behind_the_texts(provider: StorageProvider) -> None:
    mine = await answering(provider)
    files = [kept_file("a"), Attachment(name="elsewhere", location="https://example.com/x"), kept_file("b")]
    message = Message(role="assistant", content="here", attachments=files)
    parts = await provider.begin_sending(mine.id, "one", message, ["here", "they are"])
    assert [(part.number, part.kind, part.position, part.text) for part in parts] == [
        (1, "text", None, "here"),
        (2, "text", None, "they are"),
        (3, "file", 1, ""),
        (4, "file", 3, ""),
    ]
    assert await provider.get_parts(mine.id) == parts


async def test_kept_attachments_of_a_post_are_parts(provider: StorageProvider) -> None:
    mine = await answering(provider)
    parts = await begin(provider, mine, post(attachments=[kept_file("a")]), "here")
    assert [(part.kind, part.position) for part in parts] == [("text", None), ("file", 1)]


async def test_answer_may_have_but_a_file(provider: StorageProvider) -> None:
    mine = await answering(provider)
    message = Message(role="assistant", attachments=[kept_file("a")])
    parts = await provider.begin_sending(mine.id, "one", message, [])
    assert [(part.number, part.kind, part.position) for part in parts] == [(1, "file", 1)]


async def test_mark_sent_of_a_file_gives_the_message_its_id(provider: StorageProvider) -> None:
    mine = await answering(provider)
    message = Message(role="assistant", attachments=[kept_file("a")])
    await provider.begin_sending(mine.id, "one", message, [])
    await provider.mark_sent(mine.id, "one", 1, external("f1"))
    assert (await stored(provider, message.id)).platforms == external("f1").platforms


# What is known of what was posted


async def postponed(provider: StorageProvider, *, is_certain: bool) -> Answer:
    """Give an answer back while it is sent."""
    mine = await answering(provider)
    await begun(provider, mine, "an answer")
    await provider.postpone_answer(mine.id, "one", 0, reason="r", counts=False, is_certain=is_certain)
    return mine


@pytest.mark.parametrize("is_certain", [True, False])
async def test_postpone_tells_the_next_taker_whether_it_was_certain(
    provider: StorageProvider, is_certain: bool
) -> None:
    await postponed(provider, is_certain=is_certain)
    assert (await taken(provider, "two")).is_certain == is_certain


async def test_certainty_is_told_once(provider: StorageProvider) -> None:
    await postponed(provider, is_certain=True)
    await taken(provider, "two")
    await provider.release_answers("two")
    assert not (await taken(provider, "three")).is_certain


async def test_certainty_is_not_kept_by_the_answer_that_was_taken(provider: StorageProvider) -> None:
    mine = await postponed(provider, is_certain=True)
    await taken(provider, "two")
    assert not (await now(provider, mine)).is_certain


async def test_certainty_does_not_outlive_a_take_over(provider: StorageProvider) -> None:
    await postponed(provider, is_certain=True)
    assert (await taken(provider, "two", lease_s=SHORT_S)).is_certain
    again = await eventually(lambda: provider.take_answer("three", ["slack"], 30))
    assert (again.takeovers, again.is_certain) == (1, False)


async def test_certainty_is_what_the_last_one_said(provider: StorageProvider) -> None:
    mine = await postponed(provider, is_certain=True)
    await taken(provider, "two")
    await provider.postpone_answer(mine.id, "two", 0, reason="r", counts=False)
    assert not (await taken(provider, "three")).is_certain


async def test_new_answer_is_not_certain(provider: StorageProvider) -> None:
    assert not (await answering(provider)).is_certain
