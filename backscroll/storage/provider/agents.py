"""Threads and messages as agent platforms name them."""

from backscroll.storage.provider.conversations import ConversationCalls


class AgentCalls(ConversationCalls):
    """The calls for agents, with defaults on the six primitives."""
