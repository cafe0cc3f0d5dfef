"""How the defaults merge an archive in, message by message.

What goes with a message is written before it, and the answers last: a merge that was cut off shows nothing half, and
its repeat completes it. Expects the lock of the defaults to be held. Proved by `tests/contract/test_merging.py` and
`test_archives.py`.
"""

from dataclasses import dataclass, field

from backscroll.storage.archive import (
    ArchivedAnswer,
    ArchivedMessage,
    ArchivedPart,
    ArchivedThread,
    Merged,
    next_sequence,
)
from backscroll.storage.blocks import SAID
from backscroll.storage.keys import ExternalId
from backscroll.storage.provider.archiving import (
    Value,
    answer_value,
    approval_value,
    block_value,
    feedback_of,
    is_copy,
    is_later_answer,
    is_reactions,
    joining_aliases,
    later_fields,
    merge_files,
    merge_reactions,
    merge_wording,
    new_thread_value,
    new_value,
    part_value,
    takes_alias,
)
from backscroll.storage.provider.checkpoints import CheckpointCalls
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import external_key, files_of, instant_of, instant_text, thumbs_of
from backscroll.storage.values import utc_now


@dataclass(eq=False)
class _Merge:
    """One piece that is merged in, and what became of it so far."""

    piece: ArchivedThread
    is_mirror: bool
    made: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    """Messages that were there before."""
    moved: set[str] = field(default_factory=set)
    """The keys of the external ids that other threads' messages gave up."""
    touched: set[str] = field(default_factory=set)
    positions: dict[str, set[int]] = field(default_factory=dict)
    """Of the answers of each thread."""


