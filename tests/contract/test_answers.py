"""The claims of `answers` and `retrying` in `backscroll.testing.provider_contract`, on every backend."""

from backscroll.testing.provider_contract.answers import *
from backscroll.testing.provider_contract.retrying import *
