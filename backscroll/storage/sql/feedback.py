"""Feedback in SQL; the contract stands in `provider/feedback.py`."""

from backscroll.storage.sql.agents import SqlAgents


class SqlFeedback(SqlAgents):
    """The calls for feedback."""
