"""The claims of `backscroll.testing.provider_contract.find`, on every backend."""

from backscroll.testing.provider_contract.find import *
