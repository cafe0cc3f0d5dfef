"""The claims of `backscroll.testing.provider_contract.files`, on every backend."""

from backscroll.testing.provider_contract.files import *
