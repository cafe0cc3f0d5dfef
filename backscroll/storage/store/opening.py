"""A store's life: from a URL or a provider to calls that are ready, and to its end.

Proved by `tests/unit/storage/test_store.py`.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from backscroll.errors import StorageRefusedError, StoreClosedError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import FileStore
from backscroll.storage.provider import StorageProvider
from backscroll.storage.sql import Provider as SqlProvider

S = TypeVar("S", bound="Opening")
P = ParamSpec("P")
T = TypeVar("T")


def whole(call: Callable[Concatenate[S, P], Awaitable[T]]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Let `close()` wait for a call that was begun before it."""

    @wraps(call)
    async def counted(store: S, /, *args: P.args, **named: P.kwargs) -> T:
        store._under_way += 1  # noqa: SLF001  # the store's own decorator
        store._idle.clear()  # noqa: SLF001
        try:
            return await call(store, *args, **named)
        finally:
            store._under_way -= 1  # noqa: SLF001
            if not store._under_way:  # noqa: SLF001
                store._idle.set()  # noqa: SLF001

    return counted


class Opening:
    """Connects at first use, once, and closes what it opened."""

    def __init__(
        self,
        url: str | None = None,
        *,
        provider: StorageProvider | None = None,
        files: FileStore | None = None,
        closes_provider: bool = True,
        **options: Any,
    ) -> None:
        """Make a store; connects at first use.

        Args: url: `postgresql://…`, `sqlite:///…`, a bare file name (SQLite), `redis://…`, or `:memory:`, the default.
            files: where the contents of attachments go; by default a directory beside a SQLite file, or
                `backscroll-files-…` in the working directory, named after the database and its host, or for a store in
                memory one that ends with it.
            closes_provider: False leaves a provider that others use too open when the store is closed.
            options: the provider's, such as `pool_size`.
        Raises: ValueError: both a URL and a provider. StorageRefusedError: the URL is none of these.
        """
        if provider is not None and (url is not None or options):
            raise ValueError("a store takes a URL with its options, or a provider")
        self.provider = provider or _provider_at(":memory:" if url is None else url, options)
        self._attachments = Attachments(self.provider, files)
        self._closes_provider = closes_provider
        self._opening = asyncio.Lock()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
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
        if database is None:
            shown: str | None = getattr(self.provider, "database_url", None)
            return shown
        return str(database.url.render_as_string(hide_password=True))

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
        await self._idle.wait()
        await self._attachments.close()
        if self._closes_provider:
            async with self._opening:
                await self.provider.close()

    async def health_check(self) -> dict[str, Any]:
        """Return `{"status": "healthy" | "unhealthy", "backend": …}`; never raises."""
        health = await self.provider.health_check()
        return health | {"status": "unhealthy", "reason": "The store is closed."} if self._is_closed else health

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
            if self._closes_provider and self.provider.files_directory is not None:
                await self._attachments.recover()
            self._is_open = True


def _provider_at(url: str, options: dict[str, Any]) -> StorageProvider:
    """Make the provider that a URL names.

    Raises: StorageRefusedError: the URL names none, or one whose package is not installed.
    """
    if url.partition("://")[0] not in ("redis", "rediss", "unix"):
        return SqlProvider(url, **options)
    try:
        made: StorageProvider = importlib.import_module("backscroll.storage.redis").Provider(url, **options)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise StorageRefusedError(
            "The storage's URL is one of Redis, whose package redis is not installed.",
            "pip install 'backscroll[redis]' brings it.",
        ) from None
    return made
