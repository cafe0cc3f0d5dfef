"""Approvals in SQL; the contract stands in `provider/approvals.py`."""

from backscroll.storage.sql.forks import SqlForks


class SqlApprovals(SqlForks):
    """The calls for approvals."""
