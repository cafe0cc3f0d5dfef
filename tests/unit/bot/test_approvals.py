"""Approvals in the bot: asked once, decided once, by whom they may be, and the handler goes on with the decision."""

import asyncio
import logging
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from backscroll.bot.app import _expire, policy_of
from backscroll.bot.approvals import Decision
from backscroll.bot.background import every, in_background
from backscroll.bot.config import BotConfig
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage import memory
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Approval
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import arriving, said
from tests.unit.bot.stage import Flaky, Recorder, answering, away, only_answer, states, thread, until

pytestmark = pytest.mark.usefixtures("short_waits")

ANNA = {"type": "user", "id": "U1", "name": "Anna"}


async def ask_as_anna(provider: StorageProvider, number: str = "1.1", text: str = "delete them") -> str:
    """Ask with a message that says where it is and who wrote it, as an adapter's does."""
    key = thread("1.0")
    message = said(text, platforms=key.message(number).platforms, source=ANNA)
    kept = await provider.record_message(arriving(number, key=key, message=message, asks="yes"))
    assert kept is not None
    return kept.message.id


async def the_open(provider: StorageProvider) -> Approval:
    """Return the one approval that is open."""
    (approval,) = await provider.list_approvals()
    return approval


async def decide(provider: StorageProvider, *, approved: bool = True, by: str = "U1") -> None:
    """Decide the one approval that is open."""
    verdict = await ConversationManager(provider).decide((await the_open(provider)).id, by, approved=approved)
    assert verdict == "decided"


class Deleting:
    """A handler that asks so many times before it answers, and notes what it was told."""

    def __init__(self, *questions: str, expires_in: timedelta = timedelta(hours=1)) -> None:
        self._questions = questions or ("sure?",)
        self._expires_in = expires_in
        self.began = 0
        self.decisions: list[Decision] = []

    async def __call__(self, turn: Turn) -> str:
        self.began += 1
        self.decisions = []
        for question in self._questions:
            try:
                self.decisions.append(await turn.ask_approval(question, expires_in=self._expires_in))
            except Exception as error:  # as agents' loops do
                raise AssertionError from error
        return "deleted" if all(self.decisions) else "left"


async def until_open(provider: StorageProvider) -> None:
    """Wait until the one answer that there is waits for an approval."""

    async def is_suspended() -> bool:
        return await states(provider) == ["suspended"]

    await until(is_suspended)


# Asking and deciding


async def test_asking_posts_the_question_and_ends_the_run(provider: StorageProvider, adapter: Recorder) -> None:
    await ask_as_anna(provider)
    handler = Deleting()
    async with answering(provider, adapter, handler) as bot:
        await bot.drained()
    approval, answer = await the_open(provider), await only_answer(provider)
    assert [(part.text, part.kind, part.message_id) for _, part in adapter.posted] == [
        ("sure?", "approval", approval.id)
    ]
    assert (answer.state, answer.tries, handler.began) == ("suspended", 0, 1)


@pytest.mark.parametrize(("approved", "told"), [(True, "✅ Approved by @Anna"), (False, "❌ Rejected by @Anna")])
async def test_decision_resumes_the_handler_and_closes_the_question(
    provider: StorageProvider, adapter: Recorder, approved: bool, told: str
) -> None:
    await ask_as_anna(provider)
    handler = Deleting()
    async with answering(provider, adapter, handler) as bot:
        await until_open(provider)
        await decide(provider, approved=approved)
        await bot.drained()
    (decision,) = handler.decisions
    assert (bool(decision), decision.approved, decision.by) == (approved, approved, "U1")
    assert decision.outcome == ("approved" if approved else "rejected")
    assert adapter.standing == [f"sure?\n\n{told}", "deleted" if approved else "left"]
    assert ((await only_answer(provider)).tries, handler.began) == (0, 2)


async def test_approval_that_expires_resumes_the_handler(provider: StorageProvider, adapter: Recorder) -> None:
    await ask_as_anna(provider)
    handler = Deleting(expires_in=timedelta(microseconds=1))
    async with answering(provider, adapter, handler) as bot:
        await until_open(provider)
        assert await provider.expire_approvals() == 1
        await bot.drained()
    (decision,) = handler.decisions
    assert (decision.outcome, decision.by, bool(decision)) == ("expired", None, False)
    assert adapter.standing == ["sure?\n\n⌛ Expired", "left"]


