"""Messages: appended, recorded as they arrive, read by pages, edited, deleted.

Proved by `tests/contract/test_messages.py`, `test_find_messages.py` and `test_record.py`.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from backscroll.errors import EchoPendingError
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message
from backscroll.storage.provider.rows import (
    edit_row,
    instant_of,
    instant_text,
    message_elsewhere,
    message_of,
    thread_row,
)
from backscroll.storage.provider.sending import SendingCalls
from backscroll.storage.records import Arrival, MessageVersion, Recorded
from backscroll.storage.values import canonical_json


class MessageCalls(SendingCalls):
    """The calls for messages, with defaults on the six primitives."""

    async def append_message(self, thread_id: str, message: Message) -> Message:
        """Append one message and return it with its sequence.

        Atomic: the number and the row commit together or not at all. A message whose id, or whose external id (as its
        `platforms` say), is stored in this thread already is returned unchanged. An external id that another thread
        holds stays there; this message is then a copy without one.

        Raises: ThreadNotFoundError: no thread has this id. MessageExistsError: another thread has a message of this id.
        """
        async with self._exclusive:
            thread = await self.get("threads", thread_id)
            external = ExternalId.of_message(message.platforms, thread["platforms"]) if thread else None
            return (await self._append(thread_id, message, external))[0]

    async def record_message(self, arrival: Arrival, *, earlier: Sequence[Arrival] = ()) -> Recorded | None:
        """Keep a message that came from outside: its thread, alias and row, and an answer if one is due.

        Atomic: all of it commits together or not at all. A repeat, by external id or by message id, changes nothing but
        that an answer may now be due, and gives the message that is stored; by external id also where the key names
        another thread by now, or none. Changes that came before the message are applied. A message of another bot is
        answered only while not every one of the thread's last two answers answers such.

        An echo marks the part that its token names as posted, and is a repeat of its message.

        Args: earlier: messages of the same key that stand before it; they are kept in front of it.
        Returns: None when the thread is unknown and the arrival does not open one.
        Raises: MessageExistsError: another thread has a message of this id, under another external id.
            EchoPendingError: it is an echo without such a token, and a part is on its way out to its key.
        """
        async with self._exclusive:
            for each in before(arrival, earlier):
                thread_id = await self._thread_for(each)
                if thread_id is not None:
                    await self._keep_arrival(thread_id, each)
            return await self._record(arrival)

    async def get_message(self, message_id: str) -> tuple[str, Message] | None:
        """Return a message and the id of its thread, `(thread_id, message)`, or None."""
        row = await self._message_row(message_id)
        return None if row is None else (row["thread_id"], message_of(row))

    async def find_external(self, external: ExternalId) -> tuple[str, Message] | None:
        """Return the message that holds an external id and the id of its thread, `(thread_id, message)`, or None."""
        row = await self._external_row(external)
        return None if row is None else (row["thread_id"], message_of(row))

    async def find_external_ids(self, platform: str, external_id: str) -> list[tuple[ExternalId, str]]:
        """Return the messages that have this id on a platform, wherever it is: `(external id, message's id)`.

        Order: workspace, then channel.
        """
        rows = await self.query("external_ids", {"platform": platform, "external_id": external_id})
        found = [(ExternalId(*json.loads(row["key"])), str(row["message_id"])) for row in rows]
        return sorted(found, key=lambda pair: (pair[0].workspace, pair[0].channel))

    async def find_messages_by_attribute(self, path: tuple[str, ...], value: Any) -> list[Message]:
        """Return the messages in which this value stands at a path: `created_at`, then `id`.

        Equality is JSON equality: `5`, `5.0`, `"5"`, `true` and `null` differ, and a missing key is not `null`.

        Args: path: `attributes`, `metrics`, `platforms` or `source`, then the keys of objects inside each other.
        """
        rows = await self.query("messages", {})
        found = [message_of(row) for row in rows if stands_at(row["message"], path, value)]
        return sorted(found, key=lambda message: (message.created_at, message.id))

    async def read_messages(
        self, thread_id: str, *, limit: int | None = None, before: int | None = None
    ) -> list[Message]:
        """Return the newest `limit` messages (None: all), oldest first, tombstones too; empty for an unknown thread.

        Args: before: a sequence, exclusive; None means from the newest.
        """
        thread = await self.get("threads", thread_id)
        if thread is None:
            return []
        end = thread["last_sequence"] + 1
        return await self._newest_messages(thread_id, end if before is None else min(before, end), limit)

    async def edit_message(
        self, message_id: str, content: str | list[dict[str, Any]], *, edited_at: datetime | None = None
    ) -> Message | None:
        """Change a message's content, keep what it said before as a version, and return it.

        An edit that is not later than the one that stands changes nothing.

        Args: edited_at: the edit's own time on the platform; None means now, and wins.
        Returns: the message as it stands; None when it is unknown or a tombstone.
        """
        async with self._exclusive:
            return await self._edit_message(message_id, content, edited_at)

    async def delete_message(self, message_id: str, *, deleted_at: datetime | None = None) -> bool:
        """Make a message a tombstone: content, versions, reactions and files go, the row keeps its sequence.

        Returns: False when it is unknown or a tombstone already.
        """
        async with self._exclusive:
            row = await self._message_row(message_id)
            return row is not None and await self._clear(row, deleted_at)

    async def get_message_versions(self, message_id: str) -> list[MessageVersion]:
        """Return what a message said before each edit, oldest first; empty for an unknown message or a tombstone."""
        row = await self._message_row(message_id)
        return [
            MessageVersion(version["content"], datetime.fromisoformat(version["at"]))
            for version in (row["versions"] if row else ())
        ]

    async def record_edit(
        self,
        external: ExternalId,
        content: str | list[dict[str, Any]],
        edited_at: datetime,
        *,
        only_in: str | None = None,
    ) -> bool:
        """Keep an edit that came from outside; before its message, it waits for it.

        Args: only_in: an alias; an edit before its message is dropped when no thread has it. None means it waits.
        Returns: whether a stored message changed.
        """
        async with self._exclusive:
            row = await self._external_row(external)
            if row is not None:
                return await self._change(row, edit_row(row, content, edited_at))
            if only_in is None or await self.get("aliases", only_in) is not None:
                await self._hold_early(external, kind="edit", content=content, at=instant_text(edited_at))
            return False

    async def record_deletion(self, external: ExternalId, deleted_at: datetime) -> bool:
        """Keep a deletion that came from outside; before its message, it waits for it.

        Of a message that was sent in several posts, what the deleted one said goes: its text, or its file's content.
        The message is a tombstone when no post stands.

        Returns: whether a stored message changed.
        """
        async with self._exclusive:
            row = await self._external_row(external)
            if row is not None:
                return await self._take_away(row, external, deleted_at)
            await self._hold_early(external, kind="delete", at=instant_text(deleted_at))
            return False

    async def sweep_early_events(self, before: datetime) -> int:
        """Drop changes that have waited for their message since before this instant, and return how many messages'."""
        async with self._exclusive:
            old = [
                row["key"]
                for row in await self.query("early_events", {})
                if (instant_of(row["since"]) or before) < before
            ]
            for key in old:
                await self.delete("early_events", key)
            return len(old)

    async def _record(self, arrival: Arrival) -> Recorded | None:
        if arrival.token is not None and arrival.external is not None:
            row = await self._meet_echo(arrival.token, arrival.external)
            if row is not None:
                return Recorded(row["thread_id"], message_of(row), False, False)
        thread_id = await self._thread_for(arrival)
        if thread_id is None:
            return None
        if arrival.is_echo and arrival.external is not None:
            is_known = await self._external_row(arrival.external) is not None
            if not is_known and await self._is_being_posted(arrival.key):
                raise echo_pending(arrival.external)
        return await self._keep_arrival(thread_id, arrival)

    async def _keep_arrival(self, thread_id: str, arrival: Arrival) -> Recorded:
        wanted_by = arrival.key if arrival.fetches else None
        message, is_new = await self._append(thread_id, arrival.message, arrival.external, wanted_by)
        is_due = await self._is_due(thread_id, arrival, message, is_new=is_new)
        asked = is_due and await self._ask(thread_id, message.id, arrival)
        return Recorded(thread_id, message, is_new, asked)

    async def _thread_for(self, arrival: Arrival) -> str | None:
        alias = arrival.key.alias
        if arrival.external is not None and (held := await self._external_row(arrival.external)) is not None:
            return str(held["thread_id"])
        holder = await self.get("aliases", alias)
        if holder is not None and await self.get("threads", holder["thread_id"]) is not None:
            return str(holder["thread_id"])
        if not arrival.opens:
            return None
        if await self._message_row(arrival.message.id) is not None:
            raise message_elsewhere(arrival.message.id)
        thread = arrival.new_thread()
        row = thread_row(thread) | {
            "title": thread.title,
            "user_id": thread.user_id,
            "agent_name": thread.agent_name,
            "platforms": thread.platforms,
        }
        # The alias first: when this is cut off, the next message opens its thread, and nobody meets an empty one.
        await self.set("aliases", alias, {"thread_id": thread.id})
        await self._set_thread(row)
        return thread.id

    async def _is_due(self, thread_id: str, arrival: Arrival, message: Message, *, is_new: bool) -> bool:
        if message.deleted_at is not None or arrival.asks == "no" or (arrival.is_late and not is_new):
            return False
        if arrival.asks == "yes":
            return True
        rows = await self.query("answers", {"thread_id": thread_id})
        if is_new or not rows:
            return bool(rows)
        first = await self._message_row(min(rows, key=lambda row: row["position"])["message_id"])
        return follows(message, None if first is None else message_of(first).sequence)


def before(arrival: Arrival, earlier: Sequence[Arrival]) -> list[Arrival]:
    """Let earlier messages open the thread when the arrival does, under its title."""
    return [
        replace(
            each,
            opens=arrival.opens,
            title=arrival.title,
            user_id=arrival.user_id,
            place=arrival.place,
        )
        for each in earlier
    ]


def follows(repeat: Message, first_asked: int | None) -> bool:
    """Tell whether a message that was kept before stands behind the first that asked in its thread.

    One that stands before it was not meant for the bot, though it is delivered again; nor was one that was read back.
    """
    is_behind = first_asked is not None and (repeat.sequence or 0) > first_asked
    return is_behind and repeat.attributes.get("backfilled") is not True


def echo_pending(external: ExternalId) -> EchoPendingError:
    """Make the error for a post of ours that may be of a part which is on its way out."""
    return EchoPendingError(
        f"Post {external.id} may be an answer whose posting is not marked yet.", "Hand it over again in a moment."
    )


def stands_at(node: Any, path: tuple[str, ...], value: Any) -> bool:
    """Tell whether a value stands at a path of keys inside objects."""
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return canonical_json(node) == canonical_json(value)
