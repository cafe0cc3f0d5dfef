"""How the defaults lay threads and messages out in keyed values, and change them.

A thread is `threads[id]`, its message n is `messages[[id, n]]` with the texts that were appended to it, the blocks that
stand beside those are `blocks[[message id, position]]`, and `message_places` and `external_ids` say where a message
stands. The message's value is written first and the rest follows, so an append that was cut off anywhere is
completed by the next one; no list is read and nothing grows with the thread. Everything here expects the lock of the
defaults to be held. Overrides of the public calls leave all of it unused.
"""

import json
from datetime import datetime
from typing import Any

from backscroll.errors import MessageExistsError, ThreadNotFoundError
from backscroll.storage.changes import remember
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.primitives import Primitives, join_key
from backscroll.storage.thumbs import FROM_REACTION, Thumb, reaction_feedback_id, thumb_of
from backscroll.storage.values import as_utc, canonical_json, new_id, utc_now


class Rows(Primitives):
    """Threads and messages as keyed values."""

    async def _set_thread(self, row: dict[str, Any]) -> None:
        # updated_at never goes back, also when the clock does.
        row["updated_at"] = max(row["updated_at"], instant_text(utc_now()))
        await self.set("threads", row["id"], row)

    async def _touch(self, thread_id: str) -> None:
        row = await self.get("threads", thread_id)
        if row is not None:
            await self._set_thread(row)

    async def _thread_of(self, row: dict[str, Any], limit: int | None) -> Thread:
        fields = {name: value for name, value in row.items() if name in Thread.model_fields}
        messages = await self._newest_messages(row["id"], row["last_sequence"] + 1, limit)
        return remember(Thread.model_validate(fields | {"messages": messages}))

    async def _newest_messages(self, thread_id: str, before: int, limit: int | None) -> list[Message]:
        start = 1 if limit is None else max(1, before - limit)
        rows = [await self.get("messages", join_key(thread_id, number)) for number in range(start, before)]
        return [message_of(row) for row in rows if row is not None]

    async def _message_row(self, message_id: str) -> dict[str, Any] | None:
        place = await self.get("message_places", message_id)
        return None if place is None else await self.get("messages", join_key(place["thread_id"], place["sequence"]))

    async def _external_row(self, external: ExternalId) -> dict[str, Any] | None:
        holder = await self.get("external_ids", external_key(external))
        return None if holder is None else await self._message_row(holder["message_id"])

    async def _set_external(self, key: str, message_id: str) -> None:
        platform, _, _, external_id = json.loads(key)
        place = {"platform": platform, "external_id": external_id}
        await self.set("external_ids", key, {"message_id": message_id, **place})

    async def _set_message(self, row: dict[str, Any]) -> None:
        row["message"]["updated_at"] = instant_text(utc_now())
        await self.set("messages", join_key(row["thread_id"], row["message"]["sequence"]), row)

    async def _append(
        self, thread_id: str, message: Message, external: ExternalId | None, wanted_by: ThreadKey | None = None
    ) -> tuple[Message, bool]:
        """Append a message, or return the one that is stored, and whether it is new.

        An external id that a message of another thread holds stays with that one.

        Args: wanted_by: a key of the place from which the contents of a new message's files are to be fetched.
        """
        thread = await self.get("threads", thread_id)
        if thread is None:
            raise thread_gone(thread_id)
        await self._complete_last_append(thread)
        if external is not None and (holder := await self._external_row(external)) is not None:
            if holder["thread_id"] == thread_id:
                return message_of(holder), False
            external = None
        if (known := await self._must_not_be_elsewhere(message.id, thread_id)) is not None:
            return message_of(known), False
        row = new_message_row(thread_id, message, external, thread["last_sequence"] + 1)
        if external is not None:
            await self._apply_early(row, external)
        for sha256 in files_of(row):
            await self.set("file_users", join_key(sha256, message.id), {"sha256": sha256})
        if wanted_by is not None:
            await self._want_files(message, wanted_by)
        await self._set_message(row)
        await self._complete_last_append(thread)
        return message_of(row), True

    async def _want_files(self, message: Message, by: ThreadKey) -> None:
        for position in wanted_positions(message):
            wanted = {"message_id": message.id, "position": position}
            place = {"platform": by.platform, "workspace": by.workspace}
            await self.set("wanted_files", join_key(message.id, position), wanted | place)

    async def _complete_last_append(self, thread: dict[str, Any]) -> None:
        following = await self.get("messages", join_key(thread["id"], thread["last_sequence"] + 1))
        if following is None or "is_copy" in following:  # what a fork that was cut off left
            return
        sequence, message_id = thread["last_sequence"] + 1, following["message"]["id"]
        await self.set("message_places", message_id, {"thread_id": thread["id"], "sequence": sequence})
        if following["external"] is not None:
            await self._set_external(following["external"], message_id)
            await self.delete("early_events", following["external"])
        await self._settle_thumbs(following, {})
        thread["last_sequence"] = sequence
        await self._set_thread(thread)

    async def _must_not_be_elsewhere(self, message_id: str, thread_id: str) -> dict[str, Any] | None:
        row = await self._message_row(message_id)
        if row is not None and row["thread_id"] != thread_id:
            raise message_elsewhere(message_id)
        return row

    async def _edit_message(self, message_id: str, content: Any, edited_at: datetime | None) -> Message | None:
        row = await self._message_row(message_id)
        if row is None or row["message"]["deleted_at"] is not None:
            return None
        await self._change(row, edit_row(row, content, edited_at))
        return message_of(row)

    async def _react(self, message_id: str, emoji: str, user_id: str, added: bool, event_at: datetime | None) -> bool:
        row = await self._message_row(message_id)
        return row is not None and await self._react_on(row, emoji, user_id, added, event_at)

    async def _react_on(
        self, row: dict[str, Any], emoji: str, user_id: str, added: bool, event_at: datetime | None
    ) -> bool:
        before, added_at = thumbs_of(row), None
        changed = react_on_row(row, emoji, user_id, added, event_at)
        if changed and added and (thumb := thumb_of(emoji)) is not None:
            before.pop((user_id, thumb), None)  # what stood there may be a copy's, which is no feedback
            added_at = row["reactions"][-1]["at"]
        await self._settle_thumbs(row, before, added_at)
        return await self._change(row, changed)

    async def _settle_thumbs(
        self, row: dict[str, Any], before: dict[tuple[str, Thumb], str | None], added_at: str | None = None
    ) -> None:
        """Let the thumbs that came since be feedback, and take back those that went.

        Before the message's value is written: a change that is cut off here is not seen as made, and its repeat
        completes it.
        """
        message, after = row["message"], thumbs_of(row)
        for user_id, thumb in before.keys() - after.keys():
            await self.delete("feedback", reaction_feedback_id(message["id"], user_id, thumb))
        for user_id, thumb in after.keys() - before.keys():
            feedback_id = reaction_feedback_id(message["id"], user_id, thumb)
            if await self.get("feedback", feedback_id) is None:
                thread = await self.get("threads", row["thread_id"]) or {}
                told = {"user_id": user_id, "agent_name": thread.get("agent_name"), "thumb": thumb}
                at = {"created_at": added_at or after[user_id, thumb] or message["updated_at"]}
                value = feedback_value(feedback_id, row["thread_id"], message["id"], FROM_REACTION, **told, **at)
                await self.set("feedback", feedback_id, value)

    async def _clear(self, row: dict[str, Any], deleted_at: datetime | None) -> bool:
        """Make a message a tombstone, and take the text out of what was posted of it."""
        files = files_of(row)
        if not clear_row(row, deleted_at):
            return False
        await self._drop_files(row["message"]["id"], files)
        for block in await self.query("blocks", {"message_id": row["message"]["id"]}):
            if block["block_type"] != "usage":
                await self._drop_block(block)
        for told in await self.query("feedback", {"message_id": row["message"]["id"]}):
            await self.delete("feedback", told["key"])
        for part in await self.query("parts", {"message_id": row["message"]["id"]}):
            if part["state"] == "sent":
                await self.set("parts", part.pop("key"), part | {"text": ""})
        return await self._change(row, True)

    async def _change(self, row: dict[str, Any], changed: bool) -> bool:
        """Store a message's value, whose reaction log may have grown also where nothing visible changed."""
        if changed:
            await self._set_message(row)
            await self._touch(row["thread_id"])
        else:
            await self.set("messages", join_key(row["thread_id"], row["message"]["sequence"]), row)
        return changed

    async def _forget_message(self, row: dict[str, Any]) -> None:
        await self._drop_files(row["message"]["id"], files_of(row))
        for block in await self.query("blocks", {"message_id": row["message"]["id"]}):
            await self._drop_block(block)
        await self.delete("message_places", row["message"]["id"])
        if row["external"] is not None:
            await self.delete("external_ids", row["external"])
        for part in await self.query("parts", {"message_id": row["message"]["id"]}):
            await self.delete("parts", part["key"])
            if part["external"] is not None:
                await self.delete("external_ids", external_key(ExternalId(**part["external"])))
        await self.delete("messages", join_key(row["thread_id"], row["message"]["sequence"]))

    async def _drop_files(self, message_id: str, files: set[str]) -> None:
        for sha256 in files:
            await self.set("dropped_files", new_id(), {"sha256": sha256})
            await self.delete("file_users", join_key(sha256, message_id))

    async def _drop_block(self, block: dict[str, Any]) -> None:
        if block["sha256"] is not None:
            await self.set("dropped_files", new_id(), {"sha256": block["sha256"]})
            await self.delete("file_users", join_key(block["sha256"], block["message_id"], block["id"]))
        await self.delete("blocks", block["key"])

    async def _hold_early(self, external: ExternalId, **change: Any) -> None:
        """Keep a change until its message comes."""
        held = await self.get("early_events", external_key(external)) or {"changes": [], "since": None}
        held["changes"].append(change)
        held["since"] = held["since"] or instant_text(utc_now())
        await self.set("early_events", external_key(external), held)

    async def _apply_early(self, row: dict[str, Any], external: ExternalId, *, of_post: bool = False) -> bool:
        """Apply the changes that waited for a message, in the platform's order; False when none changed it.

        Args: of_post: the external id is one post's of ours; a deletion then concerns that alone, and is left.
        """
        held = await self.get("early_events", external_key(external)) or {"changes": []}
        before, changed = thumbs_of(row), False
        for change in sorted(held["changes"], key=lambda change: str(change["at"])):
            at = instant_of(change["at"])
            if change["kind"] == "edit":
                changed |= edit_row(row, change["content"], at)
            elif change["kind"] == "delete":
                changed |= not of_post and clear_row(row, at)
            elif change["kind"] == "clear":
                changed |= clear_reactions_on_row(row, change["emoji"], at)
            else:
                changed |= react_on_row(row, change["emoji"], change["user_id"], change["kind"] == "add", at)
        if of_post:  # a new message's are seen to when it is complete
            await self._settle_thumbs(row, before)
        return changed


