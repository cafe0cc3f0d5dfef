"""Forks: threads that begin as a part of another, and whom they come from."""

from backscroll.storage.provider.states import StateCalls


class ForkCalls(StateCalls):
    """The calls for forks, with defaults on the six primitives."""
