"""Archives merged into the tables: what nobody knows in bulk, what is there piece by piece under the usual locks.

Proved by `tests/contract/test_archives.py` and `tests/unit/storage/sql/test_archives.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, tuple_, update

from backscroll.storage.archive import ArchivedMessage, ArchivedThread, Merged, next_sequence
from backscroll.storage.provider.archiving import is_copy, joining_aliases, takes_alias
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.sql.archive_answers import lane_of
from backscroll.storage.sql.archive_changes import apply, difference
from backscroll.storage.sql.archive_known import Known, add_names, are_distinct, find_known, names_of
from backscroll.storage.sql.archive_reading import read_archived
from backscroll.storage.sql.archive_writing import Lane, Rows, insert_properties, place_values, thread_row
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.early import PLACE
from backscroll.storage.sql.editing import TOUCH
from backscroll.storage.sql.engine import ATTEMPTS, Connection
from backscroll.storage.sql.marking import apply_early
from backscroll.storage.sql.rows import THREAD_COLUMNS, Place
from backscroll.storage.sql.saving import FIELDS, fields_of, update_threads
from backscroll.storage.sql.tables import aliases, answers, message_parts, messages, threads
from backscroll.storage.sql.types import any_of, now
from backscroll.storage.values import canonical_json

Found = dict[str, tuple[str, ArchivedMessage]]
"""Messages that are there, by id, with their threads."""

_THREADS = select(*THREAD_COLUMNS).where(any_of(threads.c.id, "ids")).order_by(threads.c.id)
_LOCK = _THREADS.with_for_update(key_share=True)
_LOCK_ANSWERS = select(answers.c.id).where(any_of(answers.c.message_id, "ids")).order_by(answers.c.id).with_for_update()
_THREADS_OF = select(messages.c.thread_id).where(any_of(messages.c.id, "ids")).distinct()
_DROP_ALIASES = delete(aliases).where(any_of(aliases.c.alias, "ids"))
_DROP_CLAIMS = delete(message_parts).where(
    tuple_(*PLACE).in_(bindparam("places", expanding=True)), message_parts.c.message_id.is_(None)
)
_MOVE_ALIASES = update(aliases).where(any_of(aliases.c.alias, "ids")).values(thread_id=bindparam("its_thread"))
_THREADS_OF_MESSAGES = select(messages.c.id, messages.c.thread_id).where(any_of(messages.c.id, "ids"))
_IS_THERE = tuple_(*PLACE).in_(bindparam("places", expanding=True))
_DROP_PLACES = delete(message_parts).where(_IS_THERE, message_parts.c.token.is_(None))
_NOWHERE = place_values(None)
_LEAVE_PLACES = update(message_parts).where(_IS_THERE).values(_NOWHERE)
_ITS_PLACE = tuple_(*(messages.c[column.name] for column in PLACE))
_LEAVE_MESSAGES = (
    update(messages)
    .where(any_of(messages.c.id, "ids"), _ITS_PLACE.in_(bindparam("places", expanding=True)))
    .values(_NOWHERE | {"updated_at": now()})
)
_COUNT = update(threads).where(threads.c.id == bindparam("its_thread")).values(last_sequence=bindparam("last"))


async def merge_pieces(connection: Connection, pieces: Sequence[ArchivedThread], *, mirror: bool) -> list[Merged]:
    """Merge pieces inside the transaction, in their order. Harmless when done again."""
    names = [names_of(piece) for piece in pieces]
    known = await find_known(connection, names)
    fresh, rest = list[int](), list[int]()
    for number, its in enumerate(names):
        is_fresh = not known.meets(its) and are_distinct(its)
        (fresh if is_fresh else rest).append(number)
        known.add(its)  # what shares a name with a piece before it comes after that
    merged: dict[int, Merged] = {}
    lost = await _insert_fresh(connection, {number: pieces[number] for number in fresh}, merged)
    rest = sorted(rest + lost)
    again = [pieces[number] for number in rest]
    same = await _find_same(connection, again, [names[number] for number in rest], mirror=mirror)
    for number, outcome in zip(rest, same, strict=True):
        merged[number] = outcome or await _merge(connection, pieces[number], mirror=mirror)
    return [merged[number] for number in range(len(pieces))]


async def _insert_fresh(
    connection: Connection, fresh: dict[int, ArchivedThread], merged: dict[int, Merged]
) -> list[int]:
    """Insert pieces of which nothing is known, and return those of which somebody else was faster to keep a part."""
    if not fresh:
        return []
    lost = await _claim_aliases(connection, fresh)
    last = {number: _last_of(piece) for number, piece in fresh.items()}
    making = {piece.id: number for number, piece in sorted(fresh.items(), key=lambda each: each[1].id)}
    rows = [thread_row(fresh[number], last[number]) for number in making.values() if number not in lost]
    if rows:
        insert = insert_ignoring(connection, threads).returning(threads.c.id)
        won = set((await connection.execute(insert, rows)).scalars())
        lost |= {number for thread_id, number in making.items() if thread_id not in won}
    won_pieces = {number: piece for number, piece in fresh.items() if number not in lost}
    await insert_properties(connection, won_pieces.values())
    if lost:
        gone = [alias for number in lost for alias in fresh[number].aliases]
        await connection.execute(_DROP_ALIASES.where(any_of(aliases.c.thread_id, "threads")), {
            "ids": gone, "threads": [fresh[number].id for number in lost],
        })  # fmt: skip
    new = await Rows.begin(connection)
    for number, piece in won_pieces.items():
        lane, sequence = Lane(), 0
        for each in piece.messages:
            sequence = next_sequence(sequence, each.message.sequence)
            new.add(piece.id, sequence, each, lane, is_copy=is_copy(piece, each))
        merged[number] = Merged(piece.id, True, len(piece.messages), 0)
    await new.insert(connection)
    return sorted(lost)


async def _claim_aliases(connection: Connection, fresh: dict[int, ArchivedThread]) -> set[int]:
    """Give the pieces their aliases, and return those one of whose aliases somebody else took meanwhile."""
    rows = {alias: number for number, piece in fresh.items() for alias in piece.aliases}
    if not rows:
        return set()
    insert = insert_ignoring(connection, aliases).values(created_at=now()).returning(aliases.c.alias)
    values = [{"alias": alias, "thread_id": fresh[rows[alias]].id} for alias in sorted(rows)]
    won = set((await connection.execute(insert, values)).scalars())
    return {number for alias, number in rows.items() if alias not in won}


def _last_of(piece: ArchivedThread) -> int:
    last = 0
    for each in piece.messages:
        last = next_sequence(last, each.message.sequence)
    return last


async def _find_same(
    connection: Connection, pieces: list[ArchivedThread], names: list[dict[str, list[Any]]], *, mirror: bool
) -> list[Merged | None]:
    """Find the pieces all of which is kept already, by a few statements for all of them; None for the others."""
    if not pieces:
        return []
    known = await find_known(connection, names)
    ids = {piece.id for piece in pieces} | set(known.aliases.values())
    rows = {row.id: row for row in await connection.execute(_THREADS, {"ids": sorted(ids)})}
    found = await read_archived(connection, _counterparts(known, pieces))
    same: list[Merged | None] = []
    changing = Known()
    for piece, its in zip(pieces, names, strict=True):
        row = _thread_of(piece, rows, known, mirror=mirror)
        is_same = row is not None and not changing.meets(its) and not _is_later(row, piece)
        is_same = is_same and row is not None and not _aliases_to_take(piece, row.id, rows, known, mirror=mirror)
        is_same = is_same and row is not None and _has_all(row.id, piece, found, known, mirror=mirror)
        same.append(Merged(row.id, False, 0, 0) if row is not None and is_same else None)
        if not is_same:
            changing.add(its)  # what shares a name with it is looked at once it is merged
    return same


def _counterparts(known: Known, pieces: Iterable[ArchivedThread]) -> list[str]:
    """Name the messages that are there of those in pieces, and those that hold their places."""
    holders = [known.places.get(each.external) for piece in pieces for each in piece.messages if each.external]
    return sorted({*known.messages, *(holder for holder in holders if holder is not None)})


def _thread_of(piece: ArchivedThread, rows: dict[str, Row[Any]], known: Known, *, mirror: bool) -> Row[Any] | None:
    """Return the thread that a piece belongs to: that of its id, else that of the first alias by which it joins one."""
    if piece.id in rows:
        return rows[piece.id]
    joining = joining_aliases(piece, mirror=mirror)
    return rows.get(next((known.aliases[alias] for alias in joining if alias in known.aliases), ""))


def _aliases_to_take(
    piece: ArchivedThread, thread_id: str, rows: dict[str, Row[Any]], known: Known, *, mirror: bool
) -> list[str]:
    """Return the aliases that nobody has, and those that another thread has to give up."""
    holders = {alias: known.aliases.get(alias) for alias in sorted(piece.aliases)}
    return [
        alias
        for alias, holder in holders.items()
        if holder is None
        or (holder != thread_id and holder in rows and takes_alias(piece, rows[holder].updated_at, mirror=mirror))
    ]


def _is_later(row: Row[Any], piece: ArchivedThread) -> bool:
    """Tell whether a thread's fields become those of the archive."""
    return piece.updated_at > row.updated_at and any(
        canonical_json(getattr(piece, name)) != canonical_json(getattr(row, name)) for name in FIELDS
    )


