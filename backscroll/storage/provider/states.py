"""Suspended states: what waits for a person, for a while."""

from backscroll.storage.provider.feedback import FeedbackCalls


class StateCalls(FeedbackCalls):
    """The calls for states, with defaults on the six primitives."""
