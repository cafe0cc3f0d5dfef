"""The claims of `backscroll.testing.provider_contract.aliases`, on every backend."""

from backscroll.testing.provider_contract.aliases import *
