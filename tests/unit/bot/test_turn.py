"""What a handler sees: the newest messages up to its question, which stands last."""

from typing import Any

import pytest

from backscroll.bot.turn import Surroundings, Turn, make_turn
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.samples import KEY, arriving, at, said
from tests.unit.bot.stage import ask


class Talk:
    """A thread in which is asked and answered."""

    def __init__(self, provider: StorageProvider) -> None:
        self._provider = provider
        self.questions: dict[str, str] = {}
        self.thread_id = ""

    async def ask(self, *texts: str) -> None:
        self.questions |= zip(texts, await ask(self._provider, *texts), strict=True)
        (thread,) = await self._provider.list_threads()
        self.thread_id = thread.id

    async def answer(self, *texts: str) -> None:
        for text in texts:
            await self._provider.append_message(self.thread_id, Message(role="assistant", content=text))

    async def hear(self, text: str, minutes: float, *, is_late: bool = False, **options: Any) -> None:
        """Keep what a person said at an instant; what is late was read from the platform's history."""
        attributes = {"backfilled": True} if is_late else {}
        message = said(text, created_at=at(60 * minutes), attributes=attributes)
        kept = await self._provider.record_message(arriving(text, key=KEY, message=message, **options))
        assert kept is not None
        self.questions[text], self.thread_id = kept.message.id, kept.thread_id

    async def turn(self, question: str, limit: int = 50) -> Turn | None:
        return await make_turn(Surroundings(self._provider, limit), self.thread_id, self.questions[question], 1)

    async def seen(self, question: str, limit: int = 50) -> list[str]:
        turn = await self.turn(question, limit)
        assert turn is not None
        assert turn.thread.messages[-1] == turn.message
        assert turn.message.id == self.questions[question]
        return [message.text for message in turn.thread.messages]


