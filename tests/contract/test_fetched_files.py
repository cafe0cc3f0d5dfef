"""The claims of `backscroll.testing.provider_contract.fetched_files`, on every backend."""

from backscroll.testing.provider_contract.fetched_files import *
