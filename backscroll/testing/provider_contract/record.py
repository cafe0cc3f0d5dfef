"""Claims for messages as they arrive: kept once, in their key's thread, with an answer where one is due."""

import asyncio
from typing import Any

import pytest

from backscroll.errors import MessageExistsError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Arrival
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
    arriving,
    at,
    external,
    got,
    recorded,
    said,
    taken,
)


async def test_record_opens_a_thread_that_is_found_by_alias_and_platform(provider: StorageProvider) -> None:
    kept = await recorded(provider, title="A title", user_id="U1", agent_name="agent")
    thread = await provider.get_by_alias(KEY.alias)
    assert thread is not None
    assert (thread.id, thread.title, thread.user_id, thread.agent_name) == (kept.thread_id, "A title", "U1", "agent")
    assert thread.platforms == KEY.platforms
    assert [each.id for each in await provider.find_by_platform("slack", KEY.platforms["slack"])] == [thread.id]
    assert thread.messages == [kept.message]


async def test_record_gives_a_thread_without_title_the_usual_one(provider: StorageProvider) -> None:
    assert (await got(provider, (await recorded(provider)).thread_id)).title == "Untitled Thread"


async def test_record_tells_what_is_new(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, "hello")
    assert (kept.is_new, kept.asked, kept.message.content, kept.message.sequence) == (True, False, "hello", 1)


async def test_record_puts_messages_of_one_key_into_one_thread(provider: StorageProvider) -> None:
    kept = [await recorded(provider, number, key=key) for number, key in enumerate([KEY, OTHER_KEY, KEY])]
    assert kept[0].thread_id == kept[2].thread_id != kept[1].thread_id
    assert [each.message.sequence for each in kept] == [1, 1, 2]


async def test_record_puts_a_message_into_the_thread_that_has_the_alias(provider: StorageProvider) -> None:
    first = await recorded(provider, 1)
    await provider.save_thread_alias(first.thread_id, OTHER_KEY.alias)
    assert (await recorded(provider, 2, key=OTHER_KEY)).thread_id == first.thread_id


async def test_record_tells_keys_apart_whatever_they_are_made_of(provider: StorageProvider) -> None:
    keys = [
        ThreadKey("p", *parts)
        for odd in ("a:b", "%3A", "ü/👍", "", 'quo"te', "@me", "x" * 200)
        for parts in ((odd, "c", "t"), ("c", odd, "t"), ("c", "t", odd), (f"{odd}:c", "t", ""))
    ]
    kept = [await recorded(provider, number, key=key) for number, key in enumerate(keys)]
    assert len({each.thread_id for each in kept}) == len(keys)
    found = [await provider.get_by_alias(key.alias) for key in keys]
    assert [thread and thread.id for thread in found] == [each.thread_id for each in kept]


async def test_record_keeps_a_message_without_external_id(provider: StorageProvider) -> None:
    first = await recorded(provider, 1)
    kept = [await provider.record_message(Arrival(KEY, said(id="bare"))) for _ in range(2)]
    assert [each.is_new for each in kept if each] == [True, False]
    assert len(await provider.read_messages(first.thread_id)) == 2


async def test_record_gives_a_repeat_the_message_that_is_stored(provider: StorageProvider) -> None:
    first = await recorded(provider, 1, "first")
    again = await recorded(provider, 1, "second")
    assert (again.thread_id, again.message) == (first.thread_id, first.message)
    assert (again.is_new, again.asked) == (False, False)
    assert await provider.read_messages(first.thread_id) == [first.message]


async def test_record_gives_a_repeat_by_message_id_the_message_that_is_stored(provider: StorageProvider) -> None:
    first = await recorded(provider, 1, message=said("first", id="m"))
    again = await recorded(provider, 2, message=said("second", id="m"))
    assert (again.message, again.is_new) == (first.message, False)
    assert await provider.find_external(external(2)) is None


async def test_record_gives_a_repeat_as_it_stands_now(provider: StorageProvider) -> None:
    first = await recorded(provider, 1, "first")
    await provider.edit_message(first.message.id, "edited")
    await provider.add_reaction(first.thread_id, first.message.id, "+1", "U1")
    again = await recorded(provider, 1, "first")
    assert (again.message.content, again.message.reactions) == ("edited", {"+1": ["U1"]})


