"""Checkpoints: the states of a graph, step by step."""

from backscroll.storage.provider.approvals import ApprovalCalls


class CheckpointCalls(ApprovalCalls):
    """The calls for checkpoints, with defaults on the six primitives."""
