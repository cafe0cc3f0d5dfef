"""Many appends in one transaction: what group commit runs, and what a save appends.

The order of the steps keeps two batches from waiting for each other: aliases, then thread rows by id, then external
ids. The outcome is the one that the items would have one after the other, and each has its own, so that what is wrong
with one does not touch its neighbours. Proved by `tests/contract/test_record.py`, `test_messages.py` and
`tests/scenario/test_two_processes.py`.
"""

from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select, tuple_, update

from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.rows import standing, thread_gone
from backscroll.storage.sql.asking import ask
from backscroll.storage.sql.dialect import count_messages, insert_ignoring
from backscroll.storage.sql.early import PLACE, Settled, take_early
from backscroll.storage.sql.echoes import meet_echoes
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.rows import (
    CHUNK_COUNT,
    Place,
    external_values,
    file_values,
    message_values,
    property_values,
    reaction_values,
    read_by_ids,
    thread_values,
)
from backscroll.storage.sql.tables import (
    aliases,
    message_files,
    message_parts,
    message_reactions,
    message_versions,
    messages,
    thread_properties,
    threads,
)
from backscroll.storage.sql.thumbs import keep_thumbs
from backscroll.storage.sql.types import any_of, now
from backscroll.storage.values import utc_now

_ALIASES = select(aliases.c.alias, aliases.c.thread_id).where(any_of(aliases.c.alias, "ids"))
# NO KEY UPDATE: the foreign keys of other writers' rows need not wait for it.
_LOCK = (
    select(threads.c.id, threads.c.last_sequence)
    .where(any_of(threads.c.id, "ids"))
    .order_by(threads.c.id)
    .with_for_update(key_share=True)
)
_LOCK_AND_READ = _LOCK.add_columns(threads.c.platforms)
_HOLDERS = (
    select(*PLACE, message_parts.c.message_id, messages.c.thread_id)
    .select_from(message_parts.outerjoin(messages, messages.c.id == message_parts.c.message_id))
    .where(tuple_(*PLACE).in_(bindparam("places", expanding=True)))
)
_KNOWN = select(messages.c.id, messages.c.thread_id).where(any_of(messages.c.id, "ids"))
_ADOPT = (
    update(message_parts)
    .where(*(column == bindparam(f"of_{column.name}") for column in PLACE), message_parts.c.message_id.is_(None))
    .values(message_id=bindparam("adopter"), state="sent")
)
_INSERTS = [table.insert().inline() for table in (messages, message_files, message_reactions, message_versions)]
_INSERT_THREADS = threads.insert().inline().values(updated_at=now())
_DELETE_THREADS = delete(threads).where(any_of(threads.c.id, "ids"))


@dataclass(slots=True)
class _Batch:
    connection: Connection
    items: list[Item]
    last: dict[str, int] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    expected: set[Place] = field(default_factory=set)
    adopted: set[Place] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)

    def open_items(self) -> list[Item]:
        return [item for item in self.items if item.is_open]


async def append_batch(connection: Connection, items: list[Item]) -> None:
    """Append all items inside the transaction, and set their outcomes. Harmless when done again."""
    opened = [each for item in items for each in item.opened()]
    for item in opened:
        item.reset()
    batch = _Batch(connection, opened)
    await _find_threads(batch)
    await _meet_stored(batch, opened)
    await meet_echoes(connection, opened)
    await _claim_external_ids(batch)
    await _insert(batch)
    await _fill_in_repeats(batch)
    await ask(connection, opened, batch.last)
    unused = [thread_id for thread_id in batch.opened if batch.last[thread_id] == 0]
    if unused:
        await connection.execute(_DELETE_THREADS, {"ids": unused})


async def _insert_threads(connection: Connection, new: list[Thread]) -> None:
    """Insert threads whose ids nobody else has, with what they are found by."""
    await connection.execute(_INSERT_THREADS, [thread_values(thread) for thread in new])
    properties = [row for thread in new for row in property_values(thread.id, thread.attributes, thread.platforms)]
    if properties:
        await connection.execute(thread_properties.insert(), properties)


async def _find_threads(batch: _Batch) -> None:
    """Find and lock each item's thread, and make those that are missing."""
    items = batch.items
    while items:
        await _find_by_alias(batch, items)
        await _lock_threads(batch, items)
        # A thread that was deleted while we waited for its row has lost its alias too: the message opens a new one.
        items = [item for item in items if item.thread_id is None and item.arrival is not None and item.arrival.opens]


async def _find_by_alias(batch: _Batch, items: list[Item]) -> None:
    """Give each arrival the thread of its alias; make the threads that are missing."""
    arriving = [(item, item.arrival.key.alias, item.arrival) for item in items if item.arrival is not None]
    if not arriving:
        return
    wanted = sorted({alias for _, alias, _ in arriving})
    found = dict((await batch.connection.execute(_ALIASES, {"ids": wanted})).all())
    openers = {alias: arrival for _, alias, arrival in reversed(arriving) if arrival.opens and alias not in found}
    if openers:
        made = {alias: openers[alias].new_thread() for alias in sorted(openers)}
        insert = insert_ignoring(batch.connection, aliases).values(created_at=now()).returning(aliases.c.alias)
        rows = [{"alias": alias, "thread_id": thread.id} for alias, thread in made.items()]
        won = set((await batch.connection.execute(insert, rows)).scalars())
        if won:
            await _insert_threads(batch.connection, [made[alias] for alias in sorted(won)])
            batch.opened += [made[alias].id for alias in won]
        # Who lost has waited for the winner's commit, and reads its thread now.
        found |= dict((await batch.connection.execute(_ALIASES, {"ids": list(made)})).all())
    for item, alias, _ in arriving:
        item.thread_id = found.get(alias)


