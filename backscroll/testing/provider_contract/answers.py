"""Claims for answers: made once, one of a thread at a time, by whoever holds the lease."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backscroll.errors import AnswerLostError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer
from backscroll.testing.provider_contract.samples import (
    KEY,
    LEASE_S,
    OTHER_KEY,
    asked,
    begun,
    eventually,
    external,
    got,
    recorded,
    said,
    taken,
)

PLATFORMS = ["slack", "discord"]
SHORT_S = 0.02


async def state(provider: StorageProvider, answer: Answer) -> str:
    return (await now(provider, answer)).state


async def now(provider: StorageProvider, answer: Answer) -> Answer:
    found = await provider.get_answer(answer.id)
    assert found is not None
    return found


async def take(provider: StorageProvider, owner: str = "two", lease_s: float = LEASE_S) -> Answer | None:
    return await provider.take_answer(owner, PLATFORMS, lease_s)


async def taken_over(provider: StorageProvider, owner: str = "two", lease_s: float = LEASE_S) -> Answer:
    """Take an answer as soon as a lease has ended."""
    return await eventually(lambda: take(provider, owner, lease_s))


async def test_take_gives_none_where_nobody_asked(provider: StorageProvider) -> None:
    await recorded(provider)
    assert await take(provider) is None


async def test_take_gives_the_answer_to_its_owner(provider: StorageProvider) -> None:
    answer = await asked(provider)
    mine = await taken(provider)
    assert (mine.id, mine.state, mine.owner, mine.tries, mine.takeovers) == (answer.id, "running", "one", 0, 0)
    assert (mine.thread_id, mine.message_id, mine.key) == (answer.thread_id, answer.message_id, KEY)
    assert mine == await now(provider, answer)
    assert mine.ready_at > answer.ready_at + timedelta(seconds=LEASE_S / 2)


async def test_take_gives_each_answer_once(provider: StorageProvider) -> None:
    await asked(provider)
    await taken(provider)
    assert [await take(provider, owner) for owner in ("one", "two")] == [None, None]


async def test_take_gives_the_one_that_was_ready_first(provider: StorageProvider) -> None:
    answers = [await asked(provider, n, key=ThreadKey("slack", "T", "C", str(n))) for n in range(3)]
    assert [(await taken(provider)).id for _ in range(3)] == [answer.id for answer in answers]


async def test_take_gives_a_threads_answers_one_after_the_other(provider: StorageProvider) -> None:
    answers = [await asked(provider, number) for number in range(3)]
    order = []
    while (mine := await take(provider, "one")) is not None:
        assert await take(provider, "two") is None
        order.append(mine.id)
        await provider.finish_answer(mine.id, "one", "skipped")
    assert order == [answer.id for answer in answers]


async def test_take_gives_one_of_a_thread_at_a_time_to_many_takers(provider: StorageProvider) -> None:
    keys = [KEY, OTHER_KEY]
    for number in range(12):
        await asked(provider, number, key=keys[number % 2])
    running: set[str] = set()
    made: list[tuple[str, int]] = []

    async def work(owner: str) -> None:
        while len(made) < 12:
            answer = await take(provider, owner)
            if answer is None:
                await asyncio.sleep(0.001)
                continue
            assert answer.thread_id not in running
            running.add(answer.thread_id)
            await begun(provider, answer)
            running.discard(answer.thread_id)
            made.append((answer.thread_id, answer.position))
            await provider.finish_answer(answer.id, owner, "sent")

    await asyncio.gather(*(work(f"owner {number}") for number in range(20)))
    assert len(set(made)) == 12
    for thread_id in {each for each, _ in made}:
        positions = [position for each, position in made if each == thread_id]
        assert positions == sorted(positions)
    assert {answer.state for answer in await provider.list_answers()} == {"sent"}


async def test_take_gives_one_answer_to_one_of_many_takers(provider: StorageProvider) -> None:
    await asked(provider)
    given = await asyncio.gather(*(take(provider, f"owner {number}") for number in range(20)))
    assert sum(answer is not None for answer in given) == 1


async def test_take_gives_answers_of_the_platforms_alone(provider: StorageProvider) -> None:
    await asked(provider)
    assert [await provider.take_answer("one", names, LEASE_S) for names in ([], ["discord"])] == [None, None]
    assert await provider.take_answer("one", ["discord", "slack"], LEASE_S) is not None


async def test_take_holds_a_threads_answer_back_behind_one_of_another_platform(provider: StorageProvider) -> None:
    first = await asked(provider, 1)
    other = ThreadKey("discord", "G", "C", "T")
    await provider.save_thread_alias(first.thread_id, other.alias)
    await recorded(provider, 2, key=other, asks="yes")
    assert await provider.take_answer("one", ["discord"], LEASE_S) is None
    await provider.drop_answer(first.id)
    assert await provider.take_answer("one", ["discord"], LEASE_S) is not None


async def test_take_over_after_the_lease_counts_one_more_and_no_try(provider: StorageProvider) -> None:
    answer = await asked(provider)
    await taken(provider, lease_s=SHORT_S)
    mine = await taken_over(provider, "two", SHORT_S)
    assert (mine.id, mine.owner, mine.state, mine.takeovers, mine.tries) == (answer.id, "two", "running", 1, 0)
    assert (await taken_over(provider, "three")).takeovers == 2


async def test_take_over_comes_not_before_the_lease_has_ended(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider, lease_s=0.2)
    await taken_over(provider)
    assert datetime.now(UTC) >= mine.ready_at - timedelta(milliseconds=1)


async def test_take_over_by_the_same_owner_counts_too(provider: StorageProvider) -> None:
    await asked(provider)
    await taken(provider, lease_s=SHORT_S)
    assert (await taken_over(provider, "one")).takeovers == 1


async def test_take_over_leaves_sending_as_it_is(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider, lease_s=SHORT_S)
    parts = await begun(provider, mine, "one", "two")
    await provider.mark_sent(mine.id, "one", 1, external("a"))
    other = await taken_over(provider)
    assert (other.state, other.takeovers) == ("sending", 1)
    assert [part.state for part in await provider.get_parts(mine.id)] == ["sent", "waiting"]
    assert [part.token for part in await provider.get_parts(mine.id)] == [part.token for part in parts]


async def test_take_over_takes_every_later_step_from_the_first_owner(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider, lease_s=SHORT_S)
    await taken_over(provider)
    before = await now(provider, mine)
    steps: list[Any] = [
        provider.begin_sending(mine.id, "one", said(), ["text"]),
        provider.mark_sent(mine.id, "one", 1, external("a")),
        provider.finish_answer(mine.id, "one", "sent"),
        provider.postpone_answer(mine.id, "one", 0, reason="r", counts=True),
    ]
    for step in steps:
        with pytest.raises(AnswerLostError):
            await step
    assert await provider.renew_leases("one", LEASE_S) == []
    assert await provider.release_answers("one") == 0
    assert await now(provider, mine) == before
    assert len((await got(provider, mine.thread_id)).messages) == 1


@pytest.mark.parametrize("answer_id", ["unknown", "finished", "deleted"])
async def test_steps_are_refused_for_an_answer_that_is_no_more(provider: StorageProvider, answer_id: str) -> None:
    await asked(provider)
    mine = await taken(provider)
    if answer_id == "finished":
        await provider.finish_answer(mine.id, "one", "skipped")
    elif answer_id == "deleted":
        await provider.delete_thread(mine.thread_id)
    name = "unknown" if answer_id == "unknown" else mine.id
    steps: list[Any] = [
        provider.begin_sending(name, "one", said(), ["text"]),
        provider.mark_sent(name, "one", 1, external("a")),
        provider.finish_answer(name, "one", "sent"),
        provider.postpone_answer(name, "one", 0, reason="r", counts=True),
    ]
    for step in steps:
        with pytest.raises(AnswerLostError):
            await step


async def test_renew_holds_on_to_all_of_an_owners_answers(provider: StorageProvider) -> None:
    answers = [await asked(provider, n, key=ThreadKey("slack", "T", "C", str(n))) for n in range(3)]
    for _ in range(2):
        await taken(provider, "one")
    await taken(provider, "two")
    await provider.renew_leases("one", SHORT_S)
    assert sorted(await provider.renew_leases("one", LEASE_S)) == sorted(answer.id for answer in answers[:2])
    await asyncio.sleep(2 * SHORT_S)
    assert await take(provider, "three") is None


async def test_renew_leaves_finished_answers_alone(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await provider.finish_answer(mine.id, "one", "sent")
    assert await provider.renew_leases("one", LEASE_S) == []


async def test_renew_is_possible_after_the_lease_while_nobody_took_over(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider, lease_s=SHORT_S)
    await asyncio.sleep(2 * SHORT_S)
    assert await provider.renew_leases("one", LEASE_S) == [mine.id]
    assert await take(provider, "two") is None


@pytest.mark.parametrize("end", ["sent", "failed", "skipped"])
async def test_finish_ends_an_answer_for_good(provider: StorageProvider, end: Any) -> None:
    await asked(provider)
    mine = await taken(provider, lease_s=SHORT_S)
    await provider.finish_answer(mine.id, "one", end, reason="why")
    after = await now(provider, mine)
    assert (after.state, after.reason, after.owner) == (end, "why", None)
    await asyncio.sleep(2 * SHORT_S)
    assert await take(provider) is None
    assert await provider.seconds_until_ready(PLATFORMS) is None


async def test_finish_without_a_reason_leaves_the_one_that_stands(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await begun(provider, mine, "sorry", reason="the handler failed")
    await provider.finish_answer(mine.id, "one", "failed")
    assert (await now(provider, mine)).reason == "the handler failed"


async def test_finish_lets_the_threads_next_answer_be_taken(provider: StorageProvider) -> None:
    _, second = [await asked(provider, number) for number in (1, 2)]
    await provider.finish_answer((await taken(provider)).id, "one", "failed", reason="r")
    assert (await taken(provider)).id == second.id


async def test_reasons_are_cleaned(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await provider.postpone_answer(mine.id, "one", 0, reason="\ud83d", counts=False)
    assert (await now(provider, mine)).reason == "\ufffd"
    mine = await taken_over(provider, "one")
    await provider.finish_answer(mine.id, "one", "failed", reason="a\x00b")
    assert (await now(provider, mine)).reason == "a\ufffdb"


@pytest.mark.parametrize(("counts", "tries"), [(True, 1), (False, 0)])
async def test_postpone_gives_an_answer_back_and_counts_a_try_or_not(
    provider: StorageProvider, counts: bool, tries: int
) -> None:
    await asked(provider)
    mine = await taken(provider)
    await provider.postpone_answer(mine.id, "one", 0, reason="why", counts=counts)
    after = await now(provider, mine)
    assert (after.state, after.owner, after.tries, after.reason) == ("waiting", None, tries, "why")
    again = await taken_over(provider)
    assert (again.id, again.tries, again.takeovers) == (mine.id, tries, 0)


async def test_postpone_holds_the_threads_later_answers_back(provider: StorageProvider) -> None:
    first, _ = [await asked(provider, number) for number in (1, 2)]
    await taken(provider)
    await provider.postpone_answer(first.id, "one", LEASE_S, reason="r", counts=True)
    assert await take(provider) is None
    other = await asked(provider, 3, key=OTHER_KEY)
    assert (await taken(provider)).id == other.id


async def test_postpone_holds_back_for_its_delay(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await provider.postpone_answer(mine.id, "one", 0.2, reason="r", counts=True)
    ready_at = (await now(provider, mine)).ready_at
    assert (await taken_over(provider)).takeovers == 0
    assert datetime.now(UTC) >= ready_at - timedelta(milliseconds=1)


async def test_postpone_leaves_sending_as_it_is_and_counts_no_takeover(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    parts = await begun(provider, mine, "sorry", reason="the handler failed")
    await provider.postpone_answer(mine.id, "one", 0, reason="the platform is away", counts=False)
    after = await now(provider, mine)
    assert (after.state, after.owner, after.reason) == ("sending", None, "the handler failed")
    again = await taken_over(provider)
    assert (again.state, again.takeovers) == ("sending", 0)
    assert await provider.get_parts(mine.id) == parts


async def test_release_gives_all_of_an_owners_answers_back_at_once(provider: StorageProvider) -> None:
    for number in range(3):
        await asked(provider, number, key=ThreadKey("slack", "T", "C", str(number)))
    for _ in range(2):
        await taken(provider, "one")
    theirs = await taken(provider, "two")
    assert await provider.release_answers("one") == 2
    again = [await take(provider, "three") for _ in range(3)]
    assert [(answer.tries, answer.takeovers) for answer in again if answer] == [(0, 0), (0, 0)]
    assert (await now(provider, theirs)).owner == "two"


async def test_release_leaves_sending_as_it_is(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    await begun(provider, mine)
    await provider.release_answers("one")
    assert (await taken(provider, "two")).state == "sending"


async def test_seconds_until_ready_is_none_when_all_are_finished(provider: StorageProvider) -> None:
    assert await provider.seconds_until_ready(PLATFORMS) is None
    await asked(provider)
    await provider.finish_answer((await taken(provider)).id, "one", "sent")
    assert await provider.seconds_until_ready(PLATFORMS) is None


async def test_seconds_until_ready_is_zero_when_one_can_be_taken(provider: StorageProvider) -> None:
    await asked(provider)
    assert await provider.seconds_until_ready(PLATFORMS) == 0
    assert await provider.seconds_until_ready(["discord"]) is None
    assert await provider.seconds_until_ready([]) is None


async def test_seconds_until_ready_tells_the_end_of_the_earliest_lease_or_back_off(provider: StorageProvider) -> None:
    for number in range(2):
        await asked(provider, number, key=ThreadKey("slack", "T", "C", str(number)))
    await taken(provider, lease_s=1000)
    mine = await taken(provider, lease_s=2000)
    assert 990 < (await provider.seconds_until_ready(PLATFORMS) or 0) <= 1001
    await provider.postpone_answer(mine.id, "one", 500, reason="r", counts=True)
    assert 490 < (await provider.seconds_until_ready(PLATFORMS) or 0) <= 501


async def test_seconds_until_ready_counts_a_threads_first_answer_alone(provider: StorageProvider) -> None:
    for number in (1, 2):
        await asked(provider, number)
    await taken(provider, lease_s=1000)
    assert (await provider.seconds_until_ready(PLATFORMS) or 0) > 990


async def test_take_latest_skips_a_threads_earlier_answers(provider: StorageProvider) -> None:
    answers = [await asked(provider, number) for number in range(3)]
    other = await asked(provider, "other", key=OTHER_KEY)
    mine = await taken(provider, latest=True)
    assert mine.id == answers[2].id
    assert [await state(provider, answer) for answer in answers] == ["skipped", "skipped", "running"]
    assert (await now(provider, answers[0])).reason
    assert await state(provider, other) == "waiting"


async def test_take_latest_skips_none_behind_one_that_runs(provider: StorageProvider) -> None:
    answers = [await asked(provider, 1)]
    await taken(provider)
    answers += [await asked(provider, number) for number in (2, 3)]
    assert await provider.take_answer("two", PLATFORMS, LEASE_S, latest=True) is None
    assert [await state(provider, answer) for answer in answers] == ["running", "waiting", "waiting"]


async def test_take_latest_takes_over_what_runs_and_skips_none(provider: StorageProvider) -> None:
    first = await asked(provider, 1)
    await taken(provider, lease_s=SHORT_S)
    second = await asked(provider, 2)
    mine = await eventually(lambda: provider.take_answer("two", PLATFORMS, LEASE_S, latest=True))
    assert (mine.id, await state(provider, second)) == (first.id, "waiting")


async def test_take_latest_gives_one_of_a_thread_to_many_takers(provider: StorageProvider) -> None:
    answers = [await asked(provider, number) for number in range(5)]
    given = await asyncio.gather(*(provider.take_answer(f"{n}", PLATFORMS, LEASE_S, latest=True) for n in range(10)))
    assert [answer.id for answer in given if answer] == [answers[4].id]


async def test_get_answer_gives_none_for_an_unknown_one(provider: StorageProvider) -> None:
    assert await provider.get_answer("unknown") is None


async def test_list_answers_orders_them_as_they_were_asked(provider: StorageProvider) -> None:
    answers = [await asked(provider, number, key=[KEY, OTHER_KEY][number % 2]) for number in range(5)]
    listed = await provider.list_answers()
    assert listed == answers
    assert await provider.list_answers(limit=2) == answers[:2]


async def test_list_answers_filters_by_state_and_thread(provider: StorageProvider) -> None:
    answers = [await asked(provider, number, key=[KEY, OTHER_KEY][number % 2]) for number in range(4)]
    mine = await taken(provider)
    assert [answer.id for answer in await provider.list_answers(state="running")] == [mine.id]
    its = await provider.list_answers(thread_id=answers[1].thread_id)
    assert [answer.id for answer in its] == [answers[1].id, answers[3].id]
    both = await provider.list_answers(state="waiting", thread_id=mine.thread_id)
    assert [answer.id for answer in both] == [answers[2].id]
