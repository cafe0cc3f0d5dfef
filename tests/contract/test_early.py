"""The claims of `backscroll.testing.provider_contract.early`, on every backend."""

from backscroll.testing.provider_contract.early import *
