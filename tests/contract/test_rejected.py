"""The claims of `backscroll.testing.provider_contract.rejected`, on every backend."""

from backscroll.testing.provider_contract.rejected import *
