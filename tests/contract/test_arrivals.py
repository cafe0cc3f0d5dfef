"""The claims of `backscroll.testing.provider_contract.arrivals`, on every backend, and one on thousands at once."""

from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.arrivals import *
from backscroll.testing.provider_contract.arrivals import earlier
from backscroll.testing.provider_contract.samples import arriving


async def test_more_earlier_messages_than_a_statement_has_parameters_are_kept(provider: StorageProvider) -> None:
    kept = await provider.record_message(arriving("last"), earlier=earlier(*range(1, 8400)))
    assert kept is not None
    assert kept.message.sequence == 8400
