"""A store's calls that search: in texts, and by the ids and links of other systems.

Proved by `tests/contract/test_search.py`, `test_by_platform.py` and `test_permalinks.py`.
"""

from typing import Any, NamedTuple

from backscroll.storage.keys import thread_field
from backscroll.storage.models import Message, Thread
from backscroll.storage.permalinks import Permalink
from backscroll.storage.provider import StorageProvider
from backscroll.storage.search import Pattern, Search
from backscroll.storage.store.messages import StoreMessages
from backscroll.storage.store.opening import whole
from backscroll.storage.values import check_count, check_id, check_text


class FoundMessage(NamedTuple):
    """What a link leads to. `message` is None when the thread is stored, and that message of it is not."""

    thread: Thread
    message: Message | None


class StoreSearches(StoreMessages):
    """The calls that search."""

    @whole
    async def search_by_title(
        self, query: str, limit: int = 20, *, substring: bool = False, with_messages: bool = True
    ) -> list[Thread]:
        """Return the threads whose title has all words of a query, newest first.

        Words are whole, in any order; case and diacritics do not count. A query without a word finds nothing.

        Args: substring: the query, as it stands, is a part of the title; under 3 characters, every title is read.
        """
        return await self._search(Search.of(query, substring=substring), limit, with_messages, titles=True)

    @whole
    async def search_by_content(
        self,
        query: str,
        limit: int = 20,
        *,
        regex: bool = False,
        substring: bool = False,
        with_messages: bool = True,
    ) -> list[Thread]:
        """Return the threads with a message that has all words of a query, newest thread first.

        As `search_by_title`, in each message's content. The first 100,000 characters of a text are searched.

        Args: regex: the query is a pattern of RE2, tried on message after message, case ignored.
        Raises: ValueError: a pattern that cannot be read. SearchTimeoutError: it was tried for 5 s.
        """
        if not regex:
            return await self._search(Search.of(query, substring=substring), limit, with_messages, contents=True)
        if substring:
            raise ValueError("a search is by regex or by substring, not both")
        pattern = Pattern(query)
        check_count(limit, "limit")
        provider = await self._ready()
        if pattern.finds_nothing:
            return []
        return await provider.search_pattern(pattern, limit=limit, with_messages=with_messages)

    @whole
    async def search_threads(
        self,
        query: str,
        limit: int = 20,
        offset: int = 0,
        *,
        substring: bool = False,
        with_messages: bool = True,
    ) -> tuple[list[Thread], int]:
        """Return one page of the threads whose title or a message fits, and how many fit in all: `(page, total)`.

        Order: those whose title fits, then the others; in each group newest first. Words and `substring` as in
        `search_by_title`; they stand all in the title, or all in one message.
        """
        search = Search.of(query, substring=substring)
        page = await self._search(search, limit, with_messages, titles=True, contents=True, offset=offset)
        if 0 < len(page) < limit:
            return page, offset + len(page)
        if search.finds_nothing:
            return page, 0
        return page, await self.provider.count_found(search, titles=True, contents=True)

    @whole
    async def get_by_platform(self, name: str, external_id: str, *, channel: str | None = None) -> Thread | None:
        """Return the thread that has this id on a platform, or None; the newest where several channels have it.

        A thread's own id is Slack's `thread_ts` and Discord's `thread`, and on another platform any property of it.
        Where no thread has it, the thread with a message of this id.

        Args: channel: decides between channels.
        """
        provider = await self._ready()
        name, external_id = check_id(name, "name"), check_id(external_id, "external_id")
        channel = None if channel is None else check_id(channel, "channel")
        place = {} if channel is None else {"channel": channel}
        field = thread_field(name)
        if field is None:
            found = await provider.search_by_platform(name, external_id, place=place, limit=1)
        else:
            found = await provider.find_by_platform(name, {field: external_id} | place, limit=1)
        if found:
            return found[0]
        message = await _find_message(provider, name, external_id, channel)
        return None if message is None else message.thread

    @whole
    async def get_by_permalink(self, url: str) -> FoundMessage | None:
        """Return what a Slack archive link or a Discord jump link leads to, `(thread, message)`, or None."""
        link = Permalink.read(check_text(url, "url"))
        provider = await self._ready()
        if link is None:
            return None
        found = None
        if link.message is not None:
            found = await _find_message(provider, link.platform, link.message, link.channel, link.workspace)
        return found or await _find_thread(provider, link)

    async def get_usage_stats(self) -> dict[str, Any]:
        """Return figures about all that is stored.

        Returns: `total_threads`, `total_messages` (tombstones too), `avg_messages_per_thread`, `total_tokens` as
            `{"total", "by_model": {model: tokens}}`, and `threads_last_hour`, `threads_last_24h`, `threads_last_7d`:
            the threads that changed since, by `updated_at`.
        """
        return (await (await self._ready()).get_usage_stats()).as_dict()

    async def _search(
        self,
        search: Search,
        limit: int,
        with_messages: bool,
        *,
        titles: bool = False,
        contents: bool = False,
        offset: int = 0,
    ) -> list[Thread]:
        check_count(limit, "limit")
        check_count(offset, "offset", 0)
        provider = await self._ready()
        if search.finds_nothing:
            return []
        return await provider.search(
            search, titles=titles, contents=contents, limit=limit, offset=offset, with_messages=with_messages
        )


async def _find_message(
    provider: StorageProvider, platform: str, external_id: str, channel: str | None, workspace: str | None = None
) -> FoundMessage | None:
    """Find the message with an id on a platform; in the newest thread where there are several."""
    candidates = []
    for external, message_id in await provider.find_external_ids(platform, external_id):
        if workspace is not None and external.workspace not in ("", workspace):
            continue
        found = await provider.get_message(message_id)
        thread = None if found is None else await provider.get_thread(found[0], limit=0)
        if found is None or thread is None:
            continue
        # In Discord's links the channel of a message in a thread is the thread.
        places = {external.channel, thread.platforms.get(platform, {}).get(thread_field(platform) or "thread")}
        if channel is None or channel in places:
            candidates.append((thread.updated_at, thread.id, found[1]))
    for _, thread_id, message in sorted(candidates, key=lambda each: each[:2], reverse=True):
        whole = await provider.get_thread(thread_id)
        if whole is not None:
            return FoundMessage(whole, message)
    return None


async def _find_thread(provider: StorageProvider, link: Permalink) -> FoundMessage | None:
    """Find the thread of a link whose message is not stored, or that names none."""
    field = thread_field(link.platform) or "thread"
    if link.platform == "slack":
        places = [{"channel": link.channel, field: link.thread or link.message}]
    else:
        places = [{field: link.channel}, {"channel": link.channel, field: link.message or link.channel}]
    for place in places:
        found = await provider.find_by_platform(link.platform, place, limit=1)
        if found:
            return FoundMessage(found[0], None)
    return None
