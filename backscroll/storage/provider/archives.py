"""Archives: all that is kept, read out piece by piece and merged in elsewhere, between any two providers.

Proved by `tests/contract/test_archives.py`.
"""

from collections.abc import Sequence

from backscroll.storage.archive import ArchivedThread, ArchiveMark, Loose, LooseMark, Merged
from backscroll.storage.provider.checkpoints import CheckpointCalls


class ArchiveCalls(CheckpointCalls):
    """The calls for archives, with defaults on the six primitives."""

    async def read_archive(
        self, *, after: ArchiveMark | None = None, limit: int = 500, thread_ids: Sequence[str] | None = None
    ) -> list[ArchivedThread]:
        """Return the next threads with all that belongs to them: by `id`, and in a thread by sequence.

        All together hold some `limit` messages, or threads, and at least one piece where anything is left; a longer
        thread comes in several pieces, each of at most `limit` messages, and a page ends with any piece but the last.
        Read on from the last one's `mark`; an empty list is the end. Each page is one snapshot. What becomes of threads
        meanwhile whose place is passed is not seen. The order of ids is the backend's own, and always the same there.

        Args: thread_ids: only these; unknown ones are passed over.
        """
        raise NotImplementedError

    async def merge_archive(self, pieces: Sequence[ArchivedThread]) -> list[Merged]:
        """Keep pieces of an archive beside what is kept already, each piece in one transaction, in their order.

        A repeat changes nothing, and what was cut off is completed by its repeat. Nothing that is kept is lost:

        * The thread is the one with the same id; else the one at which the first of its aliases that is taken stands;
          else it is made, with its instants. Of a thread that is there its fields become the archive's where the
          archive's `updated_at` is later. Aliases that others have stay theirs.
        * A message is the one with the same id in that thread, else the one that holds its `external`, wherever that
          stands. One that is unknown is appended: with the archive's sequence where that is beyond the last, else with
          the next. An id that a message of another thread has is not taken twice: such a message is left out.
        * Of a message that is there, the later edit stands and the other wording is a version; one that either side
          deleted is a tombstone; of each reaction the later event stands, one without an instant is the oldest. Parts
          are told apart by their number, blocks, feedback and approvals by their id; what is missing is added.
        * An answer is the one of the same message. One that is missing comes as it is, without an owner, and what was
          running or being sent is taken over at once. Of one that is there the archive's state stands where its
          `updated_at` is later and nobody has the answer here.
        * `updated_at` of what is new is the archive's; of threads that change it is now.

        Contents of files must be held in the file store meanwhile (`Attachments.write_archive`).

        Returns: what became of each piece.
        """
        raise NotImplementedError

    async def read_loose(self, *, after: LooseMark | None = None, limit: int = 500) -> list[Loose]:
        """Return what is kept beside threads, by kind and key, at most `limit`; an empty list is the end.

        Of a provider of six primitives these are the namespaces that Backscroll uses: others cannot be listed there.
        The owner of a files directory is left out: a copy has its own.
        """
        raise NotImplementedError

    async def merge_loose(self, things: Sequence[Loose], *, replace: bool = False) -> int:
        """Keep what an archive has beside threads, and return how much of it was new or changed; a repeat is neither.

        Args: replace: what is there under the same name becomes as the archive has it; otherwise it stays.
        """
        raise NotImplementedError
