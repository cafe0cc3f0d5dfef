"""A store's calls for conversations and blocks, as Slack agents name them."""

from backscroll.storage.store.searches import StoreSearches


class StoreBlocks(StoreSearches):
    """The calls for conversations and blocks, as Slack agents name them."""