def _has_all(thread_id: str, piece: ArchivedThread, found: Found, known: Known, *, mirror: bool) -> bool:
    for each in piece.messages:
        mine = _counterpart(thread_id, each, found, known, mirror=mirror)
        if mine is None and each.message.id not in known.messages:
            return False
        if mine is not None and not difference(found[mine][1], each).is_nothing:
            return False
    return True


def _counterpart(thread_id: str, each: ArchivedMessage, found: Found, known: Known, *, mirror: bool) -> str | None:
    """Name the message that one of an archive is: that of its id in its thread, else the one that holds its place."""
    if each.message.id in found and found[each.message.id][0] == thread_id:
        return each.message.id
    holder = None if each.external is None else known.places.get(each.external)
    if holder is None or holder not in found or (mirror and found[holder][0] != thread_id):
        return None
    return holder


@dataclass(slots=True)
class _Merge:
    """One piece on its way into a thread that is locked."""

    connection: Connection
    piece: ArchivedThread
    is_mirror: bool
    thread: Row[Any]
    others: dict[str, Row[Any]]
    """The threads that are locked."""
    known: Known
    found: Found
    rows: Rows
    last: int
    lane: Lane
    new: int = 0
    changed: int = 0
    touched: set[str] = field(default_factory=set)
    early: dict[Place, str] = field(default_factory=dict)
    """Places at which changes wait for messages that are to be inserted."""
    applied: dict[Place, str] = field(default_factory=dict)
    """The same of messages that were there."""


