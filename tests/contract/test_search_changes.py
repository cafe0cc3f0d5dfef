"""The claims of `backscroll.testing.provider_contract.search_changes`, on every backend."""

from backscroll.testing.provider_contract.search_changes import *
