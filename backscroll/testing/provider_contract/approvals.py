"""Claims for approvals: questions to people, and the answers that wait until somebody decides."""

import asyncio
from datetime import timedelta

import pytest

from backscroll.errors import AnswerLostError
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Approval
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
    asked,
    begun,
    got,
    now,
    recorded,
    said,
    taken,
)

HOUR_S = 3_600.0


async def begun_approval(
    provider: StorageProvider,
    answer: Answer,
    number: int = 1,
    *,
    texts: tuple[str, ...] = ("sure?",),
    lives_s: float = HOUR_S,
) -> Approval:
    """Ask for approval number n of an answer that is made."""
    message = Message(role="assistant", content="".join(texts), id=f"{answer.id}.approval.{number}")
    return await provider.begin_approval(answer.id, answer.owner or "one", number, message, list(texts), lives_s)


async def suspended(provider: StorageProvider, number: int = 1, **options: float) -> tuple[Answer, Approval]:
    """Ask for an answer, and let it wait for an approval."""
    await asked(provider, number)
    mine = await taken(provider)
    approval = await begun_approval(provider, mine, **options)  # type: ignore[arg-type]  # lives_s alone is given
    await provider.suspend_answer(mine.id, "one", approval.id)
    return mine, approval


# Asking


async def test_begin_approval_stores_the_question_and_its_posts(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    approval = await begun_approval(provider, mine, texts=("three files.", "sure?"))
    assert (approval.answer_id, approval.number, approval.outcome) == (mine.id, 1, None)
    assert (approval.decided_by, approval.decided_at) == (None, None)
    assert abs(approval.expires_at - approval.created_at - timedelta(seconds=HOUR_S)) < timedelta(seconds=1)
    assert await provider.get_approval(approval.id) == approval
    assert [message.id for message in (await got(provider, mine.thread_id)).messages][1:] == [approval.id]
    parts = await provider.get_posts([approval.id])
    assert [(part.text, part.kind, part.state) for part in parts] == [
        ("three files.", "text", "waiting"),
        ("sure?", "approval", "waiting"),
    ]


async def test_begin_approval_repeated_gives_it_as_it_stands(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    approval = await begun_approval(provider, mine)
    await provider.decide_approval(approval.id, "approved", "U1")
    again = await begun_approval(provider, mine, texts=("another", "question"), lives_s=1)
    assert again == await provider.get_approval(approval.id)
    assert again.outcome == "approved"
    assert [part.text for part in await provider.get_posts([approval.id])] == ["sure?"]


async def test_begin_approval_by_somebody_else_stores_nothing(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    message = Message(role="assistant", content="sure?")
    with pytest.raises(AnswerLostError):
        await provider.begin_approval(mine.id, "two", 1, message, ["sure?"], HOUR_S)
    assert await provider.get_approval(message.id) is None
    assert len((await got(provider, mine.thread_id)).messages) == 1


# Waiting


async def test_suspended_answer_is_held_by_nobody_and_not_waited_for(provider: StorageProvider) -> None:
    mine, _ = await suspended(provider)
    after = await now(provider, mine)
    assert (after.state, after.owner, after.tries, after.takeovers) == ("suspended", None, 0, 0)
    assert await provider.take_answer("two", ["slack"], 30) is None
    assert await provider.renew_leases("one", 30) == []
    assert await provider.seconds_until_ready(["slack"]) is None


async def test_suspended_answer_does_not_hold_its_thread_up(provider: StorageProvider) -> None:
    mine, _ = await suspended(provider)
    later = await asked(provider, 2)
    assert (await taken(provider, "two")).id == later.id
    assert later.thread_id == mine.thread_id


async def test_suspend_by_somebody_else_changes_nothing(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    approval = await begun_approval(provider, mine)
    with pytest.raises(AnswerLostError):
        await provider.suspend_answer(mine.id, "two", approval.id)
    assert (await now(provider, mine)).owner == "one"


async def test_suspend_refuses_an_answer_that_is_sent(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    approval = await begun_approval(provider, mine)
    await begun(provider, mine)
    with pytest.raises(ValueError, match="sending"):
        await provider.suspend_answer(mine.id, "one", approval.id)
    assert (await now(provider, mine)).state == "sending"


async def test_suspend_behind_a_decision_lets_the_answer_wait_to_be_taken(provider: StorageProvider) -> None:
    await asked(provider)
    mine = await taken(provider)
    approval = await begun_approval(provider, mine)
    await provider.decide_approval(approval.id, "rejected", "U1")
    assert (await now(provider, mine)).state == "running"
    await provider.suspend_answer(mine.id, "one", approval.id)
    again = await taken(provider, "two")
    assert (again.id, again.tries, again.takeovers) == (mine.id, 0, 0)


async def test_suspend_and_decide_at_once_lose_no_answer(provider: StorageProvider) -> None:
    for number in range(1, 6):
        await asked(provider, number)
        mine = await taken(provider)
        approval = await begun_approval(provider, mine)
        await asyncio.gather(
            provider.suspend_answer(mine.id, "one", approval.id),
            provider.decide_approval(approval.id, "approved", "U1"),
        )
        assert (await taken(provider)).id == mine.id
        await provider.finish_answer(mine.id, "one", "skipped")


# Deciding


async def test_decide_lets_the_answer_wait_behind_the_others(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider)
    later = await asked(provider, 2)
    decided = await provider.decide_approval(approval.id, "approved", "U1")
    assert decided is not None
    assert decided.stands
    assert (decided.approval.outcome, decided.approval.decided_by) == ("approved", "U1")
    assert decided.approval.decided_at is not None
    assert decided.approval.decided_at >= approval.created_at
    assert await provider.get_approval(approval.id) == decided.approval
    assert (await taken(provider)).id == later.id
    await provider.finish_answer(later.id, "one", "skipped")
    again = await taken(provider)
    assert (again.id, again.tries, again.position > later.position) == (mine.id, 0, True)


async def test_decide_keeps_the_first_decision(provider: StorageProvider) -> None:
    _, approval = await suspended(provider)
    await provider.decide_approval(approval.id, "rejected", "U1")
    for outcome, user_id in (("approved", "U1"), ("rejected", "U2")):
        second = await provider.decide_approval(approval.id, outcome, user_id)  # type: ignore[arg-type]  # both are outcomes
        assert second is not None
        assert not second.stands
        assert (second.approval.outcome, second.approval.decided_by) == ("rejected", "U1")


async def test_decide_repeated_stands_and_wakes_nobody(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider)
    await provider.decide_approval(approval.id, "approved", "U1")
    again = await taken(provider)
    second = await begun_approval(provider, again, 2)
    await provider.suspend_answer(mine.id, "one", second.id)
    repeated = await provider.decide_approval(approval.id, "approved", "U1")
    assert repeated is not None
    assert repeated.stands
    assert (await now(provider, mine)).state == "suspended"


async def test_decide_by_many_at_once_lets_one_stand(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider)
    outcomes = ("approved", "rejected") * 4
    deciding = [provider.decide_approval(approval.id, each, f"U{n}") for n, each in enumerate(outcomes)]  # type: ignore[arg-type]  # as above
    decided = [each for each in await asyncio.gather(*deciding) if each is not None]
    assert [each.stands for each in decided].count(True) == 1
    assert len({each.approval for each in decided}) == 1
    assert (await taken(provider)).id == mine.id


async def test_decide_is_refused_where_nobody_waits(provider: StorageProvider) -> None:
    assert await provider.decide_approval("unknown", "approved", "U1") is None
    mine, approval = await suspended(provider)
    assert await provider.drop_answer(mine.id)
    assert await provider.decide_approval(approval.id, "approved", "U1") is None
    assert (await now(provider, mine)).state == "skipped"


async def test_approvals_go_with_their_thread(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider)
    await provider.delete_thread(mine.thread_id)
    assert await provider.get_approval(approval.id) is None
    assert await provider.decide_approval(approval.id, "approved", "U1") is None
    assert await provider.list_approvals() == []
    assert await provider.expire_approvals() == 0


async def test_latest_neither_skips_nor_is_skipped_by_what_was_decided(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider)
    before = [await asked(provider, number) for number in (2, 3)]
    await provider.decide_approval(approval.id, "approved", "U1")
    after = [await asked(provider, number) for number in (4, 5)]
    order = []
    while (answer := await provider.take_answer("one", ["slack"], 30, latest=True)) is not None:
        order.append(answer.id)
        await provider.finish_answer(answer.id, "one", "sent")
    assert order == [before[1].id, mine.id, after[1].id]


# Expiring


async def test_expire_lets_the_answers_wait_whose_time_is_over(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider, 1, lives_s=0)
    other, still_open = await suspended(provider, 2)
    assert await provider.expire_approvals() == 1
    expired = await provider.get_approval(approval.id)
    assert expired is not None
    assert (expired.outcome, expired.decided_by, expired.decided_at is None) == ("expired", None, False)
    assert (await taken(provider)).id == mine.id
    assert (await now(provider, other)).state == "suspended"
    assert await provider.get_approval(still_open.id) == still_open
    assert await provider.expire_approvals() == 0


async def test_expire_by_two_at_once_counts_each_once(provider: StorageProvider) -> None:
    for number in range(1, 8):
        await suspended(provider, number, lives_s=0)
    assert sum(await asyncio.gather(*(provider.expire_approvals() for _ in range(4)))) == 7
    waiting = await provider.list_answers(state="waiting")
    assert len({answer.position for answer in waiting}) == 7


async def test_decide_when_the_time_is_over_lets_it_expire(provider: StorageProvider) -> None:
    mine, approval = await suspended(provider, lives_s=0)
    decided = await provider.decide_approval(approval.id, "approved", "U1")
    assert decided is not None
    assert (decided.stands, decided.approval.outcome, decided.approval.decided_by) == (False, "expired", None)
    assert (await taken(provider)).id == mine.id


# What is told of them


async def test_list_approvals_gives_those_that_can_be_decided_oldest_first(provider: StorageProvider) -> None:
    _, first = await suspended(provider, 1)
    dropped, _ = await suspended(provider, 2)
    await provider.drop_answer(dropped.id)
    _, decided = await suspended(provider, 3)
    await provider.decide_approval(decided.id, "approved", "U1")
    elsewhere = await asked(provider, 4, key=OTHER_KEY)
    await provider.finish_answer((await taken(provider)).id, "one", "skipped")
    last = await begun_approval(provider, await taken(provider))
    assert await provider.list_approvals() == [first, last]
    assert await provider.list_approvals(limit=1) == [first]
    assert await provider.list_approvals(thread_id=elsewhere.thread_id) == [last]


async def test_list_approvals_gives_those_that_are_over_newest_first(provider: StorageProvider) -> None:
    _, still_open = await suspended(provider, 1)
    dropped, nobody_waits = await suspended(provider, 2)
    await provider.drop_answer(dropped.id)
    mine, decided = await suspended(provider, 3)
    await provider.decide_approval(decided.id, "rejected", "U1")
    over = await provider.list_approvals(is_open=False)
    assert [(each.id, each.outcome, each.decided_by) for each in over] == [
        (decided.id, "rejected", "U1"),
        (nobody_waits.id, None, None),
    ]
    assert [each.id for each in await provider.list_approvals(is_open=None, limit=2)] == [decided.id, nobody_waits.id]
    assert [each.id for each in await provider.list_approvals(is_open=None)][2:] == [still_open.id]
    assert len(await provider.list_approvals(is_open=None, thread_id=mine.thread_id)) == 3


async def test_get_author_gives_the_newest_source_of_somebody(provider: StorageProvider) -> None:
    older, newer = ({"type": "user", "id": "U1", "name": name} for name in ("Ann", "Anna"))
    for number, source in ((1, older), (2, newer)):
        message = said(source=source, platforms=KEY.message(str(number)).platforms)
        await recorded(provider, number, message=message, asks="yes")
    (answer, *_) = await provider.list_answers()
    assert await provider.get_author(answer.thread_id, "slack", "U1") == newer
    assert await provider.get_author(answer.thread_id, "discord", "U1") is None
    assert await provider.get_author(answer.thread_id, "slack", "U2") is None
    assert await provider.get_author("unknown", "slack", "U1") is None
