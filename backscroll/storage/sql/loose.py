"""What is kept beside threads, read and merged kind by kind. The contract stands in `provider/archives.py`.

Proved by `tests/contract/test_archives.py`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, func, not_, select, text, tuple_, update

from backscroll.storage.archive import LOOSE_KINDS, Loose, LooseKind, LooseMark
from backscroll.storage.provider.archives import FILES_OWNER
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import instant_text
from backscroll.storage.sql.agent_tables import (
    checkpoint_writes,
    checkpoints,
    heartbeats,
    lost_threads,
    suspended_states,
)
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.early_loose import merge_early, read_early
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import kv_store, list_store, rejected_events
from backscroll.storage.sql.types import Instant, any_of
from backscroll.storage.values import canonical_json

Values = dict[str, Any]

_NUMBER_LENGTH = 12
"""Digits of an item's number in its list."""

# Two who merge the same lists at once would both find an item missing.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7163398720)")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind is kept: a row each, whose key is the table's."""

    table: Table
    unnamed: tuple[str, ...] = ()
    """Columns that its name says, and its value does not."""

    @property
    def keys(self) -> list[ColumnElement[Any]]:
        """The columns of its key."""
        return list(self.table.primary_key.columns)

    def name_of(self, values: Values) -> str:
        """Name a thing after its row."""
        parts = [values[str(column.name)] for column in self.table.primary_key.columns]
        return str(parts[0]) if len(parts) == 1 else join_key(*parts)

    def key_of(self, name: str) -> tuple[Any, ...]:
        """Read a name back."""
        return (name,) if len(self.keys) == 1 else tuple(json.loads(name))


_KINDS: dict[LooseKind, _Kind] = {
    "lost_thread": _Kind(lost_threads),
    "suspended_state": _Kind(suspended_states),
    "checkpoint": _Kind(checkpoints),
    "checkpoint_write": _Kind(checkpoint_writes),
    "heartbeat": _Kind(heartbeats, ("agent_name",)),
    "rejected_event": _Kind(rejected_events),
    "value": _Kind(kv_store),
}


async def read_things(connection: Connection, after: LooseMark | None, limit: int) -> list[Loose]:
    """Read what is kept beside threads, as `read_loose` says."""
    found: list[Loose] = []
    for kind in LOOSE_KINDS[0 if after is None else LOOSE_KINDS.index(after.kind) :]:
        start = after.key if after is not None and after.kind == kind else None
        left = limit - len(found)
        if kind == "item":
            found += await _read_items(connection, start, left)
        elif kind == "early_event":
            found += await read_early(connection, start, left)
        else:
            found += await _read_rows(connection, kind, start, left)
        if len(found) >= limit:
            break
    return found


async def merge_things(connection: Connection, things: Sequence[Loose], *, replace: bool) -> int:
    """Merge what an archive has beside threads inside the transaction. Harmless when done again."""
    count = 0
    for kind in LOOSE_KINDS:
        its = [thing for thing in things if thing.kind == kind]
        if not its:
            continue
        if kind == "item":
            count += await _merge_items(connection, its)
        elif kind == "early_event":
            count += sum([await merge_early(connection, thing, replace=replace) for thing in its])
        else:
            count += await _merge_rows(connection, _KINDS[kind], its, replace=replace)
    return count


async def _read_rows(connection: Connection, kind: LooseKind, after: str | None, limit: int) -> list[Loose]:
    of = _KINDS[kind]
    query = select(of.table).order_by(*of.keys).limit(limit)
    if after is not None:
        query = query.where(tuple_(*of.keys) > tuple_(*of.key_of(after)))
    found = []
    for row in await connection.execute(query):
        values = row._asdict()
        value = {name: _told(each) for name, each in values.items() if name not in of.unnamed}
        found.append(Loose(kind=kind, key=of.name_of(values), value=value))
    return found


