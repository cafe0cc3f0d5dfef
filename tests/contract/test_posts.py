"""The claims of `backscroll.testing.provider_contract.posts`, on every backend."""

from backscroll.testing.provider_contract.posts import *
