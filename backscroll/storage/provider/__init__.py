"""The contract that every storage backend keeps: `StorageProvider`.

One file for each noun; each says what its calls promise, and gives them a default on the six primitives, so that a
class with only these six is a whole provider. A backend overrides what it can do better and never what a call means.
All of it is proved by `tests/contract/`, which runs on every provider.

    Primitives → Rows → ThreadCalls → AliasCalls → AnswerCalls → SendingCalls → MessageCalls → ReactionCalls
    → RejectedCalls → SearchCalls → StatsCalls → FileCalls → PlaceCalls → BlockCalls → ConversationCalls
    → AgentCalls → FeedbackCalls → StateCalls → ForkCalls → ApprovalCalls → CheckpointCalls → ArchiveCalls
    → ForgettingCalls
"""

from backscroll.storage.provider.forgetting import ForgettingCalls


class StorageProvider(ForgettingCalls):
    """A storage backend: the six primitives, and every call of the contract."""
