"""All that a provider keeps, page after page; the next page is read while one is worked on.

Proved by `tests/unit/transfer/test_exporting.py`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from backscroll.storage.archive import ArchivedThread, ArchiveMark, Loose, LooseMark
from backscroll.storage.provider import StorageProvider

P = TypeVar("P")
M = TypeVar("M")

PAGE = 500
"""Messages of a page, or other things."""

TRANSFER = "transfer"
"""The namespace in which a copy notes how far it is; what it says concerns that storage alone."""


def pages(
    provider: StorageProvider, *, after: ArchiveMark | None = None, thread_ids: Sequence[str] | None = None
) -> AsyncGenerator[list[ArchivedThread], None]:
    """Give threads and all that belongs to them, as `read_archive` does, until there are no more."""
    return _ahead(
        lambda mark: provider.read_archive(after=mark, limit=PAGE, thread_ids=thread_ids),
        lambda page: page[-1].mark,
        after,
    )


async def loose_pages(provider: StorageProvider) -> AsyncGenerator[list[Loose], None]:
    """Give what is kept beside threads, but not what copies noted."""
    every = _ahead(
        lambda mark: provider.read_loose(after=mark, limit=PAGE),
        lambda page: LooseMark(page[-1].kind, page[-1].key),
        None,
    )
    try:
        async for page in every:
            if things := [each for each in page if not _is_note(each)]:
                yield things
    finally:
        await every.aclose()


def _is_note(thing: Loose) -> bool:
    return thing.kind == "value" and thing.value.get("namespace") == TRANSFER


async def _ahead(
    read: Callable[[M | None], Awaitable[list[P]]], mark_of: Callable[[list[P]], M], after: M | None
) -> AsyncGenerator[list[P], None]:
    reading = asyncio.ensure_future(read(after))
    try:
        while page := await reading:
            reading = asyncio.ensure_future(read(mark_of(page)))
            yield page
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
