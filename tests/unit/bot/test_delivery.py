"""One answer's life: made, stored, posted, marked; and what each mishap leaves of it."""

import logging
from pathlib import Path

import pytest

from backscroll.adapters.base import Question
from backscroll.adapters.events import MessagePosted
from backscroll.bot import delivery
from backscroll.bot.handling import Handler
from backscroll.bot.manager import ConversationManager
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError, StorageRefusedError
from backscroll.storage import memory
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import utc_now
from tests.unit.bot.stage import (
    Flaky,
    Gate,
    Recorder,
    answering,
    ask,
    away,
    echo,
    hang,
    only_answer,
    states,
    thread,
    until,
)

pytestmark = pytest.mark.usefixtures("short_waits")


class Silent(Recorder):
    """Notes the questions to which nothing is said; `refusal` is what it says to that."""

    def __init__(self, refusal: Exception | None = None) -> None:
        super().__init__()
        self.refusal = refusal
        self.passed_over: list[Question] = []

    async def pass_over(self, question: Question) -> None:
        self.passed_over.append(question)
        if self.refusal is not None:
            raise self.refusal


class Counting(memory.Provider):
    """Counts how often a message was looked for."""

    looks = 0

    async def get_message(self, message_id: str) -> tuple[str, Message] | None:
        self.looks += 1
        return await super().get_message(message_id)


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


async def test_post_is_told_whom_it_answers_without_a_look_for_the_question(adapter: Recorder) -> None:
    provider, external = Counting(), thread("1.0").message("1.7")
    said = MessagePosted(thread("1.0"), external, "U1", "q", utc_now(), is_direct=True)
    await ConversationManager(provider).record(said)
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    (key, part), question = adapter.posted[0], adapter.questions[0]
    assert (key, part.text) == (thread("1.0"), "+ q")
    assert question == Question(thread("1.0"), external, "U1", "q")
    assert provider.looks == 0


async def test_posts_of_an_answer_that_is_taken_over_look_for_the_question_once(adapter: Recorder) -> None:
    provider = Counting()
    await ask(provider, "a|b|c")
    adapter.outcomes.extend([AdapterUnavailableError("away", retry_after_s=3, is_certain=True)])
    async with answering(provider, adapter, echo) as bot:
        await until(lambda: bool(adapter.questions))
    adapter.questions.clear()
    provider.looks = 0
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert [question.title for question in adapter.questions] == ["a|b|c"] * 3
    assert provider.looks == 1


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


@pytest.mark.parametrize(
    "refusal", [None, AdapterUnavailableError("It is away."), AdapterError("It refuses."), StorageRefusedError("No.")]
)
async def test_answer_of_none_lets_the_platform_know_once(
    provider: StorageProvider, caplog: pytest.LogCaptureFixture, refusal: Exception | None
) -> None:
    adapter = Silent(refusal)
    await ask(provider, "q")
    async with answering(provider, adapter, lambda _: None) as bot:
        await bot.drained()
    assert [(question.key, question.title) for question in adapter.passed_over] == [(thread("1.0"), "q")]
    assert await states(provider) == ["skipped"]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


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