class Merging(CheckpointCalls):
    """The steps of `merge_archive` on the six primitives."""

    async def _merge_piece(self, piece: ArchivedThread, *, mirror: bool) -> Merged:
        async with self._exclusive:
            merge = _Merge(piece, mirror)
            thread_id, is_new = await self._merge_thread(piece, mirror=mirror)
            kept: list[tuple[Value, ArchivedMessage]] = []
            for each in piece.messages:
                row = await self._counterpart(merge, thread_id, each)
                if row is None and await self._message_row(each.message.id) is not None:
                    continue  # another thread has its id
                if row is None:
                    merge.made.add(each.message.id)
                    row = await self._new_row(thread_id, each, piece)
                elif row["thread_id"] == thread_id:
                    await self._reach(thread_id, row["message"]["sequence"])
                await self._merge_message(merge, row, each)
                kept.append((row, each))
            for row, each in kept:  # last: who takes an answer finds all that was said
                await self._merge_answer(merge, row, each)
            return Merged(thread_id, is_new, len(merge.made), len(merge.changed - merge.made))

    async def _merge_thread(self, piece: ArchivedThread, *, mirror: bool) -> tuple[str, bool]:
        """Find or make the thread of a piece, and give it the names that are its own."""
        row = await self.get("threads", piece.id)
        for alias in joining_aliases(piece, mirror=mirror) if row is None else ():
            holder = await self.get("aliases", alias)
            row = row or (None if holder is None else await self.get("threads", holder["thread_id"]))
        if is_new := row is None:
            row = new_thread_value(piece)
            await self.set("threads", piece.id, row)
        elif fields := later_fields(row, piece):
            await self._set_thread(row | fields)
        await self._complete_last_append(await self.get("threads", row["id"]) or row)
        for alias in piece.aliases:
            holder = await self.get("aliases", alias)
            if holder is not None and holder["thread_id"] == row["id"]:
                continue
            other = None if holder is None else await self.get("threads", holder["thread_id"])
            if other is None or takes_alias(piece, instant_of(other["updated_at"]), mirror=mirror):
                await self.set("aliases", alias, {"thread_id": row["id"]})
        return str(row["id"]), is_new

    async def _counterpart(self, merge: _Merge, thread_id: str, each: ArchivedMessage) -> Value | None:
        """Return the value of the message that is there already, None when there is none."""
        row = await self._message_row(each.message.id)
        if row is not None and row["thread_id"] == thread_id:
            return row
        holder = None if each.external is None else await self._external_row(ExternalId(*each.external))
        return holder if holder is None or not merge.is_mirror or holder["thread_id"] == thread_id else None

    async def _new_row(self, thread_id: str, each: ArchivedMessage, piece: ArchivedThread) -> Value:
        thread = await self.get("threads", thread_id) or {}
        sequence = next_sequence(int(thread["last_sequence"]), each.message.sequence)
        return new_value(each, thread_id, sequence, copied=is_copy(piece, each))

    async def _merge_message(self, merge: _Merge, row: Value, each: ArchivedMessage) -> None:
        """Bring a message, or what is new of it, and all that goes with it but its answer."""
        message, is_new = row["message"], row["message"]["id"] in merge.made
        before = thumbs_of(row)
        later_at = max(message["updated_at"], instant_text(each.message.updated_at or each.message.created_at))
        is_later = later_at > message["updated_at"]
        changed = is_new or await self._merge_content(row, each)
        claims = await self._claim(merge, row, each)
        changes = [
            changed,
            bool(claims),
            await self._merge_blocks(row, each, is_new=is_new),
            await self._merge_feedback(row, each),
            await self._merge_parts(merge, row, each, is_later=is_later),
        ]
        if not any(changes):
            return
        merge.changed.add(message["id"])
        await self._settle_thumbs(row, before)
        await self._change_thread(merge, row["thread_id"])
        message["updated_at"] = later_at
        if is_new:
            await self._place(row, each)
        else:
            await self.set("messages", join_key(row["thread_id"], message["sequence"]), row)
        for external in claims:
            await self._set_external(external_key(external), message["id"])
        for external in claims:
            if each.parts:
                await self._finish_early(message["id"], external)
            await self.delete("early_events", external_key(external))

    async def _merge_content(self, row: Value, each: ArchivedMessage) -> bool:
        """Let what was said later stand, of what a message is itself."""
        if row["message"]["deleted_at"] is not None:
            return False
        if each.message.deleted_at is not None:
            return await self._clear(row, each.message.deleted_at)
        changed = merge_wording(row, each)
        changed |= merge_reactions(row, each)
        fetched = merge_files(row, each)
        for sha256 in files_of(row) if fetched else ():
            await self.set("file_users", join_key(sha256, row["message"]["id"]), {"sha256": sha256})
        for position in fetched:
            await self.delete("wanted_files", join_key(row["message"]["id"], position))
        return changed or bool(fetched)

    async def _claim(self, merge: _Merge, row: Value, each: ArchivedMessage) -> list[ExternalId]:
        """Find the external ids that the message has from now on, and apply what waited for it there."""
        claims = []
        own = each.external and external_key(ExternalId(*each.external))
        for place in dict.fromkeys([each.external, *(part.external for part in each.parts)]):
            external = None if place is None else ExternalId(*place)
            if external is None:
                continue
            key = external_key(external)
            if key == own and row["external"] not in (None, own):
                continue
            holder = await self._external_row(external)
            if holder is not None:
                if not merge.is_mirror or holder["thread_id"] == row["thread_id"]:
                    continue
                is_wanted = key == own or row["message"]["id"] in merge.made
                if not await self._give_up(merge, holder, external, is_wanted=is_wanted):
                    continue
            if key == own and row["external"] is None:
                row["external"] = own
                row["message"]["platforms"] = each.message.platforms | row["message"]["platforms"]
            await self._apply_early(row, external, of_post=bool(each.parts))
            claims.append(external)
        return claims

    async def _give_up(self, merge: _Merge, holder: Value, external: ExternalId, *, is_wanted: bool) -> bool:
        """Take its external id from a message; it is still found there until another has it.

        Args: is_wanted: else only the rest of what was cut off is completed. Returns: whether another may have it now.
        """
        key, place = external_key(external), {name: getattr(external, name) for name in external.__slots__}
        parts = await self.query("parts", {"message_id": holder["message"]["id"]})
        posted = [part for part in parts if part["external"] == place]
        if not is_wanted and (posted or holder["external"] == key):
            return False
        merge.moved.add(key)
        for part in posted:
            part_key = part.pop("key")
            await self.set("parts", part_key, part | {"external": None})
        if holder["external"] == key:
            holder["external"] = None
        await self._set_message(holder)
        await self._change_thread(merge, holder["thread_id"])
        return True

    async def _place(self, row: Value, each: ArchivedMessage) -> None:
        """Store a new message at its place, once what goes with it is."""
        message_id, sequence = row["message"]["id"], row["message"]["sequence"]
        for sha256 in files_of(row):
            await self.set("file_users", join_key(sha256, message_id), {"sha256": sha256})
        for position in each.wanted if each.wanted_from and row["message"]["deleted_at"] is None else ():
            wanted = dict(zip(("platform", "workspace"), each.wanted_from or (), strict=True))
            value = {"message_id": message_id, "position": position} | wanted
            await self.set("wanted_files", join_key(message_id, position), value)
        await self.set("messages", join_key(row["thread_id"], sequence), row)
        await self.set("message_places", message_id, {"thread_id": row["thread_id"], "sequence": sequence})
        await self._reach(row["thread_id"], sequence)

    async def _reach(self, thread_id: str, sequence: int) -> None:
        """Let a thread have the message of this sequence, also where a merge was cut off that placed it."""
        thread = await self.get("threads", thread_id) or {}
        if thread["last_sequence"] < sequence:
            await self.set("threads", thread_id, thread | {"last_sequence": sequence})

    async def _change_thread(self, merge: _Merge, thread_id: str) -> None:
        """Let a thread have changed now; one that is as old as the archive's is being made of it."""
        row = None if thread_id in merge.touched else await self.get("threads", thread_id)
        merge.touched.add(thread_id)
        if row is not None and row["updated_at"] != instant_text(merge.piece.updated_at):
            await self._set_thread(row)

    async def _merge_blocks(self, row: Value, each: ArchivedMessage, *, is_new: bool) -> bool:
        """Add the blocks beside the content that are missing; a call that the message has is a repeat."""
        message_id, is_deleted = row["message"]["id"], row["message"]["deleted_at"] is not None
        beside = [block for block in each.blocks if block.block_type not in SAID]
        theirs = [block for block in beside if not is_deleted or block.block_type == "usage"]
        known = [] if is_new or not theirs else await self.query("blocks", {"message_id": message_id})
        ids, calls = {one["id"] for one in known}, {one["tool_call_id"] for one in known} - {None}
        taken = {one["position"] for one in (*known, *row.get("texts", ()))}
        missing = [block for block in theirs if block.id not in ids and block.tool_call_id not in calls]
        for block in sorted(missing, key=lambda block: block.position):
            stored = block_value(block)
            if stored["position"] in taken:
                stored["position"] = max(0, *taken) + 1
            taken.add(stored["position"])
            await self._set_block(row, stored)
        return bool(missing)

    async def _merge_feedback(self, row: Value, each: ArchivedMessage) -> bool:
        """Add the feedback that is missing; a reaction's only where that stands."""
        if row["message"]["deleted_at"] is not None:
            return False
        message_id, changed = row["message"]["id"], False
        thumbs = thumbs_of(row)
        for told in each.feedback:
            if is_reactions(told) and (told.user_id, told.thumb) not in thumbs:
                continue
            value = feedback_of(told, row["thread_id"], message_id)
            if await self.get("feedback", value["id"]) is None:
                await self.set("feedback", value["id"], value)
                changed = True
        return changed

    async def _merge_parts(self, merge: _Merge, row: Value, each: ArchivedMessage, *, is_later: bool) -> bool:
        """Add the posts that are missing, and let those be posted that are in the archive."""
        if not each.parts:
            return False
        message_id = row["message"]["id"]
        found = [] if message_id in merge.made else await self.query("parts", {"message_id": message_id})
        known = {part.pop("key"): part for part in found}
        changed = False
        for part in each.parts:
            value = await self._part_to_merge(merge, row, part)
            key = join_key(message_id, part.number)
            stands = known.get(key)
            is_posted = stands is not None and (stands["state"], value["state"]) == ("waiting", "sent")
            says_more = stands is not None and is_later and stands["state"] != "sent" and stands != value
            if stands is None or is_posted or says_more:
                await self.set("parts", key, value)
                changed = True
        for answer_id in dict.fromkeys(part.answer_id for part in each.parts if part.answer_id is not None):
            await self._count_parts(answer_id)
        return changed

    async def _part_to_merge(self, merge: _Merge, row: Value, part: ArchivedPart) -> Value:
        external = None if part.external is None else ExternalId(*part.external)
        holder = None if external is None else await self._external_row(external)
        is_others = holder is not None and holder["message"]["id"] != row["message"]["id"]
        if is_others and external is not None and external_key(external) not in merge.moved:
            external = None
        value = part_value(part, row["message"]["id"], external)
        is_deleted = row["message"]["deleted_at"] is not None
        return value | {"text": ""} if is_deleted and value["state"] == "sent" else value

    async def _merge_answer(self, merge: _Merge, row: Value, each: ArchivedMessage) -> None:
        """Bring the answer that a message asks for, or what became of it since."""
        answer, message_id = each.answer, row["message"]["id"]
        if answer is None:
            return
        found = [] if message_id in merge.made else await self.query("answers", {"message_id": message_id})
        changed = False
        stands = found[0] if found else None
        is_missing = stands is None and await self.get("answers", answer.id) is None
        if is_missing or (stands is not None and is_later_answer(stands, answer)):
            value = answer_value(answer, row["thread_id"], message_id, utc_now())
            if stands is not None:
                value |= {name: stands[name] for name in ("id", "part_count", "created_at")}
            value["position"] = await self._position_of(merge, row["thread_id"], answer, stands)
            await self.set("answers", value["id"], value)
            await self._count_parts(value["id"])
            changed, found = True, [value]
        if found:
            changed |= await self._merge_approvals(found[0], answer)
        if changed:
            merge.changed.add(message_id)
            await self._change_thread(merge, row["thread_id"])

    async def _merge_approvals(self, row: Value, answer: ArchivedAnswer) -> bool:
        """Add the approvals that are missing, and decide those that are decided in the archive."""
        changed = False
        found = await self.query("approvals", {"answer_id": row["id"]}) if answer.approvals else []
        mine = {one["id"]: one for one in found}
        numbers = {one["number"] for one in found}
        for approval in answer.approvals:
            stands = mine.get(approval.id)
            value = approval_value(approval, row["id"], row["thread_id"])
            if stands is None:
                if approval.number in numbers or await self.get("approvals", approval.id) is not None:
                    continue
                numbers.add(approval.number)
            elif stands["outcome"] is None and approval.outcome is not None:
                decision = {name: value[name] for name in ("outcome", "decided_by", "decided_at")}
                value = {name: stands[name] for name in value} | decision
            else:
                continue
            await self.set("approvals", approval.id, value)
            changed = True
        return changed

    async def _position_of(self, merge: _Merge, thread_id: str, answer: ArchivedAnswer, stands: Value | None) -> int:
        """Return the position of an answer in its thread: the archive's where it is free, else its own or the next."""
        if thread_id not in merge.positions:
            others = await self.query("answers", {"thread_id": thread_id})
            merge.positions[thread_id] = {int(other["position"]) for other in others}
        taken = merge.positions[thread_id]
        own = max(taken, default=0) + 1 if stands is None else int(stands["position"])
        position = own if answer.position in taken else answer.position
        taken.add(position)
        await self._note_position(thread_id, max(taken))
        return position

    async def _note_position(self, thread_id: str, last: int) -> None:
        """Note the last position in a thread, where a backend counts them by itself."""

    async def _count_parts(self, answer_id: str) -> None:
        """Let an answer know how many parts its message has."""
        row = await self.get("answers", answer_id)
        if row is not None and row["answer_message_id"] is not None:
            parts = await self.query("parts", {"message_id": row["answer_message_id"]})
            if row["part_count"] != len(parts):
                await self.set("answers", answer_id, row | {"part_count": len(parts)})
