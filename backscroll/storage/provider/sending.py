"""Sending: an answer's messages, and the parts in which each is posted.

A message is stored, and its parts with it, before the first of them is posted; each is marked when it was. An answer
whose text grows is posted while it does. What a handler posts besides has messages of its own. Proved by
`tests/contract/test_sending.py` and `test_growing.py`.
"""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from backscroll.errors import MessageExistsError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider.answers import AnswerCalls, clean_reason
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key, files_of, instant_of
from backscroll.storage.records import UNFINISHED, Part, PartKind
from backscroll.storage.values import clean_text


class SendingCalls(AnswerCalls):
    """The calls for sending answers, with defaults on the six primitives."""

    async def begin_sending(
        self,
        answer_id: str,
        owner: str,
        message: Message,
        texts: list[str],
        *,
        reason: str | None = None,
        is_growing: bool = False,
    ) -> list[Part]:
        """Store the answer's message and the parts to send, and move to `sending`, in one transaction.

        A repeat gives the parts that are stored. The message's `platforms` name no post of it: `mark_sent` does. Behind
        the texts, each of its attachments that lies in the file store is a part.

        Args: texts: one for each post, in order. reason: why the answer failed, when this is what the person is told of
            it. is_growing: more text follows, by `grow_answer`.
        Raises: AnswerLostError: this owner does not have the answer. MessageExistsError: the message's id belongs to
            another thread, or to a message that came from outside or is an answer already. ValueError: no parts.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            if row["state"] == "running":
                parts = new_parts(message, texts, "stream" if is_growing else "text")
                await self._store_parts(row, message, parts)
                row |= {"state": "sending", "answer_message_id": message.id, "part_count": len(parts)}
                await self._set_answer(row | {"reason": clean_reason(reason), "is_growing": is_growing})
            return await self._parts(row)

    async def grow_answer(
        self, answer_id: str, owner: str, content: str, texts: list[str], *, is_whole: bool
    ) -> list[Part]:
        """Let a growing answer say more: its message the content, its parts the texts, in one transaction.

        When it is whole, every part waits to be posted, changed to its text, or taken away: parts beyond the texts are
        forgotten where they were not posted, and empty where they were. A tombstone stays one, and gets no texts. On an
        answer that does not grow it changes nothing.

        Args: texts: one for each post, in order, at least one.
        Returns: the parts as they stand.
        Raises: AnswerLostError: this owner does not have the answer. ValueError: no texts.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            if not row["is_growing"]:
                return await self._parts(row)
            message = await self._message_row(str(row["answer_message_id"]))
            is_deleted = message is None or message["message"]["deleted_at"] is not None
            grown = grown_parts(await self._parts(row), [] if is_deleted else checked_texts(texts), is_whole=is_whole)
            if message is not None and not is_deleted:
                message["message"]["content"] = clean_text(content)
                message["texts"] = []
                await self._change(message, True)
            for part in grown:
                await self._set_part(answer_id, part)
            for number in range(len(grown) + 1, row["part_count"] + 1):
                await self.delete("parts", join_key(str(row["answer_message_id"]), number))
            row |= {"part_count": len(grown), "is_growing": not is_whole}
            await self._set_answer(row)
            return await self._parts(row)

    async def begin_post(self, answer_id: str, owner: str, message: Message, texts: list[str]) -> list[Part]:
        """Store a message that the handler posts besides the answer, and its parts, in one transaction.

        A repeat, by the message's id, gives the parts that are stored. Attachments are parts as in `begin_sending`.

        Raises: as `begin_sending`.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            if await self._parts_belong(message.id, answer_id):
                known = await self._parts_of(message.id)
                if known[0].number == 1:
                    return known
                for part in known:  # storing them was cut off, and what is said now may be cut otherwise
                    await self.delete("parts", join_key(part.message_id, part.number))
            await self._store_parts(row, message, new_parts(message, texts))
            return await self._parts_of(message.id)

    async def get_parts(self, answer_id: str) -> list[Part]:
        """Return the posts of an answer in order; empty before `sending`."""
        row = await self.get("answers", answer_id)
        return [] if row is None else await self._parts(row)

    async def get_posts(self, message_ids: list[str]) -> list[Part]:
        """Return the posts of these messages: each message's in order, the messages by id.

        A message that came from outside has none.
        """
        return [part for message_id in sorted(set(message_ids)) for part in await self._parts_of(message_id)]

    async def mark_sent(
        self, answer_id: str, owner: str, number: int, external: ExternalId, *, message_id: str | None = None
    ) -> None:
        """Note that a part was posted or changed, and its id there; the first part's becomes the message's.

        Repeats are harmless. An id that another message holds stays there. Changes that came before are applied.

        Args: message_id: the message that the part is of; None means the answer's.
        Raises: AnswerLostError: this owner does not have the answer.
        """
        async with self._exclusive:
            row = await self._owned(answer_id, owner)
            await self._mark(message_id or str(row["answer_message_id"]), number, external)

    async def _mark(self, message_id: str, number: int, external: ExternalId) -> None:
        key = join_key(message_id, number)
        part = await self.get("parts", key)
        if part is not None and part["state"] != "sent":
            await self._mark_waiting(key, part, external)
        if part is not None:  # one that was sent already may have been cut off here
            await self._finish_early(message_id, external)

    async def _mark_waiting(self, key: str, part: dict[str, Any], external: ExternalId) -> None:
        message_id = str(part["message_id"])
        holder, message = await self._external_row(external), await self._message_row(message_id)
        is_deleted = message is None or message["message"]["deleted_at"] is not None
        part |= {"state": "sent"} | ({"text": ""} if is_deleted else {})
        if part["external"] is not None or message is None or (holder and holder["message"]["id"] != message_id):
            await self.set("parts", key, part)
            return
        if part["number"] == 1:
            message["external"] = external_key(external)
            message["message"]["platforms"] |= external.platforms
        changed = await self._apply_early(message, external, of_post=True)
        await self._set_message(message)
        if changed:
            await self._touch(message["thread_id"])
        await self._set_external(external_key(external), message_id)
        # The part last: until then a repeat does all of it again.
        await self.set("parts", key, part | {"external": asdict(external)})

    async def _finish_early(self, message_id: str, external: ExternalId) -> None:
        """Apply a deletion that waited for a post, now that the post is known, and forget what waited."""
        held = await self.get("early_events", external_key(external))
        holder = await self._external_row(external)
        if held is None or holder is None or holder["message"]["id"] != message_id:
            return
        for change in held["changes"]:
            if change["kind"] == "delete":
                await self._take_away(holder, external, instant_of(change["at"]))
        await self.delete("early_events", external_key(external))

    async def _take_away(self, row: dict[str, Any], external: ExternalId, deleted_at: datetime | None) -> bool:
        """Take one post of a message away: what it said goes, and with the last the message."""
        parts = await self._parts_of(row["message"]["id"])
        rest = rest_of(parts, external)
        if not parts or rest == []:
            return await self._clear(row, deleted_at)
        if rest is None:
            return False
        gone = next(part for part in parts if part.external == external)
        value = await self.get("parts", join_key(gone.message_id, gone.number)) or {}
        await self.set("parts", join_key(gone.message_id, gone.number), value | {"text": "", "position": None})
        if gone.kind == "file":
            file = row["message"]["attachments"][(gone.position or 1) - 1]
            row["message"]["attachments"][(gone.position or 1) - 1] = file | {"sha256": None, "location": None}
            await self._drop_files(gone.message_id, {file["sha256"]} - files_of(row))
        else:
            row["message"]["content"] = text_of(rest)
            row["texts"] = []
        return await self._change(row, True)

    async def _meet_echo(self, token: str, external: ExternalId) -> dict[str, Any] | None:
        """Mark the part with this token as posted, and return its message's value; None when no part has it."""
        for part in await self.query("parts", {"token": token}):
            await self._mark(part["message_id"], part["number"], external)
            return await self._message_row(part["message_id"])
        return None

    async def _is_being_posted(self, key: ThreadKey) -> bool:
        """Tell whether a part is on its way out to this place, of whatever thread: another may live there by now."""
        for part in await self.query("parts", {"state": "waiting"}):
            answer = await self.get("answers", str(part["answer_id"]))
            if answer is not None and answer["state"] in UNFINISHED and ThreadKey(**answer["place"]) == key:
                return True
        return False

    async def _store_parts(self, row: dict[str, Any], message: Message, parts: list[Part]) -> None:
        stored, _ = await self._append(row["thread_id"], message, None)
        await self._must_not_be_posted(stored.id, parts)
        for part in reversed(parts):  # the first part last: where it is, all are
            await self._set_part(row["id"], part)

    async def _set_part(self, answer_id: str, part: Part) -> None:
        await self.set("parts", join_key(part.message_id, part.number), asdict(part) | {"answer_id": answer_id})

    async def _must_not_be_posted(self, message_id: str, parts: list[Part]) -> None:
        row = await self._message_row(message_id)
        known = await self._parts_of(message_id)
        # The very same parts are there when a begin_sending was cut off.
        if (row is not None and row["external"] is not None) or any(part not in parts for part in known):
            raise message_posted(message_id)

    async def _parts(self, row: dict[str, Any]) -> list[Part]:
        keys = [join_key(str(row["answer_message_id"]), number) for number in range(1, row["part_count"] + 1)]
        return [_part_of(part) for key in keys if (part := await self.get("parts", key)) is not None]

    async def _parts_of(self, message_id: str) -> list[Part]:
        parts = [_part_of(part) for part in await self.query("parts", {"message_id": message_id})]
        return sorted(parts, key=lambda part: part.number)

    async def _parts_belong(self, message_id: str, answer_id: str) -> bool:
        return bool(await self.query("parts", {"message_id": message_id, "answer_id": answer_id}))


