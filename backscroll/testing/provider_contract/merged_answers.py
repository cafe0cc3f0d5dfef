"""Claims for answers that are merged: what was posted, asked and decided here stands, whatever an archive says."""

from typing import Any

from backscroll.storage.archive import ArchivedAnswer, ArchivedThread
from backscroll.storage.keys import ThreadKey
from backscroll.storage.memory import Provider as Memory
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.archives import archive, merged, one_of
from backscroll.testing.provider_contract.samples import KEY, OTHER_KEY, asked, at, begun, external, taken


async def asking(key: ThreadKey, approval_id: str) -> ArchivedThread:
    """Make a thread whose answer waits for an approval."""
    source = Memory()
    answer = await asked(source, key.thread, key=key)
    await taken(source)
    question = Message(role="assistant", id=approval_id, content="sure?", created_at=at(30))
    await source.begin_approval(answer.id, "one", 1, question, ["sure?"], 3600)
    await source.suspend_answer(answer.id, "one", approval_id)
    return await one_of(source)


def answer_of(piece: ArchivedThread) -> ArchivedAnswer:
    answer = piece.messages[0].answer
    assert answer is not None
    return answer


def with_answer(piece: ArchivedThread, **changes: Any) -> ArchivedThread:
    """Change the answer that a thread's first message asks for."""
    first = piece.messages[0].model_copy(update={"answer": answer_of(piece).model_copy(update=changes)})
    return piece.model_copy(update={"messages": [first, *piece.messages[1:]]})


async def approvals_of(provider: StorageProvider) -> dict[str, list[tuple[str, str | None]]]:
    """Tell of each thread which approvals it asks for, and what became of them."""
    return {
        piece.id: [(one.id, one.outcome) for one in answer_of(piece).approvals] for piece in await archive(provider)
    }


async def test_merge_archive_leaves_an_approval_to_the_answer_that_has_it(provider: StorageProvider) -> None:
    mine, theirs = await asking(KEY, "q1"), await asking(OTHER_KEY, "q2")
    (open_one,) = answer_of(mine).approvals
    decided = open_one.model_copy(update={"outcome": "approved", "decided_by": "U1", "decided_at": at(40)})
    await provider.merge_archive([mine])
    await provider.merge_archive([with_answer(theirs, approvals=[decided])])

    assert await approvals_of(provider) == {mine.id: [("q1", None)], theirs.id: []}


async def test_merge_archive_adds_no_approval_whose_number_or_id_is_taken(provider: StorageProvider) -> None:
    mine, theirs = await asking(KEY, "q1"), await asking(OTHER_KEY, "q2")
    (first,), (others,) = answer_of(mine).approvals, answer_of(theirs).approvals
    await provider.merge_archive([mine, theirs])
    taken_ones = [first.model_copy(update={"id": "another"}), others.model_copy(update={"number": 2})]

    assert await merged(provider, with_answer(mine, approvals=taken_ones)) == (False, 0, 0)
    assert await approvals_of(provider) == {mine.id: [("q1", None)], theirs.id: [("q2", None)]}


async def test_merge_archive_does_not_post_again_what_was_posted_here(provider: StorageProvider) -> None:
    source = Memory()
    answer = await asked(source)
    await begun(source, await taken(source), "hi")
    await source.mark_sent(answer.id, "one", 1, external("a1"))
    piece = await one_of(source)
    question, said = piece.messages
    unsent = [part.model_copy(update={"state": "waiting", "external": None}) for part in said.parts]
    later = said.message.model_copy(update={"updated_at": (said.message.updated_at or at(0)).replace(year=2100)})
    await provider.merge_archive([piece])
    told = said.model_copy(update={"message": later, "parts": unsent})
    await provider.merge_archive([piece.model_copy(update={"messages": [question, told]})])

    assert [part.state for part in await provider.get_parts(answer.id)] == ["sent"]
    assert await provider.find_external(external("a1")) is not None


async def test_merge_archive_lets_an_answers_later_place_stand(provider: StorageProvider) -> None:
    source = Memory()
    await asked(source)
    piece = await one_of(source)
    moved = KEY.moved("C2")
    later = answer_of(piece).updated_at.replace(year=2100)
    await provider.merge_archive([piece])
    key = (moved.platform, moved.workspace, moved.channel, moved.thread)
    await provider.merge_archive([with_answer(piece, key=key, updated_at=later)])

    assert [answer.key for answer in await provider.list_answers()] == [moved]
