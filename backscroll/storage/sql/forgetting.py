"""Forgetting. The contract stands in `provider/forgetting.py`.

Proved by `tests/contract/test_forgetting.py`.
"""

from backscroll.storage.sql.archives import SqlArchives


class SqlForgetting(SqlArchives):
    """The calls for forgetting."""