async def test_turn_ends_with_the_question(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1")
    await talk.answer("a1")
    await talk.ask("q2")
    assert await talk.seen("q2") == ["q1", "a1", "q2"]


async def test_turn_leaves_later_questions_out(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1", "q2", "q3")
    assert await talk.seen("q1") == ["q1"]
    assert await talk.seen("q2") == ["q1", "q2"]


async def test_turn_keeps_answers_to_earlier_questions(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1", "q2")
    await talk.answer("a1")
    assert await talk.seen("q2") == ["q1", "a1", "q2"]


async def test_turn_has_the_newest_messages_of_a_long_thread(provider: StorageProvider) -> None:
    talk = Talk(provider)
    for number in range(10):
        await talk.ask(f"q{number}")
        await talk.answer(f"a{number}")
    await talk.ask("last")
    assert await talk.seen("last", 4) == ["a8", "q9", "a9", "last"]


async def test_turn_with_a_limit_of_one_is_the_question(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1", "q2")
    assert await talk.seen("q2", 1) == ["q2"]
    assert await talk.seen("q1", 1) == ["q1"]


async def test_turn_reaches_behind_more_later_questions_than_its_limit(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1")
    await talk.answer("a1")
    await talk.ask("q2", *(f"later {number}" for number in range(120)))
    assert await talk.seen("q2", 3) == ["q1", "a1", "q2"]


async def test_turn_keeps_answers_behind_more_later_questions_than_its_limit(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1", "q2")
    await talk.answer("a1")
    await talk.ask(*(f"later {number}" for number in range(10)))
    assert await talk.seen("q2", 3) == ["q1", "a1", "q2"]


async def test_turn_leaves_tombstones_out(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1", "q2")
    await provider.delete_message(talk.questions["q1"])
    assert await talk.seen("q2") == ["q2"]


async def test_turn_shows_an_edit(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1")
    await provider.edit_message(talk.questions["q1"], "q1, better")
    assert await talk.seen("q1") == ["q1, better"]


async def test_turn_of_a_deleted_question_is_none(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1")
    await provider.delete_message(talk.questions["q1"])
    assert await talk.turn("q1") is None


async def test_turn_of_a_deleted_thread_is_none(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1")
    await provider.delete_thread(talk.thread_id)
    assert await talk.turn("q1") is None


async def test_turn_reaches_all_that_is_kept(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1", "q2")
    turn = await talk.turn("q2", 1)
    assert turn is not None
    assert [message.text for message in await turn.store.get_messages(turn.thread.id)] == ["q1", "q2"]


async def test_turn_shows_no_text_in_its_repr(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("canary-4711")
    assert "canary" not in repr(await talk.turn("canary-4711"))


# What was read from the platform's history


async def test_late_messages_stand_where_the_platform_has_them(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.hear("q1", 1)
    await talk.hear("q5", 5)
    for minutes in (0, 3, 2):
        await talk.hear(f"late {minutes}", minutes, is_late=True)
    assert await talk.seen("q5") == ["late 0", "q1", "late 2", "late 3", "q5"]


async def test_late_messages_stand_behind_the_answer_to_what_was_said_before(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.hear("q1", 1)
    await talk.answer("a1")
    await talk.hear("q5", 5)
    await talk.hear("late", 3, is_late=True)
    assert await talk.seen("q5") == ["q1", "a1", "late", "q5"]


async def test_late_messages_of_after_the_question_are_left_out(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.hear("q5", 5)
    for minutes in (4, 6):
        await talk.hear(f"late {minutes}", minutes, is_late=True)
    assert await talk.seen("q5") == ["late 4", "q5"]


async def test_late_messages_of_one_instant_stand_as_they_were_read(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.hear("q5", 5)
    for name in ("c", "a", "b"):
        await talk.hear(name, 1, is_late=True)
    assert await talk.seen("q5") == ["c", "a", "b", "q5"]


async def test_question_that_was_read_late_stands_last(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.hear("q1", 1)
    for minutes in (2, 3, 4):
        await talk.hear(f"late {minutes}", minutes, is_late=True)
    assert await talk.seen("late 3") == ["q1", "late 2", "late 3"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_limit_counts_late_messages_where_the_platform_has_them(provider: StorageProvider, limit: int) -> None:
    talk = Talk(provider)
    for minutes in (2, 4, 6):
        await talk.hear(f"{minutes}", minutes)
    for minutes in (1, 3, 5):
        await talk.hear(f"{minutes}", minutes, is_late=True)
    assert await talk.seen("6", limit) == ["1", "2", "3", "4", "5", "6"][-limit:]


async def test_many_late_messages_hide_none_that_stands_behind_them(provider: StorageProvider) -> None:
    talk = Talk(provider)
    for minutes in range(200, 205):
        await talk.hear(f"{minutes}", minutes)
    for minutes in range(120):
        await talk.hear(f"late {minutes}", minutes, is_late=True)
    assert await talk.seen("204", 4) == ["201", "202", "203", "204"]
    assert await talk.seen("204", 7) == ["late 118", "late 119", "200", "201", "202", "203", "204"]


async def test_many_late_messages_of_after_the_question_are_left_out(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.hear("before", 1)
    await talk.hear("q", 2)
    for minutes in range(3, 130):
        await talk.hear(f"late {minutes}", minutes, is_late=True)
    assert await talk.seen("q", 3) == ["before", "q"]


# What the platform says of where the person is


async def test_turn_has_the_context_of_its_alias(provider: StorageProvider) -> None:
    talk = Talk(provider)
    await talk.ask("q1")
    await provider.set("contexts", "slack:T1:C1:1.0", {"channel_id": "C9"})
    around = Surroundings(provider, 50)
    turns = [
        await make_turn(around, talk.thread_id, talk.questions["q1"], 1, alias) for alias in ("slack:T1:C1:1.0", "")
    ]
    assert [turn and turn.context for turn in turns] == [{"channel_id": "C9"}, {}]
