"""Forgetting. The contract stands in `provider/forgetting.py`.

Proved by `tests/contract/test_forgetting.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, delete, exists, null, select, tuple_, union, update

from backscroll.storage.forgetting import (
    OPEN,
    ExpiredPage,
    Expiry,
    ExpiryMark,
    Forgotten,
    Person,
    Place,
    Titles,
    is_title_of,
    places_of,
    thread_places,
    titles_of,
    without_author,
)
from backscroll.storage.models import UNTITLED
from backscroll.storage.provider.lineage import lineage_of
from backscroll.storage.search import property_mark
from backscroll.storage.sql.agent_tables import approvals, feedback
from backscroll.storage.sql.archives import SqlArchives
from backscroll.storage.sql.clearing import CLEARED, IS_OPEN, NAMED, clear_all, texts_of, untitle
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.lineage import entries_of, relatives
from backscroll.storage.sql.matching import has_words
from backscroll.storage.sql.rows import CHUNK_COUNT
from backscroll.storage.sql.tables import (
    answers,
    early_events,
    message_parts,
    message_reactions,
    messages,
    rejected_events,
    threads,
)
from backscroll.storage.sql.traces import erase_file_traces, merge_indexes
from backscroll.storage.sql.types import any_of, now

_ROW = (*CLEARED, *NAMED)
_USER: BindParameter[Any] = bindparam("its_user")
_THREAD: BindParameter[Any] = bindparam("its_thread")
_LOCK = select(threads).where(threads.c.id == _THREAD).with_for_update(key_share=True)
_LOCK_ALL = (
    select(threads.c.id, threads.c.title)
    .where(any_of(threads.c.id, "ids"))
    .order_by(threads.c.id)
    .with_for_update(key_share=True)
)
_THEIRS = (
    select(*_ROW, messages.c.edited_at)
    .where(messages.c.thread_id == _THREAD, messages.c.source["id"].as_string() == _USER)
    .order_by(messages.c.sequence)
)
_REACTED = (
    select(*NAMED, message_reactions.c.message_id)
    .join(messages, messages.c.id == message_reactions.c.message_id)
    .where(messages.c.thread_id == _THREAD, message_reactions.c.user_id == _USER)
)
_RATED = (
    select(*NAMED, feedback.c.message_id, feedback.c.id.label("feedback_id"))
    .join(messages, messages.c.id == feedback.c.message_id)
    .where(feedback.c.thread_id == _THREAD, feedback.c.user_id == _USER)
)
_DECIDED = (
    select(approvals.c.id, approvals.c.answer_id, answers.c.platform, answers.c.workspace)
    .join(answers, answers.c.id == approvals.c.answer_id)
    .where(answers.c.thread_id == _THREAD, approvals.c.decided_by == _USER)
)
_LOCK_ANSWERS = select(answers.c.id).where(any_of(answers.c.id, "ids")).order_by(answers.c.id).with_for_update()
_ANSWERED = select(answers.c.id, answers.c.message_id, answers.c.state, answers.c.answer_message_id).where(
    any_of(answers.c.message_id, "ids")
)
_POSTED = select(message_parts.c.message_id).where(any_of(message_parts.c.answer_id, "ids"))
# Also of a message that was deleted, which kept what was to be posted.
_EMPTY_POSTS = update(message_parts).where(any_of(message_parts.c.answer_id, "ids")).values(text=null())
_PEOPLE = select(messages.c.id).where(
    messages.c.thread_id == _THREAD, messages.c.role == "user", messages.c.deleted_at.is_(None)
)
_STANDING = select(*_ROW).where(any_of(messages.c.id, "ids"), messages.c.deleted_at.is_(None))
_UNREACT = delete(message_reactions).where(
    any_of(message_reactions.c.message_id, "ids"), message_reactions.c.user_id == _USER
)
_TOUCH_MESSAGES = update(messages).where(any_of(messages.c.id, "ids")).values(updated_at=now())
_UNDECIDE = update(approvals).where(any_of(approvals.c.id, "ids")).values(decided_by=None)
_UNRATE = delete(feedback).where(any_of(feedback.c.id, "ids"))
_UNOWN = update(threads).where(threads.c.id == _THREAD).values(user_id=None)
_EARLY = select(early_events.c.id, early_events.c.platform, early_events.c.workspace).where(
    early_events.c.user_id == _USER
)
_DROP_EARLY = delete(early_events).where(any_of(early_events.c.id, "ids"))
_REJECTED = (
    select(rejected_events.c.id, rejected_events.c.platform, rejected_events.c.payload)
    .where(rejected_events.c.id > bindparam("after"))
    .order_by(rejected_events.c.id)
    .limit(CHUNK_COUNT)
)
_DROP_REJECTED = delete(rejected_events).where(any_of(rejected_events.c.id, "ids"))

_IS_LEFT = exists().where(answers.c.message_id == messages.c.id, IS_OPEN) | exists(
    select(answers.c.id)
    .join(message_parts, message_parts.c.answer_id == answers.c.id)
    .where(message_parts.c.message_id == messages.c.id, IS_OPEN)
)
_TO_CLEAR = _STANDING.where(~_IS_LEFT).order_by(messages.c.thread_id, messages.c.sequence)
_OLD = (
    select(messages.c.id, messages.c.created_at, threads.c.platforms, _IS_LEFT.label("is_left"))
    .join(threads, threads.c.id == messages.c.thread_id)
    .where(messages.c.deleted_at.is_(None), messages.c.created_at < bindparam("before"))
    .order_by(messages.c.created_at, messages.c.id)
    .limit(bindparam("count"))
)
_STILL = select(threads.c.id).where(
    any_of(threads.c.id, "ids"),
    exists().where(messages.c.thread_id == threads.c.id, messages.c.deleted_at.is_(None)),
)


class SqlForgetting(SqlArchives):
    """The calls for forgetting."""

    async def list_threads_of(self, person: Person) -> list[str]:
        mark = property_mark(("source", "id"), person.user_id)

        async def work(connection: Connection) -> list[str]:
            wrote = select(messages.c.thread_id).where(has_words(connection, messages, [mark]))
            reacted = (
                select(messages.c.thread_id)
                .join(message_reactions, message_reactions.c.message_id == messages.c.id)
                .where(message_reactions.c.user_id == _USER)
            )
            rated = select(feedback.c.thread_id).where(feedback.c.user_id == _USER)
            decided = (
                select(answers.c.thread_id)
                .join(approvals, approvals.c.answer_id == answers.c.id)
                .where(approvals.c.decided_by == _USER)
            )
            owned = select(threads.c.id).where(threads.c.user_id == _USER)
            query = union(wrote, reacted, rated, decided, owned)
            return sorted(row[0] for row in await connection.execute(query, {"its_user": person.user_id}))

        return await self.database.read(work)

    async def forget_in_thread(
        self, thread_id: str, person: Person, *, with_answers: bool = False, dry_run: bool = False
    ) -> Forgotten:
        its = {"its_thread": thread_id, "its_user": person.user_id}

        async def work(connection: Connection) -> Forgotten:
            # Answers before threads, as everywhere.
            done = await _forget_decisions(connection, its, person, dry_run)
            thread = (await connection.execute(_LOCK, its)).one_or_none()
            if thread is None:
                return Forgotten()
            found = (await connection.execute(_THEIRS, its)).all()
            theirs = [row for row in found if person.lives_at(_places(row, thread))]
            whole = [row.id for row in theirs]
            if with_answers:
                went, answered, left = await _forget_answers(connection, whole, dry_run)
                theirs = [row for row in theirs if row.id not in left]
                done, whole = done + went, whole + answered
            done += await _forget_in_row(connection, thread, theirs, whole, person, dry_run)
            done += await _forget_reactions(connection, thread, whole, person, dry_run)
            done += await clear_all(connection, theirs, rename=_renamed, dry_run=dry_run)
            return replace(done, threads=1) if done else done

        return await (self.database.read(work) if dry_run else self.database.change(work))

    async def forget_waiting(self, person: Person, *, dry_run: bool = False) -> Forgotten:
        async def work(connection: Connection) -> Forgotten:
            waiting = (await connection.execute(_EARLY, {"its_user": person.user_id})).all()
            early = [row.id for row in waiting if person.lives_at([(row.platform, row.workspace)])]
            rejected, after = list[str](), ""
            while page := (await connection.execute(_REJECTED, {"after": after})).all():
                rejected += [row.id for row in page if person.is_in(row.platform, row.payload)]
                after = page[-1].id
            if not dry_run:
                await connection.execute(_DROP_EARLY, {"ids": early})
                await connection.execute(_DROP_REJECTED, {"ids": rejected})
            return Forgotten(early_events=len(early), rejected_events=len(rejected))

        return await (self.database.read(work) if dry_run else self.database.change(work))

    async def erase_traces(self) -> bool:
        return await erase_file_traces(self.database)

    async def merge_indexes(self) -> None:
        await merge_indexes(self.database)

    async def find_expired(self, expiry: Expiry, *, after: ExpiryMark | None = None, limit: int = 1_000) -> ExpiredPage:
        query = _OLD
        if after is not None:
            behind = tuple_(after.created_at, after.message_id, types=[messages.c.created_at.type, messages.c.id.type])
            query = query.where(tuple_(messages.c.created_at, messages.c.id) > behind)
        rows = await self.database.rows(query, {"before": expiry.before, "count": limit})
        ids = [row.id for row in rows if not row.is_left and expiry.fits(row.platforms)]
        mark = ExpiryMark(rows[-1].created_at, rows[-1].id) if rows else after
        return ExpiredPage(ids, mark, len(rows) < limit)

    async def clear_messages(self, message_ids: Sequence[str]) -> Forgotten:
        wanted = {"ids": list(message_ids)}

        async def work(connection: Connection) -> Forgotten:
            meant = {row.thread_id for row in await connection.execute(_TO_CLEAR, wanted)}
            if not meant:
                return Forgotten()
            titles = {row.id: row.title for row in await connection.execute(_LOCK_ALL, {"ids": list(meant)})}
            # Read again behind the locks, which every change of a message takes.
            rows = (await connection.execute(_TO_CLEAR, wanted)).all()
            cleared = dict.fromkeys(row.thread_id for row in rows)
            said = await texts_of(connection, [row.id for row in rows])
            done = await clear_all(connection, rows)
            standing = {row.id for row in await connection.execute(_STILL, {"ids": list(cleared)})}
            made = [
                each
                for each in cleared
                if titles[each] != UNTITLED and (each not in standing or is_title_of(titles[each], said[each]))
            ]
            await untitle(connection, made)
            return done + Forgotten(threads=len(cleared), titles=len(made))

        return await self.database.change(work)

    async def expire_rejected_events(self, platform: str, before: datetime) -> int:
        old = delete(rejected_events).where(
            rejected_events.c.platform == platform, rejected_events.c.created_at < before
        )

        async def work(connection: Connection) -> int:
            return (await connection.execute(old)).rowcount

        return await self.database.change(work)


async def _forget_decisions(connection: Connection, its: dict[str, str], person: Person, dry_run: bool) -> Forgotten:
    found = (await connection.execute(_DECIDED, its)).all()
    rows = [row for row in found if person.lives_at([(row.platform, row.workspace)])]
    if rows and not dry_run:
        await connection.execute(_LOCK_ANSWERS, {"ids": sorted({row.answer_id for row in rows})})
        await connection.execute(_UNDECIDE, {"ids": [row.id for row in rows]})
    return Forgotten(approvals=len(rows))


async def _forget_in_row(
    connection: Connection,
    thread: Row[Any],
    theirs: Sequence[Row[Any]],
    whole: Sequence[str],
    person: Person,
    dry_run: bool,
) -> Forgotten:
    """Forget what the thread's own row, and the titles of its forks, say of somebody.

    Args: whole: all that goes, and what of theirs is left.
    """
    titles = await _titles(connection, thread, theirs, whole)
    is_fork = thread.parent_id is not None
    is_made = titles.has(thread.title, of_fork=is_fork)
    # A fork has no place of its own.
    owns = thread.user_id == person.user_id and (bool(theirs) or person.lives_at(thread_places(thread.platforms)))
    if not dry_run:
        if theirs:
            await _untitle_forks(connection, thread.id, titles)
        if is_made:
            await untitle(connection, [thread.id])
        if owns:
            await connection.execute(_UNOWN, {"its_thread": thread.id})
    return Forgotten(threads=int(is_made or owns), titles=int(is_made and not is_fork))


async def _titles(connection: Connection, thread: Row[Any], theirs: Sequence[Row[Any]], whole: Sequence[str]) -> Titles:
    """Tell which titles may have been made from what is theirs."""
    made = titles_of((await texts_of(connection, [row.id for row in theirs])).get(thread.id, ()))
    # A fork has no versions of what it copied.
    is_lost = any(row.deleted_at or (row.edited_at and thread.parent_id) for row in theirs)
    if not is_lost:
        return Titles(made)
    people = await connection.execute(_PEOPLE, {"its_thread": thread.id})
    others, left = sorted({row.id for row in people} - set(whole)), frozenset[str]()
    for start in range(0, len(others), CHUNK_COUNT):
        said = await texts_of(connection, others[start : start + CHUNK_COUNT])
        left |= titles_of(said.get(thread.id, ()))
    return Titles(made, left)


async def _untitle_forks(connection: Connection, thread_id: str, titles: Titles) -> None:
    query = relatives(is_sqlite=connection.dialect.name == "sqlite")
    while True:
        entries = entries_of(await connection.execute(query, {"ids": [thread_id]}))
        below = [each for each in lineage_of(thread_id, entries)["descendants"] if not each["is_deleted"]]
        meant = sorted(each["thread_id"] for each in below if titles.has(each["title"], of_fork=True))
        if not meant:
            return
        # Of one of these a fork may just have been made; behind the lock that this takes it is seen.
        await untitle(connection, meant)


async def _forget_reactions(
    connection: Connection, thread: Row[Any], whole: Iterable[str], person: Person, dry_run: bool
) -> Forgotten:
    """Forget what somebody said of messages but these, of which all goes anyway."""
    its, going = {"its_thread": thread.id, "its_user": person.user_id}, set(whole)

    async def fitting(query: Any) -> list[Row[Any]]:
        rows = (await connection.execute(query, its)).all()
        return [row for row in rows if row.message_id not in going and person.lives_at(_places(row, thread))]

    reacted, rated = await fitting(_REACTED), await fitting(_RATED)
    if not dry_run:
        if reacted:
            ids = {"ids": sorted({row.message_id for row in reacted})}
            await connection.execute(_UNREACT, ids | its)
            await connection.execute(_TOUCH_MESSAGES, ids)
        await connection.execute(_UNRATE, {"ids": [row.feedback_id for row in rated]})
    return Forgotten(reactions=len(reacted), feedback=len(rated))


async def _forget_answers(
    connection: Connection, questions: list[str], dry_run: bool
) -> tuple[Forgotten, list[str], set[str]]:
    """Forget the answers to these; return what went, the answers' ids, and the questions that are left."""
    asked = (await connection.execute(_ANSWERED, {"ids": questions})).all()
    finished = [row for row in asked if row.state not in OPEN]
    posted = (await connection.execute(_POSTED, {"ids": [row.id for row in finished]})).all()
    if posted and not dry_run:
        await connection.execute(_EMPTY_POSTS, {"ids": [row.id for row in finished]})
    ids = {row.message_id for row in posted} | {row.answer_message_id for row in finished}
    rows = (await connection.execute(_STANDING, {"ids": sorted(ids - {None})})).all()
    done = await clear_all(connection, rows, dry_run=dry_run)
    counts = {"messages": 0, "answers": len(rows), "answers_left": len(asked) - len(finished)}
    left = {row.message_id for row in asked if row.state in OPEN}
    return replace(done, **counts), [row.id for row in rows], left


def _places(row: Row[Any], thread: Row[Any]) -> list[Place]:
    external = None if row.platform is None else (row.platform, row.workspace)
    return places_of(row.platforms, thread.platforms, external)


def _renamed(row: Row[Any]) -> dict[str, Any]:
    return without_author(row.source, row.platforms)
