"""Claims for what stands around an arrival: messages before it, late ones, other bots, threads that the bot joined."""

import asyncio
import itertools

import pytest

from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Arrival
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
    arriving,
    asked,
    at,
    external,
    got,
    now,
    recorded,
    said,
    taken,
)


def earlier(*numbers: int) -> list[Arrival]:
    """Make the messages that stand before an arrival."""
    return [arriving(number, f"message {number}", asks="no") for number in numbers]


async def texts_of(provider: StorageProvider) -> list[str]:
    thread = await provider.get_by_alias(KEY.alias)
    return [] if thread is None else [message.text for message in thread.messages]


def by_agent(text: str = "beep") -> Message:
    """Make another bot's message."""
    return said(text, source={"type": "agent", "id": "B1"})


# Messages before it


async def test_earlier_messages_are_kept_in_front(provider: StorageProvider) -> None:
    kept = await provider.record_message(arriving(9, "the mention", asks="yes"), earlier=earlier(1, 2, 3))
    assert kept is not None
    assert (kept.is_new, kept.asked, kept.message.sequence) == (True, True, 4)
    messages = (await got(provider, kept.thread_id)).messages
    assert [message.text for message in messages] == ["message 1", "message 2", "message 3", "the mention"]
    assert [message.sequence for message in messages] == [1, 2, 3, 4]


async def test_earlier_messages_are_found_by_their_own_ids(provider: StorageProvider) -> None:
    await provider.record_message(arriving(9), earlier=earlier(1, 2))
    found = await provider.find_external(external(2))
    assert found is not None
    assert found[1].text == "message 2"


async def test_earlier_messages_ask_as_they_say_in_their_order(provider: StorageProvider) -> None:
    asking = [
        arriving(number, f"message {number}", asks=asks)
        for number, asks in enumerate(("if_joined", "no", "yes", "if_joined", "no"))
    ]
    kept = await provider.record_message(arriving(9, "the mention", asks="yes"), earlier=asking)
    assert kept is not None
    texts = {message.id: message.text for message in (await got(provider, kept.thread_id)).messages}
    answers = sorted(await provider.list_answers(), key=lambda answer: answer.position)
    assert [texts[answer.message_id] for answer in answers] == ["message 2", "message 3", "the mention"]


async def test_earlier_message_that_comes_again_asks_for_nothing(provider: StorageProvider) -> None:
    await provider.record_message(arriving(9, asks="yes"), earlier=[arriving(1, asks="no")])
    assert not (await recorded(provider, 1, asks="if_joined")).asked


async def test_message_that_was_read_back_asks_for_nothing_when_it_comes_again(provider: StorageProvider) -> None:
    await recorded(provider, 9, asks="yes")
    late = Message(role="user", content="early", attributes={"backfilled": True})
    await recorded(provider, 1, message=late, asks="no", is_late=True)
    assert not (await recorded(provider, 1, asks="if_joined")).asked


async def test_earlier_messages_open_the_thread_under_the_arrivals_title(provider: StorageProvider) -> None:
    arrival = arriving(9, title="A title", user_id="U1", agent_name="a", place={"channel_name": "general"})
    before = [arriving(1, title="another", user_id="U2")]
    kept = await provider.record_message(arrival, earlier=before)
    assert kept is not None
    thread = await got(provider, kept.thread_id)
    assert (thread.title, thread.user_id) == ("A title", "U1")
    assert thread.platforms["slack"]["channel_name"] == "general"


async def test_earlier_messages_open_no_thread_that_the_arrival_does_not(provider: StorageProvider) -> None:
    assert await provider.record_message(arriving(9, opens=False), earlier=earlier(1, 2)) is None
    assert await provider.count_threads() == 0
    assert await provider.find_external(external(1)) is None


async def test_earlier_messages_that_are_stored_are_passed_over(provider: StorageProvider) -> None:
    await recorded(provider, 2, "stored before")
    await provider.record_message(arriving(9, "the mention"), earlier=earlier(1, 2, 3))
    assert await texts_of(provider) == ["stored before", "message 1", "message 3", "the mention"]


