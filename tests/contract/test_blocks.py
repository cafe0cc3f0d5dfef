"""The claims of `backscroll.testing.provider_contract.blocks`, on every backend."""

from backscroll.testing.provider_contract.blocks import *
