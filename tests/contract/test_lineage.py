"""The claims of `backscroll.testing.provider_contract.lineage`, on every backend."""

from backscroll.testing.provider_contract.lineage import *
