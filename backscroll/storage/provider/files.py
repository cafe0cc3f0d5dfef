"""Which files messages need: the file store asks here before it removes a content.

Proved by `tests/contract/test_files.py`.
"""

from collections.abc import Iterable

from backscroll.storage.provider.stats import StatsCalls
from backscroll.storage.records import DroppedFile


class FileCalls(StatsCalls):
    """The calls for files, with defaults on the six primitives."""

    async def is_file_needed(self, sha256: str) -> bool:
        """Tell whether a stored message has an attachment with this hash."""
        return bool(await self.query("file_users", {"sha256": sha256}))

    async def list_dropped_files(self, *, limit: int = 100) -> list[DroppedFile]:
        """Return files that a message which was deleted had; another may have them still. In no order."""
        rows = await self.query("dropped_files", {})
        return [DroppedFile(row["key"], row["sha256"]) for row in rows[:limit]]

    async def forget_dropped_files(self, ids: Iterable[str]) -> None:
        """Forget dropped files that were seen to; harmless when repeated."""
        for each in ids:
            await self.delete("dropped_files", each)
