"""The claims of `backscroll.testing.provider_contract.export`, on every backend."""

from backscroll.testing.provider_contract.export import *
