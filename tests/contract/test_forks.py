"""The claims of `backscroll.testing.provider_contract.forks`, on every backend."""

from typing import Any

import pytest

from backscroll.storage.models import Attachment
from backscroll.testing.provider_contract.forks import *
from backscroll.testing.provider_contract.samples import said
from tests.contract.test_cut_off import SHA256, CutOffError, CutOffProvider

FILE = Attachment(name="plan.txt", sha256=SHA256, location=f"sha256:{SHA256}")


async def to_be_forked(*, writes: int) -> CutOffProvider:
    """Cut a fork off after so many writes, or not at all."""
    provider = CutOffProvider()
    await provider.create_thread("t", "U1", "helper")
    await provider.append_message("t", said("one", attachments=[FILE], reactions={"+1": ["U1"]}))
    message = await provider.add_message("t", "assistant", "two")
    await provider.append_tool_block(
        message.id, tool_call_id="call", tool_name="look", tool_input={}, tool_output="found"
    )
    provider.writes_left = writes
    return provider


async def kept(provider: CutOffProvider) -> list[Any]:
    provider.writes_left = None
    threads = sorted(await provider.list_threads(), key=lambda thread: thread.id)
    blocks = [[each[1] for each in await provider.get_message_blocks(thread.id)] for thread in threads]
    users = await provider.query("file_users", {"sha256": SHA256})
    return [
        [[(each.sequence, each.text, each.reactions) for each in thread.messages] for thread in threads],
        [[[block["content"] for block in each] for each in some] for some in blocks],
        len(users),
        len(await provider.query("messages", {})),
        len(await provider.query("blocks", {})),
    ]


async def test_repeat_completes_a_fork_that_was_cut_off_at_any_write() -> None:
    whole = await to_be_forked(writes=1000)
    await whole.fork_thread("t", 1, "f")
    wanted = await kept(whole)
    cuts = 0
    while True:
        provider = await to_be_forked(writes=cuts)
        try:
            await provider.fork_thread("t", 1, "f")
        except CutOffError:
            provider.writes_left = None
            assert await provider.get_thread("f") is None
            assert await provider.read_messages("f") == []
            await provider.fork_thread("t", 1, "f")
            assert await kept(provider) == wanted, f"cut off after {cuts} writes"
            cuts += 1
        else:
            break
    assert cuts > 5


@pytest.mark.parametrize("cuts", [1, 3, 5])
async def test_thread_shows_nothing_of_a_fork_that_was_cut_off_with_its_id(cuts: int) -> None:
    provider = await to_be_forked(writes=cuts)
    with pytest.raises(CutOffError):
        await provider.fork_thread("t", 1, "f")
    provider.writes_left = None
    await provider.create_thread("f", "U1", "helper")
    added = await provider.add_message("f", "user", "mine")

    assert (added.sequence, [each.text for each in await provider.get_messages("f")]) == (1, ["mine"])
