"""Blocks: what an agent did, part by part, beside what a message says."""

from backscroll.storage.provider.places import PlaceCalls


class BlockCalls(PlaceCalls):
    """The calls for blocks, with defaults on the six primitives."""