def new_parts(message: Message, texts: list[str], kind: PartKind = "text") -> list[Part]:
    """Make the posts of a message. Their tokens are the message's, so that a retried answer's posts are not taken for
    those of its first try.
    """
    parts = [_new_part(message.id, number, text, kind) for number, text in enumerate(texts, 1)]
    for position, attachment in enumerate(message.attachments, 1):
        if attachment.is_kept:
            parts.append(replace(_new_part(message.id, len(parts) + 1, "", "file"), position=position))
    if not parts:
        raise ValueError("an answer has at least one part")
    return parts


def checked_texts(texts: list[str]) -> list[str]:
    """Return the texts of an answer's parts as they are.

    Raises: ValueError: there are none.
    """
    if not texts:
        raise ValueError("an answer has at least one part")
    return texts


def grown_parts(parts: list[Part], texts: list[str], *, is_whole: bool) -> list[Part]:
    """Give the parts of a growing answer, of which there is one at least, their texts, as `grow_answer` says."""
    grown = [
        replace(parts[number - 1], text=clean_text(text))
        if number <= len(parts)
        else _new_part(parts[0].message_id, number, text, "stream")
        for number, text in enumerate(texts, 1)
    ]
    if not is_whole:
        return grown + parts[len(grown) :]
    # The posted ones come first: a part is opened after the one before it.
    grown += [replace(part, text="") for part in parts[len(grown) :] if part.external is not None]
    return [replace(part, state="waiting") for part in grown]


