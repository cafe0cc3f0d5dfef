"""The claims of `backscroll.testing.provider_contract.states`, on every backend."""

from backscroll.testing.provider_contract.states import *
