"""The claims of `backscroll.testing.provider_contract.checkpoints`, on every backend."""

from backscroll.testing.provider_contract.checkpoints import *
