"""The claims of `backscroll.testing.provider_contract.by_platform`, on every backend."""

from backscroll.testing.provider_contract.by_platform import *
