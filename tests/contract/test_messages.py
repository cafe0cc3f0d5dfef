"""The claims of `backscroll.testing.provider_contract.messages`, on every backend."""

from backscroll.testing.provider_contract.messages import *
