"""The claims of `backscroll.testing.provider_contract.growing`, on every backend."""

from backscroll.testing.provider_contract.growing import *
