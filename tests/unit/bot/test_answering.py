"""Answers are taken as many at once as allowed, in order, with a lease; and given back at the end."""

import asyncio
from typing import Any

import pytest

from backscroll.bot import delivery
from backscroll.bot.turn import Turn
from backscroll.errors import StorageRefusedError
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from tests.unit.bot.stage import Flaky, Gate, Recorder, answering, ask, away, echo, only_answer, states, until

pytestmark = pytest.mark.usefixtures("short_waits")


# Order and parallelism


async def test_threads_are_answered_side_by_side_as_many_as_allowed(
    provider: StorageProvider, adapter: Recorder
) -> None:
    names = [f"q{number}" for number in range(5)]
    gate = Gate(*names)
    for name in names:
        await ask(provider, name, of=name)
    async with answering(provider, adapter, gate, max_parallel=2) as bot:
        await until(lambda: len(gate.began) == 2)
        for name in names:
            gate.open(name)
        await bot.drained()
    assert gate.most == 2
    assert sorted(adapter.texts) == [f"+ {name}" for name in names]


async def test_one_thread_is_answered_one_after_the_other(provider: StorageProvider, adapter: Recorder) -> None:
    gate = Gate("slow")
    await ask(provider, "slow", "second", "third")
    async with answering(provider, adapter, gate) as bot:
        await until(lambda: gate.began == ["slow"])
        gate.open("slow")
        await bot.drained()
    assert adapter.texts == ["+ slow", "+ second", "+ third"]
    assert gate.most_of_thread == 1


async def test_other_threads_overtake_a_slow_one(provider: StorageProvider, adapter: Recorder) -> None:
    gate = Gate("slow")
    await ask(provider, "slow", "after", of="1.0")
    await ask(provider, "quick", of="2.0")
    async with answering(provider, adapter, gate) as bot:
        await until(lambda: adapter.texts == ["+ quick"])
        gate.open("slow")
        await bot.drained()
    assert adapter.texts == ["+ quick", "+ slow", "+ after"]


async def test_overlap_latest_answers_the_newest_and_skips_the_rest(
    provider: StorageProvider, adapter: Recorder
) -> None:
    gate = Gate("q1")
    await ask(provider, "q1")
    async with answering(provider, adapter, gate, latest=True) as bot:
        await until(lambda: gate.began == ["q1"])
        await ask(provider, "q2", "q3", "q4")
        gate.open("q1")
        await bot.drained()
    assert adapter.texts == ["+ q1", "+ q4"]
    assert await states(provider) == ["sent", "skipped", "skipped", "sent"]


async def test_two_bots_on_one_storage_answer_each_question_once(provider: StorageProvider, adapter: Recorder) -> None:
    gate, other = Gate(), Gate()
    for number in range(20):
        await ask(provider, f"q{number}", of=str(number % 5))
    async with answering(provider, adapter, gate) as bot, answering(provider, adapter, other):
        await bot.drained()
    assert sorted(adapter.texts) == sorted(f"+ q{number}" for number in range(20))
    assert len(gate.began) + len(other.began) == 20


# Leases


async def test_lease_is_renewed_while_a_handler_runs_longer_than_it(
    provider: StorageProvider, adapter: Recorder
) -> None:
    gate, lease_s = Gate("slow"), 2.0  # long enough for a machine that is busy for a second
    await ask(provider, "slow")
    async with (
        answering(provider, adapter, gate, lease_s=lease_s),
        answering(provider, adapter, gate, lease_s=lease_s) as bot,
    ):
        await until(lambda: gate.began == ["slow"])
        lease_end = (await only_answer(provider)).ready_at

        async def is_past() -> bool:
            return (await only_answer(provider)).ready_at.timestamp() > lease_end.timestamp() + lease_s

        await until(is_past)
        gate.open("slow")
        await bot.drained()
    assert gate.began == ["slow"]
    assert (await only_answer(provider)).takeovers == 0


