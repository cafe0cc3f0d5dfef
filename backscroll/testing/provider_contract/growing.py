"""Claims for answers that grow: what is stored while they do, when they are whole, and when somebody deletes them."""

from typing import Any

import pytest

from backscroll.errors import AnswerLostError
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Part
from backscroll.storage.search import Search
from backscroll.testing.provider_contract.samples import asked, at, begun, external, now, recorded, said, stored, taken


async def growing(provider: StorageProvider, *texts: str) -> Answer:
    """Let an answer begin to grow."""
    await asked(provider)
    mine = await taken(provider)
    await begun(provider, mine, *texts, is_growing=True)
    return await now(provider, mine)


async def opened(provider: StorageProvider, answer: Answer, *numbers: int) -> None:
    """Mark parts as posted."""
    for number in numbers:
        await provider.mark_sent(answer.id, "one", number, external(f"a{number}"))


async def grown(provider: StorageProvider, answer: Answer, *texts: str, is_whole: bool = False) -> list[Part]:
    """Let an answer say these texts."""
    return await provider.grow_answer(answer.id, "one", " ".join(texts), list(texts), is_whole=is_whole)


async def message_of(provider: StorageProvider, answer: Answer) -> Message:
    """Read the message of an answer."""
    return await stored(provider, str((await now(provider, answer)).answer_message_id))


def told(parts: list[Part]) -> list[tuple[str, str, str | None]]:
    """Say of each part its text, its state and its post."""
    return [(part.text, part.state, part.external.id if part.external else None) for part in parts]


