"""The claims of `backscroll.testing.provider_contract.agent_threads`, on every backend."""

from backscroll.testing.provider_contract.agent_threads import *
