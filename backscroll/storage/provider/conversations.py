"""Conversations: threads as Slack agents name them, and what is exported of them."""

from backscroll.storage.provider.blocks import BlockCalls


class ConversationCalls(BlockCalls):
    """The calls for conversations, with defaults on the six primitives."""
