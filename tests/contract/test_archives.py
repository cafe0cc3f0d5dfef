"""The claims of `backscroll.testing.provider_contract.archives`, on every backend; and what was cut off."""

from backscroll.storage.archive import ArchivedThread, PieceRefusedError
from backscroll.storage.memory import Provider as Memory
from backscroll.testing.provider_contract.archives import *
from backscroll.testing.provider_contract.archives import archive, make_rich
from backscroll.testing.provider_contract.samples import at, external
from tests.contract.test_cut_off import CutOffProvider


async def archived_twice() -> tuple[list[ArchivedThread], list[ArchivedThread]]:
    """Read a rich thread with a fork, and again after it changed."""
    source = Memory()
    thread_id = await make_rich(source)
    await source.fork_thread(thread_id, 3, "f")
    before = await archive(source)
    await source.record_edit(external(1), "later", at(90))
    await source.record_reaction(external("a1.2"), "+1", "U1", added=False, event_at=at(91))
    await source.delete_message("a1")
    await source.decide_approval("q1", "approved", "U1")
    return before, await archive(source)


async def test_repeat_completes_a_merge_that_was_cut_off_at_any_write() -> None:
    before, after = await archived_twice()
    wanted = [piece.digest() for piece in after]
    cuts = 0
    while True:
        provider = CutOffProvider()
        provider.writes_left = cuts
        try:
            for pieces in (before, after):
                await provider.merge_archive(pieces)
        except PieceRefusedError:
            provider.writes_left = None
            for pieces in (before, after):
                await provider.merge_archive(pieces)
            assert [piece.digest() for piece in await archive(provider)] == wanted, f"cut off after {cuts} writes"
            cuts += 1
        else:
            break
    assert [piece.digest() for piece in await archive(provider)] == wanted
    assert cuts > 50