async def test_platform_that_is_away_is_warned_of_once_in_a_while(
    provider: StorageProvider, adapter: Recorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TOLD_EVERY_S", 3_600.0)
    adapter.outcomes.extend([AdapterUnavailableError("It is away.")] * 9)
    for number in range(3):
        await ask(provider, "q", of=f"{number}.0")
    with caplog.at_level(logging.INFO, "backscroll"):
        async with answering(provider, adapter, echo) as bot:
            await bot.drained()
    told = [record for record in caplog.records if "waits for slack: It is away." in record.message]
    assert [record.levelname for record in told] == ["WARNING", *["INFO"] * 8]
    caplog.clear()
    monkeypatch.setattr(delivery, "TOLD_EVERY_S", 0.0)
    adapter.outcomes.extend([AdapterUnavailableError("It is away.")] * 2)
    await ask(provider, "q", of="9.0")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


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
    assert str(answers[0].reason).startswith("IndexError at test_delivery.py")


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
    assert str(answer.reason).startswith("The handler raised ValueError at test_delivery.py:")


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


# What the platform says of a post that failed


async def test_post_that_is_not_there_for_sure_is_not_looked_for(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append(AdapterUnavailableError("It is away.", is_certain=True))
    await ask(provider, "q")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert (adapter.texts, adapter.looked) == (["+ q"], [])


async def test_platform_that_asks_for_a_moment_gets_it_without_the_answer_being_given_back(
    provider: StorageProvider, adapter: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    adapter.outcomes.append(AdapterUnavailableError("Not so fast.", retry_after_s=0.01, is_certain=True))
    await ask(provider, "q")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert (adapter.texts, adapter.looked) == (["+ q"], [])
    assert "waits for slack" not in caplog.text


@pytest.mark.parametrize("is_certain", [True, False])
async def test_platform_that_asks_for_longer_is_left_alone_so_long(
    provider: StorageProvider, adapter: Recorder, is_certain: bool
) -> None:
    adapter.outcomes.append(AdapterUnavailableError("Not so fast.", retry_after_s=1000, is_certain=is_certain))
    await ask(provider, "q")
    async with answering(provider, adapter, echo) as bot:
        await until(lambda: not adapter.outcomes)
        await until(lambda: not bot._running)
        assert 990 < (await provider.seconds_until_ready(["slack"]) or 0) <= 1001
    assert adapter.posted == []


# Files


def answer_with(*names: str, text: str = "here") -> Handler:
    """Make a handler that answers with files."""

    async def handler(turn: Turn) -> Message:
        files = [Attachment(name=name, content=name.encode()) for name in names]
        return Message(role="assistant", content=text, attachments=files)

    return handler


async def test_files_of_an_answer_are_posted_behind_its_text(
    provider: StorageProvider, adapter: Recorder, tmp_path: Path
) -> None:
    attachments = Attachments(provider, LocalFiles(tmp_path))
    await ask(provider, "q")
    async with answering(provider, adapter, answer_with("a.txt", "b.txt"), attachments) as bot:
        await bot.drained()
    assert adapter.standing == ["here", "a.txt", "b.txt"]
    assert adapter.uploaded == [("a.txt", b"a.txt"), ("b.txt", b"b.txt")]
    assert await states(provider) == ["sent"]


async def test_answer_may_be_but_a_file(provider: StorageProvider, adapter: Recorder, tmp_path: Path) -> None:
    attachments = Attachments(provider, LocalFiles(tmp_path))
    await ask(provider, "q")
    async with answering(provider, adapter, answer_with("a.txt", text=""), attachments) as bot:
        await bot.drained()
    (thread,) = await provider.list_threads()
    assert (adapter.standing, thread.messages[1].platforms["slack"]["ts"]) == (["a.txt"], adapter.posted[0][1].token)
    assert await states(provider) == ["sent"]


async def test_file_whose_upload_is_of_unknown_outcome_is_posted_once(
    provider: StorageProvider, adapter: Recorder, tmp_path: Path
) -> None:
    adapter.outcomes.extend([None, (AdapterUnavailableError("No reply."),)])
    attachments = Attachments(provider, LocalFiles(tmp_path))
    await ask(provider, "q")
    async with answering(provider, adapter, answer_with("a.txt"), attachments) as bot:
        await bot.drained()
    assert (adapter.standing, adapter.looked) == (["here", "a.txt"], [[2]])


async def test_file_that_is_gone_fails_its_answer(provider: StorageProvider, adapter: Recorder, tmp_path: Path) -> None:
    class Loses(LocalFiles):
        async def read(self, sha256: str) -> bytes | None:
            return None

    await ask(provider, "q")
    async with answering(provider, adapter, answer_with("a.txt"), Attachments(provider, Loses(tmp_path))) as bot:
        await bot.drained()
    answer = await only_answer(provider)
    assert (answer.state, answer.reason, adapter.standing) == (
        "failed",
        "The content of an attachment is not kept.",
        ["here"],
    )
