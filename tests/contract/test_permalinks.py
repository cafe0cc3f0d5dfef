"""The claims of `backscroll.testing.provider_contract.permalinks`, on every backend."""

from backscroll.testing.provider_contract.permalinks import *
