"""The claims of `backscroll.testing.provider_contract.conversations`, on every backend."""

from backscroll.testing.provider_contract.conversations import *
