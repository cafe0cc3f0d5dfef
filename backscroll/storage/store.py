"""`ThreadStore`: the API that people program against, on any provider.

Checks what it is given, connects at first use, and delegates; it knows no backend. Proved by `tests/contract/`, whose
claims run through it, and `tests/unit/storage/test_store.py`.
"""

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from backscroll.errors import StoreClosedError
from backscroll.storage.changes import changes_of, remember_saved
from backscroll.storage.models import Content, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.sql import Provider as SqlProvider
from backscroll.storage.values import check_count, check_id, clean_object

T = TypeVar("T")
Threads = list[Thread]
Messages = list[Message]


class ThreadStore:
    """Threads and their messages, kept.

    `ThreadStore(url)` connects at first use, `await ThreadStore.create(url)` now; `ThreadStore(provider=p)` wraps any
    provider. Without either it keeps everything in memory. Use it with `async with`, or `close()` it.

    Order: "newest first" is `updated_at`, then `id`, both descending. Ids are texts of 1 to 500 characters. Every call
    may raise `StorageUnavailableError` (the storage does not answer now), `StorageRefusedError` (it answers, and
    refuses), `StoreClosedError` (after `close()`), and `ValueError` for an id, limit or value that cannot be.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        provider: StorageProvider | None = None,
        closes_provider: bool = True,
        **options: Any,
    ) -> None:
        """Make a store; connects at first use.

        Args: url: `postgresql://…`, `sqlite:///…`, a bare file name (SQLite), or `:memory:`, the default.
            closes_provider: False leaves a provider that others use too open when the store is closed.
            options: the SQL provider's, such as `pool_size`.
        Raises: ValueError: both a URL and a provider. StorageRefusedError: the URL is none of these.
        """
        if provider is not None and (url is not None or options):
            raise ValueError("a store takes a URL with its options, or a provider")
        self.provider = provider or SqlProvider(":memory:" if url is None else url, **options)
        self._closes_provider = closes_provider
        self._opening = asyncio.Lock()
        self._is_open = False
        self._is_closed = False

    @classmethod
    async def create(cls, url: str | None = None, **options: Any) -> Self:
        """Make a store and connect it now. Arguments and errors as the constructor's."""
        store = cls(url, **options)
        try:
            await store.initialize()
        except BaseException:
            await store.close()
            raise
        return store

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"ThreadStore({self.database_url or type(self.provider).__module__!r})"

    @property
    def database_url(self) -> str | None:
        """The URL with its password hidden; None where the provider has no URL."""
        database = getattr(self.provider, "database", None)
        return None if database is None else str(database.url.render_as_string(hide_password=True))

    @property
    def engine(self) -> AsyncEngine | None:
        """SQLAlchemy's engine, there before the first connection; None where the provider has none."""
        database = getattr(self.provider, "database", None)
        return None if database is None else database.engine

    async def initialize(self) -> None:
        """Connect and bring the schema up to date. Harmless when repeated or concurrent."""
        await self._ready()

    async def close(self) -> None:
        """Finish what is under way and disconnect. Harmless when repeated."""
        self._is_closed = True
        if self._closes_provider:
            async with self._opening:
                await self.provider.close()

    async def health_check(self) -> dict[str, Any]:
        """Return `{"status": "healthy" | "unhealthy", "backend": …}`; never raises."""
        return await self.provider.health_check()

    async def save(self, thread: Thread) -> Thread:
        """Write what was changed in a thread since it was loaded or saved, in one transaction, and return the thread.

        Merges: what another writer added stays, and the same field changed by two goes to the last commit. A thread
        that was never loaded is added to what is stored. System messages stay in the object and are not stored. New
        messages are given their sequence. What is changed in the object meanwhile is left for the next `save()`.

        Raises: ThreadNotFoundError: the thread was loaded and has been deleted since. MessageExistsError: a message's
        id belongs to another thread.
        """
        changes = changes_of(_of_type(thread, Thread, "thread"))
        provider = await self._ready()
        return remember_saved(thread, changes, await provider.write_thread(changes))

    async def get(self, thread_id: str) -> Thread | None:
        """Return a thread with all its messages, or None."""
        return await (await self._ready()).get_thread(check_id(thread_id))

    async def get_or_create(self, thread_id: str) -> Thread:
        """Return a thread; make and store it now when there is none. Concurrent calls make one."""
        provider = await self._ready()
        thread = await provider.get_thread(check_id(thread_id))
        if thread is None:
            await provider.write_thread(changes_of(Thread(id=thread_id)))
            thread = await provider.get_thread(check_id(thread_id))
        return thread or await self.get_or_create(thread_id)

    async def delete(self, thread_id: str) -> bool:
        """Delete a thread with its messages, aliases and answers; False when there is none."""
        return await (await self._ready()).delete_thread(check_id(thread_id))

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

    async def add_message(self, thread_id: str, message: Message) -> Message:
        """Append one message and return it with its sequence. A system message is returned unchanged and not stored.

        Atomic: the number and the row commit together or not at all. A message whose id or external id is stored in
        this thread already is returned as it is stored.

        Raises: ThreadNotFoundError: no thread has this id. MessageExistsError: another thread has a message of this id.
        """
        provider = await self._ready()
        check_id(thread_id)
        if _of_type(message, Message, "message").role == "system":
            return message
        return await provider.append_message(thread_id, Message.model_validate(message.__dict__))

    async def get_messages(self, thread_id: str, limit: int | None = None, before: int | None = None) -> Messages:
        """Return the newest `limit` messages (None: all), oldest first, tombstones too; empty for an unknown thread.

        Args: before: a sequence, exclusive; None means from the newest.
        """
        if limit is not None:
            check_count(limit, "limit")
        if before is not None:
            check_count(before, "before")
        return await (await self._ready()).read_messages(check_id(thread_id), limit=limit, before=before)

    async def find_by_attributes(self, attributes: dict[str, Any]) -> Threads:
        """Return the threads whose attributes have all these top-level values, newest first. No filters: all threads.

        Equality is JSON equality: `5`, `5.0`, `"5"`, `true` and `null` differ, and a missing key is not `null`.
        """
        return await (await self._ready()).find_by_attributes(clean_object(attributes, "attributes"))

    async def find_by_platform(self, name: str, place: dict[str, Any]) -> Threads:
        """Return the threads that live at this place of a platform, such as `("slack", {"channel": "C1"})`.

        Newest first; no filters: all of the platform. Equality as in `find_by_attributes`.
        """
        return await (await self._ready()).find_by_platform(check_id(name, "name"), clean_object(place, "place"))

    async def find_by_source(self, name: str, place: dict[str, Any]) -> Threads:
        """Do as `find_by_platform`, by its older name."""
        return await self.find_by_platform(name, place)

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

    async def get_thread_by_message_id(self, message_id: str) -> Thread | None:
        """Return the thread that a message is in, with all its messages, or None."""
        provider = await self._ready()
        found = await provider.get_message(check_id(message_id))
        return None if found is None else await provider.get_thread(found[0])

    async def edit_message(self, message_id: str, content: Content) -> Message | None:
        """Change a message's content, keeping what it said before as a version, and return the message.

        Returns: None when the message is unknown or a tombstone.
        """
        checked = Message(role="user", content=content).content
        return await (await self._ready()).edit_message(check_id(message_id), checked)

    async def delete_message(self, message_id: str) -> bool:
        """Make a message a tombstone: its content, versions, reactions and files go, its row and sequence stay.

        Returns: False when it is unknown or a tombstone already.
        """
        return await (await self._ready()).delete_message(check_id(message_id))

    async def add_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        """Add one user's emoji to a message, after those that stand.

        Returns: False when it stands already, or the thread has no such message, or it is a tombstone.
        """
        provider = await self._ready()
        return await provider.add_reaction(
            check_id(thread_id), check_id(message_id), check_id(emoji, "emoji"), check_id(user_id, "user_id")
        )

    async def remove_reaction(self, thread_id: str, message_id: str, emoji: str, user_id: str) -> bool:
        """Take one user's emoji off a message; False when it does not stand there."""
        provider = await self._ready()
        return await provider.remove_reaction(
            check_id(thread_id), check_id(message_id), check_id(emoji, "emoji"), check_id(user_id, "user_id")
        )

    async def list(self, limit: int = 100, offset: int = 0) -> Threads:
        """Return one page of threads, newest first."""
        return (await self.list_threads(limit, offset))[0]

    async def _ready(self) -> StorageProvider:
        if not self._is_open and not self._is_closed:
            async with self._opening:
                await self._open()
        if self._is_closed:
            raise StoreClosedError("The store is closed.", "Open a new ThreadStore.")
        return self.provider

    async def _open(self) -> None:
        if not self._is_open and not self._is_closed:
            await self.provider.initialize()
            self._is_open = True


def _of_type(value: T, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{name} is a {kind.__name__}, got {type(value).__name__}")
    return value
