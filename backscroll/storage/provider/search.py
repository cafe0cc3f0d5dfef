"""Searches in titles and contents.

What is found is said in `backscroll/storage/search.py`. These defaults read every text; a backend with an index does
not. Proved by `tests/contract/test_search.py`, `test_search_changes.py` and `test_search_pattern.py`.
"""

from typing import Any

from backscroll.storage.models import Thread, plain_text
from backscroll.storage.provider.rejected import RejectedCalls
from backscroll.storage.provider.threads import newest
from backscroll.storage.search import Pattern, Search, searched_text, tool_text


class SearchCalls(RejectedCalls):
    """The calls for searches, with defaults on the six primitives."""

    async def search(
        self,
        search: Search,
        *,
        titles: bool,
        contents: bool,
        limit: int | None = 20,
        offset: int = 0,
        with_messages: bool = True,
    ) -> list[Thread]:
        """Return the threads whose title, or one of whose messages, fits.

        Order: those whose title fits, then the others; in each group newest first. Tombstones fit nothing.

        Args: titles, contents: where to look. limit: None means all. with_messages: False leaves the messages out.
        """
        rows = await self._found(search, titles=titles, contents=contents)
        end = None if limit is None else offset + limit
        return [await self._thread_of(row, None if with_messages else 0) for row in rows[offset:end]]

    async def count_found(self, search: Search, *, titles: bool, contents: bool) -> int:
        """Return how many threads `search` would find without a limit."""
        return len(await self._found(search, titles=titles, contents=contents))

    async def search_pattern(self, pattern: Pattern, *, limit: int = 20, with_messages: bool = True) -> list[Thread]:
        """Return the threads with a message that a pattern fits, newest first. It is tried on text after text.

        Raises: SearchTimeoutError: the pattern was tried for 5 s.
        """
        rows = sorted(await self.query("threads", {}), key=newest, reverse=True)
        texts = await self._contents()
        found: list[Thread] = []
        for row in rows:
            if await pattern.fitting((row["id"], text) for text in texts.get(row["id"], ())):
                found.append(await self._thread_of(row, None if with_messages else 0))
            if len(found) == limit:
                break
        return found

    async def _found(self, search: Search, *, titles: bool, contents: bool) -> list[dict[str, Any]]:
        """Return the values of the threads that fit, in order."""
        rows = sorted(await self.query("threads", {}), key=newest, reverse=True)
        by_title = [row for row in rows if titles and search.fits(row["title"])]
        known = {row["id"] for row in by_title}
        texts = await self._contents() if contents else {}
        return by_title + [
            row
            for row in rows
            if row["id"] not in known and any(search.fits(text) for text in texts.get(row["id"], ()))
        ]

    async def _contents(self) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = {}
        tools = await self._tool_texts()
        for row in await self.query("messages", {}):
            message = row["message"]
            if message["deleted_at"] is None:
                text = searched_text(plain_text(message["content"]), tools.get(message["id"], ()))
                texts.setdefault(row["thread_id"], []).append(text)
        return texts

    async def _tool_texts(self) -> dict[str, list[str]]:
        """Return what is told of each message's tools."""
        texts: dict[str, list[str]] = {}
        blocks = await self.query("blocks", {"block_type": "tool_use"})
        for block in sorted(blocks, key=lambda block: block["position"]):
            texts.setdefault(block["message_id"], []).append(tool_text(block["content"]))
        return texts
