"""A store's calls for threads: saved, read, listed, deleted, and found by what they carry.

Proved by `tests/contract/test_threads.py`, `test_save.py` and `test_find.py`.
"""

from collections.abc import Iterable
from typing import Any

from backscroll.storage.changes import changes_of, remember_saved
from backscroll.storage.models import Thread
from backscroll.storage.store.opening import Opening, whole
from backscroll.storage.values import check_count, check_id, check_type, clean_json, clean_object

Threads = list[Thread]

FILTER_COUNT = 500
"""Properties that a thread is found by, at most: the databases take no longer statements."""


class StoreThreads(Opening):
    """The calls for threads."""

    @whole
    async def save(self, thread: Thread) -> Thread:
        """Write what was changed in a thread since it was loaded or saved, in one transaction, and return the thread.

        Merges: what another writer added stays, and the same field changed by two goes to the last commit. A thread
        that was never loaded is added to what is stored. System messages stay in the object and are not stored. New
        messages are given their sequence. What is changed in the object meanwhile is left for the next `save()`.

        Raises: ThreadNotFoundError: the thread was loaded and has been deleted since. MessageExistsError: a message's
        id belongs to another thread.
        """
        changes = changes_of(check_type(thread, Thread, "thread"))
        provider = await self._ready()
        stored = await self._attachments.write(changes.messages, lambda: provider.write_thread(changes))
        return remember_saved(thread, changes, stored)

    async def get(self, thread_id: str) -> Thread | None:
        """Return a thread with all its messages, or None."""
        return await (await self._ready()).get_thread(check_id(thread_id))

    @whole
    async def get_or_create(self, thread_id: str) -> Thread:
        """Return a thread; make and store it now when there is none. Concurrent calls make one."""
        provider = await self._ready()
        thread = await provider.get_thread(check_id(thread_id))
        if thread is None:
            await provider.write_thread(changes_of(Thread(id=thread_id)))
            thread = await provider.get_thread(check_id(thread_id))
        return thread or await self.get_or_create(thread_id)

    @whole
    async def delete(self, thread_id: str) -> bool:
        """Delete a thread with its messages, aliases, answers, files and checkpoints; False when there is none."""
        return await self.delete_many([thread_id]) > 0

    @whole
    async def delete_many(self, thread_ids: Iterable[str]) -> int:
        """Delete threads as `delete` does, in one transaction or several, and return how many there were."""
        if isinstance(thread_ids, str) or not isinstance(thread_ids, Iterable):
            raise ValueError(f"thread_ids are a list of ids, got {type(thread_ids).__name__}")
        count = await (await self._ready()).delete_threads([check_id(thread_id) for thread_id in thread_ids])
        await self._attachments.discard_dropped()
        return count

    @whole
    async def list_threads(
        self,
        limit: int = 100,
        offset: int = 0,
        *,
        agent_name: str | None = None,
        user_id: str | None = None,
        with_messages: bool = True,
    ) -> tuple[Threads, int]:
        """Return one page of threads, newest first, and how many there are in all: `(page, total)`."""
        check_count(limit, "limit")
        check_count(offset, "offset", 0)
        agent_name = None if agent_name is None else check_id(agent_name, "agent_name")
        user_id = None if user_id is None else check_id(user_id, "user_id")
        provider = await self._ready()
        page = await provider.list_threads(
            limit=limit, offset=offset, agent_name=agent_name, user_id=user_id, with_messages=with_messages
        )
        return page, await provider.count_threads(agent_name=agent_name, user_id=user_id)

    async def list_recent(self, limit: int | None = None, *, with_messages: bool = True) -> Threads:
        """Return the newest threads, newest first; all of them without a limit."""
        if limit is not None:
            check_count(limit, "limit")
        return await (await self._ready()).list_threads(limit=limit, with_messages=with_messages)

    @whole
    async def find_by_attributes(self, attributes: dict[str, Any]) -> Threads:
        """Return the threads whose attributes have all these top-level values, newest first. No filters: all threads.

        Equality is JSON equality: `5`, `5.0`, `"5"`, `true` and `null` differ, and a missing key is not `null`.
        """
        return await (await self._ready()).find_by_attributes(_check_filters(attributes, "attributes"))

    @whole
    async def find_by_platform(self, name: str, place: dict[str, Any]) -> Threads:
        """Return the threads that live at this place of a platform, such as `("slack", {"channel": "C1"})`.

        Newest first; no filters: all of the platform. Equality as in `find_by_attributes`.
        """
        return await (await self._ready()).find_by_platform(check_id(name, "name"), _check_filters(place, "place"))

    async def find_by_source(self, name: str, place: dict[str, Any]) -> Threads:
        """Do as `find_by_platform`, by its older name."""
        return await self.find_by_platform(name, place)

    async def search_by_platform(self, name: str, value: Any) -> Threads:
        """Return the threads that have this value under any property of a platform, such as `("slack", "C123456")`.

        Newest first. Equality as in `find_by_attributes`.
        """
        return await (await self._ready()).search_by_platform(check_id(name, "name"), clean_json(value))

    async def save_thread_alias(self, thread_id: str, alias: str) -> None:
        """Give a thread one more name; harmless when it has it.

        Raises: ThreadNotFoundError: no thread has this id. AliasInUseError: the alias belongs to another thread.
        """
        await (await self._ready()).save_thread_alias(check_id(thread_id), check_id(alias, "alias"))

    async def get_by_alias(self, alias: str) -> Thread | None:
        """Return the thread with this alias and all its messages, or None."""
        return await (await self._ready()).get_by_alias(check_id(alias, "alias"))

    async def get_thread_aliases(self, thread_id: str) -> list[str]:
        """Return a thread's aliases in the order of their code points; empty for an unknown thread."""
        return await (await self._ready()).get_thread_aliases(check_id(thread_id))

    async def delete_thread_alias(self, alias: str) -> bool:
        """Take a name away; False when nobody has it."""
        return await (await self._ready()).delete_thread_alias(check_id(alias, "alias"))

    async def list(self, limit: int = 100, offset: int = 0) -> Threads:
        """Return one page of threads, newest first."""
        return (await self.list_threads(limit, offset))[0]


def _check_filters(wanted: dict[str, Any], name: str) -> dict[str, Any]:
    """Clean what threads are found by.

    Raises: ValueError: it is no JSON object, or has more than 500 keys.
    """
    cleaned = clean_object(wanted, name)
    if len(cleaned) > FILTER_COUNT:
        raise ValueError(f"{name} has {FILTER_COUNT} keys at most, got {len(cleaned)}")
    return cleaned