async def _lock_threads(batch: _Batch, items: list[Item]) -> None:
    ids = sorted({item.thread_id for item in items if item.thread_id is not None})
    named = [item for item in items if item.arrival is None and not item.is_answer and item.message.platforms]
    rows = (await batch.connection.execute(_LOCK_AND_READ if named else _LOCK, {"ids": ids})).all() if ids else []
    batch.last |= {row.id: row.last_sequence for row in rows}
    known = {row.id for row in rows}
    for item in items:
        if item.thread_id is not None and item.thread_id not in known:
            item.lose_thread()
    platforms = {row.id: row.platforms for row in rows} if named else {}
    for item in named:
        if item.thread_id in platforms:
            item.external = ExternalId.of_message(item.message.platforms, platforms[item.thread_id])


async def _meet_stored(batch: _Batch, items: list[Item]) -> None:
    """Meet the messages that have the items' ids or external ids, in the database or earlier among the items."""
    places = sorted({item.place for item in items if item.place is not None})
    holders: dict[Place, tuple[str, str]] = {}
    for start in range(0, len(places), CHUNK_COUNT):
        for row in await batch.connection.execute(_HOLDERS, {"places": places[start : start + CHUNK_COUNT]}):
            place = row.platform, row.workspace, row.channel, row.external_id
            if row.message_id is None:
                batch.expected.add(place)
            else:
                holders[place] = row.message_id, row.thread_id
    ids = [item.message.id for item in items if item.is_open]
    known = dict((await batch.connection.execute(_KNOWN, {"ids": ids})).all()) if ids else {}
    for item in items:
        if item.place is not None and item.place in holders:
            item.meet_holder(*holders[item.place])
        if item.is_open and item.message.id in known:
            item.meet_id(known[item.message.id])
        if item.is_open:
            known[item.message.id] = str(item.thread_id)
            if item.place is not None:
                holders[item.place] = item.message.id, str(item.thread_id)


async def _claim_external_ids(batch: _Batch) -> None:
    """Let each new message hold its external id, or meet the message that came to hold it since we looked."""
    claiming = {item.place: item for item in batch.open_items() if item.place is not None}
    while claiming:
        adopting = [item for place, item in sorted(claiming.items()) if place in batch.expected]
        await _adopt(batch, adopting)
        rows = [
            {"message_id": item.message.id, "part": 1, "state": "sent", **external_values(item.external)}
            for place, item in sorted(claiming.items())
            if place not in batch.adopted
        ]
        won = set(batch.adopted)
        if rows:
            insert = insert_ignoring(batch.connection, message_parts).returning(*PLACE)
            won |= {tuple(row) for row in await batch.connection.execute(insert, rows)}
        lost = [item for place, item in claiming.items() if place not in won]
        if lost:
            await _meet_stored(batch, lost)
        # Who met one of these in the batch repeats what it repeats.
        batch.moved |= {item.message.id: item.repeat_of for item in lost if item.repeat_of is not None}
        claiming = {item.place: item for item in lost if item.is_open and item.place is not None}


async def _adopt(batch: _Batch, items: list[Item]) -> None:
    """Take over the external ids that were claimed for these messages before they came."""
    for item in items:
        place = {f"of_{name}": value for name, value in external_values(item.external).items()}
        adopted = await batch.connection.execute(_ADOPT, place | {"adopter": item.message.id})
        if adopted.rowcount and item.place is not None:
            batch.adopted.add(item.place)


async def _insert(batch: _Batch) -> None:
    """Insert the new messages, numbered, with the changes that came before them."""
    new = batch.open_items()
    if not new:
        return
    early = await take_early(batch.connection, sorted(batch.adopted))
    reactions, versions, brought = [], [], []
    now_ = utc_now()
    for item in new:
        thread_id = str(item.thread_id)
        batch.last[thread_id] += 1
        given = {"sequence": batch.last[thread_id], "updated_at": now_, "reactions": standing(item.message)}
        item.stored, item.is_new = Message.from_stored(item.message.__dict__ | given), True
        if item.place in early:
            settled = Settled(item.stored, early[item.place])
            item.stored = settled.message
            brought.append((thread_id, item.stored, settled.reactions))
            versions += settled.versions
        else:
            brought.append((thread_id, item.stored, reaction_values(item.stored)))
        reactions += brought[-1][2]
    rows = [message_values(str(item.thread_id), item.stored, item.external) for item in new if item.stored]
    files = [row for item in new if item.stored for row in file_values(item.stored, item.fetched_from)]
    for insert, values in zip(_INSERTS, (rows, files, reactions, versions), strict=True):
        if values:
            await batch.connection.execute(insert, values)
    if reactions:
        await keep_thumbs(batch.connection, brought)
    await count_messages(batch.connection, {str(item.thread_id): batch.last[str(item.thread_id)] for item in new})


async def _fill_in_repeats(batch: _Batch) -> None:
    """Give the repeats the message that is stored, and the thread that it is in."""
    repeats = [item for item in batch.items if item.repeat_of is not None]
    if not repeats:
        return
    in_batch = {item.message.id: item for item in batch.items if item.stored is not None}
    for item in repeats:
        item.repeat_of = batch.moved.get(item.repeat_of or "", item.repeat_of)
    read = await read_by_ids(batch.connection, {str(item.repeat_of) for item in repeats} - in_batch.keys())
    for item in repeats:
        first = in_batch.get(str(item.repeat_of))
        if first is not None and first.stored is not None:
            item.thread_id, item.stored = first.thread_id, first.stored.model_copy(deep=True)
        elif item.repeat_of in read:
            item.thread_id, item.stored = read[item.repeat_of]
        else:  # it was deleted with its thread, which this batch does not hold
            item.error = thread_gone(str(item.thread_id))
