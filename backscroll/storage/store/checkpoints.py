"""A store's calls for checkpoints."""

from backscroll.storage.store.agents import StoreAgents


class StoreCheckpoints(StoreAgents):
    """The calls for checkpoints."""