def thread_row(thread: Thread) -> dict[str, Any]:
    """Lay a new thread out as a value."""
    row: dict[str, Any] = thread.model_dump(mode="json", exclude={"messages"})
    return row | {
        "created_at": instant_text(thread.created_at),
        "updated_at": instant_text(utc_now()),
        "last_sequence": 0,
        "title": Thread.model_fields["title"].default,
        "user_id": None,
        "agent_name": None,
        "attributes": {},
        "platforms": {},
    }


def new_message_row(thread_id: str, message: Message, external: ExternalId | None, sequence: int) -> dict[str, Any]:
    """Lay a new message out as a value; its reactions become a log, in the order of who came first."""
    log = [
        {"emoji": emoji, "user_id": user_id, "at": None, "removed": False}
        for emoji, users in standing(message).items()
        for user_id in users
    ]
    dumped = message.model_dump(mode="json", exclude={"reactions"}) | {"sequence": sequence}
    return {
        "thread_id": thread_id,
        "external": None if external is None else external_key(external),
        "message": dumped,
        "reactions": log,
        "versions": [],
        "texts": [],
    }


def wanted_positions(message: Message) -> list[int]:
    """Name the attachments of a message whose contents lie elsewhere, from 1."""
    return [
        position
        for position, attachment in enumerate(message.attachments, 1)
        if attachment.location is not None and not attachment.is_kept
    ]


