"""The claims of `backscroll.testing.provider_contract.record`, on every backend."""

from backscroll.testing.provider_contract.record import *
