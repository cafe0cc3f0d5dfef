"""The claims of `backscroll.testing.provider_contract.forgetting`, on every backend; what was cut off is completed."""

from backscroll.testing.provider_contract.forgetting import *
from backscroll.testing.provider_contract.forgetting import FILE, SECRET, SHA256, answered, forgotten, told
from backscroll.testing.provider_contract.samples import at, external
from tests.contract.test_cut_off import CutOffError, CutOffProvider


async def with_anna() -> CutOffProvider:
    """Give a provider that has of Anna whatever there can be."""
    provider = CutOffProvider()
    message_id = await answered(provider)
    await told(provider, 2, files=[FILE])
    await provider.record_edit(external(2), f"{SECRET}, again", at(5))
    question = await provider.find_external(external(2))
    assert question is not None
    await provider.append_tool_block(
        question[1].id, tool_call_id="call", tool_name="look", tool_input={"for": SECRET}, tool_output=SECRET
    )
    await provider.record_reaction(external(11), "+1", "U1", added=True, event_at=at(20))
    await provider.add_feedback(question[0], "U1", message_id=message_id, comment=SECRET)
    return provider


async def test_repeat_completes_a_forgetting_that_was_cut_off_at_any_write() -> None:
    cuts = 0
    while True:
        provider = await with_anna()
        provider.writes_left = cuts
        try:
            await forgotten(provider, with_answers=True)
        except CutOffError:
            provider.writes_left = None
            await forgotten(provider, with_answers=True)
            left = [text for values in provider._values.values() for text in values.values()]
            assert [text for text in left if SECRET in text or '"U1"' in text] == [], f"cut off after {cuts} writes"
            assert not await provider.is_file_needed(SHA256)
            cuts += 1
        else:
            break
    assert cuts > 5
