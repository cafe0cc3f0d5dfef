"""The claims of `backscroll.testing.provider_contract.merging`, on every backend."""

from backscroll.testing.provider_contract.merging import *
