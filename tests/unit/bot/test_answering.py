"""An answer's life in the running bot: taken, made, stored, posted, marked; and what each mishap leaves of it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backscroll.adapters.base import Adapter
from backscroll.bot import answering as answering_module
from backscroll.bot import delivery, handling
from backscroll.bot.turn import Turn
from backscroll.errors import (
    AdapterError,
    AdapterUnavailableError,
    StorageRefusedError,
    StorageUnavailableError,
)
from backscroll.storage import memory
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from tests.unit.bot.stage import (
    Recorder,
    answering,
    ask,
    only_answer,
    states,
    until,
)


async def echo(turn: Turn) -> str:
    return f"+ {turn.message.text}"


async def hang(turn: Turn) -> None:
    await asyncio.Event().wait()


class Gate:
    """A handler that is held up by the questions that are closed, and notes when each began and ended."""

    def __init__(self, *closed: str) -> None:
        self._gates = {text: asyncio.Event() for text in closed}
        self.began: list[str] = []
        self.running: Counter[str] = Counter()
        self.most = 0
        self.most_of_thread = 0

    async def __call__(self, turn: Turn) -> str:
        text = turn.message.text
        self.began.append(text)
        self.running[turn.thread.id] += 1
        self.most = max(self.most, self.running.total())
        self.most_of_thread = max(self.most_of_thread, self.running[turn.thread.id])
        try:
            if text in self._gates:
                await self._gates[text].wait()
        finally:
            self.running[turn.thread.id] -= 1
        return f"+ {text}"

    def open(self, text: str) -> None:
        self._gates[text].set()


class Flaky(memory.Provider):
    """The memory provider, whose calls fail as `faults` says: before they do anything, or after they did it all."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, list[Exception]] = {}
        self.late_faults: dict[str, list[Exception]] = {}

    def _raise(self, faults: dict[str, list[Exception]], call: str) -> None:
        if faults.get(call):
            raise faults[call].pop(0)

    async def _call(self, name: str, call: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
        self._raise(self.faults, name)
        result = await call(*arguments, **options)
        self._raise(self.late_faults, name)
        return result

    async def take_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("take_answer", super().take_answer, *arguments, **options)

    async def renew_leases(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("renew_leases", super().renew_leases, *arguments, **options)

    async def begin_sending(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("begin_sending", super().begin_sending, *arguments, **options)

    async def mark_sent(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("mark_sent", super().mark_sent, *arguments, **options)

    async def finish_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("finish_answer", super().finish_answer, *arguments, **options)

    async def postpone_answer(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("postpone_answer", super().postpone_answer, *arguments, **options)

    async def get_thread(self, *arguments: Any, **options: Any) -> Any:
        return await self._call("get_thread", super().get_thread, *arguments, **options)


@pytest.fixture
def adapter() -> Recorder:
    return Recorder()


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for a person's patience."""
    monkeypatch.setattr(delivery, "BACK_OFF_S", (0.01, 0.02))
    monkeypatch.setattr(delivery, "POST_BACK_OFF_S", 0.01)
    monkeypatch.setattr(handling, "STOP_S", 0.05)
    monkeypatch.setattr(answering_module, "LOOK_S", 0.05)


def away(times: int) -> list[Exception]:
    return [StorageUnavailableError("The storage is away.") for _ in range(times)]


# The straight way


async def test_answer_is_posted_stored_and_marked(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    answer = await only_answer(provider)
    (thread,) = await provider.list_threads()
    assert adapter.texts == ["+ q"]
    assert (answer.state, answer.tries, answer.takeovers, answer.owner) == ("sent", 0, 0, None)
    assert [(message.role, message.text) for message in thread.messages] == [("user", "q"), ("assistant", "+ q")]
    assert thread.messages[1].platforms["slack"]["ts"] == adapter.posted[0][1].token
    assert adapter.looked == []


async def test_answer_of_several_parts_is_posted_in_order_and_stored_once(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await ask(provider, "a|b|c")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    (thread,) = await provider.list_threads()
    assert adapter.texts == ["+ a", "b", "c"]
    assert [message.text for message in thread.messages] == ["a|b|c", "+ a|b|c"]


async def test_answer_of_none_is_skipped(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    async with answering(provider, adapter, lambda _: None) as bot:
        await bot.drained()
    assert adapter.posted == []
    assert await states(provider) == ["skipped"]


async def test_question_that_was_deleted_is_skipped(provider: StorageProvider, adapter: Recorder) -> None:
    (message_id,) = await ask(provider, "q")
    await provider.delete_message(message_id)
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert adapter.posted == []
    assert await states(provider) == ["skipped"]


async def test_answers_of_other_platforms_are_left_alone(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    adapter.platform = "discord"
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert await states(provider) == ["waiting"]


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
    gate = Gate("slow")
    await ask(provider, "slow")
    async with answering(provider, adapter, gate, lease_s=0.6), answering(provider, adapter, gate, lease_s=0.6) as bot:
        await until(lambda: gate.began == ["slow"])
        lease_end = (await only_answer(provider)).ready_at

        async def is_past() -> bool:
            return (await only_answer(provider)).ready_at.timestamp() > lease_end.timestamp() + 0.6

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


# Mishaps in storage


@pytest.mark.parametrize("call", ["get_thread", "begin_sending", "mark_sent", "finish_answer"])
@pytest.mark.parametrize("is_late", [False, True], ids=["not done", "done and not told"])
async def test_outage_between_steps_runs_no_handler_and_posts_nothing_again(
    flaky: Flaky, adapter: Recorder, call: str, is_late: bool
) -> None:
    gate = Gate()
    await ask(flaky, "a|b")
    (flaky.late_faults if is_late else flaky.faults)[call] = away(2)
    if call == "finish_answer" and is_late:
        flaky.late_faults[call] = away(1)
    async with answering(flaky, adapter, gate) as bot:
        await bot.drained()
        await until(lambda: not bot._running)
    assert gate.began == ["a|b"]
    assert adapter.texts == ["+ a", "b"]
    assert await states(flaky) == ["sent"]


async def test_outage_before_an_answer_is_taken_is_told_once_and_waited_for(
    flaky: Flaky, adapter: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(flaky, "q")
    flaky.faults["take_answer"] = away(5)
    async with answering(flaky, adapter, echo) as bot:
        await bot.drained()
    assert adapter.texts == ["+ q"]
    assert [record.message for record in caplog.records] == ["No answer is taken for now: The storage is away."]


async def test_unexpected_error_of_a_provider_ends_no_answering(flaky: Flaky, adapter: Recorder) -> None:
    await ask(flaky, "q")
    flaky.faults["take_answer"] = [ConnectionError("canary")]
    flaky.faults["renew_leases"] = [ConnectionError("canary")]
    gate = Gate("q")
    async with answering(flaky, adapter, gate, lease_s=0.15) as bot:
        await until(lambda: gate.began == ["q"] and not flaky.faults["renew_leases"])
        gate.open("q")
        await bot.drained()
    assert adapter.texts == ["+ q"]


@pytest.mark.parametrize("call", ["begin_sending", "postpone_answer"])
async def test_answer_that_storage_refused_for_a_while_is_answered_in_the_end(
    flaky: Flaky, adapter: Recorder, call: str
) -> None:
    await ask(flaky, "q")
    flaky.faults["begin_sending"] = [StorageRefusedError("It is read-only.")]
    flaky.faults["postpone_answer"] = [StorageRefusedError("It is read-only.")] if call == "postpone_answer" else []
    async with answering(flaky, adapter, echo, lease_s=0.15) as bot:
        await bot.drained()
    assert adapter.texts == ["+ q"]
    assert await states(flaky) == ["sent"]


async def test_thread_that_is_deleted_under_a_handler_gets_no_answer_and_stops_nothing(
    provider: StorageProvider, adapter: Recorder
) -> None:
    async def deletes(turn: Turn) -> str:
        if turn.message.text == "delete me":
            await turn.store.delete(turn.thread.id)
        return f"+ {turn.message.text}"

    await ask(provider, "delete me", of="1.0")
    await ask(provider, "q", of="2.0")
    async with answering(provider, adapter, deletes) as bot:
        await bot.drained()
    assert adapter.texts == ["+ q"]


async def test_answer_that_another_took_over_is_not_posted(provider: StorageProvider, adapter: Recorder) -> None:
    async def loses(turn: Turn) -> str:
        (answer,) = await provider.list_answers()
        await provider.finish_answer(answer.id, answer.owner or "", "sent")
        return "late"

    await ask(provider, "q")
    async with answering(provider, adapter, loses) as bot:
        await bot.drained()
        await until(lambda: not bot._running)
    assert adapter.posted == []


# Mishaps on the platform


async def test_platform_that_refuses_fails_the_answer_with_its_reason(
    provider: StorageProvider, adapter: Recorder
) -> None:
    adapter.outcomes.append(AdapterError("The channel is archived.", "Open it."))
    await ask(provider, "q", "next")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    failed, sent = await provider.list_answers()
    assert adapter.texts == ["+ next"]
    assert (failed.state, failed.reason, sent.state) == ("failed", "The channel is archived.", "sent")


async def test_platform_that_is_away_is_waited_for_and_looked_at_first(
    provider: StorageProvider, adapter: Recorder
) -> None:
    gate = Gate()
    adapter.outcomes.extend([AdapterUnavailableError("It is away."), AdapterUnavailableError("It is away.")])
    await ask(provider, "q")
    async with answering(provider, adapter, gate) as bot:
        await bot.drained()
    answer = await only_answer(provider)
    assert adapter.texts == ["+ q"]
    assert adapter.looked == [[1], [1]]
    assert gate.began == ["q"]
    assert (answer.state, answer.tries, answer.reason) == ("sent", 0, None)


async def test_post_of_unknown_outcome_is_found_and_not_repeated(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.extend([None, (AdapterUnavailableError("No reply."),)])
    await ask(provider, "a|b|c")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert adapter.texts == ["+ a", "b", "c"]
    assert adapter.looked == [[2, 3]]
    assert await states(provider) == ["sent"]


async def test_platform_that_is_away_holds_up_its_own_thread_alone(
    provider: StorageProvider, adapter: Recorder
) -> None:
    adapter.outcomes.extend([AdapterUnavailableError("It is away.")])
    await ask(provider, "q1", "q2", of="1.0")
    await ask(provider, "other", of="2.0")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert sorted(adapter.texts) == ["+ other", "+ q1", "+ q2"]
    assert adapter.texts.index("+ q1") < adapter.texts.index("+ q2")


async def test_adapter_with_a_defect_fails_its_answer_and_stops_nothing(provider: StorageProvider) -> None:
    class Broken(Recorder):
        def split(self, text: str) -> list[str]:
            raise IndexError

    await ask(provider, "q", "next")
    async with answering(provider, Broken(), echo) as bot:
        await bot.drained()
    answers = await provider.list_answers()
    assert [(answer.state, answer.tries) for answer in answers] == [("failed", 2), ("failed", 2)]
    assert str(answers[0].reason).startswith("IndexError at test_answering.py")


async def test_outlet_that_is_closed_keeps_the_answer_for_the_next_start(
    provider: StorageProvider, adapter: Recorder
) -> None:
    adapter.outcomes.append(BrokenPipeError())
    await ask(provider, "q")
    async with answering(provider, adapter, echo) as bot:
        await bot.outlet_closed.wait()
    assert await states(provider) == ["sending"]
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert adapter.texts == ["+ q"]


# Handlers that fail


async def test_handler_that_raises_is_tried_three_times_then_the_person_is_told(
    provider: StorageProvider, adapter: Recorder
) -> None:
    attempts = []

    async def fails(turn: Turn) -> None:
        attempts.append(turn.attempt)
        raise ValueError("canary")

    await ask(provider, "q")
    async with answering(provider, adapter, fails, failure_text="sorry") as bot:
        await bot.drained()
    answer = await only_answer(provider)
    assert attempts == [1, 2, 3]
    assert adapter.texts == ["sorry"]
    assert answer.state == "failed"
    assert str(answer.reason).startswith("The handler raised ValueError at test_answering.py:")


async def test_handler_that_recovers_answers(provider: StorageProvider, adapter: Recorder) -> None:
    async def recovers(turn: Turn) -> str:
        if turn.attempt < 3:
            raise ValueError
        return "at last"

    await ask(provider, "q")
    async with answering(provider, adapter, recovers) as bot:
        await bot.drained()
    assert adapter.texts == ["at last"]
    assert await states(provider) == ["sent"]


async def test_back_off_holds_the_thread_and_no_other(provider: StorageProvider, adapter: Recorder) -> None:
    async def fails_first(turn: Turn) -> str:
        if turn.message.text == "bad" and turn.attempt == 1:
            raise ValueError
        return f"+ {turn.message.text}"

    await ask(provider, "bad", "after", of="1.0")
    await ask(provider, "other", of="2.0")
    async with answering(provider, adapter, fails_first) as bot:
        await bot.drained()
    assert adapter.texts.index("+ bad") < adapter.texts.index("+ after")
    assert "+ other" in adapter.texts


async def test_failed_answer_that_is_retried_is_made_anew(provider: StorageProvider, adapter: Recorder) -> None:
    is_broken = True

    async def handler(turn: Turn) -> str:
        if is_broken:
            raise ValueError
        return "mended"

    await ask(provider, "q")
    async with answering(provider, adapter, handler, failure_text="sorry") as bot:
        await bot.drained()
        is_broken = False
        assert await provider.retry_answer((await only_answer(provider)).id)
        bot.wake()
        await bot.drained()
    assert adapter.texts == ["sorry", "mended"]
    assert (await only_answer(provider)).state == "sent"


async def test_handler_may_answer_with_a_message_of_before(provider: StorageProvider, adapter: Recorder) -> None:
    async def repeats(turn: Turn) -> Message:
        earlier = [message for message in turn.thread.messages if message.role == "assistant"]
        return earlier[0] if earlier else Message(role="assistant", content="first")

    await ask(provider, "q1", "q2")
    async with answering(provider, adapter, repeats) as bot:
        await bot.drained()
    assert adapter.texts == ["first", "first"]
    assert await states(provider) == ["sent", "sent"]


async def test_handler_that_hangs_is_stopped_and_tried_again(provider: StorageProvider, adapter: Recorder) -> None:
    async def hangs_once(turn: Turn) -> str:
        if turn.attempt == 1:
            await hang(turn)
        return "then"

    await ask(provider, "q")
    async with answering(provider, adapter, hangs_once, handler_timeout_s=0.05) as bot:
        await bot.drained()
    assert adapter.texts == ["then"]


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

    async def post(self, key: Any, part: Any) -> str:
        await asyncio.sleep(0)
        posted = await super().post(key, part)
        await asyncio.sleep(0)
        return posted


# What is told


async def test_nothing_that_is_told_shows_a_text(
    provider: StorageProvider, adapter: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(turn: Turn) -> None:
        raise ValueError(turn.message.text)

    adapter.outcomes.append(AdapterUnavailableError("It is away."))
    await ask(provider, "canary-4711")
    with caplog.at_level(logging.DEBUG, "backscroll"):
        async with answering(provider, adapter, fails, failure_text="canary-4711") as bot:
            await bot.drained()
    assert "try 1 of 3" in caplog.text
    assert "canary" not in caplog.text
    assert "canary" not in repr(await only_answer(provider))


def test_adapter_is_an_adapter(adapter: Recorder) -> None:
    assert isinstance(adapter, Adapter)
