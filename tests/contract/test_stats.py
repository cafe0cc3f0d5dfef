"""The claims of `backscroll.testing.provider_contract.stats`, on every backend."""

from backscroll.testing.provider_contract.stats import *
