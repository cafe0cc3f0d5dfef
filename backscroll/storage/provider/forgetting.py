"""Forgetting: a person's words, and messages that are older than they may be, leave; threads stay readable.

What is forgotten leaves a tombstone with its sequence, so nothing that is delivered again brings it back. Proved by
`tests/contract/test_forgetting.py`.
"""

from backscroll.storage.provider.archives import ArchiveCalls


class ForgettingCalls(ArchiveCalls):
    """The calls for forgetting, with defaults on the six primitives."""
