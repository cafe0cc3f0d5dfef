"""Which files messages need: the file store asks here before it removes a content.

Proved by `tests/contract/test_files.py`.
"""

from collections.abc import Iterable

from backscroll.storage.models import Attachment
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import message_of
from backscroll.storage.provider.stats import StatsCalls
from backscroll.storage.records import DroppedFile, WantedFile


class FileCalls(StatsCalls):
    """The calls for files, with defaults on the six primitives."""

    async def is_file_needed(self, sha256: str) -> bool:
        """Tell whether a stored message has an attachment, or the output of a tool, with this hash."""
        return bool(await self.query("file_users", {"sha256": sha256}))

    async def list_dropped_files(self, *, limit: int = 100) -> list[DroppedFile]:
        """Return files that a message which was deleted had; another may have them still. In no order."""
        rows = await self.query("dropped_files", {})
        return [DroppedFile(row["key"], row["sha256"]) for row in rows[:limit]]

    async def forget_dropped_files(self, ids: Iterable[str]) -> None:
        """Forget dropped files that were seen to; harmless when repeated."""
        for each in ids:
            await self.delete("dropped_files", each)

    async def list_wanted_files(self, platforms: list[str], *, limit: int = 100) -> list[WantedFile]:
        """Return files whose contents are still to be fetched: `message_id`, then `position`."""
        async with self._exclusive:
            rows = [row for name in platforms for row in await self.query("wanted_files", {"platform": name})]
            wanted = []
            for row in sorted(rows, key=lambda row: (row["message_id"], row["position"]))[:limit]:
                message = await self._message_row(row["message_id"])
                files = [] if message is None else message_of(message).attachments
                if row["position"] <= len(files):
                    place = row["platform"], row["workspace"]
                    wanted.append(WantedFile(row["message_id"], row["position"], *place, files[row["position"] - 1]))
                else:  # its message was deleted, or never came
                    await self.delete("wanted_files", row["key"])
            return wanted

    async def settle_file(self, message_id: str, position: int, attachment: Attachment | None) -> bool:
        """Put the attachment whose content lies in the file store in place of the one that was wanted.

        Args: attachment: None when its content will not be had; the one that stands stays.
        Returns: False when the message does not have it any more; a repeat changes nothing.
        """
        async with self._exclusive:
            row = await self._message_row(message_id)
            files = [] if row is None else row["message"]["attachments"]
            if row is not None and attachment is not None and position <= len(files):
                files[position - 1] = attachment.model_dump(mode="json")
                key = join_key(str(attachment.sha256), message_id)
                await self.set("file_users", key, {"sha256": attachment.sha256})
                await self._set_message(row)
            await self.delete("wanted_files", join_key(message_id, position))
            return position <= len(files)
