"""Transactions of several that know nothing of each other: nothing is lost, doubled or decided on what is old."""

import asyncio
from typing import Any

import pytest

from backscroll.errors import MessageExistsError, StorageUnavailableError
from backscroll.storage.models import Message, Thread
from backscroll.storage.redis import Provider
from backscroll.storage.redis.transactions import RerunError
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import utc_now
from backscroll.testing.provider_contract.samples import arriving, asked, taken

Two = list[Provider]
PATIENCE_S = 20.0


def said(text: str, **fields: Any) -> Message:
    return Message(role="user", content=text, **fields)


async def stored(provider: Provider, thread_id: str = "t") -> list[Message]:
    await ThreadStore(provider=provider).save(Thread(id=thread_id))
    return await provider.read_messages(thread_id)


async def test_append_by_two_numbers_without_gaps(providers: Two) -> None:
    await stored(providers[0])
    await asyncio.gather(
        *(provider.append_message("t", said(f"{number}")) for number in range(40) for provider in providers)
    )
    assert [message.sequence for message in await providers[0].read_messages("t")] == list(range(1, 81))


async def test_record_by_two_keeps_a_message_once(providers: Two) -> None:
    for number in range(20):
        arrivals = [arriving(number, "hello", asks="yes") for _ in providers]
        kept = await asyncio.gather(
            *(provider.record_message(each) for provider, each in zip(providers, arrivals, strict=True))
        )
        assert sorted(each is not None and each.is_new for each in kept) == [False, True]
    assert len(await providers[0].list_answers()) == 20


async def test_take_answer_by_two_gives_it_to_one(providers: Two) -> None:
    await asked(providers[0])
    found = await asyncio.gather(*(provider.take_answer("me", ["slack"], 30.0) for provider in providers))
    assert sorted(answer is not None for answer in found) == [False, True]


async def test_conversation_is_made_once_by_two(providers: Two) -> None:
    calls = [provider.get_or_create_conversation("bot", "C1", "1.0") for _ in range(25) for provider in providers]
    assert len(set(await asyncio.gather(*calls))) == 1


async def test_what_one_remembers_is_not_taken_for_true_after_another_changed_it(providers: Two) -> None:
    one, other = providers
    await stored(one)
    await one.append_message("t", said("by one"))
    await other.delete_thread("t")
    await stored(other)
    assert (await one.append_message("t", said("by one again"))).sequence == 1


async def test_error_is_not_raised_for_what_stands_no_longer(providers: Two) -> None:
    one, other = providers
    for thread_id in ("t", "u"):
        await stored(one, thread_id)
    await one.append_message("t", said("first", id="m"))
    with pytest.raises(MessageExistsError):
        await one.append_message("u", said("first", id="m"))
    await other.delete_thread("t")
    assert (await one.append_message("u", said("first", id="m"))).sequence == 1


async def test_query_in_a_transaction_sees_what_another_adds_before_the_commit(providers: Two) -> None:
    one, other = providers
    runs = 0

    async def count() -> None:
        async with one._exclusive:
            nonlocal runs
            runs += 1
            found = await one.query("space", {"thread_id": "t"})
            if runs == 1:
                await asyncio.create_task(other.set("space", "b", {"thread_id": "t"}))
            await one.set("space", "count", {"count": len(found)})

    await one.set("space", "a", {"thread_id": "t"})
    with pytest.raises(RerunError):
        await count()
    await count()
    assert await one.get("space", "count") == {"count": 2}


@pytest.mark.parametrize("filters", [{}, {"colour": "red"}])
async def test_scan_in_a_transaction_sees_what_another_adds_before_the_commit(
    providers: Two, filters: dict[str, Any]
) -> None:
    one, other = providers

    async def count() -> None:
        async with one._exclusive:
            await one.query("space", filters)
            await other.set("space", "a", {"colour": "red"})
            await one.set("elsewhere", "count", {"count": 0})

    with pytest.raises(RerunError):
        await count()
    assert await one.get("elsewhere", "count") is None


