"""What the claims for searches have in common: threads to be found, and the ids of those that were."""

from typing import Any

from backscroll.storage.models import Thread
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import said


async def titled(store: ThreadStore, **titles: str) -> None:
    """Save threads by name, the last one the newest."""
    for name, title in titles.items():
        await store.save(Thread(id=name, title=title))


async def saying(store: ThreadStore, **texts: str) -> None:
    """Save threads that have one message each, the last one the newest."""
    for name, text in texts.items():
        await store.save(Thread(id=name, messages=[said(text)]))


async def by_title(store: ThreadStore, query: str, **options: Any) -> list[str]:
    return [thread.id for thread in await store.search_by_title(query, **options)]


async def by_content(store: ThreadStore, query: str, **options: Any) -> list[str]:
    return [thread.id for thread in await store.search_by_content(query, **options)]


async def anywhere(store: ThreadStore, query: str, *page: int, **options: Any) -> tuple[list[str], int]:
    threads, total = await store.search_threads(query, *page, **options)
    return [thread.id for thread in threads], total
