"""Feedback: what people think of an answer."""

from backscroll.storage.provider.agents import AgentCalls


class FeedbackCalls(AgentCalls):
    """The calls for feedback, with defaults on the six primitives."""
