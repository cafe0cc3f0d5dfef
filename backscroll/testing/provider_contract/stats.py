"""Claims for the figures about all that is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import UNFINISHED, FinalState
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import INT64, utc_now
from backscroll.testing.provider_contract.clock import SetUpdatedAt
from backscroll.testing.provider_contract.samples import OTHER_KEY, asked, recorded, said, taken

FIRST_DAY = datetime(2026, 3, 28, tzinfo=UTC)


def costing(total: Any = None, model: Any = None, **fields: Any) -> Message:
    """Make a message that cost so many tokens of a model."""
    metrics = {} if total is None else {"usage": {"total_tokens": total}}
    metrics |= {} if model is None else {"model": model}
    return said(metrics=metrics, **fields)


async def tokens(store: ThreadStore, *messages: Message) -> Any:
    """Save the messages, and return what all cost."""
    await store.save(Thread(messages=list(messages)))
    return (await store.get_usage_stats())["total_tokens"]


async def test_get_usage_stats_of_an_empty_store_are_all_there(store: ThreadStore) -> None:
    stats = await store.get_usage_stats()
    assert stats == {
        "total_threads": 0,
        "total_messages": 0,
        "avg_messages_per_thread": 0.0,
        "total_tokens": {"total": 0, "by_model": {}},
        "total_cost_usd": {"total": 0.0, "by_model": {}},
        "threads_last_hour": 0,
        "threads_last_24h": 0,
        "threads_last_7d": 0,
    }
    assert isinstance(stats["avg_messages_per_thread"], float)


async def test_get_usage_stats_counts_threads_and_messages(store: ThreadStore) -> None:
    await store.save(Thread(messages=[said(), said(), said()]))
    await store.save(Thread(messages=[said(), said()]))
    await store.get_or_create("empty")
    stats = await store.get_usage_stats()
    assert (stats["total_threads"], stats["total_messages"]) == (3, 5)
    assert stats["avg_messages_per_thread"] == pytest.approx(5 / 3)


async def test_get_usage_stats_counts_tombstones_and_what_they_cost(store: ThreadStore) -> None:
    await tokens(store, costing(5, "a", id="m"), costing(2, "a"))
    await store.delete_message("m")
    stats = await store.get_usage_stats()
    assert stats["total_messages"] == 2
    assert stats["total_tokens"] == {"total": 7, "by_model": {"a": 7}}


async def test_get_usage_stats_counts_what_came_from_outside_and_answers(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await asked(provider)
    await recorded(provider, 2)
    answer = await taken(provider)
    await provider.begin_sending(answer.id, "one", costing(9, "a"), ["hi"])
    stats = await store.get_usage_stats()
    assert (stats["total_threads"], stats["total_messages"]) == (1, 3)
    assert stats["total_tokens"] == {"total": 9, "by_model": {"a": 9}}


async def test_get_usage_stats_counts_a_repeat_once(store: ThreadStore, provider: StorageProvider) -> None:
    for _ in range(2):
        await recorded(provider, 1, message=costing(9, "a"))
    stats = await store.get_usage_stats()
    assert (stats["total_messages"], stats["total_tokens"]["total"]) == (1, 9)


async def test_get_usage_stats_takes_tokens_of_metrics_before_token_count(store: ThreadStore) -> None:
    found = await tokens(store, costing(3, token_count=100), costing(token_count=40), costing(0, token_count=100))
    assert found == {"total": 43, "by_model": {}}


async def test_get_usage_stats_sums_tokens_by_model(store: ThreadStore) -> None:
    found = await tokens(store, costing(1, "b"), costing(2, "a"), costing(4, "b"), costing(8), costing(model="c"))
    assert found == {"total": 15, "by_model": {"a": 2, "b": 5}}
    assert list(found["by_model"]) == ["a", "b"]


async def test_get_usage_stats_gives_token_count_to_the_model(store: ThreadStore) -> None:
    assert await tokens(store, costing(None, "a", token_count=6)) == {"total": 6, "by_model": {"a": 6}}


@pytest.mark.parametrize("odd", [True, False, 5.0, "5", [5], {"a": 5}, 2**63, -(2**63), 10**400, -(10**400)])
async def test_get_usage_stats_passes_over_what_is_no_count(store: ThreadStore, odd: Any) -> None:
    assert await tokens(store, costing(odd, "a"), costing(odd, "a", token_count=6)) == {
        "total": 6,
        "by_model": {"a": 6},
    }


@pytest.mark.parametrize("odd", [5, True, ["a"], {"a": 1}, ""])
async def test_get_usage_stats_passes_over_what_is_no_model(store: ThreadStore, odd: Any) -> None:
    assert await tokens(store, costing(7, odd)) == {"total": 7, "by_model": {}}


@pytest.mark.parametrize("odd", [None, 5, True, "usage", [1], {}, {"total_tokens": None}])
async def test_get_usage_stats_passes_over_what_is_no_usage(store: ThreadStore, odd: Any) -> None:
    assert await tokens(store, said(metrics={"usage": odd}, token_count=2)) == {"total": 2, "by_model": {}}


async def test_get_usage_stats_takes_counts_below_zero(store: ThreadStore) -> None:
    found = await tokens(store, costing(-7, "a"), costing(5, "a"), costing(3, "b"), costing(-3, "b"))
    assert found == {"total": -2, "by_model": {"a": -2}}


async def test_get_usage_stats_sums_numbers_of_every_size(store: ThreadStore) -> None:
    counts = [2**31, 2**31, 2**31 - 1, 2**32 - 1, 2**32, 2**33 + 7, 2**53 + 1, -(2**31), -(2**33) - 3, 12_345_678_901]
    found = await tokens(store, *(costing(count, "a") for count in counts))
    assert found == {"total": sum(counts), "by_model": {"a": sum(counts)}}


async def test_get_usage_stats_sums_beyond_64_bits(store: ThreadStore) -> None:
    found = await tokens(store, *(costing(INT64, "a") for _ in range(5)), *(costing(-INT64, "b") for _ in range(3)))
    assert found == {"total": 2 * INT64, "by_model": {"a": 5 * INT64, "b": -3 * INT64}}


async def test_get_usage_stats_takes_any_text_as_model(store: ThreadStore) -> None:
    names = ["a 'quoted'", "👍", "A", "a", "x\x00y", " "]
    found = await tokens(store, *(costing(1, name) for name in names))
    assert found["by_model"] == dict.fromkeys([name.replace("\x00", "\ufffd") for name in names], 1)


async def test_get_usage_stats_names_models_of_up_to_500_characters(store: ThreadStore) -> None:
    found = await tokens(store, costing(1, "👍" * 500), costing(2, "x" * 501), costing(4, "x" * 10_000))
    assert found == {"total": 7, "by_model": {"👍" * 500: 1}}


async def test_get_usage_stats_is_what_is_left_after_a_deletion(store: ThreadStore) -> None:
    for name in ("a", "b"):
        await store.save(Thread(id=name, messages=[costing(5, name), said()]))
    await store.delete("a")
    stats = await store.get_usage_stats()
    assert (stats["total_threads"], stats["total_messages"], stats["avg_messages_per_thread"]) == (1, 2, 2.0)
    assert stats["total_tokens"] == {"total": 5, "by_model": {"b": 5}}
    assert stats["threads_last_hour"] == 1


async def test_get_usage_stats_counts_threads_by_their_last_change(
    store: ThreadStore, set_updated_at: SetUpdatedAt
) -> None:
    ages = {
        "now": 0.0,
        "half": 0.5,
        "hour": 0.95,
        "two": 1.05,
        "day": 23.9,
        "days": 24.1,
        "week": 167.9,
        "weeks": 168.1,
    }
    for name, hours in ages.items():
        await store.save(Thread(id=name))
        await set_updated_at(name, utc_now() - timedelta(hours=hours))
    stats = await store.get_usage_stats()
    assert [stats[f"threads_last_{span}"] for span in ("hour", "24h", "7d")] == [3, 5, 7]


async def test_get_usage_stats_counts_a_thread_anew_when_it_changes(
    store: ThreadStore, set_updated_at: SetUpdatedAt
) -> None:
    await store.save(Thread(id="t"))
    await set_updated_at("t", utc_now() - timedelta(days=8))
    assert (await store.get_usage_stats())["threads_last_7d"] == 0
    await store.add_message("t", said())
    assert (await store.get_usage_stats())["threads_last_hour"] == 1


async def test_count_messages_by_day_counts_in_utc_since_an_instant(store: ThreadStore) -> None:
    hours = (-1, 0, 23, 24, 49)
    written = [said(created_at=FIRST_DAY + timedelta(hours=hour)) for hour in hours]
    await store.save(Thread(messages=written))
    await store.delete_message(written[1].id)
    counted = await store.provider.count_messages_by_day(FIRST_DAY)
    assert list(counted.items()) == [(FIRST_DAY.date() + timedelta(days=day), n) for day, n in ((0, 2), (1, 1), (2, 1))]


async def test_count_answers_tells_of_each_state_that_is_not_finished(provider: StorageProvider) -> None:
    none = await provider.count_answers()
    await asked(provider, 1)
    mine = await taken(provider)
    await provider.finish_answer(mine.id, "one", "sent")
    await asked(provider, 2, key=OTHER_KEY)
    await taken(provider)
    first, _ = await asked(provider, 3), await asked(provider, 4)

    counts = await provider.count_answers()

    assert {state: (found.count, found.oldest_s) for state, found in none.items()} == dict.fromkeys(
        UNFINISHED, (0, None)
    )
    assert {state: found.count for state, found in counts.items()} == {"waiting": 2, "running": 1, "sending": 0}
    oldest_s, age = counts["waiting"].oldest_s, utc_now() - first.created_at
    assert oldest_s is not None
    assert 0 <= oldest_s <= age.total_seconds() + 1


async def test_count_failed_answers_counts_those_alone(provider: StorageProvider) -> None:
    ended: list[FinalState] = ["failed", "sent", "failed", "skipped"]
    for number, state in enumerate(ended):
        await asked(provider, number)
        mine = await taken(provider)
        await provider.finish_answer(mine.id, "one", state)
    await asked(provider, 4)
    assert await provider.count_failed_answers() == 2


async def test_pool_use_tells_what_is_at_work(provider: StorageProvider) -> None:
    await recorded(provider)
    use = provider.pool_use()
    assert use is None or (use.busy <= use.open <= use.most and use.waiting == 0)
