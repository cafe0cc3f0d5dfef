"""Checkpoints in SQL; the contract stands in `provider/checkpoints.py`."""

from backscroll.storage.sql.approvals import SqlApprovals


class SqlCheckpoints(SqlApprovals):
    """The calls for checkpoints."""
