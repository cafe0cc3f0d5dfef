"""An answer that grows in sight: its post, what each mishap leaves of it, and who brings it to its end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from backscroll.bot import growing
from backscroll.bot.answering import Answering
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from tests.unit.bot.stage import (
    Flaky,
    Recorder,
    Story,
    answering,
    ask,
    away,
    echo,
    only_answer,
    states,
    thread,
    until,
)

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def adapter() -> Recorder:
    return Recorder(streams=True)


async def answer_message(provider: StorageProvider) -> Message:
    found = await provider.get_message(str((await only_answer(provider)).answer_message_id))
    assert found is not None
    return found[1]


async def is_idle(bot: Answering) -> bool:
    return not bot._running


async def grown_and_stopped(provider: StorageProvider, adapter: Recorder, text: str) -> None:
    """Let an answer grow to a text, and the process end before it is whole."""
    await ask(provider, "q")
    story = Story(text)
    async with answering(provider, adapter, story.tell):
        story.let()
        await until(lambda: adapter.standing == text.split("|"))
    assert (await only_answer(provider)).is_growing


# In sight


async def test_answer_grows_in_one_post(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    story = Story("one", " and more", " and the end")
    async with answering(provider, adapter, story.tell) as bot:
        for text in ("one", "one and more"):
            story.let()
            await until(lambda text=text: adapter.standing == [text])  # type: ignore[misc]  # mypy sees no default
        story.let(2)
        await bot.drained()
    assert (adapter.standing, len(adapter.posted)) == (["one and more and the end"], 1)
    assert adapter.acts[-1][0] == "close"
    assert adapter.looked == []


async def test_answer_that_grew_is_stored_as_it_was_said(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    story = Story("one", " and more")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let(2)
        await bot.drained()
    answer, message = await only_answer(provider), await answer_message(provider)
    assert (answer.state, answer.is_growing, answer.tries, answer.reason) == ("sent", False, 0, None)
    assert (message.text, message.edited_at) == ("one and more", None)
    assert [(part.text, part.state) for part in await provider.get_parts(answer.id)] == [("one and more", "sent")]


async def test_answer_that_is_whole_in_no_time_is_posted_as_any_other(
    provider: StorageProvider, adapter: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "STREAM_AFTER_S", 60)
    await ask(provider, "q")
    story = Story("one", " and more")
    async with answering(provider, adapter, story.tell) as bot:
        story.let(3)
        await bot.drained()
    assert [act for act, _ in adapter.acts] == ["post"]
    assert adapter.standing == ["one and more"]


async def test_answer_without_pieces_is_posted_as_any_other(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert [act for act, _ in adapter.acts] == ["post"]


async def test_answer_does_not_grow_where_posts_cannot(provider: StorageProvider) -> None:
    adapter, story = Recorder(), Story("one", " and more")
    await ask(provider, "q")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(story._let.locked)
        story.let(2)
        await bot.drained()
    assert (adapter.texts, adapter.acts[0][0]) == (["one and more"], "post")


async def test_blank_beginning_is_not_shown(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    story = Story(" ", "\n", "one")
    async with answering(provider, adapter, story.tell) as bot:
        story.let(3)
        await until(lambda: len(adapter.shown) == 1 and adapter.standing[0].strip() == "one")
        story.let()
        await bot.drained()
    assert {act for act, _ in adapter.acts} <= {"post", "show", "close"}


async def test_posts_id_is_kept_before_its_text_is_shown(provider: StorageProvider, adapter: Recorder) -> None:
    known: list[bool] = []

    async def look(_act: str, external_id: str) -> None:
        known.append(await provider.find_external(thread("1.0").message(external_id)) is not None)

    adapter.before_change = look
    await ask(provider, "q")
    story = Story("one")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let()
        await bot.drained()
    assert known
    assert all(known)


async def test_text_that_overflows_goes_on_in_a_second_post(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    story = Story("a", " full|b", " and more")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["a"])
        story.let()
        await until(lambda: adapter.standing == ["a full", "b"])
        story.let(2)
        await bot.drained()
    assert (adapter.standing, len(adapter.posted)) == (["a full", "b and more"], 2)
    assert (await answer_message(provider)).text == "a full|b and more"


async def test_answer_may_overflow_at_once(provider: StorageProvider, adapter: Recorder) -> None:
    await ask(provider, "q")
    story = Story("a|b|c", "|d")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["a", "b", "c"])
        story.let(2)
        await bot.drained()
    assert adapter.standing == ["a", "b", "c", "d"]


# Mishaps on the platform


@pytest.mark.parametrize("is_posted", [True, False])
async def test_post_that_was_opened_or_not_is_found_and_posted_once(
    provider: StorageProvider, adapter: Recorder, is_posted: bool
) -> None:
    error = AdapterUnavailableError("No reply.")
    adapter.outcomes.append((error,) if is_posted else error)
    await ask(provider, "q")
    story = Story("one", " and more")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: not adapter.outcomes)
        story.let(2)
        await bot.drained()
    assert (len(adapter.posted), adapter.standing) == (1, ["one and more"])
    assert adapter.looked == [[1]]
    assert await states(provider) == ["sent"]


async def test_change_that_fails_is_made_up_for_at_the_end(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.changes.extend([None, AdapterUnavailableError("It is away.")])
    await ask(provider, "q")
    story = Story("one", " and more")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let()
        await until(lambda: not adapter.changes)
        story.let()
        await bot.drained()
    assert (len(adapter.posted), adapter.standing) == (1, ["one and more"])


async def test_end_that_fails_is_tried_again_without_the_handler(provider: StorageProvider, adapter: Recorder) -> None:
    tells = []
    story = Story("one")

    async def tell(turn: Turn) -> AsyncIterator[str]:
        tells.append(turn.attempt)
        async for piece in story.tell(turn):
            yield piece

    adapter.changes.extend([None, AdapterUnavailableError("It is away.")])
    await ask(provider, "q")
    async with answering(provider, adapter, tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let()
        await bot.drained()
    assert (tells, len(adapter.posted), adapter.standing) == ([1], 1, ["one"])
    assert (await only_answer(provider)).tries == 0


async def test_end_that_is_refused_fails_the_answer(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.changes.extend([None, AdapterError("The channel is archived.")])
    await ask(provider, "q")
    story = Story("one")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let()
        await bot.drained()
    answer = await only_answer(provider)
    assert (answer.state, answer.reason) == ("failed", "The channel is archived.")


# Mishaps of the handler, and of the process


async def test_next_try_changes_the_post_of_the_one_before(provider: StorageProvider, adapter: Recorder) -> None:
    story = Story("one", ValueError())

    async def tell(turn: Turn) -> AsyncIterator[str]:
        if turn.attempt == 1:
            async for piece in story.tell(turn):
                yield piece
        yield "something else"

    await ask(provider, "q")
    async with answering(provider, adapter, tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let()
        await bot.drained()
    assert (len(adapter.posted), adapter.standing) == (1, ["something else"])
    assert ((await only_answer(provider)).state, (await answer_message(provider)).text) == ("sent", "something else")


async def test_next_process_changes_the_post_of_the_one_before(provider: StorageProvider, adapter: Recorder) -> None:
    await grown_and_stopped(provider, adapter, "one")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert (len(adapter.posted), adapter.standing) == (1, ["+ q"])
    (stored,) = [message for message in (await provider.list_threads())[0].messages if message.role == "assistant"]
    assert stored.text == "+ q"


async def test_next_process_posts_what_is_new(provider: StorageProvider, adapter: Recorder) -> None:
    await grown_and_stopped(provider, adapter, "one")

    async def says_more(turn: Turn) -> str:
        return "one|two"

    async with answering(provider, adapter, says_more) as bot:
        await bot.drained()
    assert adapter.standing == ["one", "two"]


async def test_next_process_takes_away_what_is_too_much(provider: StorageProvider, adapter: Recorder) -> None:
    await grown_and_stopped(provider, adapter, "a|b|c")
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert adapter.standing == ["+ q"]
    assert await states(provider) == ["sent"]


async def test_next_process_finds_a_post_whose_id_was_not_kept(provider: StorageProvider, adapter: Recorder) -> None:
    adapter.outcomes.append((AdapterUnavailableError("No reply."),))
    await ask(provider, "q")
    story = Story("one")
    async with answering(provider, adapter, story.tell):
        story.let()
        await until(lambda: len(adapter.posted) == 1)
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert (len(adapter.posted), adapter.standing) == (1, ["+ q"])


async def test_answer_to_a_question_that_was_deleted_meanwhile_stays_as_it_is(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await grown_and_stopped(provider, adapter, "a|b")
    (message_id,) = [answer.message_id for answer in await provider.list_answers()]
    await provider.delete_message(message_id)
    async with answering(provider, adapter, echo) as bot:
        await bot.drained()
    assert (adapter.standing, (await answer_message(provider)).text) == (["a", "b"], "a|b")
    assert await states(provider) == ["sent"]


async def test_handler_that_has_no_answer_now_leaves_what_there_is(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await grown_and_stopped(provider, adapter, "a|b")
    async with answering(provider, adapter, lambda _: None) as bot:
        await bot.drained()
    assert (adapter.standing, (await answer_message(provider)).text) == (["a", "b"], "a|b")


async def test_last_try_leaves_the_text_so_far_and_says_that_it_failed(
    provider: StorageProvider, adapter: Recorder
) -> None:
    story = Story("a|b", ValueError())

    async def tell(turn: Turn) -> AsyncIterator[str]:
        if turn.attempt == 1:
            async for piece in story.tell(turn):
                yield piece
        raise ValueError

    await ask(provider, "q")
    async with answering(provider, adapter, tell, failure_text="sorry") as bot:
        story.let()
        await until(lambda: adapter.standing == ["a", "b"])
        story.let()
        await bot.drained()
    answer = await only_answer(provider)
    assert (len(adapter.posted), adapter.standing) == (2, ["a", "b\n\nsorry"])
    assert (answer.state, (await answer_message(provider)).text) == ("failed", "a|b\n\nsorry")
    assert str(answer.reason).startswith("The handler raised ValueError")


async def test_answer_that_was_deleted_while_it_grew_is_taken_away(
    provider: StorageProvider, adapter: Recorder
) -> None:
    await ask(provider, "q")
    story = Story("one", "|two", "|three")
    async with answering(provider, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        await provider.delete_message((await answer_message(provider)).id)
        story.let(3)
        await bot.drained()
    message = await answer_message(provider)
    assert (adapter.standing, message.text) == ([], "")
    assert {part.text for part in await provider.get_parts((await only_answer(provider)).id)} <= {""}
    assert await states(provider) == ["sent"]


async def test_process_ends_while_the_storage_is_away(flaky: Flaky, adapter: Recorder) -> None:
    await ask(flaky, "q")
    story = Story("one", " and more")
    async with asyncio.timeout(10):
        async with answering(flaky, adapter, story.tell):
            story.let()
            await until(lambda: adapter.standing == ["one"])
            flaky.faults["grow_answer"] = away(10_000)
            story.let()
            await until(lambda: len(flaky.faults["grow_answer"]) < 10_000)
        assert (await only_answer(flaky)).state == "sending"


async def test_outage_of_the_storage_delays_the_growing(flaky: Flaky, adapter: Recorder) -> None:
    await ask(flaky, "q")
    flaky.faults["grow_answer"] = away(1)
    flaky.late_faults["mark_sent"] = away(1)
    story = Story("one", " and more")
    async with answering(flaky, adapter, story.tell) as bot:
        story.let()
        await until(lambda: adapter.standing == ["one"])
        story.let()
        await until(lambda: adapter.standing == ["one and more"])
        story.let()
        await bot.drained()
    assert (len(adapter.posted), await states(flaky)) == (1, ["sent"])
