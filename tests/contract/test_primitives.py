"""The claims of `backscroll.testing.provider_contract.primitives`, on every backend."""

from backscroll.testing.provider_contract.primitives import *
