"""The answers that a batch of arrivals asks for, made in the transaction that keeps their messages."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, func, select

from backscroll.storage.provider.messages import follows
from backscroll.storage.records import AGENT_ANSWERS, Arrival, is_by_agent
from backscroll.storage.sql.dialect import insert_ignoring
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.item import Item
from backscroll.storage.sql.tables import answers, messages, threads
from backscroll.storage.sql.types import any_of, now
from backscroll.storage.values import new_id

_LAST = (
    select(answers.c.thread_id, func.max(answers.c.position))
    .where(any_of(answers.c.thread_id, "ids"))
    .group_by(answers.c.thread_id)
)
_ASKED = select(answers.c.message_id).where(any_of(answers.c.message_id, "ids"))
_LAST_ASKED = (
    select(messages.c.source)
    .join(answers, answers.c.message_id == messages.c.id)
    .where(answers.c.thread_id == bindparam("its_thread"))
    .order_by(answers.c.position.desc())
    .limit(AGENT_ANSWERS)
)
_FIRST_ASKED = (
    select(messages.c.sequence)
    .join(answers, answers.c.message_id == messages.c.id)
    .where(answers.c.thread_id == bindparam("its_thread"))
    .order_by(answers.c.position)
    .limit(1)
)
_LOCK = select(threads.c.id).where(any_of(threads.c.id, "ids")).order_by(threads.c.id).with_for_update(key_share=True)


async def ask(connection: Connection, items: list[Item], locked: Collection[str]) -> None:
    """Make the answers that are due, one for each message at most, and note on each item whether it made one.

    Args: locked: ids of the threads whose rows this transaction holds.
    """
    asking = [
        (str(item.thread_id), item, item.arrival, item.stored)
        for item in items
        if item.arrival and item.arrival.asks != "no" and item.stored and item.stored.deleted_at is None
        if item.is_new or not item.arrival.is_late
    ]
    if not asking:
        return
    thread_ids = sorted({thread_id for thread_id, *_ in asking})
    others = [thread_id for thread_id in thread_ids if thread_id not in locked]
    if others:  # a repeat whose message lives in another thread than its alias says now
        await connection.execute(_LOCK, {"ids": others})
    last = dict((await connection.execute(_LAST, {"ids": thread_ids})).all())
    repeats = [stored.id for _, item, _, stored in asking if not item.is_new]
    asked = set((await connection.execute(_ASKED, {"ids": repeats})).scalars()) if repeats else set()
    agents = await _asked_by_agents(
        connection, {thread_id for thread_id, _, arrival, _ in asking if arrival.is_by_agent}
    )
    first = await _first_asked(
        connection, {thread_id for thread_id, item, arrival, _ in asking if _may_follow(item, arrival)}
    )
    due: dict[str, Item] = {}
    rows = []
    for thread_id, item, arrival, stored in asking:
        if stored.id in due or stored.id in asked or not (arrival.asks == "yes" or thread_id in last):
            continue
        if _may_follow(item, arrival) and not follows(stored, first.get(thread_id)):
            continue
        before = agents.setdefault(thread_id, [])
        if arrival.is_by_agent and before[-AGENT_ANSWERS:] == [True] * AGENT_ANSWERS:
            continue
        before.append(arrival.is_by_agent)
        due[stored.id] = item
        last[thread_id] = last.get(thread_id, 0) + 1
        rows.append(_row(thread_id, stored.id, arrival, last[thread_id]))
    if rows:
        insert = insert_ignoring(connection, answers)
        insert = insert.values(ready_at=now(), created_at=now(), updated_at=now()).returning(answers.c.message_id)
        for message_id in (await connection.execute(insert, rows)).scalars():
            due[message_id].asked = True


def _may_follow(item: Item, arrival: Arrival) -> bool:
    """Tell whether it counts where a message stands: it was kept before, and asks where the bot was asked."""
    return not item.is_new and arrival.asks == "if_joined"


async def _first_asked(connection: Connection, thread_ids: set[str]) -> dict[str, int]:
    """Return the sequence of the first message that asked in each thread."""
    found = {}
    for thread_id in thread_ids:
        row = (await connection.execute(_FIRST_ASKED, {"its_thread": thread_id})).first()
        if row is not None:
            found[thread_id] = row.sequence
    return found


async def _asked_by_agents(connection: Connection, thread_ids: set[str]) -> dict[str, list[bool]]:
    """Tell of the last answers of each thread, in order, whether another bot asked for them."""
    agents = {}
    for thread_id in thread_ids:
        rows = (await connection.execute(_LAST_ASKED, {"its_thread": thread_id})).all()
        agents[thread_id] = [is_by_agent(row.source) for row in reversed(rows)]
    return agents


def _row(thread_id: str, message_id: str, arrival: Arrival, position: int) -> dict[str, Any]:
    key = arrival.key
    return {
        "id": new_id(),
        "thread_id": thread_id,
        "message_id": message_id,
        "position": position,
        "platform": key.platform,
        "workspace": key.workspace,
        "channel": key.channel,
        "thread": key.thread,
        "state": "waiting",
        "tries": 0,
        "takeovers": 0,
        "is_partial": arrival.is_partial,
    }
