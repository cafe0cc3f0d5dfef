"""One append on its way through a batch, and its outcome."""

from collections.abc import Sequence
from dataclasses import dataclass

from backscroll.errors import StorageError
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Message
from backscroll.storage.provider.messages import before
from backscroll.storage.provider.rows import message_elsewhere, thread_gone
from backscroll.storage.records import Arrival
from backscroll.storage.sql.rows import Place, place_of


@dataclass(slots=True)
class Item:
    """One append on its way, and its outcome.

    It belongs to `thread_id`, or to the thread that its `arrival` names by key. An answer holds no external id before
    it was posted. Exactly one of `stored` and `error` is set in the end, or neither for an arrival whose thread is
    unknown and not to be opened.
    """

    message: Message
    thread_id: str | None = None
    arrival: Arrival | None = None
    earlier: Sequence[Arrival] = ()
    external: ExternalId | None = None
    is_answer: bool = False
    repeat_of: str | None = None
    stored: Message | None = None
    is_new: bool = False
    asked: bool = False
    error: StorageError | None = None

    @property
    def size(self) -> int:
        """How much of a transaction it fills."""
        return 1 + len(self.earlier)

    def opened(self) -> list["Item"]:
        """Give an item for each message, the earlier ones first."""
        if self.arrival is None or not self.earlier:
            return [self]
        return [*(Item(each.message, arrival=each) for each in before(self.arrival, self.earlier)), self]

    @property
    def is_open(self) -> bool:
        """Whether it is still to be appended."""
        return self.thread_id is not None and self.repeat_of is None and self.error is None

    @property
    def place(self) -> Place | None:
        """Its external id as the database names it."""
        return None if self.external is None else place_of(self.external)

    @property
    def fetched_from(self) -> dict[str, str] | None:
        """Where the contents of its files are to be fetched."""
        if self.arrival is None or not self.arrival.fetches:
            return None
        return {"platform": self.arrival.key.platform, "workspace": self.arrival.key.workspace}

    def reset(self) -> None:
        """Forget the outcome of an attempt that was rolled back."""
        self.repeat_of, self.stored, self.is_new, self.asked, self.error = None, None, False, False, None
        if self.arrival is not None:
            self.thread_id, self.external = None, self.arrival.external

    def lose_thread(self) -> None:
        """Note that the thread is gone: an arrival may open a new one."""
        if self.arrival is None:
            self.error = thread_gone(str(self.thread_id))
        else:
            self.thread_id = None

    def meet_id(self, thread_id: str) -> None:
        """Meet the message that has this one's id, in this thread."""
        if thread_id == self.thread_id:
            self.repeat_of = self.message.id
        else:
            self.error = message_elsewhere(self.message.id)

    def meet_holder(self, message_id: str, thread_id: str) -> None:
        """Meet the message that holds this one's external id: this is its repeat, or a copy for another thread."""
        if self.arrival is not None or thread_id == self.thread_id:
            self.repeat_of = message_id
        else:
            self.external = None
