"""The claims of `backscroll.testing.provider_contract.sending`, on every backend."""

from backscroll.testing.provider_contract.sending import *
