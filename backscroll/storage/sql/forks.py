"""Forks in SQL; the contract stands in `provider/forks.py`."""

from backscroll.storage.sql.states import SqlStates


class SqlForks(SqlStates):
    """The calls for forks."""