async def test_approval_expires_also_after_a_step_that_ended_in_any_error(
    adapter: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    provider, handler = Flaky(), Deleting(expires_in=timedelta(microseconds=1))
    provider.faults["expire_approvals"] = [OSError("what Anna wrote")]
    await ask_as_anna(provider)
    async with answering(provider, adapter, handler) as bot:
        await until_open(provider)
        async with in_background(every(0.001, "Expiring approvals", partial(_expire, provider, bot))):
            await until(lambda: handler.began == 2)
        await bot.drained()
    assert [decision.outcome for decision in handler.decisions] == ["expired"]
    assert "Expiring approvals is put off: OSError at stage.py" in caplog.text
    assert "Anna" not in caplog.text


async def test_second_question_is_asked_when_the_first_is_decided(provider: StorageProvider, adapter: Recorder) -> None:
    await ask_as_anna(provider)
    handler = Deleting("first?", "second?")
    async with answering(provider, adapter, handler) as bot:
        await until_open(provider)
        assert adapter.texts == ["first?"]
        await decide(provider)
        await until(lambda: len(adapter.posted) == 2)
        await until_open(provider)
        await decide(provider, approved=False)
        await bot.drained()
    assert [decision.approved for decision in handler.decisions] == [True, False]
    assert adapter.texts == ["first?", "second?", "left"]


async def test_questions_asked_at_once_are_asked_one_by_one(provider: StorageProvider, adapter: Recorder) -> None:
    async def both(turn: Turn) -> str:
        decisions = await asyncio.gather(*(turn.ask_approval(text) for text in ("first?", "second?")))
        return " ".join(decision.outcome for decision in decisions)

    await ask_as_anna(provider)
    async with answering(provider, adapter, both) as bot:
        for approved in (True, False):
            await until_open(provider)
            await bot.drained()
            await decide(provider, approved=approved)
        await until(lambda: len(adapter.posted) == 3)
        await bot.drained()
    assert adapter.texts == ["first?", "second?", "approved rejected"]


async def test_handler_that_swallows_its_end_waits_all_the_same(provider: StorageProvider, adapter: Recorder) -> None:
    async def swallows(turn: Turn) -> str:
        try:
            return (await turn.ask_approval("sure?")).outcome
        except BaseException:  # noqa: BLE001  # a handler may
            return "deleted without a word"

    await ask_as_anna(provider)
    async with answering(provider, adapter, swallows) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.texts == ["sure?", "approved"]


async def test_decision_that_comes_before_the_handler_has_ended_is_not_lost(
    provider: StorageProvider, adapter: Recorder
) -> None:
    async def decides_at_once(turn: Turn) -> str:
        try:
            return (await turn.ask_approval("sure?")).outcome
        finally:
            if await provider.list_approvals():
                await decide(provider)

    await ask_as_anna(provider)
    async with answering(provider, adapter, decides_at_once) as bot:
        await until(lambda: len(adapter.posted) == 2)
        await bot.drained()
    assert adapter.texts == ["sure?", "approved"]
    assert (await only_answer(provider)).tries == 0


async def test_answer_that_is_taken_again_before_its_run_has_ended_is_not_lost(adapter: Recorder) -> None:
    class Slow(memory.Provider):
        """Decides before an answer is suspended, and returns from that when it is taken again."""

        taken_count = 0

        async def take_answer(self, *arguments: Any, **options: Any) -> Answer | None:
            answer = await super().take_answer(*arguments, **options)
            self.taken_count += answer is not None
            return answer

        async def suspend_answer(self, answer_id: str, owner: str, approval_id: str) -> None:
            await decide(self)
            await super().suspend_answer(answer_id, owner, approval_id)
            await until(lambda: self.taken_count == 2)

    provider = Slow()
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await bot.drained()
    assert (adapter.texts, (await only_answer(provider)).tries) == (["sure?", "deleted"], 0)


async def test_renewal_before_suspending_has_returned_loses_no_answer(adapter: Recorder) -> None:
    class Late(memory.Provider):
        """Returns from suspending an answer when leases were renewed since."""

        renewed_count = 0
        has_returned = False

        async def renew_leases(self, owner: str, lease_s: float) -> list[str]:
            held = await super().renew_leases(owner, lease_s)
            self.renewed_count += 1
            return held

        async def suspend_answer(self, answer_id: str, owner: str, approval_id: str) -> None:
            await super().suspend_answer(answer_id, owner, approval_id)
            before = self.renewed_count
            await until(lambda: self.renewed_count > before)
            self.has_returned = True

    provider = Late()
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting(), lease_s=3) as bot:
        await until(lambda: provider.has_returned)
        await decide(provider)
        await bot.drained()
    assert (adapter.standing, (await only_answer(provider)).tries) == (["sure?\n\n✅ Approved by @Anna", "deleted"], 0)


