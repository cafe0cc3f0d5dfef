"""Agents in SQL; the contract stands in `provider/agents.py`."""

from backscroll.storage.sql.conversations import SqlConversations


class SqlAgents(SqlConversations):
    """The calls for agents."""
