"""Copies from any provider to any other: all that is kept, its files, and then a look whether it is the same.

Three passes. The first hands on page after page, and notes in the target how far it is, so that the next run goes on
there, however this one ended. The second reads both sides, hands on again what differs, because somebody wrote in the
source meanwhile, and deletes what was deleted there. The third hands on what is kept beside threads until nothing of it
is new. The source is only read, and what somebody else wrote in the target stays. Proved by
`tests/scenario/test_moving_data.py` and `tests/unit/transfer/test_copying.py`.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from backscroll.errors import StorageRefusedError
from backscroll.storage.archive import ArchivedThread, ArchiveMark, LooseKind, Merged
from backscroll.storage.attachments import Attachments
from backscroll.storage.keys import ExternalId
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import new_id, utc_now
from backscroll.transfer.comparing import Digests, ThreadDigest, digests_of
from backscroll.transfer.contents import Contents
from backscroll.transfer.firsts import Firsts
from backscroll.transfer.reading import TRANSFER, loose_pages, pages

ROUNDS = 4
"""How often what differs is handed on again."""

NOTE_S = 1.0
"""Seconds after which it is noted again how far a copy is."""

COMPARED = 200
"""Threads that are compared at once, at least."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Side:
    """A storage that is open, and what it is called: one name always, and nothing secret in it."""

    provider: StorageProvider
    attachments: Attachments
    name: str


@dataclass
class Copied:
    """How far a copy is, and what came of it."""

    all_threads: int = 0
    """Of the source, when the copy began."""
    stage: Literal["threads", "compare", "other"] = "threads"
    is_resumed: bool = False
    threads: int = 0
    """That were handed on, or were new when both sides were compared."""
    messages: int = 0
    """Of those, and new ones of other threads."""
    updated_threads: int = 0
    """That were there, and were made the same again."""
    deleted_threads: int = 0
    """Of the target, because the source has them no more."""
    files: int = 0
    """Contents that the target did not have."""
    verified_threads: int = 0
    verified_messages: int = 0
    loose: Counter[LooseKind] = field(default_factory=Counter)
    """What is kept beside threads: how many of each kind."""
    changing_loose: int = 0
    """Of what is kept beside threads, how much was new even in the last round."""
    differing: Firsts[str] = field(default_factory=Firsts)
    """Threads that are not in the target as they are in the source, where they did not stand still."""
    written: Firsts[str] = field(default_factory=Firsts)
    """Threads that are not the same because somebody else wrote in the target."""
    strange: Firsts[str] = field(default_factory=Firsts)
    """Threads of the target that the source does not have, and that were not deleted."""
    missing_files: Firsts[str] = field(default_factory=Firsts)

    @property
    def is_faithful(self) -> bool:
        """Whether the target has all that the source has, and each thread of it is the same."""
        return not (self.differing or self.is_shared or self.missing_files)

    @property
    def is_shared(self) -> bool:
        """Whether somebody else wrote in the target."""
        return bool(self.written or self.strange)

    @property
    def compared_threads(self) -> int:
        """How many threads of the source were looked for in the target."""
        return self.verified_threads + self.differing.total + self.written.total


async def copy(
    source: Side, target: Side, *, merge: bool = False, progress: Callable[[Copied], None] = lambda _: None
) -> Copied:
    """Copy all that one storage keeps into another one, and compare both.

    A bot may write in the source meanwhile; what it writes behind the comparison is for the next run. A run that was
    cut off is gone on with by the next one. Until the last one has ended nobody else writes in the target: there, a
    thread that differs becomes as the source has it, and one that the source has no more is deleted. Where somebody
    else wrote nevertheless, that stays and is named, and nothing is deleted.

    Args: merge: the target may hold something already, which stays; otherwise it is empty, or a copy of this source.
    Raises: StorageRefusedError: both are one storage; the target holds something else. StorageError.
    """
    copying = _Copying(source, target, merge, progress)
    await copying.begin()
    await copying.hand_on_threads()
    if merge:
        await copying.compare_merged()
    else:
        await copying.compare()
    await copying.hand_on_loose()
    await copying.finish()
    return copying.told


