"""Searches in SQL; the contract stands in `provider/search.py`."""

import logging
from typing import Any

from sqlalchemy import Select, func, literal, select, text, tuple_, union_all

from backscroll.storage.models import Thread
from backscroll.storage.search import SEARCHED_LENGTH, Pattern, Search, searched_text
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.matching import TRIGRAM_LENGTH, fits
from backscroll.storage.sql.rejected import SqlRejected
from backscroll.storage.sql.rows import NEWEST_FIRST, THREAD_COLUMNS, TOOL_TEXTS, read_thread_rows, tools_of
from backscroll.storage.sql.tables import messages, threads
from backscroll.storage.sql.types import any_of

_PAGE_THREADS = 200
_PAGE_TEXTS = 200
_HAS_TRIGRAMS = text("SELECT count(*) FROM pg_indexes WHERE indexname = 'messages_trigrams'")
_NEWEST_IDS = select(threads.c.id, threads.c.updated_at).order_by(*NEWEST_FIRST).limit(_PAGE_THREADS)
_BY_IDS = select(*THREAD_COLUMNS).where(any_of(threads.c.id, "ids"))
_TEXTS = (
    select(
        messages.c.thread_id,
        messages.c.sequence,
        func.substr(messages.c.content, 1, SEARCHED_LENGTH).label("text"),
        TOOL_TEXTS,
    )
    .where(any_of(messages.c.thread_id, "ids"), messages.c.deleted_at.is_(None))
    .order_by(messages.c.thread_id, messages.c.sequence)
    .limit(_PAGE_TEXTS)
)

logger = logging.getLogger(__name__)

Query = Select[*tuple[Any, ...]]


class SqlSearch(SqlRejected):
    """The calls for searches."""

    _has_trigrams: bool | None = None

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
        await self._tell_of_scans(search)

        async def work(connection: Connection) -> list[Thread]:
            found = _found(connection, search, titles, contents).subquery()
            query = (
                select(*THREAD_COLUMNS)
                .join(found, found.c.thread_id == threads.c.id)
                .order_by(found.c.rank, *NEWEST_FIRST)
                .limit(limit)
                .offset(offset)
            )
            return await read_thread_rows(connection, query, with_messages=with_messages)

        return await self.database.read(work)

    async def count_found(self, search: Search, *, titles: bool, contents: bool) -> int:
        async def work(connection: Connection) -> int:
            found = _found(connection, search, titles, contents).subquery()
            return int((await connection.execute(select(func.count()).select_from(found))).scalar_one())

        return await self.database.read(work)

    async def search_pattern(self, pattern: Pattern, *, limit: int = 20, with_messages: bool = True) -> list[Thread]:
        found: list[str] = []
        query = _NEWEST_IDS
        while len(found) < limit:
            page = await self.database.rows(query)
            fitting = await self._fitting(pattern, {row.id for row in page})
            found += [row.id for row in page if row.id in fitting]
            if len(page) < _PAGE_THREADS:
                break
            query = _NEWEST_IDS.where(tuple_(threads.c.updated_at, threads.c.id) < (page[-1].updated_at, page[-1].id))
        order = {thread_id: place for place, thread_id in enumerate(found[:limit])}
        read = await self.database.read(
            lambda connection: read_thread_rows(connection, _BY_IDS, {"ids": order}, with_messages=with_messages)
        )
        return sorted(read, key=lambda thread: order[thread.id])

    async def _fitting(self, pattern: Pattern, thread_ids: set[str]) -> set[str]:
        """Return those of the threads that have a message which fits; the texts are read by pages."""
        found: set[str] = set()
        after = ("", 0)
        while thread_ids - found:
            query = _TEXTS.where(tuple_(messages.c.thread_id, messages.c.sequence) > after)
            page = await self.database.rows(query, {"ids": thread_ids - found})
            found |= await pattern.fitting((row.thread_id, searched_text(row.text, tools_of(row))) for row in page)
            if len(page) < _PAGE_TEXTS:
                break
            after = (page[-1].thread_id, page[-1].sequence)
        return found

    async def _tell_of_scans(self, search: Search) -> None:
        if not search.part:
            return
        if len(search.part) < TRIGRAM_LENGTH:
            logger.info("A search for a part of under %d characters reads every text.", TRIGRAM_LENGTH)
        elif not self.database.is_sqlite and self._has_trigrams is None:
            self._has_trigrams = bool((await self.database.rows(_HAS_TRIGRAMS))[0][0])
            if not self._has_trigrams:
                logger.warning("Searches for a part read every text: their index needs PostgreSQL's extension pg_trgm.")


def _found(connection: Connection, search: Search, titles: bool, contents: bool) -> Query:
    """Select the threads that fit: `(thread_id, rank)`, 0 where the title does."""
    hits: list[Query] = []
    if titles:
        hits.append(
            select(threads.c.id.label("thread_id"), literal(0).label("rank")).where(fits(connection, threads, search))
        )
    if contents:
        fitting = fits(connection, messages, search) & messages.c.deleted_at.is_(None)
        hits.append(select(messages.c.thread_id, literal(1).label("rank")).where(fitting))
    hit = union_all(*hits).subquery()
    return select(hit.c.thread_id, func.min(hit.c.rank).label("rank")).group_by(hit.c.thread_id)
