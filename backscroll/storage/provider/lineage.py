"""Lineages: whom threads come from, and who comes from them, also through those that were deleted.

What a deleted thread leaves of its links stands in `lost_threads`, as long as a thread of the same tree is kept.
Expects the lock of the defaults to be held where it writes. Proved by `tests/contract/test_lineage.py`.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from backscroll.storage.provider.primitives import Primitives

Entry = dict[str, Any]
"""One thread of a lineage, as `get_thread_lineage` gives it."""


def lineage_of(thread_id: str, entries: dict[str, Entry]) -> dict[str, Any]:
    """Lay the lineage of a thread out; of these entries, by id, those count that are linked to it.

    A circle of parents ends where it comes back.
    """
    ancestors: list[Entry] = []
    seen = {thread_id}
    above = entries.get(thread_id)
    while above is not None:
        above = entries.get(str(above["parent_thread_id"]))
        if above is None or above["thread_id"] in seen:
            break
        seen.add(above["thread_id"])
        ancestors.insert(0, above)
    return {"thread_id": thread_id, "ancestors": ancestors, "descendants": _descendants(thread_id, entries)}


def _descendants(thread_id: str, entries: dict[str, Entry]) -> list[Entry]:
    children: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries.values():
        children[str(entry["parent_thread_id"])].append(entry)
    found: list[Entry] = []
    seen, level, depth = {thread_id}, [thread_id] if thread_id in entries else [], 1
    while level:
        below = [entry for each in level for entry in children[each] if entry["thread_id"] not in seen]
        found += [entry | {"depth": depth} for entry in sorted(below, key=_oldest)]
        level, depth = [entry["thread_id"] for entry in below], depth + 1
        seen.update(level)
    return found


def _oldest(entry: Entry) -> tuple[bool, datetime | None, str]:
    # Of one that was deleted nobody knows when it was made: it stands last, and never compares with an instant.
    return entry["created_at"] is None, entry["created_at"], entry["thread_id"]


def entry_of(thread_id: str, fields: dict[str, Any], *, is_deleted: bool) -> Entry:
    """Lay one thread out, or what is left of it."""
    return {
        "thread_id": thread_id,
        "title": fields.get("title"),
        "user_id": fields.get("user_id"),
        "agent_name": fields.get("agent_name"),
        "parent_thread_id": fields["parent_id"],
        "forked_at": fields["forked_at"],
        "created_at": fields.get("created_at"),
        "is_deleted": is_deleted,
    }


async def read_up(store: Primitives, thread_id: str) -> dict[str, Entry]:
    """Read a thread, or what is left of it, and all above it."""
    found: dict[str, Entry] = {}
    above: str | None = thread_id
    while above is not None and above not in found:
        entry = await _read(store, above)
        if entry is None:
            break
        found[above] = entry
        above = entry["parent_thread_id"]
    return found


async def read_down(store: Primitives, thread_ids: Iterable[str]) -> dict[str, Entry]:
    """Read all below these threads."""
    found: dict[str, Entry] = {}
    level = list(thread_ids)
    while level:
        below = [
            row["id"]
            for each in level
            for namespace in ("threads", "lost_threads")
            for row in await store.query(namespace, {"parent_id": each})
        ]
        level = [each for each in dict.fromkeys(below) if each not in found]
        read = {each: await _read(store, each) for each in level}
        found |= {each: entry for each, entry in read.items() if entry is not None}
    return found


async def keep_link(store: Primitives, row: dict[str, Any]) -> bool:
    """Keep what a thread that is about to be deleted says of its links; False when it has none."""
    is_linked = row["parent_id"] is not None
    for namespace in ("threads", "lost_threads"):
        is_linked = is_linked or bool(await store.query(namespace, {"parent_id": row["id"]}))
    if is_linked:
        await store.set("lost_threads", row["id"], {name: row[name] for name in ("id", "parent_id", "forked_at")})
    else:
        await store.delete("lost_threads", row["id"])
    return is_linked


async def drop_links(store: Primitives, row: dict[str, Any]) -> None:
    """Forget the tree of a thread that was deleted, once nothing of it is kept any more."""
    if row["parent_id"] is not None and await store.get("threads", row["parent_id"]) is not None:
        return
    above = await read_up(store, row["id"])
    tree = above | await read_down(store, above)
    if all(entry["is_deleted"] for entry in tree.values()):
        for each in tree:
            await store.delete("lost_threads", each)


async def _read(store: Primitives, thread_id: str) -> Entry | None:
    for namespace in ("threads", "lost_threads"):
        fields = await store.get(namespace, thread_id)
        if fields is not None:
            at = {"created_at": datetime.fromisoformat(fields["created_at"])} if "created_at" in fields else {}
            return entry_of(thread_id, fields | at, is_deleted=namespace == "lost_threads")
    return None
