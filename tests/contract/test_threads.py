"""The claims of `backscroll.testing.provider_contract.threads`, on every backend."""

from backscroll.testing.provider_contract.threads import *