async def test_record_keeps_a_repeat_under_another_key_where_it_is(provider: StorageProvider) -> None:
    first = await recorded(provider, 1)
    again = await provider.record_message(arriving(1, key=ThreadKey("slack", "T1", "C1", "9.0"), asks="yes"))
    assert again is not None
    assert (again.thread_id, again.message, again.is_new, again.asked) == (first.thread_id, first.message, False, True)
    assert await provider.count_threads() == 1
    assert await provider.get_by_alias("slack:T1:C1:9.0") is None


@pytest.mark.parametrize("opens", [True, False])
async def test_record_gives_a_repeat_whose_alias_is_gone(provider: StorageProvider, opens: bool) -> None:
    first = await recorded(provider, 1)
    await provider.delete_thread_alias(KEY.alias)
    again = await provider.record_message(arriving(1, opens=opens))
    assert again is not None
    assert (again.thread_id, again.is_new) == (first.thread_id, False)
    assert await provider.count_threads() == 1


async def test_record_refuses_a_message_id_of_another_thread_and_opens_none(provider: StorageProvider) -> None:
    await recorded(provider, 1, message=said(id="m"))
    with pytest.raises(MessageExistsError):
        await recorded(provider, 2, message=said(id="m"), key=OTHER_KEY)
    assert await provider.count_threads() == 1
    assert await provider.get_by_alias(OTHER_KEY.alias) is None
    assert (await recorded(provider, 2, key=OTHER_KEY)).is_new


async def test_record_without_opening_drops_a_message_of_an_unknown_thread(provider: StorageProvider) -> None:
    assert await provider.record_message(arriving(1, opens=False, asks="if_joined")) is None
    assert await provider.count_threads() == 0
    assert await provider.find_external(external(1)) is None


async def test_record_without_opening_keeps_a_message_of_a_known_thread(provider: StorageProvider) -> None:
    await recorded(provider, 1)
    assert (await recorded(provider, 2, opens=False)).message.sequence == 2


async def test_record_asks_for_an_answer(provider: StorageProvider) -> None:
    kept = await recorded(provider, asks="yes")
    (answer,) = await provider.list_answers()
    assert kept.asked
    assert (answer.thread_id, answer.message_id, answer.key) == (kept.thread_id, kept.message.id, KEY)
    assert (answer.state, answer.owner, answer.tries, answer.takeovers) == ("waiting", None, 0, 0)


async def test_record_asks_once_for_a_message_that_is_delivered_twice(provider: StorageProvider) -> None:
    kept = [await recorded(provider, 1, asks="yes") for _ in range(2)]
    assert [each.asked for each in kept] == [True, False]
    assert len(await provider.list_answers()) == 1


async def test_record_asks_when_only_the_second_twin_does(provider: StorageProvider) -> None:
    kept = [await recorded(provider, 1, asks=asks) for asks in ("no", "yes", "yes", "no")]
    assert [each.asked for each in kept] == [False, True, False, False]
    assert [answer.message_id for answer in await provider.list_answers()] == [kept[0].message.id]


async def test_record_asks_once_of_many_twins_at_the_same_time(provider: StorageProvider) -> None:
    twins = [recorded(provider, 1, asks=asks) for asks in ("no", "yes", "if_joined") * 10]
    kept = await asyncio.gather(*twins)
    assert sum(each.asked for each in kept) == 1
    assert sum(each.is_new for each in kept) == 1
    assert len({each.message.id for each in kept}) == 1
    assert len(await provider.list_answers()) == 1


async def test_record_asks_no_second_time_when_the_answer_is_finished(provider: StorageProvider) -> None:
    await recorded(provider, 1, asks="yes")
    await provider.finish_answer((await taken(provider)).id, "one", "skipped")
    assert not (await recorded(provider, 1, asks="yes")).asked


async def test_record_asks_if_joined_only_where_the_bot_was_asked_before(provider: StorageProvider) -> None:
    kept = [
        await recorded(provider, number, key=key, asks=asks)
        for number, (key, asks) in enumerate(
            [(KEY, "if_joined"), (KEY, "yes"), (OTHER_KEY, "if_joined"), (KEY, "if_joined"), (KEY, "no")]
        )
    ]
    assert [each.asked for each in kept] == [False, True, False, True, False]