async def test_answer_of_a_dead_process_is_taken_over_and_that_is_no_try(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await ask(provider, "q")
    assert await provider.take_answer("dead", ["slack"], 0.05) is not None
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    answer = await only_answer(provider)
    assert adapter.texts == ["+ q"]
    assert (answer.state, answer.takeovers, answer.tries) == ("sent", 1, 0)


async def test_answer_that_kills_each_process_fails_and_the_person_is_told(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await ask(provider, "q", "next")
    for number in range(delivery.TAKEOVERS + 1):
        await until(lambda number=number: take(provider, f"dead {number}"))  # type: ignore[misc]
    async with answering(provider, adapter, echo, failure_text="sorry") as bot:
        await bot.drained()
    failed, sent = await provider.list_answers()
    assert adapter.texts == ["sorry", "+ next"]
    assert (failed.state, sent.state) == ("failed", "sent")
    assert failed.reason == "6 processes ended while they had it."


async def take(provider: StorageProvider, owner: str) -> bool:
    return await provider.take_answer(owner, ["slack"], 0.001) is not None


async def test_answer_that_was_stored_before_a_crash_is_looked_for_and_posted_without_the_handler(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await ask(provider, "q")
    answer = await provider.take_answer("dead", ["slack"], 0.05)
    assert answer is not None
    parts = await provider.begin_sending(answer.id, "dead", Message(role="assistant", content="made"), ["ma", "de"])
    adapter.posted.append((answer.key, parts[0]))
    gate = Gate()
    async with answering(provider, adapter, gate) as bot:
        await bot.drained()
    assert adapter.looked == [[1, 2]]
    assert adapter.texts == ["ma", "de"]
    assert gate.began == []
    assert await states(provider) == ["sent"]


async def test_lease_that_ends_in_an_outage_lets_no_second_handler_run(flaky: Flaky, adapter: Recorder) -> None:
    gate = Gate("q")
    await ask(flaky, "q")
    async with answering(flaky, adapter, gate, lease_s=0.15) as bot:
        await until(lambda: gate.began == ["q"])
        flaky.faults["renew_leases"] = away(5)

        async def taken_anew() -> bool:
            return (await only_answer(flaky)).takeovers > 0

        await until(taken_anew)
        gate.open("q")
        await bot.drained()
    assert gate.began == ["q"]
    assert adapter.texts == ["+ q"]
    assert (await only_answer(flaky)).state == "sent"


async def test_answer_whose_taking_was_committed_and_never_told_is_answered(flaky: Flaky, adapter: Recorder) -> None:
    await ask(flaky, "q")
    flaky.late_faults["take_answer"] = away(1)
    async with answering(flaky, adapter, echo, lease_s=0.15) as bot:
        await bot.drained()
    assert adapter.texts == ["+ q"]
    assert await states(flaky) == ["sent"]


# The end


async def test_drained_waits_for_an_answer_in_its_back_off(provider: StorageProvider, adapter: Recorder) -> None:
    async def fails_first(turn: Turn) -> str:
        if turn.attempt == 1:
            raise ValueError
        return "then"

    await ask(provider, "q")
    async with answering(provider, adapter, fails_first) as bot:
        await bot.drained()
    assert adapter.texts == ["then"]


async def test_drained_raises_when_storage_will_not_tell(
    provider: StorageProvider, adapter: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_platforms: list[str]) -> None:
        raise StorageRefusedError("It is read-only.")

    monkeypatch.setattr(provider, "seconds_until_ready", refuse)
    async with answering(provider, adapter, echo) as bot:
        with pytest.raises(StorageRefusedError):
            await bot.drained()


async def test_stop_gives_back_what_is_not_done(provider: StorageProvider, adapter: Recorder) -> None:
    gate = Gate("q")
    await ask(provider, "q")
    async with answering(provider, adapter, gate):
        await until(lambda: gate.began == ["q"])
    answer = await only_answer(provider)
    assert (answer.state, answer.owner, answer.tries, answer.takeovers) == ("waiting", None, 0, 0)
    assert adapter.posted == []


async def test_stop_lets_handlers_finish_in_the_grace_period(provider: StorageProvider, adapter: Recorder) -> None:
    gate = Gate("q")
    await ask(provider, "q")
    async with answering(provider, adapter, gate, shutdown_grace_s=10):
        await until(lambda: gate.began == ["q"])
        asyncio.get_running_loop().call_later(0.05, gate.open, "q")
    assert adapter.texts == ["+ q"]
    assert await states(provider) == ["sent"]


async def test_stop_takes_nothing_more(provider: StorageProvider, adapter: Recorder) -> None:
    gate = Gate("q1")
    await ask(provider, "q1", "q2")
    async with answering(provider, adapter, gate, shutdown_grace_s=10):
        await until(lambda: gate.began == ["q1"])
        asyncio.get_running_loop().call_later(0.05, gate.open, "q1")
    assert gate.began == ["q1"]
    assert await states(provider) == ["sent", "waiting"]


async def test_stop_that_is_cancelled_still_gives_back(provider: StorageProvider, adapter: Recorder) -> None:
    gate = Gate("q")
    entered = asyncio.Event()

    async def run() -> None:
        async with answering(provider, adapter, gate, shutdown_grace_s=60):
            entered.set()
            await asyncio.Event().wait()

    await ask(provider, "q")
    running = asyncio.ensure_future(run())
    await entered.wait()
    await until(lambda: gate.began == ["q"])
    running.cancel()
    await asyncio.wait([running], timeout=0.05)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert gate.running.total() == 0
    assert (await only_answer(provider)).owner is None


async def test_stop_leaves_a_handler_that_does_not_let_itself_be_cancelled(
    provider: StorageProvider, adapter: Recorder
) -> None:
    free = asyncio.Event()
    began = asyncio.Event()

    async def stubborn(_turn: Turn) -> None:
        began.set()
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    await ask(provider, "q")
    async with answering(provider, adapter, stubborn):
        await began.wait()
    assert await states(provider) == ["waiting"]
    free.set()


@pytest.mark.parametrize("steps", range(40))
async def test_stop_at_any_await_loses_and_repeats_nothing(provider: StorageProvider, steps: int) -> None:
    adapter = Slow()
    await ask(provider, "a|b")
    async with answering(provider, adapter, echo):
        for _ in range(steps):
            await asyncio.sleep(0)
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    (thread,) = await provider.list_threads()
    assert adapter.texts == ["+ a", "b"]
    assert [message.text for message in thread.messages] == ["a|b", "+ a|b"]
    assert await states(provider) == ["sent"]


class Slow(Recorder):
    """A platform that takes a moment before it posts, and another before it replies."""

    async def post(self, question: Any, part: Any) -> Any:
        await asyncio.sleep(0)
        posted = await super().post(question, part)
        await asyncio.sleep(0)
        return posted
