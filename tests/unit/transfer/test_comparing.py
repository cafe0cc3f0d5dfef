"""The hash of a thread, which is the same however its pages are cut, and another where anything differs."""

from collections.abc import AsyncIterator, Sequence

from backscroll.storage.archive import ArchivedThread
from backscroll.transfer.comparing import ThreadDigest, digests_of
from tests.unit.transfer.samples import archived


async def pages_of(*pages: Sequence[ArchivedThread]) -> AsyncIterator[Sequence[ArchivedThread]]:
    for page in pages:
        yield page


async def digests(*pages: Sequence[ArchivedThread]) -> dict[str, ThreadDigest]:
    return await digests_of(pages_of(*pages))


async def test_digest_does_not_depend_on_how_pages_are_cut() -> None:
    whole = await digests([archived("a", 250), archived("b"), archived("empty", 0)])
    cut = await digests(
        [archived("a", 7)],
        [archived("a", 193, first=8)],
        [archived("a", 50, first=201)],
        [archived("b"), archived("empty", 0)],
    )
    assert cut == whole
    assert {each.id: each.messages for each in whole.values()} == {"a": 250, "b": 2, "empty": 0}


async def test_digest_tells_threads_apart() -> None:
    same = archived("a", 120)
    others = [
        same.model_copy(update={"title": "other"}),
        same.model_copy(update={"aliases": []}),
        same.model_copy(update={"messages": same.messages[:-1]}),
        same.model_copy(update={"messages": [*same.messages[:-1], same.messages[0]]}),
        archived("a", 120, text="other"),
    ]
    hashes = {(await digests([each]))["a"].hash for each in (same, *others)}
    assert len(hashes) == 6
