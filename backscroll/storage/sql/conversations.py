"""Conversations in SQL; the contract stands in `provider/conversations.py`."""

from backscroll.storage.sql.blocks import SqlBlocks


class SqlConversations(SqlBlocks):
    """The calls for conversations."""
