"""The claims of `backscroll.testing.provider_contract.places`, on every backend."""

from backscroll.testing.provider_contract.places import *
