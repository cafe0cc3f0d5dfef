"""Forks: threads that begin as a part of another, and whom they come from.

Proved by `tests/contract/test_forks.py` and `test_lineage.py`.
"""

from typing import Any

from backscroll.errors import MessageIndexError
from backscroll.storage.models import Thread
from backscroll.storage.provider.agents import thread_exists
from backscroll.storage.provider.lineage import lineage_of, read_down, read_up
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import files_of, thread_row
from backscroll.storage.provider.states import StateCalls
from backscroll.storage.values import check_id, check_text, new_id


class ForkCalls(StateCalls):
    """The calls for forks, with defaults on the six primitives."""

    async def fork_thread(
        self,
        thread_id: str,
        message_index: int,
        new_id: str,
        *,
        title: str | None = None,
        with_messages: bool = True,
    ) -> Thread | None:
        """Make a thread of another's messages 0 to an index, inclusive, in one transaction, and return it.

        The messages keep their sequences, times, contents, attributes, attachments, blocks, metrics, `platforms`, and
        the reactions that stand; tombstones are copied as such. Their ids are new, and the posts outside stay the
        parent's: no copy is found by one. Nor is the fork, which keeps the user, agent and attributes and not the
        `platforms`. Answers, aliases, versions and feedback are not copied; what the messages cost counts once, where
        it was spent. Writes to the parent come before the copy or after it, as a whole.

        Args: title: None means "Fork of" and the parent's. with_messages: False leaves the messages out of the thread
            that is returned.
        Returns: None when there is no such thread. `parent_id` is the parent's, and `forked_at` its last sequence that
            was copied.
        Raises: MessageIndexError: the thread has no message of this index. ThreadExistsError: the new id is in use.
            Nothing is written then.
        """
        fork_id = check_id(new_id, "new_id")
        title = None if title is None else check_text(title, "title")
        async with self._exclusive:
            parent = await self.get("threads", thread_id)
            if parent is None:
                return None
            last = last_copied(thread_id, message_index, parent["last_sequence"])
            if await self.get("threads", fork_id) is not None:
                raise thread_exists(fork_id)
            for row in await self.query("messages", {"thread_id": fork_id}):
                await self._forget_message(row)  # a fork that was cut off
            await self._copy_messages(thread_id, fork_id, last)
            fork = Thread(id=fork_id, parent_id=thread_id, forked_at=last)
            copied = {name: parent[name] for name in ("user_id", "agent_name", "attributes")}
            # The thread last: until then nobody meets any of it.
            named = {"title": fork_title(parent["title"]) if title is None else title}
            await self._set_thread(thread_row(fork) | copied | named | {"last_sequence": last})
            row = await self.get("threads", fork_id) or {}
            return await self._thread_of(row, None if with_messages else 0)

    async def get_thread_lineage(self, thread_id: str) -> dict[str, Any]:
        """Return whom a thread comes from and all that come from it, also over threads that were deleted.

        `{"thread_id", "ancestors": [root … parent], "descendants": [{…, "depth"}]}`. Each is `{"thread_id", "title",
        "user_id", "agent_name", "parent_thread_id", "forked_at", "created_at", "is_deleted"}`; of a deleted one no more
        than its id, parent and `forked_at` is known. Descendants come breadth first, `depth` 1 the thread's own forks;
        in one depth by `created_at`, deleted ones last, then `thread_id`. Both are empty for an unknown thread.
        """
        above = await read_up(self, thread_id)
        return lineage_of(thread_id, above | await read_down(self, above and [thread_id]))

    async def _copy_messages(self, thread_id: str, fork_id: str, last: int) -> None:
        prefix = new_id()
        found_rows = [await self.get("messages", join_key(thread_id, number)) for number in range(1, last + 1)]
        rows = [row for row in found_rows if row is not None]  # somebody may have removed one by hand
        numbers = {row["message"]["id"]: row["message"]["sequence"] for row in rows}
        found = await self.query("blocks", {"thread_id": thread_id})
        blocks = [block for block in found if block["message_id"] in numbers]
        ids = {block["id"]: f"{prefix}.{numbers[block['message_id']]}.{block['position']}" for block in blocks}
        for row in rows:
            await self._copy_message(row, f"{prefix}.{numbers[row['message']['id']]}", fork_id)
        for block in blocks:
            await self._copy_block(block, f"{prefix}.{numbers[block['message_id']]}", fork_id, ids)

    async def _copy_message(self, row: dict[str, Any], message_id: str, fork_id: str) -> None:
        copied = {
            "thread_id": fork_id,
            "external": None,
            "message": row["message"] | {"id": message_id},
            "reactions": [entry for entry in row["reactions"] if not entry["removed"]],
            "texts": [text | {"id": f"{message_id}.{text['position']}"} for text in row.get("texts", ())],
            "versions": [],
            "is_copy": True,
        }
        # The message first: a repeat finds by it what a fork that was cut off left.
        await self._set_message(row | copied)
        place = {"thread_id": fork_id, "sequence": row["message"]["sequence"]}
        await self.set("message_places", message_id, place)
        for sha256 in files_of(row):
            await self.set("file_users", join_key(sha256, message_id), {"sha256": sha256})
        await self._copy_wanted(row["message"], message_id)

    async def _copy_block(self, block: dict[str, Any], message_id: str, fork_id: str, ids: dict[str, str]) -> None:
        if block["sha256"] is not None:
            user = join_key(block["sha256"], message_id, ids[block["id"]])
            await self.set("file_users", user, {"sha256": block["sha256"]})
        copied: dict[str, Any] = {"id": ids[block["id"]], "message_id": message_id, "thread_id": fork_id}
        # What it cost counts where it was spent.
        copied |= {"tokens": None if block["tokens"] is None else 0, "cost_usd": None}
        copied |= {"details": copied_details(block["details"], ids)}
        kept = {name: value for name, value in block.items() if name != "key"}
        await self.set("blocks", join_key(message_id, block["position"]), kept | copied)

    async def _copy_wanted(self, message: dict[str, Any], message_id: str) -> None:
        """Let the files that are still to be fetched be fetched for the copy too."""
        for position in range(1, len(message["attachments"]) + 1):
            wanted = await self.get("wanted_files", join_key(message["id"], position))
            if wanted is not None:
                await self.set("wanted_files", join_key(message_id, position), wanted | {"message_id": message_id})


def last_copied(thread_id: str, message_index: int, count: int) -> int:
    """Return the sequence of the last message that a fork copies.

    Raises: MessageIndexError: the thread has no message of this index.
    """
    if isinstance(message_index, bool) or not isinstance(message_index, int):
        raise ValueError(f"message_index is a whole number from 0 up, got {type(message_index).__name__}")
    if not 0 <= message_index < count:
        raise MessageIndexError(
            f"Thread {thread_id} has no message at index {message_index}: it has {count}.",
            "The first one's index is 0.",
        )
    return message_index + 1


def copied_details(details: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Let a copied file name the copy of the tool's block that made it.

    Args: ids: the copies' ids, by the originals'.
    """
    made_by = details.get("tool_block_id")
    return details | {"tool_block_id": ids[made_by]} if made_by in ids else details


def fork_title(title: str) -> str:
    """Name a fork after its parent."""
    return f"Fork of {title}"