async def test_record_asks_if_joined_for_a_repeat_that_stands_behind_the_first_question(
    provider: StorageProvider,
) -> None:
    arrivals = ((1, "if_joined"), (2, "yes"), (3, "no"), (1, "if_joined"), (3, "if_joined"))
    kept = [await recorded(provider, number, asks=asks) for number, asks in arrivals]
    assert [each.asked for each in kept] == [False, True, False, False, True]


async def test_record_asks_for_no_answer_to_a_tombstone(provider: StorageProvider) -> None:
    first = await recorded(provider, 1)
    await provider.delete_message(first.message.id)
    again = await recorded(provider, 1, asks="yes")
    assert (again.asked, again.message.deleted_at is not None) == (False, True)
    assert await provider.list_answers() == []


async def test_record_orders_answers_as_their_messages_were_asked(provider: StorageProvider) -> None:
    kept = await asyncio.gather(*(recorded(provider, number, asks="yes") for number in range(10)))
    answers = sorted(await provider.list_answers(), key=lambda answer: answer.position)
    by_sequence = sorted(kept, key=lambda each: each.message.sequence or 0)
    assert [answer.message_id for answer in answers] == [each.message.id for each in by_sequence]


async def test_record_numbers_answers_without_gaps_where_a_repeat_asks_again(provider: StorageProvider) -> None:
    await recorded(provider, 0, asks="yes")
    await asyncio.gather(*(recorded(provider, number // 2, asks="yes") for number in range(10)))
    assert sorted(answer.position for answer in await provider.list_answers()) == [1, 2, 3, 4, 5]


async def test_record_makes_one_thread_of_fifty_first_messages(provider: StorageProvider) -> None:
    kept = await asyncio.gather(*(recorded(provider, number) for number in range(50)))
    assert len({each.thread_id for each in kept}) == 1
    assert await provider.count_threads() == 1
    thread = await got(provider, kept[0].thread_id)
    assert [message.sequence for message in thread.messages] == list(range(1, 51))


async def test_record_keeps_messages_of_many_keys_apart_under_concurrency(provider: StorageProvider) -> None:
    keys = [ThreadKey("slack", "T1", "C1", str(number)) for number in range(7)]
    kept = await asyncio.gather(*(recorded(provider, number, key=keys[number % 7]) for number in range(70)))
    assert await provider.count_threads() == 7
    for number, key in enumerate(keys):
        thread = await provider.get_by_alias(key.alias)
        assert thread is not None
        assert [message.sequence for message in thread.messages] == list(range(1, 11))
        assert {message.id for message in thread.messages} == {each.message.id for each in kept[number::7]}


async def test_record_keeps_its_neighbours_where_one_is_refused(provider: StorageProvider) -> None:
    await recorded(provider, "first", message=said(id="m"))
    arrivals: list[Any] = [
        recorded(provider, number, key=OTHER_KEY, message=said(id="m") if number % 4 == 0 else None)
        for number in range(12)
    ]
    outcomes = await asyncio.gather(*arrivals, return_exceptions=True)
    assert [isinstance(outcome, MessageExistsError) for outcome in outcomes] == [n % 4 == 0 for n in range(12)]
    thread = await provider.get_by_alias(OTHER_KEY.alias)
    assert thread is not None
    assert [message.sequence for message in thread.messages] == list(range(1, 10))


async def test_record_and_append_take_one_message_for_one(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1)
    again = await provider.append_message(kept.thread_id, said("again", platforms=external(1).platforms))
    assert again == kept.message


async def test_record_outlives_deletions_of_its_thread_beside_it(provider: StorageProvider) -> None:
    async def delete() -> None:
        for _ in range(15):
            thread = await provider.get_by_alias(KEY.alias)
            if thread is not None:
                await provider.delete_thread(thread.id)

    async def record(first: int) -> None:
        for number in range(first, first + 10):
            assert (await recorded(provider, number, asks="yes")).asked

    await asyncio.gather(delete(), record(0), record(100), delete(), record(200))


async def test_record_keeps_when_a_message_was_written(provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, message=said(created_at=at(-1000)))
    assert kept.message.created_at == at(-1000)
