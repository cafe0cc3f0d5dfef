"""Many saves in one transaction: what group commit runs for them.

Threads first, in the order of their ids, then all their messages, then the changes of stored ones. Proved by
`tests/contract/test_save.py` and `tests/unit/storage/sql/test_commit.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, update

from backscroll.errors import StorageError
from backscroll.storage.changes import ThreadChanges
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.rows import thread_gone
from backscroll.storage.sql.batch import append_batch
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.editing import edit, react
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.rows import CHUNK_COUNT, THREAD_COLUMNS, property_values, thread_values, title_values
from backscroll.storage.sql.tables import thread_properties, threads
from backscroll.storage.sql.types import any_of, later_of, now

FIELDS = ("title", "user_id", "agent_name", "attributes", "platforms")
_LOCK = (
    select(*THREAD_COLUMNS).where(any_of(threads.c.id, "ids")).order_by(threads.c.id).with_for_update(key_share=True)
)
_UPDATE = (
    update(threads)
    .where(threads.c.id == bindparam("its_id"))
    .values({name: bindparam(name) for name in FIELDS} | {"updated_at": later_of(threads.c.updated_at, now())})
)
_RETITLE = (
    update(threads)
    .where(threads.c.id == bindparam("its_id"))
    .values(search_text=bindparam("folded"), search_words=bindparam("words"))
)
_DROP_PROPERTIES = delete(thread_properties).where(
    thread_properties.c.thread_id == bindparam("its_id"), thread_properties.c.name_hash == bindparam("its_name")
)


@dataclass(slots=True)
class Save:
    """One save on its way, and its outcome: its messages as they are stored, or why nothing of it was written."""

    changes: ThreadChanges
    stored: list[Message] = field(default_factory=list)
    error: StorageError | None = None

    @property
    def thread_id(self) -> str:
        """The id of the thread that is saved."""
        return self.changes.thread.id

    @property
    def size(self) -> int:
        """How much of a transaction it fills."""
        return 1 + len(self.changes.messages)


async def save_batch(connection: Connection, saves: list[Save]) -> None:
    """Write all saves inside the transaction, and set their outcomes. Harmless when done again.

    Raises: StorageError: one of several cannot be written, and so none of them was.
    """
    for save in saves:
        save.error = None
    for turn in _turns(saves):
        await _save(connection, turn)


def _turns(saves: list[Save]) -> Iterator[list[Save]]:
    """Part the saves so that no thread is saved twice at once."""
    while saves:
        turn = {save.thread_id: save for save in reversed(saves)}
        yield list(turn.values())
        saves = [save for save in saves if turn[save.thread_id] is not save]


async def _save(connection: Connection, saves: list[Save]) -> None:
    await _write_threads(connection, {save.thread_id: save for save in saves})
    saves = [save for save in saves if save.error is None]
    appends = [[Item(message, save.thread_id) for message in save.changes.messages] for save in saves]
    items = [item for each in appends for item in each]
    for start in range(0, len(items), CHUNK_COUNT):
        await append_batch(connection, items[start : start + CHUNK_COUNT])
    for error in (item.error for item in items if item.error is not None):
        raise error
    for save, its in zip(saves, appends, strict=True):
        save.stored = [item.stored for item in its if item.stored is not None]
        for message_id, content in save.changes.contents.items():
            await edit(connection, message_id, content, None)
        for message_id, emoji, user_id, added in save.changes.reactions:
            await react(connection, message_id, emoji, user_id, added, None)


async def _write_threads(connection: Connection, saves: dict[str, Save]) -> None:
    """Make the threads that are new, lock the others, and write their fields and properties."""
    unknown = dict(sorted(saves.items()))
    found: list[Row[Any]] = []
    while unknown:
        # A thread that another made meanwhile may be gone again before its row is locked.
        rows = (await connection.execute(_LOCK, {"ids": list(unknown)})).all()
        found += rows
        known = {row.id for row in rows}
        new = [save for thread_id, save in unknown.items() if thread_id not in known]
        for save in new:
            save.error = thread_gone(save.thread_id) if save.changes.was_loaded else None
        made = await _make_threads(connection, [save for save in new if save.error is None])
        unknown = {save.thread_id: save for save in new if save.error is None and save.thread_id not in made}
    before = [fields_of(row) for row in found]
    await update_threads(connection, before, [saves[each["id"]].changes.apply_to(each) for each in before])


def fields_of(row: Row[Any]) -> dict[str, Any]:
    """Lay out what of a thread can be changed, with its id."""
    return {name: getattr(row, name) for name in ("id", *FIELDS)}


async def update_threads(connection: Connection, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Write the fields of stored threads whose rows are locked, and what they are found by."""
    if not after:
        return
    await connection.execute(_UPDATE, [{"its_id": values["id"]} | values for values in after])
    retitled = [new for old, new in zip(before, after, strict=True) if new["title"] != old["title"]]
    if retitled:
        await connection.execute(_RETITLE, [_title(values) for values in retitled])
    old, new = _properties(before), _properties(after)
    gone = [{"its_id": key[0], "its_name": key[1]} for key in old if old[key] != new.get(key)]
    if gone:
        await connection.execute(_DROP_PROPERTIES, gone)
    await _add_properties(connection, {key: new[key] for key in new if new[key] != old.get(key)})


async def _make_threads(connection: Connection, saves: list[Save]) -> set[str]:
    """Insert new threads, and return the ids of those that nobody else had made."""
    if not saves:
        return set()
    empty = {"title": Thread.model_fields["title"].default, "user_id": None, "agent_name": None}
    empty |= {"attributes": {}, "platforms": {}}
    made = {
        save.thread_id: Thread.model_construct(**save.changes.thread.__dict__ | save.changes.apply_to(empty))
        for save in saves
    }
    insert = insert_ignoring(connection, threads).values(updated_at=now()).returning(threads.c.id)
    won = set((await connection.execute(insert, [thread_values(thread) for thread in made.values()])).scalars())
    await _add_properties(connection, _properties(made[thread_id].__dict__ for thread_id in sorted(won)))
    return won


async def _add_properties(connection: Connection, properties: dict[tuple[str, bytes], dict[str, Any]]) -> None:
    if properties:
        await connection.execute(thread_properties.insert(), list(properties.values()))


def _properties(of: Iterable[dict[str, Any]]) -> dict[tuple[str, bytes], dict[str, Any]]:
    """Lay out what threads are found by, keyed by thread and name."""
    return {
        (row["thread_id"], row["name_hash"]): row
        for each in of
        for row in property_values(each["id"], each["attributes"], each["platforms"])
    }


def _title(values: dict[str, Any]) -> dict[str, str]:
    title = title_values(values["title"])
    return {"its_id": values["id"], "folded": title["search_text"], "words": title["search_words"]}
