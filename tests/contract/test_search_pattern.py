"""The claims of `backscroll.testing.provider_contract.search_pattern`, on every backend."""

from backscroll.testing.provider_contract.search_pattern import *
