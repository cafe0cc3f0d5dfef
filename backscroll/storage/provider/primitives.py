"""The six primitives, and what every provider tells of itself.

The six are all that a provider must have. Proved by `tests/contract/test_primitives.py`.
"""

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

FILES_DIRECTORY = "backscroll-files"
"""Where the files of any provider lie that does not name a place of its own."""


class Primitives(ABC):
    """Keyed values and lists of JSON objects, in namespaces.

    Namespaces, keys and item ids are texts. A value given back is a copy: changing it changes nothing stored. There are
    no transactions. Every call of the contract has a default built on these six, under one lock of this process.
    """

    supports_concurrent_writers = False
    """Whether several processes may write to one storage at once."""

    supports_export = False
    """Whether what is kept outlives the process."""

    @property
    def files_directory(self) -> str | None:
        """Where the files of messages lie unless the store is told otherwise; None for a place that ends with it."""
        return FILES_DIRECTORY if self.supports_export else None

    @abstractmethod
    async def get(self, namespace: str, key: str) -> dict[str, Any] | None:
        """Return a keyed value, or None."""

    @abstractmethod
    async def set(self, namespace: str, key: str, value: dict[str, Any]) -> None:
        """Store a keyed value, in place of the one that was there.

        Raises: ValueError: the value is no JSON object.
        """

    @abstractmethod
    async def delete(self, namespace: str, key: str) -> None:
        """Remove a keyed value; silent when there is none. Lists stay."""

    @abstractmethod
    async def append(self, namespace: str, key: str, item: dict[str, Any]) -> str:
        """Put an item at the end of a list and return its id: the item's own `"id"`, or a new one.

        Raises: ValueError: the item is no JSON object.
        """

    @abstractmethod
    async def get_list(self, namespace: str, key: str) -> list[dict[str, Any]]:
        """Return a list in order of insertion, every item with its `"id"`; empty when nothing was appended."""

    @abstractmethod
    async def query(self, namespace: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the keyed values (each with its `"key"`) and list items whose top-level fields equal the filters.

        Types count: `5` is not `"5"`, nor `true` `1`; a missing field is not `null`. No filters: all. Order: keyed
        values by key, then list items by list and insertion.
        """

    async def initialize(self) -> None:
        """Make ready: connect, and bring the schema up to date. Harmless when repeated or concurrent.

        Raises: StorageUnavailableError: the storage does not answer. StorageRefusedError: it answers, and refuses.
        """

    async def close(self) -> None:
        """Finish what is under way and let go of everything. Harmless when repeated."""

    async def abort(self) -> None:
        """Let go of everything at once, also of a storage that hangs: for a process that has to end.

        A call under way raises StorageUnavailableError, or StoreClosedError where nothing of it was begun; what it
        writes is kept whole or not at all. Afterwards as after `close()`, which may be under way. Harmless when
        repeated. The default, for a storage that never hangs, does nothing.
        """

    async def check(self) -> None:
        """Look whether the storage can be used, changing nothing.

        Raises: StorageUnavailableError, StorageRefusedError: as `initialize` would.
        """

    async def schema_version(self) -> tuple[int, int] | None:
        """Return the version of the storage's schema, 0 where there is none yet, and this release's; changes nothing.

        None where `initialize` migrates nothing. A newer one than this release's is no error here.

        Raises: StorageUnavailableError, StorageRefusedError: as `check`.
        """
        return None

    async def size_bytes(self) -> int | None:
        """Return how much room the database takes, where it can tell at once; None elsewhere. Errors as `check`."""
        return None

    async def health_check(self) -> dict[str, Any]:
        """Return `{"status": "healthy" | "unhealthy", "backend": …}`; never raises."""
        return {"status": "healthy", "backend": type(self).__module__.removeprefix("backscroll.storage.")}

    @property
    def _exclusive(self) -> AbstractAsyncContextManager[Any]:
        # Made at first use: a provider that others write need not call super().__init__().
        lock: asyncio.Lock = self.__dict__.setdefault("_lock_of_defaults", asyncio.Lock())
        return lock


def taken_names(provider: type[Primitives], attributes: Iterable[str] = ()) -> list[str]:
    """Return the private names of the contract that somebody's provider uses for something of its own.

    The defaults would call that instead. A class may have names beginning with two underscores as it likes.

    Args: attributes: those of an instance.
    """
    ours, theirs = set[str](), set(attributes)
    for base in provider.__mro__:
        (ours if base.__module__.startswith("backscroll.") else theirs).update(vars(base))
    return sorted(name for name in ours & theirs if re.match(r"_(?!_|abc_)", name))


def join_key(*parts: str | int) -> str:
    """Make one key of several parts; two different lists of parts never give the same key."""
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
