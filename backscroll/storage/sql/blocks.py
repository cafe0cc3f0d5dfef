"""Blocks in SQL; the contract stands in `provider/blocks.py`."""

from backscroll.storage.sql.places import SqlPlaces


class SqlBlocks(SqlPlaces):
    """The calls for blocks."""