async def test_earlier_messages_of_a_repeat_are_kept_once(provider: StorageProvider) -> None:
    mention = arriving(9, "the mention", asks="yes")
    kept = [await provider.record_message(mention, earlier=earlier(1, 2)) for _ in range(2)]
    assert [(each.is_new, each.asked) for each in kept if each] == [(True, True), (False, False)]
    assert await texts_of(provider) == ["message 1", "message 2", "the mention"]


async def test_earlier_message_that_is_there_twice_is_kept_once(provider: StorageProvider) -> None:
    await provider.record_message(arriving(9, "the mention"), earlier=earlier(1, 1, 2))
    assert await texts_of(provider) == ["message 1", "message 2", "the mention"]


async def test_earlier_messages_take_the_changes_that_waited(provider: StorageProvider) -> None:
    await provider.record_edit(external(1), "edited", at(1))
    await provider.record_reaction(external(2), "+1", "U1", added=True, event_at=at(1))
    await provider.record_deletion(external(3), at(1))
    kept = await provider.record_message(arriving(9), earlier=earlier(1, 2, 3))
    assert kept is not None
    first, second, third, _ = (await got(provider, kept.thread_id)).messages
    assert (first.content, second.reactions, third.deleted_at) == ("edited", {"+1": ["U1"]}, at(1))


async def test_two_arrivals_with_the_same_earlier_messages_at_once_keep_each_once(provider: StorageProvider) -> None:
    both = [
        provider.record_message(arriving(number, f"mention {number}", asks="yes"), earlier=earlier(*range(1, 6)))
        for number in (8, 9)
    ]
    kept = await asyncio.gather(*both)
    assert [each.asked for each in kept if each] == [True, True]
    texts = await texts_of(provider)
    assert sorted(texts) == ["mention 8", "mention 9", *(f"message {number}" for number in range(1, 6))]
    assert texts[:5] == [f"message {number}" for number in range(1, 6)]


async def test_arrival_and_one_that_has_it_before_itself_at_once_are_both_asked(provider: StorageProvider) -> None:
    first = provider.record_message(arriving(1, "message 1", asks="yes"))
    second = provider.record_message(arriving(2, "message 2", asks="yes"), earlier=earlier(1))
    kept = await asyncio.gather(first, second)
    assert [each.asked for each in kept if each] == [True, True]
    assert await texts_of(provider) == ["message 1", "message 2"]


async def test_earlier_messages_stand_together_beside_many_others(provider: StorageProvider) -> None:
    others = [recorded(provider, f"other {number}", f"other {number}") for number in range(10)]
    many = provider.record_message(arriving(99, "the mention"), earlier=earlier(*range(1, 11)))
    await asyncio.gather(*others[:5], many, *others[5:])
    texts = await texts_of(provider)
    start = texts.index("message 1")
    assert texts[start : start + 11] == [*(f"message {number}" for number in range(1, 11)), "the mention"]
    assert len(texts) == 21


# Late ones


async def test_late_message_that_is_new_asks(provider: StorageProvider) -> None:
    assert (await recorded(provider, 1, asks="yes", is_late=True)).asked


async def test_late_repeat_asks_for_nothing(provider: StorageProvider) -> None:
    await recorded(provider, 1)
    assert not (await recorded(provider, 1, asks="yes", is_late=True)).asked
    assert await provider.list_answers() == []


async def test_late_message_in_a_batch_with_its_twin_is_asked_for_once(provider: StorageProvider) -> None:
    twins = [recorded(provider, 1, asks="yes", is_late=is_late) for is_late in (True, False, True)]
    kept = await asyncio.gather(*twins)
    assert sum(each.asked for each in kept) == 1


async def test_delivery_of_a_message_that_was_kept_late_asks(provider: StorageProvider) -> None:
    await recorded(provider, 1, is_late=True)
    assert (await recorded(provider, 1, asks="yes")).asked


# Partial ones


@pytest.mark.parametrize("is_partial", [True, False])
async def test_answer_tells_whether_its_thread_is_partial(provider: StorageProvider, is_partial: bool) -> None:
    await recorded(provider, 1, asks="yes", is_partial=is_partial)
    (answer,) = await provider.list_answers()
    assert (answer.is_partial, (await taken(provider)).is_partial) == (is_partial, is_partial)


