"""Claims for what is sent: an answer's message, its posts, and the ids that the platform gave them."""

import pytest

from backscroll.errors import MessageExistsError
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer
from backscroll.testing.provider_contract.samples import (
    OTHER_KEY,
    asked,
    at,
    begun,
    external,
    got,
    recorded,
    said,
    stored,
    taken,
)


async def state(provider: StorageProvider, answer: Answer) -> str:
    return (await now(provider, answer)).state


async def now(provider: StorageProvider, answer: Answer) -> Answer:
    found = await provider.get_answer(answer.id)
    assert found is not None
    return found


async def test_begin_sending_stores_the_message_in_its_thread(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = Message(role="assistant", content=[{"type": "text", "text": "hi"}], metrics={"model": "m"})
    await provider.begin_sending(mine.id, "one", message, ["hi"])
    kept = (await got(provider, mine.thread_id)).messages[-1]
    assert (kept.id, kept.sequence, kept.content, kept.metrics) == (message.id, 2, message.content, message.metrics)
    after = await now(provider, mine)
    assert (after.state, after.owner, after.answer_message_id) == ("sending", "one", message.id)


async def test_begin_sending_stores_the_parts_in_order(provider: StorageProvider) -> None:
    await asked(provider)
    texts = [f"part {number} 👍" for number in range(12)]
    parts = await begun(provider, await taken(provider), *texts)
    assert [part.number for part in parts] == list(range(1, 13))
    assert [part.text for part in parts] == texts
    assert {(part.state, part.external) for part in parts} == {("waiting", None)}
    assert len({part.token for part in parts}) == 12


async def test_begin_sending_repeated_gives_the_parts_that_are_stored(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one", "two")
    assert await begun(provider, mine, "another", "text", "altogether") == parts
    assert len((await got(provider, mine.thread_id)).messages) == 2


async def test_begin_sending_cleans_the_texts(provider: StorageProvider) -> None:
    await asked(provider)
    parts = await begun(provider, await taken(provider), "a\x00b", "\ud83d")
    assert [part.text for part in parts] == ["a\ufffdb", "\ufffd"]


async def test_begin_sending_refuses_no_parts_at_all(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    with pytest.raises(ValueError, match="one part"):
        await provider.begin_sending(mine.id, "one", said(), [])
    assert (await now(provider, mine)).state == "running"
    assert len((await got(provider, mine.thread_id)).messages) == 1


async def test_begin_sending_takes_no_external_id_from_the_message(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = Message(role="assistant", content="hi", platforms=external("a").platforms)
    await provider.begin_sending(mine.id, "one", message, ["hi"])
    assert await provider.find_external(external("a")) is None


async def test_begin_sending_takes_a_message_that_its_thread_has(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = await provider.append_message(mine.thread_id, Message(role="assistant", content="hi", id="m"))
    parts = await provider.begin_sending(mine.id, "one", message, ["hi"])
    assert [part.message_id for part in parts] == ["m"]
    assert len((await got(provider, mine.thread_id)).messages) == 2


async def test_begin_sending_refuses_a_message_that_was_posted(provider: StorageProvider) -> None:
    for number in (1, 2):
        await asked(provider, number)
    message = Message(role="assistant", content="a constant")
    first = await taken(provider)
    await provider.begin_sending(first.id, "one", message, ["a constant"])
    await provider.mark_sent(first.id, "one", 1, external("a"))
    await provider.finish_answer(first.id, "one", "sent")
    second = await taken(provider)
    with pytest.raises(MessageExistsError):
        await provider.begin_sending(second.id, "one", message, ["a constant"])
    assert await state(provider, second) == "running"
    assert [part.state for part in await provider.get_parts(first.id)] == ["sent"]


async def test_begin_sending_refuses_a_message_that_came_from_outside(provider: StorageProvider) -> None:
    answer = await asked(provider)
    mine = await taken(provider)
    with pytest.raises(MessageExistsError):
        await provider.begin_sending(mine.id, "one", await stored(provider, answer.message_id), ["hello"])
    assert await provider.find_external(external(1)) is not None


async def test_begin_sending_refuses_a_message_of_another_thread(provider: StorageProvider) -> None:
    await recorded(provider, "other", key=OTHER_KEY, message=said(id="theirs"))
    await asked(provider)
    mine = await taken(provider)
    with pytest.raises(MessageExistsError):
        await provider.begin_sending(mine.id, "one", said(id="theirs"), ["text"])
    assert (await now(provider, mine)).state == "running"
    assert await provider.get_parts(mine.id) == []


async def test_get_parts_is_empty_before_sending(provider: StorageProvider) -> None:
    answer = await asked(provider)
    assert [await provider.get_parts(name) for name in (answer.id, "unknown")] == [[], []]


async def test_mark_sent_gives_each_part_its_id_and_the_message_the_first(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await begun(provider, mine, "one", "two")
    for number in (1, 2):
        await provider.mark_sent(mine.id, "one", number, external(f"a{number}"))
    parts = await provider.get_parts(mine.id)
    assert [(part.state, part.external) for part in parts] == [("sent", external("a1")), ("sent", external("a2"))]
    message = (await got(provider, mine.thread_id)).messages[-1]
    assert message.platforms == external("a1").platforms


async def test_mark_sent_lets_the_message_be_found_by_every_part(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one", "two")
    for number in (2, 1):
        await provider.mark_sent(mine.id, "one", number, external(f"a{number}"))
        found = await provider.find_external(external(f"a{number}"))
        assert found is not None
        assert (found[0], found[1].id) == (mine.thread_id, parts[0].message_id)


async def test_mark_sent_keeps_what_the_message_says_of_other_platforms(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = Message(role="assistant", content="hi", platforms={"other": {"a": 1}})
    await provider.begin_sending(mine.id, "one", message, ["hi"])
    await provider.mark_sent(mine.id, "one", 1, external("a"))
    assert (await stored(provider, message.id)).platforms == {"other": {"a": 1}} | external("a").platforms


async def test_mark_sent_repeated_changes_nothing(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await begun(provider, mine, "one")
    for name in ("a", "a", "b"):
        await provider.mark_sent(mine.id, "one", 1, external(name))
    assert [part.external for part in await provider.get_parts(mine.id)] == [external("a")]
    assert await provider.find_external(external("b")) is None


async def test_mark_sent_passes_over_a_part_that_is_not_there(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await provider.mark_sent(mine.id, "one", 1, external("a"))
    await begun(provider, mine, "one")
    await provider.mark_sent(mine.id, "one", 2, external("a"))
    assert await provider.find_external(external("a")) is None


async def test_mark_sent_leaves_an_id_to_the_message_that_holds_it(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await begun(provider, mine, "one", "two")
    echo = await recorded(provider, "a", "one")
    await provider.mark_sent(mine.id, "one", 1, external("a"))
    parts = await provider.get_parts(mine.id)
    assert [(part.state, part.external) for part in parts] == [("sent", None), ("waiting", None)]
    assert await provider.find_external(external("a")) == (echo.thread_id, echo.message)


async def test_mark_sent_makes_an_echo_of_the_post_a_repeat(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one", "two")
    for number in (1, 2):
        await provider.mark_sent(mine.id, "one", number, external(f"a{number}"))
        echo = await recorded(provider, f"a{number}", "echo")
        assert (echo.is_new, echo.message.id) == (False, parts[0].message_id)


async def test_mark_sent_applies_a_deletion_that_came_before(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one")
    await provider.record_deletion(external("a"), at(5))
    await provider.mark_sent(mine.id, "one", 1, external("a"))
    tombstone = await stored(provider, parts[0].message_id)
    assert (tombstone.content, tombstone.deleted_at) == ("", at(5))


async def test_mark_sent_applies_changes_once_for_each_part(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "one", "two")
    for number in (1, 2):
        await provider.record_reaction(external(f"a{number}"), "+1", f"U{number}", added=True, event_at=at(number))
    await provider.mark_sent(mine.id, "one", 2, external("a2"))
    assert (await stored(provider, parts[0].message_id)).reactions == {"+1": ["U2"]}
    await provider.mark_sent(mine.id, "one", 1, external("a1"))
    assert (await stored(provider, parts[0].message_id)).reactions == {"+1": ["U2", "U1"]}


async def test_delete_takes_the_text_out_of_what_was_posted(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = Message(role="assistant", content="said")
    await provider.begin_sending(mine.id, "one", message, ["said"])
    await provider.mark_sent(mine.id, "one", 1, mine.key.message("1.1"))
    await provider.delete_message(message.id)
    assert [part.text for part in await provider.get_parts(mine.id)] == [""]