async def _merge_rows(connection: Connection, of: _Kind, things: list[Loose], *, replace: bool) -> int:
    rows = {thing.key: _row_of(of, thing) for thing in things}
    insert = insert_ignoring(connection, of.table).returning(*of.keys)
    won = {tuple(row) for row in await connection.execute(insert, [rows[name] for name in sorted(rows)])}
    count = len(won)
    for name, row in rows.items() if replace else ():
        key = of.key_of(name)
        if key in won:
            continue
        is_it = and_(*(column == part for column, part in zip(of.keys, key, strict=True)))
        stands: Row[Any] = (await connection.execute(select(of.table).where(is_it).with_for_update())).one()
        if _canonical(stands._asdict()) != _canonical(row):
            await connection.execute(update(of.table).where(is_it).values(row))
            count += 1
    return count


async def _read_items(connection: Connection, after: str | None, limit: int) -> list[Loose]:
    place, number = ("", ""), -1
    if after is not None:
        namespace, key, digits = json.loads(after)
        place, number = (namespace, key), int(digits)
    of_list = and_(list_store.c.namespace == place[0], list_store.c.key == place[1])
    beyond = tuple_(list_store.c.namespace, list_store.c.key) > tuple_(*place)
    is_owner = and_(list_store.c.namespace == FILES_OWNER[0], list_store.c.key == FILES_OWNER[1])
    columns = (list_store.c.namespace, list_store.c.key, list_store.c.item)
    rows: list[Any] = []
    if number >= 0:
        rest = select(*columns).where(of_list).order_by(list_store.c.position).offset(number + 1).limit(limit)
        rows += (await connection.execute(rest)).all()
    order = (list_store.c.namespace, list_store.c.key, list_store.c.position)
    further = select(*columns).where(beyond, not_(is_owner)).order_by(*order).limit(limit - len(rows))
    rows += (await connection.execute(further)).all() if len(rows) < limit else []
    found = []
    for namespace, key, item in rows:
        number = number + 1 if (namespace, key) == place else 0
        place = namespace, key
        name = join_key(namespace, key, f"{number:0{_NUMBER_LENGTH}}")
        found.append(Loose(kind="item", key=name, value={"namespace": namespace, "key": key, "item": item}))
    return found


async def _merge_items(connection: Connection, things: list[Loose]) -> int:
    """Append the items that their lists lack, in their order."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_ONE_AT_A_TIME)
    lists: dict[tuple[str, str], list[Values]] = {}
    for thing in things:
        place = thing.value["namespace"], thing.value["key"]
        if place != FILES_OWNER:
            lists.setdefault(place, []).append(thing.value["item"])
    count = 0
    for (namespace, key), items in lists.items():
        its_id = func.coalesce(list_store.c.item["id"].as_string(), "")
        known = select(its_id).where(
            list_store.c.namespace == namespace, list_store.c.key == key, any_of(its_id, "ids")
        )
        ids = {"ids": [str(item["id"]) for item in items]}
        taken = set((await connection.execute(known, ids)).scalars())
        for item in items:
            if str(item["id"]) not in taken:
                taken.add(str(item["id"]))
                await connection.execute(list_store.insert(), {"namespace": namespace, "key": key, "item": item})
                count += 1
    return count


def _row_of(of: _Kind, thing: Loose) -> Values:
    """Lay a thing out as a row.

    Raises: ValueError: it lacks something.
    """
    told = thing.value | (dict(zip(of.unnamed, of.key_of(thing.key), strict=True)) if of.unnamed else {})
    missing = [column.name for column in of.table.c if column.name not in told]
    if missing:
        raise ValueError(f"a {thing.kind} has a {missing[0]}")
    return {column.name: _kept(column, told[column.name]) for column in of.table.c}


def _kept(column: ColumnElement[Any], value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(column.type, Instant) else value


def _told(value: Any) -> Any:
    return instant_text(value) if isinstance(value, datetime) else value


def _canonical(values: Values) -> str:
    return canonical_json({name: _told(value) for name, value in values.items()})