async def test_handler_whose_lease_has_ended_has_tried_nothing(flaky: Flaky, adapter: Recorder) -> None:
    attempts: list[int] = []

    async def loses(turn: Turn) -> str:
        attempts.append(turn.attempt)
        if len(attempts) == 1:
            flaky.faults["renew_leases"], over_at = away(1_000), time.monotonic() + 0.6
            await until(lambda: time.monotonic() > over_at)
            await turn.ask_approval("sure?")
        flaky.faults.clear()
        return "the answer"

    await ask_as_anna(flaky)
    async with answering(flaky, adapter, loses, lease_s=0.6) as bot:
        await bot.drained()
    assert (adapter.texts, attempts) == (["the answer"], [1, 1])


async def test_try_that_fails_behind_a_decision_asks_nobody_again(provider: StorageProvider, adapter: Recorder) -> None:
    async def fails_first(turn: Turn) -> str:
        await turn.post("I look.")
        decision = await turn.ask_approval("sure?")
        if turn.attempt == 1:
            raise ValueError
        return decision.outcome

    await ask_as_anna(provider)
    async with answering(provider, adapter, fails_first) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.texts == ["I look.", "sure?", "approved"]


async def test_suspended_answer_lets_later_ones_pass(provider: StorageProvider, adapter: Recorder) -> None:
    async def asks_first(turn: Turn) -> str:
        return (await turn.ask_approval("sure?")).outcome if turn.message.text == "delete" else "hello"

    await ask_as_anna(provider, "1.1", "delete")
    await ask_as_anna(provider, "1.2", "hi")
    async with answering(provider, adapter, asks_first) as bot:
        await bot.drained()
        await decide(provider)
        await bot.drained()
    assert adapter.texts == ["sure?", "hello", "approved"]


async def test_deleted_question_of_a_suspended_answer_is_passed_over(
    provider: StorageProvider, adapter: Recorder
) -> None:
    message_id = await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await until_open(provider)
        await provider.delete_message(message_id)
        await decide(provider)
        await bot.drained()
    assert await states(provider) == ["skipped"]
    assert adapter.standing == ["sure?\n\n✅ Approved by @Anna"]


async def test_suspended_answer_outlives_the_bot(provider: StorageProvider, adapter: Recorder) -> None:
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()):
        await until_open(provider)
    await decide(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await bot.drained()
    assert adapter.texts == ["sure?", "deleted"]


async def test_question_shows_no_text_in_the_log(
    provider: StorageProvider, adapter: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "backscroll")
    adapter.changes.append(AdapterError("The post is too old."))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting("a secret?")) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert "waits for an approval" in caplog.text
    assert "secret" not in caplog.text


async def test_handler_of_the_document_runs(provider: StorageProvider, adapter: Recorder) -> None:
    document = (Path(__file__).parents[3] / "docs/approvals.md").read_text()
    names: dict[str, Any] = {}
    exec(document.partition("```python\n")[2].partition("```")[0], names)  # the document's own code
    await ask_as_anna(provider)
    async with answering(provider, adapter, names["answer"]) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.texts == ["Delete 3 files?", "They are gone."]
    assert (await provider.get_usage_stats()).tokens["some-model"] == 1_280


# What goes wrong


async def test_question_of_unknown_outcome_is_looked_for(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append((AdapterUnavailableError("No reply."),))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await bot.drained()
    assert (adapter.texts, await states(provider)) == (["sure?"], ["suspended"])


async def test_question_that_a_stopped_process_may_have_posted_is_looked_for(
    provider: StorageProvider, adapter: Recorder
) -> None:
    adapter.outcomes.append((AdapterUnavailableError("No reply.", retry_after_s=60),))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()):
        await until(lambda: len(adapter.posted) == 1)
    async with answering(provider, adapter, Deleting()) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.texts == ["sure?", "deleted"]


async def test_decision_of_a_question_that_was_never_marked_closes_it(
    provider: StorageProvider, adapter: Recorder
) -> None:
    adapter.outcomes.append((AdapterUnavailableError("No reply.", retry_after_s=60),))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()):
        await until(lambda: len(adapter.posted) == 1)
    await decide(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await bot.drained()
    assert adapter.standing == ["sure?\n\n✅ Approved by @Anna", "deleted"]


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["get_approval", "begin_approval", "suspend_answer"])
async def test_asking_waits_for_the_storage(flaky: Flaky, adapter: Recorder, call: str, is_late: bool) -> None:
    (flaky.late_faults if is_late else flaky.faults)[call] = away(2)
    await ask_as_anna(flaky)
    async with answering(flaky, adapter, Deleting()) as bot:
        await bot.drained()
        await decide(flaky)
        await bot.drained()
    assert adapter.texts == ["sure?", "deleted"]
    assert (await only_answer(flaky)).tries == 0


