"""The claims of `backscroll.testing.provider_contract.search`, on every backend."""

from backscroll.testing.provider_contract.search import *