def files_of(row: dict[str, Any]) -> set[str]:
    """Return the hashes of a message's files."""
    return {file["sha256"] for file in row["message"]["attachments"] if file["sha256"] is not None}


def standing(message: Message) -> dict[str, list[str]]:
    """Return a message's reactions with each user once, and without the emojis that nobody gave."""
    if not message.reactions:
        return {}
    return {emoji: list(dict.fromkeys(users)) for emoji, users in message.reactions.items() if users}


def message_of(row: dict[str, Any]) -> Message:
    """Build the message that a value holds."""
    reactions: dict[str, list[str]] = {}
    for entry in row["reactions"]:
        if not entry["removed"]:
            reactions.setdefault(entry["emoji"], []).append(entry["user_id"])
    return Message.model_validate(row["message"] | {"reactions": reactions})


def edit_row(row: dict[str, Any], content: Any, edited_at: datetime | None) -> bool:
    """Change the content, keeping the version before; False when a later edit or a deletion stands."""
    message = row["message"]
    before = instant_of(message["edited_at"])
    if message["deleted_at"] is not None or (edited_at and before and edited_at <= before):
        return False
    if canonical_json(message["content"]) != canonical_json(content):
        row["versions"].append({"content": message["content"], "at": message["edited_at"] or message["created_at"]})
    message["content"] = content
    row["texts"] = []
    # An edit of ours is never older than the one that stands, or a repeat of that one would undo it.
    message["edited_at"] = instant_text(edited_at or max(utc_now(), before or utc_now()))
    return True