async def test_question_that_is_refused_counts_as_a_try(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append(AdapterError("No such channel."))
    await ask_as_anna(provider)
    handler = Deleting()
    async with answering(provider, adapter, handler) as bot:
        await bot.drained()
    assert (adapter.texts, (await only_answer(provider)).tries) == (["sure?"], 1)
    assert (await only_answer(provider)).state == "suspended"


async def test_closing_waits_for_the_platform(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.changes.append(AdapterUnavailableError("Too many calls.", retry_after_s=0.05))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.standing == ["sure?\n\n✅ Approved by @Anna", "deleted"]


async def test_closing_holds_no_handler_up_for_long(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.changes.append(AdapterUnavailableError("Too many calls.", retry_after_s=60))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting(), handler_timeout_s=1) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert (adapter.standing, (await only_answer(provider)).tries) == (["sure?", "deleted"], 0)


async def test_closing_that_is_refused_holds_nothing_up(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.changes.append(AdapterError("The post is too old."))
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting()) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.standing == ["sure?", "deleted"]


# Answers that grow


async def test_growing_answer_may_ask_before_its_first_text(provider: StorageProvider) -> None:
    adapter = Recorder(streams=True)

    async def tells(turn: Turn):  # type: ignore[no-untyped-def]  # mypy would have it an AsyncIterator
        yield (await turn.ask_approval("sure?")).outcome
        yield "!"

    await ask_as_anna(provider)
    async with answering(provider, adapter, tells) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.standing == ["sure?\n\n✅ Approved by @Anna", "approved!"]


@pytest.mark.parametrize("streams", [True, False])
async def test_growing_answer_must_not_ask_later(
    provider: StorageProvider, caplog: pytest.LogCaptureFixture, streams: bool
) -> None:
    adapter = Recorder(streams=streams)

    async def tells(turn: Turn):  # type: ignore[no-untyped-def]  # as above
        yield "I look."
        await turn.ask_approval("sure?")

    await ask_as_anna(provider)
    async with answering(provider, adapter, tells, lease_s=30) as bot:
        await bot.drained()
    assert await states(provider) == ["failed"]
    assert await provider.list_approvals() == []
    assert "asked for an approval after the first text" in caplog.text


# Handlers that do not wait


@pytest.mark.parametrize("is_plain", [False, True], ids=["forgotten await", "plain"])
async def test_question_that_is_not_awaited_is_no_approval(
    provider: StorageProvider, adapter: Recorder, caplog: pytest.LogCaptureFixture, is_plain: bool
) -> None:
    async def forgets(turn: Turn) -> str:
        return "deleted" if bool(turn.ask_approval("sure?")) else "left"

    def plain(turn: Turn) -> str:
        return "deleted" if bool(turn.ask_approval("sure?")) else "left"

    await ask_as_anna(provider)
    async with answering(provider, adapter, plain if is_plain else forgets, failure_text="sorry") as bot:
        await bot.drained()
    assert adapter.texts == ["sorry"]
    assert ("A plain handler cannot ask" if is_plain else "write await turn.ask_approval(…)") in caplog.text


async def test_decision_tells_what_was_asked(provider: StorageProvider, adapter: Recorder) -> None:
    questions = iter(["Delete 3 files?", "Delete 4 files?"])

    async def asks(turn: Turn) -> str:
        return (await turn.ask_approval(next(questions))).question

    await ask_as_anna(provider)
    async with answering(provider, adapter, asks) as bot:
        await until_open(provider)
        await decide(provider)
        await bot.drained()
    assert adapter.texts == ["Delete 3 files?"] * 2


# A turn without a bot


def bare_turn() -> Turn:
    return Turn(Thread(), Message(role="user", content="q"), 1, ThreadStore())


async def test_turn_without_a_bot_cannot_ask() -> None:
    with pytest.raises(RuntimeError, match="needs a running bot"):
        await bare_turn().ask_approval("sure?")


@pytest.mark.parametrize(
    ("question", "expires_in", "named"),
    [
        ("", timedelta(1), "question"),
        (" \n", timedelta(1), "question"),
        ("a" * 1_001, timedelta(1), "question"),
        (b"sure?", timedelta(1), "question"),
        ("sure?", timedelta(0), "expires_in"),
        ("sure?", timedelta(days=3_651), "expires_in"),
        ("sure?", 7, "expires_in"),
    ],
    ids=["empty", "blank", "long", "bytes", "no time", "too much time", "a number"],
)
async def test_asking_refuses_what_nobody_could_decide(question: Any, expires_in: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        await bare_turn().ask_approval(question, expires_in=expires_in)


# Who may decide


async def suspended_with(provider: StorageProvider) -> str:
    """Ask as Anna, let a person and a bot write beside her, and return the approval that is open then."""
    await ask_as_anna(provider)
    for number, source in (("1.2", ANNA | {"id": "U2"}), ("1.3", {"type": "agent", "id": "B1", "name": "another"})):
        message = said("hm", platforms=thread("1.0").message(number).platforms, source=source)
        await provider.record_message(arriving(number, key=thread("1.0"), message=message))
    async with answering(provider, Recorder(), Deleting()):
        await until_open(provider)
    return (await the_open(provider)).id


@pytest.mark.parametrize(
    ("approve", "users", "allowed"),
    [
        ("thread", None, ["U1", "U2"]),
        ("asker", None, ["U1"]),
        ("all", None, ["U1", "U2", "U3"]),
        ("all", ["U2"], ["U2"]),
        ("thread", ["U3"], []),
    ],
)
async def test_decision_counts_by_those_who_may(
    provider: StorageProvider, approve: Literal["thread", "asker", "all"], users: list[str] | None, allowed: list[str]
) -> None:
    approval_id = await suspended_with(provider)
    calls: list[None] = []
    policy = Policy(approve=approve, users=users)
    manager = ConversationManager(provider, policy, lambda: calls.append(None))
    for user_id in ("U1", "U2", "U3", "B1"):
        if user_id not in allowed:
            assert await manager.decide(approval_id, user_id, approved=True) == "not_allowed"
    assert (calls, (await the_open(provider)).id) == ([], approval_id)
    for user_id in allowed[:1]:
        assert await manager.decide(approval_id, user_id, approved=True) == "decided"
    assert len(calls) == len(allowed[:1])


def test_policy_says_who_may_decide() -> None:
    assert policy_of(BotConfig(approve="asker")).approve == "asker"


async def test_decision_that_came_too_late_is_told(provider: StorageProvider) -> None:
    approval_id = await suspended_with(provider)
    manager = ConversationManager(provider)
    assert await manager.decide("nothing", "U1", approved=True) == "unknown"
    assert await manager.decide("", "U1", approved=True) == "unknown"
    assert await manager.decide("a" * 10_000, "U1", approved=True) == "unknown"
    assert await manager.decide("a\0b", "U1", approved=True) == "unknown"
    assert await manager.decide(approval_id, "U2", approved=False) == "decided"
    assert await manager.decide(approval_id, "U1", approved=True) == "decided_before"
    (answer,) = await provider.list_answers()
    await provider.delete_thread(answer.thread_id)
    assert await manager.decide(approval_id, "U1", approved=True) == "unknown"


async def test_decision_behind_its_time_expires(provider: StorageProvider, adapter: Recorder) -> None:
    await ask_as_anna(provider)
    async with answering(provider, adapter, Deleting(expires_in=timedelta(microseconds=1))):
        await until_open(provider)
    approval = await the_open(provider)
    assert await ConversationManager(provider).decide(approval.id, "U1", approved=True) == "expired"
    assert await states(provider) == ["waiting"]


async def test_open_approval_is_found_where_its_thread_lives(provider: StorageProvider) -> None:
    manager = ConversationManager(provider)
    assert await manager.open_approval(thread("1.0")) is None
    approval_id = await suspended_with(provider)
    found = await manager.open_approval(thread("1.0"), wait=True)
    assert found is not None
    assert found.id == approval_id
    assert await manager.open_approval(thread("2.0"), wait=True) is None


async def test_open_approval_is_one_that_people_were_asked_for(provider: StorageProvider) -> None:
    await ask_as_anna(provider)
    answer = await provider.take_answer("one", ["slack"], 30)
    assert answer is not None
    message = Message(role="assistant", content="sure?")
    await provider.begin_approval(answer.id, "one", 1, message, ["sure?"], 60)
    manager = ConversationManager(provider)
    assert await manager.open_approval(thread("1.0")) is None
    await provider.mark_sent(answer.id, "one", 1, thread("1.0").message("1.2"), message_id=message.id)
    assert await manager.open_approval(thread("1.0")) is not None