async def _merge(connection: Connection, piece: ArchivedThread, *, mirror: bool) -> Merged:
    """Merge one piece with what is there of it."""
    names = names_of(piece)
    thread, others, is_new = await _find_or_make(connection, piece, names, mirror=mirror)
    known = await find_known(connection, [names])
    found = await read_archived(connection, _counterparts(known, [piece]))
    rows = await Rows.begin(connection)
    lane = await lane_of(connection, thread.id)
    merge = _Merge(connection, piece, mirror, thread, others, known, found, rows, thread.last_sequence, lane)
    await _merge_thread(merge)
    if mirror:
        await _take_places(merge)
    for each in piece.messages:
        mine = _counterpart(thread.id, each, merge.found, known, mirror=mirror)
        if mine is not None:
            await _merge_message(merge, mine, each)
        elif each.message.id not in known.messages:
            await _append(merge, each)
    await _finish(merge, is_new=is_new)
    return Merged(thread.id, is_new, merge.new, merge.changed)


async def _find_or_make(
    connection: Connection, piece: ArchivedThread, names: dict[str, list[Any]], *, mirror: bool
) -> tuple[Row[Any], dict[str, Row[Any]], bool]:
    """Lock the answers, then the threads that a piece concerns.

    Returns: its own thread, all that are locked, and whether its own was made.
    """
    is_new = False
    for _ in range(ATTEMPTS):  # who was there may be deleted before its row is locked
        known = await find_known(connection, [names])
        held = sorted({*known.messages, *(holder for holder in known.places.values() if holder is not None)})
        await connection.execute(_LOCK_ANSWERS, {"ids": held})
        concerned = set((await connection.execute(_THREADS_OF, {"ids": held})).scalars())
        ids = {"ids": sorted({piece.id, *known.aliases.values(), *concerned})}
        rows = {row.id: row for row in await connection.execute(_LOCK, ids)}
        row = _thread_of(piece, rows, known, mirror=mirror)
        if row is not None:
            return row, rows, is_new
        insert = insert_ignoring(connection, threads).returning(threads.c.id)
        if (await connection.execute(insert, thread_row(piece, 0))).one_or_none() is not None:
            is_new = True
            await insert_properties(connection, [piece])
    raise thread_gone(piece.id)


async def _merge_thread(merge: _Merge) -> None:
    piece, row = merge.piece, merge.thread
    if _is_later(row, piece):
        before = fields_of(row)
        await update_threads(merge.connection, [before], [before | {name: getattr(piece, name) for name in FIELDS}])
    wanted = _aliases_to_take(piece, row.id, merge.others, merge.known, mirror=merge.is_mirror)
    if wanted:
        claim = insert_ignoring(merge.connection, aliases).values(created_at=now())
        await merge.connection.execute(claim, [{"alias": alias, "thread_id": row.id} for alias in wanted])
    if moved := [alias for alias in wanted if alias in merge.known.aliases]:
        await merge.connection.execute(_MOVE_ALIASES, {"ids": moved, "its_thread": row.id})


