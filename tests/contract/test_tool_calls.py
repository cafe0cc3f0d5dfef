"""The claims of `backscroll.testing.provider_contract.tool_calls`, on every backend."""

from backscroll.testing.provider_contract.tool_calls import *
