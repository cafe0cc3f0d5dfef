"""Lineages in SQL: one query for all that is above and below a thread, and what a deleted one leaves of its links.

Proved by `tests/contract/test_lineage.py`.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    insert,
    literal_column,
    or_,
    select,
    union,
    union_all,
)

from backscroll.storage.provider.lineage import Entry, entry_of
from backscroll.storage.sql.agent_tables import lost_threads
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import threads
from backscroll.storage.sql.types import any_of

_CHILD, _LOST_CHILD = threads.alias("child"), lost_threads.alias("lost_child")


def _either(name: str, kept: FromClause = threads) -> ColumnElement[Any]:
    """Read a column of a thread that is kept, or else of what one left."""
    return case((kept.c.id.is_not(None), kept.c[name]), else_=lost_threads.c[name])


_STARTS = union_all(
    select(threads.c.id).where(any_of(threads.c.id, "ids")),
    select(lost_threads.c.id).where(any_of(lost_threads.c.id, "ids")),
).cte("starts")


def _up() -> CTE:
    # UNION, not UNION ALL, here and below: a circle of parents ends.
    up = select(_STARTS.c.id).cte("up", recursive=True)
    node = up.outerjoin(threads, threads.c.id == up.c.id).outerjoin(lost_threads, lost_threads.c.id == up.c.id)
    parent = _either("parent_id")
    return up.union(select(parent).select_from(node).where(parent.is_not(None)))


def _down() -> CTE:
    down = select(_STARTS.c.id).cte("down", recursive=True)
    # A recursive query may name itself once, so both kinds of children are joined to it in one.
    kinds = union_all(select(literal_column("0").label("kind")), select(literal_column("1"))).subquery("kinds")
    is_kept, is_lost = kinds.c.kind == literal_column("0"), kinds.c.kind == literal_column("1")
    child = case((is_kept, _CHILD.c.id), else_=_LOST_CHILD.c.id)
    below = (
        down.join(kinds, literal_column("1 = 1"))
        .outerjoin(_CHILD, and_(is_kept, _CHILD.c.parent_id == down.c.id))
        .outerjoin(_LOST_CHILD, and_(is_lost, _LOST_CHILD.c.parent_id == down.c.id))
    )
    return down.union(select(child).select_from(below).where(child.is_not(None)))


_FOUND = union(select(_up().c.id), select(_down().c.id)).subquery("found")
_TOLD = ("title", "user_id", "agent_name", "created_at")
# PostgreSQL takes what a recursive query finds for so much that it would read all threads. Behind an OFFSET it looks
# each one up, as SQLite does anyway.
_LOOKED_UP = (
    select(*(threads.c[name] for name in ("id", *_TOLD, "parent_id", "forked_at")))
    .where(threads.c.id == _FOUND.c.id)
    .offset(literal_column("0"))
    .lateral("looked_up")
)


def _relatives(kept: FromClause) -> Select[Any]:
    return (
        select(
            _FOUND.c.id,
            kept.c.id.is_(None).label("is_deleted"),
            *(kept.c[name] for name in _TOLD),
            *(_either(name, kept).label(name) for name in ("parent_id", "forked_at")),
        )
        .select_from(
            _FOUND.outerjoin(kept, kept.c.id == _FOUND.c.id).outerjoin(lost_threads, lost_threads.c.id == _FOUND.c.id)
        )
        .where(or_(kept.c.id.is_not(None), lost_threads.c.id.is_not(None)))
    )


_RELATIVES = {True: _relatives(threads), False: _relatives(_LOOKED_UP)}


def relatives(*, is_sqlite: bool) -> Select[Any]:
    """Select whom the threads of `ids` come from and who comes from them, and they themselves."""
    return _RELATIVES[is_sqlite]


_HAS_FORKS = or_(
    exists().where(_CHILD.c.parent_id == threads.c.id), exists().where(_LOST_CHILD.c.parent_id == threads.c.id)
)
_FORGET = delete(lost_threads).where(any_of(lost_threads.c.id, "ids"))
# What was deleted once more has no row: what it left is all that is known of it.
_FORGET_KEPT = _FORGET.where(exists().where(threads.c.id == lost_threads.c.id))
_LOSE = insert(lost_threads).from_select(
    ["id", "parent_id", "forked_at"],
    select(threads.c.id, threads.c.parent_id, threads.c.forked_at).where(
        any_of(threads.c.id, "ids"), or_(threads.c.parent_id.is_not(None), _HAS_FORKS)
    ),
)
_PARENT = threads.alias("parent")
_ALONE = select(lost_threads.c.id).where(
    any_of(lost_threads.c.id, "ids"),
    ~exists().where(_PARENT.c.id == lost_threads.c.parent_id),
    ~exists().where(_CHILD.c.parent_id == lost_threads.c.id),
)


def entries_of(rows: Iterable[Row[Any]]) -> dict[str, Entry]:
    """Lay rows of `relatives` out, by id."""
    return {row.id: entry_of(row.id, row._asdict(), is_deleted=row.is_deleted) for row in rows}


async def keep_links(connection: Connection, ids: list[str]) -> bool:
    """Keep what threads that are about to be deleted say of their links; False when none has any."""
    await connection.execute(_FORGET_KEPT, {"ids": ids})
    return (await connection.execute(_LOSE, {"ids": ids})).rowcount > 0


async def drop_links(connection: Connection, ids: list[str]) -> None:
    """Forget the trees of threads that were deleted, of which nothing is kept any more."""
    alone = list((await connection.execute(_ALONE, {"ids": ids})).scalars())
    if not alone:
        return
    # Up first, then down from there: in one query PostgreSQL would take a tree for so large that it reads all threads.
    query = relatives(is_sqlite=connection.dialect.name == "sqlite")
    above = entries_of(await connection.execute(query, {"ids": alone}))
    entries = entries_of(await connection.execute(query, {"ids": list(above)}))
    dead = [each for tree in _trees(entries) if all(entries[each]["is_deleted"] for each in tree) for each in tree]
    await connection.execute(_FORGET, {"ids": dead})


def _trees(entries: dict[str, Entry]) -> list[set[str]]:
    """Part entries into those that are linked to each other."""
    tree_of = {each: {each} for each in entries}
    for each, entry in entries.items():
        mine, its = tree_of[each], tree_of.get(str(entry["parent_thread_id"]), set())
        if mine is not its:
            mine |= its
            tree_of |= dict.fromkeys(its, mine)
    return list({id(tree): tree for tree in tree_of.values()}.values())
