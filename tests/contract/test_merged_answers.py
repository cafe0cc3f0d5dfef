"""The claims of `backscroll.testing.provider_contract.merged_answers`, on every backend."""

from backscroll.testing.provider_contract.merged_answers import *
