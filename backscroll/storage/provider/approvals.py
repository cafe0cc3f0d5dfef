"""Approvals: answers that wait for a person to decide."""

from backscroll.storage.provider.forks import ForkCalls


class ApprovalCalls(ForkCalls):
    """The calls for approvals, with defaults on the six primitives."""
