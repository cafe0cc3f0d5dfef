"""The claims of `backscroll.testing.provider_contract.approvals`, on every backend."""

from backscroll.testing.provider_contract.approvals import *
