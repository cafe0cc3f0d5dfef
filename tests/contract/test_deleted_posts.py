"""The claims of `backscroll.testing.provider_contract.deleted_posts`, on every backend."""

from backscroll.testing.provider_contract.deleted_posts import *
