"""The claims of `backscroll.testing.provider_contract.delete_many`, on every backend."""

from backscroll.testing.provider_contract.delete_many import *