class _Copying:
    def __init__(self, source: Side, target: Side, merge: bool, progress: Callable[[Copied], None]) -> None:
        self._source, self._target, self._merge = source, target, merge
        self._progress = progress
        self._contents = Contents(source.attachments.open_content)
        self._key = hashlib.sha256(source.name.encode()).hexdigest()
        self._note: dict[str, Any] = {}
        self._noted_at = 0.0
        self._done_until: datetime | None = None
        self._handed_until = _EARLIEST
        self._until: datetime | None = None
        self._losers: dict[str, datetime] = {}
        self.told = Copied(missing_files=self._contents.missing)

    async def begin(self) -> None:
        """Look whether the target may be written to, and where an earlier run ended."""
        await self._must_be_two()
        note = await self._target.provider.get(TRANSFER, self._key)
        is_ours = note is not None and not note.get("is_merged")
        if not is_ours and not self._merge and await self._holds_something():
            other = "no copy" if note is None else "only a merge"
            raise StorageRefusedError(
                f"{self._target.name} holds something already, and {other} of {self._source.name} was begun there.",
                "Name an empty one, or add --merge to keep both. To go on with a copy, name --from as before.",
            )
        self._note = note or {"source": self._source.name, "started_at": utc_now().isoformat()}
        self._note["is_merged"] = self._merge
        self.told.is_resumed = note is not None
        until, handed = self._note.get("done_until"), self._note.get("handed_until")
        self._done_until = None if until is None else datetime.fromisoformat(until)
        self._handed_until = _EARLIEST if handed is None else datetime.fromisoformat(handed)
        self.told.all_threads = await self._source.provider.count_threads()

    async def hand_on_threads(self) -> None:
        """Hand on all threads, from where an earlier run ended."""
        if self._note.get("has_all"):
            return
        after = self._note.get("after")
        await self._write_note()
        async with aclosing(
            pages(self._source.provider, after=None if after is None else ArchiveMark(*after))
        ) as every:
            async for page in every:
                if self.told.is_resumed:
                    await self._note_losers(page)
                await self._write(page)
                self.told.threads += sum(not piece.is_continuation for piece in page)
                self.told.messages += sum(len(piece.messages) for piece in page)
                self._handed_until = max(self._handed_until, *(piece.updated_at for piece in page))
                self._note["handed_until"] = self._handed_until.isoformat()
                self._note["after"] = [page[-1].mark.thread_id, page[-1].mark.sequence]
                if time.monotonic() - self._noted_at > NOTE_S:
                    await self._write_note()
                self._progress(self.told)
        self._note["has_all"] = True
        await self._write_note()

    async def compare(self) -> None:
        """Compare each thread of the source with the target's, and hand on again what differs."""
        self.told.stage = "compare"
        digests, batch = Digests(), list[ThreadDigest]()
        async with aclosing(pages(self._source.provider)) as every:
            async for page in every:
                batch += [ended for piece in page if (ended := digests.add(piece))]
                if len(batch) >= COMPARED or any(each.messages > COMPARED for each in batch):
                    await self._compare(batch)
                    batch = []
        if last := digests.end():
            batch.append(last)
        await self._compare(batch)
        await self._delete_strangers()

    async def compare_merged(self) -> None:
        """Hand all on once more, which has to change nothing, and look each message up."""
        self.told.stage = "compare"
        async with aclosing(pages(self._source.provider)) as every:
            async for page in every:
                known = self.told.differing.total
                self.told.differing.note_once(await self._find_missing(page))
                self.told.verified_threads += sum(not piece.is_continuation for piece in page)
                self.told.verified_threads -= self.told.differing.total - known
                self.told.verified_messages += sum(len(piece.messages) for piece in page)
                self._progress(self.told)

    async def hand_on_loose(self) -> None:
        """Hand on what is kept beside threads, until a round finds nothing new."""
        self.told.stage = "other"
        for _ in range(ROUNDS):
            self.told.loose, self.told.changing_loose = Counter(), 0
            async with aclosing(loose_pages(self._source.provider)) as every:
                async for things in every:
                    self.told.loose.update(thing.kind for thing in things)
                    changed = await self._target.provider.merge_loose(things, replace=not self._merge)
                    self.told.changing_loose += changed
                    self._progress(self.told)
            if not self.told.changing_loose:
                break

    async def finish(self) -> None:
        """Note until when the target was this copy's own."""
        self.told.files = self._contents.count
        until = max((each for each in (self._until, self._done_until) if each is not None), default=None)
        if not self.told.is_shared and until is not None:
            self._note["done_until"] = until.isoformat()
        await self._write_note()

    async def _must_be_two(self) -> None:
        """Refuse one storage by two names: what is written into the one is not to be found in the other.

        Raises: StorageRefusedError
        """
        key = new_id()
        await self._target.provider.set(TRANSFER, key, {})
        try:
            is_one = await self._source.provider.get(TRANSFER, key) is not None
        finally:
            await self._target.provider.delete(TRANSFER, key)
        if is_one:
            raise StorageRefusedError(
                f"{self._source.name} and {self._target.name} are one storage.", "Name two different ones."
            )

    async def _holds_something(self) -> bool:
        if await self._target.provider.read_archive(limit=1):
            return True
        async with aclosing(loose_pages(self._target.provider)) as every:
            return await anext(every, None) is not None

    async def _write_note(self) -> None:
        await self._target.provider.set(TRANSFER, self._key, self._note)
        self._noted_at = time.monotonic()

    async def _write(self, page: Sequence[ArchivedThread]) -> list[Merged]:
        return await self._contents.write(self._target.attachments, self._target.provider, page, mirror=not self._merge)

    async def _note_losers(self, page: Sequence[ArchivedThread]) -> None:
        """Note as they are now the threads of the target that lose an alias to these, and with it maybe more."""
        for piece in page:
            for alias in () if piece.is_continuation else piece.aliases:
                holder = await self._target.provider.get_by_alias(alias, limit=0)
                if holder is not None and holder.id != piece.id and holder.updated_at is not None:
                    self._losers.setdefault(holder.id, holder.updated_at)

    async def _compare(self, batch: list[ThreadDigest]) -> None:
        if not batch:
            return
        there = await self._digests(self._target.provider, [each.id for each in batch], is_target=True)
        differing = [each.id for each in batch if each.id not in there or there[each.id].hash != each.hash]
        unlike = await self._correct(differing, there) if differing else set()
        same = [each for each in batch if each.id not in unlike]
        self.told.verified_threads += len(same)
        self.told.verified_messages += sum(each.messages for each in same)
        self._progress(self.told)

    async def _correct(self, differing: list[str], before: dict[str, ThreadDigest]) -> set[str]:
        """Hand on again what differs, until nothing does any more.

        Returns: what is not the same on both sides, for it differs still, or is gone in the source by now.
        """
        ours = {each for each in differing if each not in before or self._is_ours(before[each])}
        asked, found = differing, set[str]()
        for number in range(ROUNDS):
            if number:  # merging did not do: something was taken away in the source, or was half made
                ours -= await self._replace([each for each in differing if each in ours])
            async with aclosing(pages(self._source.provider, thread_ids=differing)) as every:
                async for page in every:
                    await self._note_losers(page)
                    merged = await self._write(page)
                    self.told.messages += 0 if number else sum(each.new_messages for each in merged)
            here = await self._digests(self._source.provider, differing)
            there = await self._digests(self._target.provider, differing, is_target=True)
            found |= here.keys() if not number else set()
            found -= set(differing) - here.keys()
            differing = [each for each in here if each not in there or there[each].hash != here[each].hash]
            if not differing:
                break
        same = found - set(differing)
        self.told.threads += sum(each not in before for each in same)
        self.told.updated_threads += sum(each in before for each in same)
        self.told.differing.note_once(each for each in differing if each in ours)
        self.told.written.note_once(each for each in differing if each not in ours)
        return set(asked) - same

    def _is_ours(self, thread: ThreadDigest) -> bool:
        """Tell whether nobody has written in a thread of the target since a copy was complete."""
        updated_at = self._losers.get(thread.id, thread.updated_at)
        return self._done_until is None or updated_at <= self._done_until

    async def _replace(self, thread_ids: list[str]) -> set[str]:
        """Take out of the target what is to be handed on anew; return what has a message that the source has not."""
        written = set[str]()
        for thread_id in thread_ids:
            known = await self._message_ids(self._source.provider, thread_id)
            if await self._message_ids(self._target.provider, thread_id) <= known:
                await self._target.provider.delete_thread(thread_id)
            else:
                written.add(thread_id)
        return written

    async def _message_ids(self, provider: StorageProvider, thread_id: str) -> set[str]:
        async with aclosing(pages(provider, thread_ids=[thread_id])) as every:
            return {each.message.id async for page in every for piece in page for each in piece.messages}

    async def _digests(
        self, provider: StorageProvider, thread_ids: list[str], *, is_target: bool = False
    ) -> dict[str, ThreadDigest]:
        async with aclosing(pages(provider, thread_ids=thread_ids)) as every:
            found = await digests_of(every)
        if is_target:
            self._until = max(
                [each.updated_at for each in found.values()] + ([self._until] if self._until else []), default=None
            )
        return found

    async def _delete_strangers(self) -> None:
        """Delete the threads that the target has and the source has no more, if the target is this copy's alone.

        Nothing is deleted where the source has no thread at all: it was emptied, or is another one than it was.
        """
        if await self._target.provider.count_threads() <= self.told.compared_threads:
            return
        strange = dict[str, datetime]()
        async with aclosing(pages(self._target.provider)) as every:
            async for page in every:
                ids = {piece.id: piece.updated_at for piece in page if not piece.is_continuation}
                known = await self._digests(self._source.provider, sorted(ids)) if ids else {}
                strange |= {each: self._losers.get(each, ids[each]) for each in ids.keys() - known.keys()}
        until = self._done_until or self._handed_until
        is_shared = self.told.written or any(updated_at > until for updated_at in strange.values())
        if is_shared or not self.told.compared_threads:
            self.told.strange.note_once(sorted(strange))
            return
        for number in range(0, len(strange), COMPARED):
            deleted = sorted(strange)[number : number + COMPARED]
            self.told.deleted_threads += await self._target.provider.delete_threads(deleted)
        await self._target.attachments.discard_dropped()

    async def _find_missing(self, page: Sequence[ArchivedThread]) -> list[str]:
        """Hand on pieces until that changes nothing, and return the threads of which a message is not there."""
        merged: list[Merged] = []
        for _ in range(ROUNDS):
            merged = await self._write(page)
            self.told.threads += sum(each.is_new for each in merged)
            self.told.messages += sum(each.new_messages for each in merged)
            if not any(each.is_new or each.new_messages or each.changed_messages for each in merged):
                break
        known = await self._find_known(page, [each.thread_id for each in merged])
        return [piece.id for piece in page if not await self._has_all(piece, known)]

    async def _find_known(self, page: Sequence[ArchivedThread], thread_ids: Sequence[str]) -> set[str]:
        """Return the ids of a page's messages that the target has, as far as they are where they are to be expected.

        Args: thread_ids: of the target, one for each piece.
        """
        wanted = {each.message.id for piece in page for each in piece.messages}
        begun = {its for piece, its in zip(page, thread_ids, strict=True) if not piece.is_continuation}
        known: set[str] = set()
        first = page[0]
        if first.is_continuation and first.messages:  # only a page's first piece is one
            before = ArchiveMark(thread_ids[0], (first.messages[0].message.sequence or 1) - 1)
            found = await self._target.provider.read_archive(
                after=before, limit=len(first.messages), thread_ids=[before.thread_id]
            )
            known |= wanted & {each.message.id for piece in found for each in piece.messages}
        async with aclosing(pages(self._target.provider, thread_ids=sorted(begun))) as every:
            async for found in every:
                known |= wanted & {each.message.id for piece in found for each in piece.messages}
        return known

    async def _has_all(self, piece: ArchivedThread, known: set[str]) -> bool:
        for each in piece.messages:
            if each.message.id in known or await self._target.provider.get_message(each.message.id) is not None:
                continue
            external = None if each.external is None else ExternalId(*each.external)
            if external is None or await self._target.provider.find_external(external) is None:
                return False
        return True