def clear_row(row: dict[str, Any], deleted_at: datetime | None) -> bool:
    """Make the message a tombstone; False when it is one."""
    message = row["message"]
    if message["deleted_at"] is not None:
        return False
    message |= {"content": "", "attachments": [], "tool_calls": [], "attributes": {}}
    message["deleted_at"] = instant_text(deleted_at or utc_now())
    row["versions"] = []
    row["reactions"] = []
    row["texts"] = []
    return True


def react_on_row(row: dict[str, Any], emoji: str, user_id: str, added: bool, event_at: datetime | None) -> bool:
    """Add or remove one reaction; False when nothing changed. An older event never undoes a newer one."""
    if row["message"]["deleted_at"] is not None:
        return False
    log = row["reactions"]
    known = next((entry for entry in log if (entry["emoji"], entry["user_id"]) == (emoji, user_id)), None)
    at = event_at or utc_now()
    if known is not None:
        before = instant_of(known["at"])
        if event_at and before and event_at <= before:
            return False
        at = max(at, before or at)
        if known["removed"] != added:
            known["at"] = instant_text(at)
            return False
        log.remove(known)
    log.append({"emoji": emoji, "user_id": user_id, "at": instant_text(at), "removed": not added})
    return added or known is not None


def clear_reactions_on_row(row: dict[str, Any], emoji: str | None, event_at: datetime | None) -> bool:
    """Remove all reactions that stand, or those of one emoji; False when nothing changed."""
    standing = [entry for entry in row["reactions"] if not entry["removed"] and emoji in (None, entry["emoji"])]
    changed = [react_on_row(row, entry["emoji"], entry["user_id"], False, event_at) for entry in standing]
    return any(changed)


def thumbs_of(row: dict[str, Any]) -> dict[tuple[str, Thumb], str | None]:
    """Return the thumbs that stand on an answer, each user's once: `{(user_id, thumb): its instant}`."""
    thumbs: dict[tuple[str, Thumb], str | None] = {}
    for entry in row["reactions"] if row["message"]["role"] == "assistant" else ():
        thumb = None if entry["removed"] else thumb_of(entry["emoji"])
        if thumb is not None:
            thumbs.setdefault((entry["user_id"], thumb), entry["at"])
    return thumbs


def feedback_value(
    feedback_id: str, thread_id: str, message_id: str, metadata: dict[str, Any], **told: Any
) -> dict[str, Any]:
    """Lay feedback out as a value, or as a row."""
    names = ("user_id", "agent_name", "rating", "thumb", "comment", "correction", "query", "response")
    its = {"id": feedback_id, "thread_id": thread_id, "message_id": message_id, "metadata": metadata}
    return dict.fromkeys(names) | its | told


def external_key(external: ExternalId) -> str:
    """Make the key of an external id."""
    return join_key(external.platform, external.workspace, external.channel, external.id)


def instant_text(instant: datetime) -> str:
    """Write an instant so that texts compare as instants do."""
    return as_utc(instant).isoformat(timespec="microseconds")


def instant_of(text: str | None) -> datetime | None:
    """Read an instant back."""
    return None if text is None else datetime.fromisoformat(text)


def thread_gone(thread_id: str) -> ThreadNotFoundError:
    """Make the error for an unknown thread."""
    return ThreadNotFoundError(f"Thread {thread_id} is not stored.", "It may have been deleted, or was never saved.")


def message_elsewhere(message_id: str) -> MessageExistsError:
    """Make the error for a message id that another thread has."""
    return MessageExistsError(f"Message {message_id} is stored in another thread.", "Give a copy an id of its own.")
