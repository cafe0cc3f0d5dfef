"""What of an archive's pieces is known already: the names that no two rows may share, looked up set by set.

Proved by `tests/contract/test_archives.py` and `tests/unit/storage/sql/test_archives.py`.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from backscroll.storage.archive import ArchivedMessage, ArchivedThread
from backscroll.storage.sql.agent_tables import approvals, feedback, message_blocks
from backscroll.storage.sql.early import PLACE
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import CHUNK_COUNT, Place
from backscroll.storage.sql.tables import aliases, answers, message_parts, messages, threads
from backscroll.storage.sql.types import any_of

_COUNT = 10 * CHUNK_COUNT
"""Names of one statement: they are one parameter of it."""

_ALIASES = select(aliases.c.alias, aliases.c.thread_id).where(any_of(aliases.c.alias, "ids"))
_MESSAGES = select(messages.c.id, messages.c.thread_id).where(any_of(messages.c.id, "ids"))
# The index begins with the id; what has another channel is passed over.
_PLACES = select(*PLACE, message_parts.c.message_id).where(any_of(message_parts.c.external_id, "ids"))
_IDS = {
    "thread": select(threads.c.id).where(any_of(threads.c.id, "ids")),
    "token": select(message_parts.c.token).where(any_of(message_parts.c.token, "ids")),
    "block": select(message_blocks.c.id).where(any_of(message_blocks.c.id, "ids")),
    "feedback": select(feedback.c.id).where(any_of(feedback.c.id, "ids")),
    "answer": select(answers.c.id).where(any_of(answers.c.id, "ids")),
    "approval": select(approvals.c.id).where(any_of(approvals.c.id, "ids")),
}


@dataclass(slots=True)
class Known:
    """Which names are taken: aliases and messages with the thread's id, places with the message's or None."""

    names: defaultdict[str, set[Hashable]] = field(default_factory=lambda: defaultdict(set))
    aliases: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    places: dict[Place, str | None] = field(default_factory=dict)

    def meets(self, names: dict[str, list[Any]]) -> bool:
        """Tell whether one of these names is taken."""
        return any(not self.names[kind].isdisjoint(its) for kind, its in names.items())

    def add(self, names: dict[str, list[Any]]) -> None:
        """Take these names."""
        for kind, its in names.items():
            self.names[kind].update(its)


def names_of(piece: ArchivedThread) -> dict[str, list[Any]]:
    """Return all names of a piece, by kind."""
    names: dict[str, list[Any]] = {"thread": [piece.id], "alias": list(piece.aliases)}
    names |= {"message": [], "place": [], "token": [], "block": [], "feedback": [], "answer": [], "approval": []}
    for each in piece.messages:
        add_names(names, each)
    return names


def add_names(names: dict[str, list[Any]], each: ArchivedMessage) -> None:
    """Add the names of a message, and of all that belongs to it."""
    names["message"].append(each.message.id)
    if each.external is not None:
        names["place"].append(each.external)
    for part in each.parts:
        if part.token is not None:
            names["token"].append(part.token)
        if part.external is not None and part.external != each.external:
            names["place"].append(part.external)
    names["block"] += [block.id for block in each.blocks]
    names["feedback"] += [told.id for told in each.feedback]
    if each.answer is not None:
        names["answer"].append(each.answer.id)
        names["approval"] += [approval.id for approval in each.answer.approvals]


def are_distinct(names: dict[str, list[Any]]) -> bool:
    """Tell whether no name comes twice."""
    return all(len(set(its)) == len(its) for its in names.values())


async def find_known(connection: Connection, names: Iterable[dict[str, list[Any]]]) -> Known:
    """Look up which of these names are taken."""
    wanted: dict[str, dict[Any, None]] = defaultdict(dict)
    for each in names:
        for kind, its in each.items():
            wanted[kind] |= dict.fromkeys(its)
    known = Known()
    for kind, query in _IDS.items():
        for chunk in _chunks(wanted[kind]):
            known.names[kind].update((await connection.execute(query, {"ids": chunk})).scalars())
    for chunk in _chunks(wanted["alias"]):
        known.aliases |= dict((await connection.execute(_ALIASES, {"ids": chunk})).all())
    for chunk in _chunks(wanted["message"]):
        known.messages |= dict((await connection.execute(_MESSAGES, {"ids": chunk})).all())
    for chunk in _chunks({place[3]: None for place in wanted["place"]}):
        for *place, message_id in (await connection.execute(_PLACES, {"ids": chunk})).all():
            if tuple(place) in wanted["place"]:
                known.places[place[0], place[1], place[2], place[3]] = message_id
    known.names["alias"].update(known.aliases)
    known.names["message"].update(known.messages)
    known.names["place"].update(known.places)
    return known


def _chunks(names: Iterable[str]) -> list[list[str]]:
    listed = list(names)
    return [listed[start : start + _COUNT] for start in range(0, len(listed), _COUNT)]