async def _take_places(merge: _Merge) -> None:
    """Take the places of a mirror's messages from those of other threads, which are kept without them."""
    wanted: list[Place] = []
    for each in merge.piece.messages:
        mine = _counterpart(merge.thread.id, each, merge.found, merge.known, mirror=True)
        if mine is not None:
            wanted += [each.external] if each.external and merge.found[mine][1].external is None else []
        elif each.message.id not in merge.known.messages:
            wanted += [place for place in (each.external, *(part.external for part in each.parts)) if place]
    held = {place: holder for place in wanted if (holder := merge.known.places.get(place)) is not None}
    if not held:
        return
    rows = (await merge.connection.execute(_THREADS_OF_MESSAGES, {"ids": sorted(set(held.values()))})).all()
    others = {row.id: row.thread_id for row in rows if row.thread_id != merge.thread.id}
    if places := sorted(place for place, holder in held.items() if holder in others):
        its = {"places": places}
        await merge.connection.execute(_DROP_PLACES, its)
        await merge.connection.execute(_LEAVE_PLACES, its)
        await merge.connection.execute(_LEAVE_MESSAGES, its | {"ids": sorted(others)})
    for place in places:
        merge.touched.add(others[held[place]])
        del merge.known.places[place]
        merge.known.names["place"].discard(place)


async def _merge_message(merge: _Merge, mine: str, each: ArchivedMessage) -> None:
    thread_id, stands = merge.found[mine]
    change = difference(stands, each)
    change.leave_out(merge.known, stands)
    if change.is_nothing:
        return
    places = {change.external, *(part.external for part in (*change.parts, *change.posted))}
    waits = {place for place, holder in merge.known.places.items() if holder is None}
    waited = {place: mine for place in places if place is not None and place in waits}
    if waited:
        await merge.connection.execute(_DROP_CLAIMS, {"places": sorted(waited)})
        merge.applied |= waited
    await merge.rows.insert(merge.connection)  # the answers that came before have their positions
    await apply(merge.connection, thread_id, stands, each, change, merge.rows)
    await merge.rows.insert(merge.connection)
    merge.lane = await lane_of(merge.connection, merge.thread.id)
    merge.touched.add(thread_id)
    merge.changed += 1
    merge.found |= await read_archived(merge.connection, [mine])


async def _append(merge: _Merge, each: ArchivedMessage) -> None:
    """Append a message that is unknown, without the names that others have."""
    each = _without_taken(each, merge.known)
    merge.last = next_sequence(merge.last, each.message.sequence)
    copied = is_copy(merge.piece, each)
    merge.rows.add(merge.thread.id, merge.last, each, merge.lane, is_copy=copied)
    merge.new += 1
    names = {kind: list[Any]() for kind in ("message", "place", "token", "block", "feedback", "answer", "approval")}
    add_names(names, each)
    merge.early |= {place: each.message.id for place in names["place"] if place in merge.known.places}
    merge.known.add(names)
    merge.known.messages[each.message.id] = merge.thread.id
    merge.known.places |= dict.fromkeys(names["place"], each.message.id)


async def _finish(merge: _Merge, *, is_new: bool) -> None:
    """Write what is new, with the changes that waited for it, and count it."""
    connection, thread = merge.connection, merge.thread
    if merge.early:
        await connection.execute(_DROP_CLAIMS, {"places": sorted(merge.early)})
    await merge.rows.insert(connection)
    if merge.last != thread.last_sequence:
        await connection.execute(_COUNT, {"its_thread": thread.id, "last": merge.last})
        merge.touched.add(thread.id)
    if merge.early or merge.applied:
        await apply_early(connection, merge.early | merge.applied)
    if is_new or merge.piece.updated_at == thread.updated_at:
        merge.touched.discard(thread.id)  # it is being made of the archive, and is as old as that
    for thread_id in sorted(merge.touched):
        await connection.execute(TOUCH, {"thread": thread_id})


def _without_taken(each: ArchivedMessage, known: Known) -> ArchivedMessage:
    """Leave out what others have of a message's names."""
    names = {kind: list[Any]() for kind in ("message", "place", "token", "block", "feedback", "answer", "approval")}
    add_names(names, each)
    if not known.meets(names):
        return each

    def is_free(external: Any) -> bool:
        return external is None or known.places.get(external) is None

    parts = [
        part if is_free(part.external) else part.model_copy(update={"external": None})
        for part in each.parts
        if part.token not in known.names["token"]
    ]
    changed: dict[str, Any] = {
        "parts": parts,
        "external": each.external if is_free(each.external) else None,
        "blocks": [block for block in each.blocks if block.id not in known.names["block"]],
        "feedback": [told for told in each.feedback if told.id not in known.names["feedback"]],
    }
    if each.answer is not None:
        asked = [one for one in each.answer.approvals if one.id not in known.names["approval"]]
        is_taken = each.answer.id in known.names["answer"]
        changed["answer"] = None if is_taken else each.answer.model_copy(update={"approvals": asked})
    return each.model_copy(update=changed)
