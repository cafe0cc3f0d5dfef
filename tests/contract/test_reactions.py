"""The claims of `backscroll.testing.provider_contract.reactions`, on every backend."""

from backscroll.testing.provider_contract.reactions import *
