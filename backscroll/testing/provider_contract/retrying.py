"""Claims for answers that failed or wait: begun anew, or given up."""

import asyncio

from backscroll.errors import AnswerLostError
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer
from backscroll.testing.provider_contract.answers import now, state, take
from backscroll.testing.provider_contract.samples import (
    asked,
    begun,
    external,
    got,
    taken,
)


async def failed(provider: StorageProvider, number: int = 1) -> Answer:
    """Let an answer fail, and the person be told of it."""
    await asked(provider, number)
    mine = await taken(provider)
    await begun(provider, mine, "sorry", reason="the handler failed")
    await provider.mark_sent(mine.id, "one", 1, external(f"sorry {number}"))
    await provider.finish_answer(mine.id, "one", "failed")
    return mine


async def test_retry_lets_a_failed_answer_begin_anew(provider: StorageProvider) -> None:
    answer = await failed(provider)
    assert await provider.retry_answer(answer.id)
    again = await now(provider, answer)
    assert (again.state, again.tries, again.takeovers, again.reason) == ("waiting", 0, 0, None)
    assert again.answer_message_id is None
    assert await provider.get_parts(answer.id) == []


async def test_retry_sends_posts_of_its_own(provider: StorageProvider) -> None:
    answer = await failed(provider)
    sorry = await provider.find_external(external("sorry 1"))
    await provider.retry_answer(answer.id)
    again = await taken(provider)
    parts = await begun(provider, again, "the answer")
    assert [(part.text, part.state) for part in parts] == [("the answer", "waiting")]
    await provider.mark_sent(again.id, "one", 1, external("a"))
    await provider.finish_answer(again.id, "one", "sent")
    assert await provider.find_external(external("sorry 1")) == sorry
    assert [message.content for message in (await got(provider, answer.thread_id)).messages] == [
        "hello",
        "sorry",
        "the answer",
    ]


async def test_retry_gives_posts_other_tokens_than_the_first_time(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    tokens = {part.token for part in await begun(provider, mine, "sorry", "so sorry")}
    await provider.finish_answer(mine.id, "one", "failed", reason="r")
    await provider.retry_answer(mine.id)
    again = await begun(provider, await taken(provider), "the", "answer")
    assert tokens.isdisjoint(part.token for part in again)


async def test_retry_puts_the_answer_behind_the_threads_others(provider: StorageProvider) -> None:
    first = await failed(provider)
    second = await asked(provider, 2)
    await provider.retry_answer(first.id)
    assert (await taken(provider)).id == second.id
    await provider.finish_answer(second.id, "one", "sent")
    assert (await taken(provider)).id == first.id


async def test_retry_refuses_what_has_not_failed(provider: StorageProvider) -> None:
    answer = await asked(provider)
    assert [await provider.retry_answer(name) for name in (answer.id, "unknown")] == [False, False]
    await taken(provider)
    assert not await provider.retry_answer(answer.id)
    await provider.finish_answer(answer.id, "one", "sent")
    assert not await provider.retry_answer(answer.id)


async def test_retry_is_done_once_under_concurrency(provider: StorageProvider) -> None:
    answer = await failed(provider)
    assert sum(await asyncio.gather(*(provider.retry_answer(answer.id) for _ in range(10)))) == 1


async def test_drop_gives_up_waiting_and_failed_answers(provider: StorageProvider) -> None:
    answers = [await failed(provider, 1), await asked(provider, 2)]
    assert [await provider.drop_answer(answer.id) for answer in answers] == [True, True]
    assert [await state(provider, answer) for answer in answers] == ["skipped", "skipped"]
    assert await take(provider) is None


async def test_drop_refuses_what_runs_or_is_finished(provider: StorageProvider) -> None:
    answer = await asked(provider)
    await taken(provider)
    assert [await provider.drop_answer(name) for name in (answer.id, "unknown")] == [False, False]
    await provider.finish_answer(answer.id, "one", "sent")
    assert not await provider.drop_answer(answer.id)


async def test_answers_outlive_their_threads_deletion_beside_them(provider: StorageProvider) -> None:
    for round_ in range(5):
        answer = await asked(provider, round_)
        mine = await taken(provider)
        outcomes = await asyncio.gather(
            begun(provider, mine), provider.delete_thread(answer.thread_id), take(provider), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {AnswerLostError}
        assert await provider.list_answers() == []
