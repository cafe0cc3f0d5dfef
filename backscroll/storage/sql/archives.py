"""Archives, read and merged set by set. The contract stands in `provider/archives.py`.

Proved by `tests/contract/test_archives.py`.
"""

from backscroll.storage.sql.checkpoints import SqlCheckpoints


class SqlArchives(SqlCheckpoints):
    """The calls for archives."""
