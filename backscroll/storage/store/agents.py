"""A store's calls for threads, feedback, states and forks, as agent platforms name them."""

from backscroll.storage.store.blocks import StoreBlocks


class StoreAgents(StoreBlocks):
    """The calls for threads, feedback, states and forks, as agent platforms name them."""