def rest_of(parts: list[Part], gone: ExternalId) -> list[Part] | None:
    """Return the parts that stand when a post is taken away; None where it does not stand itself."""
    if not any(part.external == gone and stands(part) for part in parts):
        return None
    return [part for part in parts if part.external != gone and stands(part)]


def text_of(parts: list[Part]) -> str:
    """Return what is left of an answer's text."""
    return "\n\n".join(part.text for part in parts if part.text)


def message_posted(message_id: str) -> MessageExistsError:
    """Make the error for an answer whose message came from outside, or is an answer already."""
    return MessageExistsError(
        f"Message {message_id} is posted already.", "Give a copy an id of its own: Message(id=new_id(), …)."
    )


def stands(part: Part) -> bool:
    """Tell whether a post says anything still, and was not taken away."""
    return bool(part.text) or (part.kind == "file" and part.position is not None)


def _new_part(message_id: str, number: int, text: str, kind: PartKind) -> Part:
    return Part(message_id, number, f"{message_id}.{number}", clean_text(text), "waiting", kind=kind)


def _part_of(row: dict[str, Any]) -> Part:
    external = None if row["external"] is None else ExternalId(**row["external"])
    fields = {name: row[name] for name in Part.__dataclass_fields__}
    return Part(**fields | {"external": external})
