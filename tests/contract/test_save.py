"""The claims of `backscroll.testing.provider_contract.save`, on every backend."""

from backscroll.testing.provider_contract.save import *
