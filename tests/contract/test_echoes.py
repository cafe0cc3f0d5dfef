"""The claims of `backscroll.testing.provider_contract.echoes`, on every backend."""

from backscroll.testing.provider_contract.echoes import *