async def test_answer_stays_partial_when_it_is_given_back(provider: StorageProvider) -> None:
    await recorded(provider, 1, asks="yes", is_partial=True)
    mine = await taken(provider)
    await provider.postpone_answer(mine.id, "one", 0, reason="r", counts=False)
    assert (await now(provider, mine)).is_partial


# Other bots


async def talk(provider: StorageProvider, who: str) -> list[bool]:
    """Let bots (b) and people (p) ask one after the other, and tell who is answered."""
    kept = [
        await recorded(provider, number, message=by_agent() if each == "b" else said(), asks="yes")
        for number, each in enumerate(who)
    ]
    return [each.asked for each in kept]


@pytest.mark.parametrize(
    ("who", "answered"),
    [
        ("bb", "yy"),
        ("bbb", "yyn"),
        ("bbbbb", "yynnn"),
        ("bbbpb", "yynyy"),
        ("bbpbbb", "yyyyyn"),
        ("bpbpb", "yyyyy"),
        ("pbbb", "yyyn"),
    ],
)
async def test_bot_is_answered_twice_in_a_row(provider: StorageProvider, who: str, answered: str) -> None:
    assert await talk(provider, who) == [each == "y" for each in answered]


async def test_bot_that_is_not_answered_is_kept(provider: StorageProvider) -> None:
    await talk(provider, "bbb")
    assert len(await texts_of(provider)) == 3


async def test_bots_are_counted_in_each_thread(provider: StorageProvider) -> None:
    await talk(provider, "bbb")
    assert (await recorded(provider, "other", key=OTHER_KEY, message=by_agent(), asks="yes")).asked


async def test_bot_is_answered_again_when_finished_answers_were_a_persons(provider: StorageProvider) -> None:
    await talk(provider, "bbp")
    while (mine := await provider.take_answer("one", ["slack"], 30)) is not None:
        await provider.finish_answer(mine.id, "one", "sent")
    assert (await recorded(provider, "b", message=by_agent(), asks="yes")).asked


async def test_bots_at_once_are_answered_twice(provider: StorageProvider) -> None:
    for name, key in itertools.product("ab", (KEY, OTHER_KEY)):
        arrivals = [
            recorded(provider, f"{key.thread} {name}{number}", key=key, message=by_agent(), asks="yes")
            for number in range(6)
        ]
        kept = await asyncio.gather(*arrivals)
        assert sum(each.asked for each in kept) == (2 if name == "a" else 0)
    assert len(await provider.list_answers()) == 4


async def test_bots_and_a_person_at_once_are_answered_in_order(provider: StorageProvider) -> None:
    who = "bbbpbbb"
    arrivals = [
        recorded(provider, number, message=by_agent() if each == "b" else said(), asks="yes")
        for number, each in enumerate(who)
    ]
    kept = await asyncio.gather(*arrivals)
    in_order = sorted(kept, key=lambda each: each.message.sequence or 0)
    row = 0
    for each in in_order:
        is_bot = each.message.source is not None
        assert each.asked == (not is_bot or row < 2)
        row = (row + 1 if each.asked else row) if is_bot else 0


# Threads that the bot joined


async def test_thread_is_joined_once_the_bot_was_asked(provider: StorageProvider) -> None:
    assert not await provider.is_joined(KEY.alias)
    await recorded(provider, 1)
    assert not await provider.is_joined(KEY.alias)
    await asked(provider, 2)
    assert await provider.is_joined(KEY.alias)
    assert not await provider.is_joined(OTHER_KEY.alias)


async def test_thread_stays_joined_when_all_is_answered(provider: StorageProvider) -> None:
    await asked(provider)
    await provider.finish_answer((await taken(provider)).id, "one", "sent")
    assert await provider.is_joined(KEY.alias)


async def test_thread_that_was_parted_or_deleted_is_joined_no_more(provider: StorageProvider) -> None:
    answer = await asked(provider)
    await provider.save_thread_alias(answer.thread_id, OTHER_KEY.alias)
    await provider.delete_thread_alias(KEY.alias)
    assert [await provider.is_joined(key.alias) for key in (KEY, OTHER_KEY)] == [False, True]
    await provider.delete_thread(answer.thread_id)
    assert not await provider.is_joined(OTHER_KEY.alias)
