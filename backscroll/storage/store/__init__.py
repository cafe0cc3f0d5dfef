"""`ThreadStore`: the API that people program against, on any provider.

Checks what it is given, connects at first use, and delegates; it knows no backend. Proved by `tests/contract/`, whose
claims run through it, and `tests/unit/storage/test_store.py`.

    opening → threads → messages → searches → blocks → agents → checkpoints
"""

from backscroll.storage.store.checkpoints import StoreCheckpoints
from backscroll.storage.store.searches import FoundMessage

__all__ = ["FoundMessage", "ThreadStore"]


class ThreadStore(StoreCheckpoints):
    """Threads and their messages, kept.

    `ThreadStore(url)` connects at first use, `await ThreadStore.create(url)` now; `ThreadStore(provider=p)` wraps any
    provider. Without either it keeps everything in memory. Use it with `async with`, or `close()` it.

    Order: "newest first" is `updated_at`, then `id`, both descending. Ids are texts of 1 to 500 characters. Every call
    may raise `StorageUnavailableError` (the storage does not answer now), `StorageRefusedError` (it answers, and
    refuses), `StoreClosedError` (after `close()`), and `ValueError` for an id, limit or value that cannot be.
    """