async def test_list_in_a_transaction_sees_what_another_appends_before_the_commit(providers: Two) -> None:
    one, other = providers

    async def begin_list() -> None:
        async with one._exclusive:
            assert await one.get_list("space", "list") == []
            await other.append("space", "list", {"id": "1"})
            await one.append("space", "list", {"id": "2"})

    with pytest.raises(RerunError):
        await begin_list()
    assert await one.get_list("space", "list") == [{"id": "1"}]


async def test_transaction_reads_what_it_wrote(providers: Two) -> None:
    one, other = providers
    await one.set("space", "gone", {"thread_id": "t"})
    async with one._exclusive:
        await one.set("space", "a", {"thread_id": "t"})
        await one.delete("space", "gone")
        await one.append("space", "list", {"id": "1"})
        assert [row["key"] for row in await one.query("space", {"thread_id": "t"})] == ["a"]
        assert await one.get_list("space", "list") == [{"id": "1"}]
        assert await other.query("space", {"thread_id": "t"}) == [{"thread_id": "t", "key": "gone"}]
    assert await other.query("space", {"thread_id": "t"}) == [{"thread_id": "t", "key": "a"}]


async def test_failed_transaction_writes_nothing(providers: Two) -> None:
    one, _ = providers

    async def fail() -> None:
        async with one._exclusive:
            await one.set("space", "a", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await one.get("space", "a") is None


async def test_one_that_met_three_changes_takes_a_turn_in_which_nobody_else_commits(providers: Two) -> None:
    one, other = providers
    runs, disturbing = 0, set[asyncio.Task[None]]()
    while True:
        try:
            async with one._exclusive:
                runs += 1
                await one.query("space", {})
                disturbing.add(asyncio.create_task(other.set("space", f"{runs}", {})))
                await asyncio.wait(disturbing, timeout=PATIENCE_S if runs < 4 else 0.2)
                await one.set("elsewhere", "done", {})
            break
        except RerunError:
            continue
    await asyncio.gather(*disturbing)
    assert runs == 4
    assert len(await one.query("space", {})) == 4


async def test_cancelled_call_is_finished(providers: Two) -> None:
    one, _ = providers
    await stored(one)
    call = asyncio.create_task(one.append_message("t", said("hello")))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await one.close()
    assert len(await providers[1].read_messages("t")) == 1


async def test_commit_of_more_writes_than_redis_takes_arguments_is_done(providers: Two) -> None:
    one, _ = providers
    async with one._exclusive:
        await one.set("space", "a", {})
        for number in range(220_000):
            await one.delete("space", str(number))
    assert await one.get("space", "a") == {}


async def test_lease_is_measured_by_the_clock_of_redis(providers: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked(providers[0])
    answer = await taken(providers[0], lease_s=30.0)
    instant, at = providers[0].server._clock or (utc_now(), 0.0)
    assert abs((answer.ready_at - instant).total_seconds() - 30.0) < 15
    monkeypatch.setattr("backscroll.storage.values.datetime", None)  # this machine's clock is not asked
    assert await providers[1].seconds_until_ready(["slack"]) == pytest.approx(30.0, abs=15)
    assert at


async def test_prefixes_keep_two_bots_apart(redis_url: str, prefix: str, providers: Two) -> None:
    await stored(providers[0])
    neighbour = Provider(redis_url, prefix=f"{prefix}:other")
    assert await neighbour.list_threads() == []
    await neighbour.close()


async def test_abort_cuts_off_what_is_under_way_and_what_waits_behind_it(providers: Two) -> None:
    provider, entered = providers[0], asyncio.Event()

    async def hold() -> None:
        async with provider.transactions.section():
            entered.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(provider.transactions.call(hold))
    await entered.wait()
    behind = asyncio.create_task(provider.set("ns", "key", {}))
    async with asyncio.timeout(10):
        await asyncio.wait([behind], timeout=0.05)
        await provider.abort()
        told = await asyncio.gather(holding, behind, return_exceptions=True)
    assert [type(each) for each in told] == [StorageUnavailableError] * 2
