"""The claims of `backscroll.testing.provider_contract.changed_places`, on every backend."""

from backscroll.testing.provider_contract.changed_places import *