async def test_begin_sending_tells_that_an_answer_grows(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    assert (answer.state, answer.is_growing) == ("sending", True)
    assert [part.kind for part in await provider.get_parts(answer.id)] == ["stream"]


async def test_begin_sending_of_a_whole_answer_does_not_grow(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one")
    assert ([part.kind for part in parts], (await now(provider, mine)).is_growing) == (["text"], False)


# While it grows


async def test_grow_changes_the_messages_content(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await grown(provider, answer, "one and more")
    assert (await message_of(provider, answer)).content == "one and more"


async def test_grow_is_no_edit(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await grown(provider, answer, "one and more")
    message = await message_of(provider, answer)
    assert (message.edited_at, await provider.get_message_versions(message.id)) == (None, [])


async def test_grow_lets_a_search_find_what_was_added(provider: StorageProvider) -> None:
    answer = await growing(provider, "aardvark")
    await grown(provider, answer, "aardvark buffalo")
    found = await provider.search(Search.of("buffalo", substring=False), titles=False, contents=True)
    assert [thread.id for thread in found] == [answer.thread_id]


async def test_grow_lets_a_search_forget_what_was_replaced(provider: StorageProvider) -> None:
    answer = await growing(provider, "aardvark")
    await grown(provider, answer, "buffalo")
    assert await provider.search(Search.of("aardvark", substring=False), titles=False, contents=True) == []


async def test_grow_changes_texts_and_appends_parts(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    parts = await grown(provider, answer, "one, full", "two", "three")
    assert told(parts) == [("one, full", "waiting", None), ("two", "waiting", None), ("three", "waiting", None)]
    assert [(part.number, part.kind) for part in parts] == [(1, "stream"), (2, "stream"), (3, "stream")]
    assert await provider.get_parts(answer.id) == parts


async def test_grow_gives_each_part_a_token_and_keeps_it(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    before = await provider.get_parts(answer.id)
    parts = await grown(provider, answer, "one", "two")
    assert (parts[0].token, len({part.token for part in parts})) == (before[0].token, 2)


async def test_grow_keeps_states_and_posts(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await opened(provider, answer, 1)
    parts = await grown(provider, answer, "one and more", "two")
    assert told(parts) == [("one and more", "sent", "a1"), ("two", "waiting", None)]


async def test_grow_while_it_goes_on_forgets_no_part(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two")
    assert [part.text for part in await grown(provider, answer, "other")] == ["other", "two"]
    assert (await now(provider, answer)).is_growing


async def test_grow_cleans_what_it_stores(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    parts = await provider.grow_answer(answer.id, "one", "a\x00b", ["a\x00b", "\ud83d"], is_whole=False)
    assert [part.text for part in parts] == ["a\ufffdb", "\ufffd"]
    assert (await message_of(provider, answer)).content == "a\ufffdb"


async def test_grow_lets_the_new_posts_find_the_message(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await grown(provider, answer, "one", "two")
    await opened(provider, answer, 1, 2)
    found = await provider.find_external(external("a2"))
    assert found is not None
    assert found[1] == await message_of(provider, answer)


async def test_grow_counts_as_a_change_of_the_thread(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    other = await recorded(provider, 2, key=answer.key.moved("C2"))
    await grown(provider, answer, "more")
    assert [thread.id for thread in await provider.list_threads()] == [answer.thread_id, other.thread_id]


# When it is whole


async def test_grow_whole_lets_every_part_wait(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two")
    await opened(provider, answer, 1)
    parts = await grown(provider, answer, "ONE", "TWO", "THREE", is_whole=True)
    assert told(parts) == [("ONE", "waiting", "a1"), ("TWO", "waiting", None), ("THREE", "waiting", None)]


async def test_grow_whole_forgets_surplus_that_was_not_posted(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two", "three")
    await opened(provider, answer, 1)
    parts = await grown(provider, answer, "ONE", is_whole=True)
    assert told(parts) == [("ONE", "waiting", "a1")]
    assert await provider.get_parts(answer.id) == parts


async def test_grow_whole_empties_surplus_that_was_posted(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two", "three")
    await opened(provider, answer, 1, 2)
    parts = await grown(provider, answer, "ONE", is_whole=True)
    assert told(parts) == [("ONE", "waiting", "a1"), ("", "waiting", "a2")]
    assert await provider.get_parts(answer.id) == parts


async def test_grow_whole_ends_the_growing(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await grown(provider, answer, "ONE", is_whole=True)
    after = await now(provider, answer)
    assert (after.state, after.is_growing, after.owner) == ("sending", False, "one")


@pytest.mark.parametrize("is_whole", [False, True])
async def test_grow_repeated_gives_the_same_parts(provider: StorageProvider, is_whole: bool) -> None:
    answer = await growing(provider, "one", "two", "three")
    await opened(provider, answer, 1, 2)
    parts = await grown(provider, answer, "ONE", is_whole=is_whole)
    assert await grown(provider, answer, "ONE", is_whole=is_whole) == parts


async def test_grow_of_a_whole_answer_changes_nothing(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    parts = await grown(provider, answer, "ONE", is_whole=True)
    assert await grown(provider, answer, "other", "two") == parts
    assert (await message_of(provider, answer)).content == "ONE"


async def test_grow_of_an_answer_that_does_not_grow_changes_nothing(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one")
    assert await grown(provider, mine, "other", is_whole=True) == parts
    assert (await message_of(provider, mine)).content == "one"


async def test_mark_sent_of_a_changed_part_leaves_its_post_as_it_is(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await opened(provider, answer, 1)
    await grown(provider, answer, "ONE", is_whole=True)
    await provider.mark_sent(answer.id, "one", 1, external("other"))
    assert told(await provider.get_parts(answer.id)) == [("ONE", "sent", "a1")]
    assert await provider.find_external(external("other")) is None


async def test_surplus_that_was_taken_away_is_still_the_messages(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two")
    await opened(provider, answer, 1, 2)
    await grown(provider, answer, "ONE", is_whole=True)
    await opened(provider, answer, 1, 2)
    assert told(await provider.get_parts(answer.id)) == [("ONE", "sent", "a1"), ("", "sent", "a2")]
    assert not (await recorded(provider, "a2", "two")).is_new


# When somebody deletes it meanwhile


async def test_grow_brings_no_text_back_to_a_tombstone(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await opened(provider, answer, 1)
    await provider.record_deletion(external("a1"), at(5))
    assert told(await grown(provider, answer, "one and more", "two")) == [("", "sent", "a1")]
    message = await message_of(provider, answer)
    assert (message.content, message.deleted_at) == ("", at(5))


async def test_grow_whole_lets_the_posts_of_a_tombstone_be_taken_away(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two", "three")
    await opened(provider, answer, 1, 2)
    await provider.delete_message(str(answer.answer_message_id))
    parts = await grown(provider, answer, "ONE", "TWO", "THREE", is_whole=True)
    assert told(parts) == [("", "waiting", "a1"), ("", "waiting", "a2")]
    assert (await message_of(provider, answer)).content == ""


async def test_grow_whole_of_a_tombstone_that_was_not_posted_has_no_parts(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await provider.delete_message(str(answer.answer_message_id))
    assert await grown(provider, answer, "ONE", is_whole=True) == []
    await provider.finish_answer(answer.id, "one", "sent")


async def test_grow_lets_no_search_find_a_tombstone(provider: StorageProvider) -> None:
    answer = await growing(provider, "aardvark")
    await provider.delete_message(str(answer.answer_message_id))
    await grown(provider, answer, "aardvark", is_whole=True)
    assert await provider.search(Search.of("aardvark", substring=False), titles=False, contents=True) == []


async def test_mark_sent_leaves_no_text_of_a_tombstone(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    (part,) = await begun(provider, mine, "one")
    await provider.delete_message(part.message_id)
    await provider.mark_sent(mine.id, "one", 1, external("a1"))
    assert told(await provider.get_parts(mine.id)) == [("", "sent", "a1")]


async def test_mark_sent_of_a_changed_part_leaves_no_text_of_a_tombstone(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await opened(provider, answer, 1)
    await grown(provider, answer, "ONE", is_whole=True)
    await provider.delete_message(str(answer.answer_message_id))
    await opened(provider, answer, 1)
    assert told(await provider.get_parts(answer.id)) == [("", "sent", "a1")]


# Who may


@pytest.mark.parametrize("case", ["another's", "unknown", "finished", "deleted"])
async def test_grow_is_refused_to_who_does_not_have_the_answer(provider: StorageProvider, case: str) -> None:
    answer = await growing(provider, "one")
    if case == "finished":
        await provider.finish_answer(answer.id, "one", "failed", reason="r")
    elif case == "deleted":
        await provider.delete_thread(answer.thread_id)
    owner = "two" if case == "another's" else "one"
    answer_id = "unknown" if case == "unknown" else answer.id
    with pytest.raises(AnswerLostError):
        await provider.grow_answer(answer_id, owner, "more", ["more"], is_whole=True)


@pytest.mark.parametrize("is_whole", [False, True])
async def test_grow_refuses_no_texts_at_all(provider: StorageProvider, is_whole: bool) -> None:
    answer = await growing(provider, "one")
    with pytest.raises(ValueError, match="one part"):
        await provider.grow_answer(answer.id, "one", "more", [], is_whole=is_whole)
    assert told(await provider.get_parts(answer.id)) == [("one", "waiting", None)]
    assert ((await message_of(provider, answer)).content, (await now(provider, answer)).is_growing) == ("one", True)


async def test_take_tells_that_an_answer_grows(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await provider.release_answers("one")
    again = await taken(provider, "two")
    assert (again.id, again.state, again.is_growing) == (answer.id, "sending", True)


async def test_retry_lets_an_answer_begin_without_growing(provider: StorageProvider) -> None:
    answer = await growing(provider, "one")
    await provider.finish_answer(answer.id, "one", "failed", reason="r")
    await provider.retry_answer(answer.id)
    again = await taken(provider)
    assert (again.state, again.is_growing, await provider.get_parts(again.id)) == ("running", False, [])


async def test_deleted_thread_takes_a_growing_answer_along(provider: StorageProvider) -> None:
    answer = await growing(provider, "one", "two")
    await opened(provider, answer, 1)
    await provider.delete_thread(answer.thread_id)
    assert await provider.get_answer(answer.id) is None
    assert await provider.find_external(external("a1")) is None
    kept: Any = await recorded(provider, "a1", message=said("another"))
    assert kept.is_new
