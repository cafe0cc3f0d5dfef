"""States in SQL; the contract stands in `provider/states.py`."""

from backscroll.storage.sql.feedback import SqlFeedback


class SqlStates(SqlFeedback):
    """The calls for states."""
