"""The claims of `backscroll.testing.provider_contract.find_messages`, on every backend."""

from backscroll.testing.provider_contract.find_messages import *
