"""What an adapter is, and what it hands its events to.

The contract stands here; `tests/contract/test_adapters.py` runs it on every adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from backscroll.adapters.events import Event, MessagePosted
from backscroll.adapters.observing import Observer
from backscroll.errors import AdapterError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.records import Approval, Part

Verdict = Literal["decided", "decided_before", "expired", "not_allowed", "unknown"]
"""What became of somebody's decision. `not_allowed`: they may not decide this one."""

IsKept = Callable[[ExternalId], Awaitable[bool]]
"""Tells whether a message of the platform is stored."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer answers: where the thread lives, which message asks, and who asked.

    `external` is None for a message that never stood outside. `title` is what a thread that begins with it is called.
    `is_command`: it was given by a command of the platform's, and stands as no message there.
    """

    key: ThreadKey
    external: ExternalId | None
    author_id: str | None
    title: str = field(default="", repr=False)
    is_command: bool = False


class Inbox(Protocol):
    """Takes an adapter's events, and answers what an adapter may ask of what is kept."""

    async def record(self, event: Event) -> None:
        """Keep an event; when this returns, the transaction that holds it has committed. A repeat changes nothing.

        Raises: StorageUnavailableError: it is not kept, or nobody knows: hand it over again, and acknowledge nothing.
        ValueError: no storage could hold it.
        """

    async def reject(self, platform: str, reason: str, payload: dict[str, Any]) -> None:
        """Put an event aside that could not be understood. Errors as `record`."""

    async def catch_up(self, platform: str, workspace: str) -> None:
        """Read what the threads that were live lately said while nobody listened, and keep it.

        Call it when events come in again after a start or a gap, and let nothing wait for it.

        Raises: AdapterUnavailableError, StorageUnavailableError: the rest is read by the next call.
        """

    async def keep_watermark(self, platform: str, workspace: str, at: datetime | None = None) -> None:
        """Note that all that was said in a workspace until now is kept, or will be delivered: `catch_up` begins there.

        Args: at: until when; None means now.
        Raises: StorageUnavailableError: it is not noted; catch up before the next time.
        """

    async def keep_context(self, key: ThreadKey, context: dict[str, Any]) -> None:
        """Keep what the platform says of where a person is while they talk to the bot; the last one stands."""

    def answers(self, event: MessagePosted) -> bool:
        """Tell whether a message would be answered, whatever its thread is."""

    async def key_of(self, external: ExternalId) -> ThreadKey | None:
        """Return the key of the thread that keeps a message.

        None when it is not kept, or its thread lives at no key of the message's platform and workspace any more.

        Raises: StorageUnavailableError: nobody knows.
        """

    async def decide(self, approval_id: str, user_id: str, *, approved: bool) -> Verdict:
        """Keep what somebody decided of an approval; when this returns, it is committed. The first decision stands.

        Acknowledge it after this, and tell a person whose decision does not count why.

        Args: approval_id: the id that the buttons of the post carry.
        Raises: StorageUnavailableError: it is not kept, or nobody knows: acknowledge nothing.
        """

    async def open_approval(self, key: ThreadKey, *, wait: bool = False) -> Approval | None:
        """Return the newest approval that the thread at a key waits for, and people were asked for, or None.

        Args: wait: as long as there is something to answer on the key's platform, which may ask for one yet.
        """

    async def recent_threads(self, limit: int) -> list[Thread]:
        """Return the newest threads without their messages, newest first."""

    async def thread_at(self, key: ThreadKey) -> Thread | None:
        """Return the thread that lives at a key now, or None."""

    async def start_thread(self, key: ThreadKey, *, asked_at: datetime | None = None) -> None:
        """Let the key's next message begin a new thread; the old one is kept.

        Args: asked_at: when this was asked for; a thread that has a message written since goes on, so that a repeat
            parts nothing. None means now.
        """

    async def open_thread(self, key: ThreadKey, thread_id: str) -> Thread | None:
        """Let a thread live at a key from now on, and return it; None when there is none of this id."""


class Stream(ABC):
    """One post that grows. Its texts are whole ones, each longer than the one before, and fit one part."""

    external: ExternalId

    @abstractmethod
    async def show(self, text: str) -> None:
        """Show the text so far; one that the platform does not take now is passed over."""

    @abstractmethod
    async def close(self, text: str) -> None:
        """Show the final text, which may be another, and end. Errors as `Adapter.edit`."""


class Adapter(ABC):
    """One chat platform. `async with` connects; inside it answers can be posted, and `serve` takes events in.

    Every call that asks the platform raises AdapterUnavailableError when it does not answer or asks to wait, and
    AdapterError when it refuses, so that asking again does not help.
    """

    platform: str
    """The first part of its keys, such as `slack`."""

    streams = False
    """Whether posts can grow: `open_stream` and `edit`."""

    tells_changes = False
    """Whether `history` tells what became of messages: it lists all that stand, and `reaction_counts` and `edited_at`.

    After a gap what is kept is then compared with it. See `is_gone` and `reactors`.
    """

    readers = 1
    """How many places of it may be read back at once."""

    observer = Observer()
    """Who is told of its connections and acknowledgements, which the adapter makes."""

    @property
    def is_connected(self) -> bool:
        """Whether the platform's events reach us now, as far as anybody knows; asked while it is served."""
        return True

    async def __aenter__(self) -> Self:
        """Connect.

        Raises: AdapterError: the platform refuses, and asking again does not help.
        """
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""

    async def check(self) -> None:
        """Look whether it could be served, changing nothing; call it inside `async with`.

        Raises: AdapterError: it could not, or nobody can tell now.
        """

    @abstractmethod
    async def serve(self, inbox: Inbox) -> None:
        """Hand events over until there will be no more, or until cancelled.

        Raises: AdapterError: the platform refuses, and asking again does not help.
        """

    async def replay(self, payload: dict[str, Any], inbox: Inbox, at: datetime) -> None:
        """Hand over once more what an event tells of that was put aside; call it inside `async with`, without `serve`.

        The platform may be asked for names and places; it is acknowledged nothing. A repeat changes nothing.

        Args: payload: as it was put aside. at: when; an event's own time goes before.
        Raises: AdapterError: it is of a kind that cannot be played again. ValueError: it still cannot be understood, or
            no storage could hold it. AdapterUnavailableError, StorageUnavailableError: nobody knows whether it is kept.
        """
        raise AdapterError(f"What {self.platform} delivers cannot be played again.")

    # What goes out

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Cut an answer into texts that the platform takes, in order; together they say all of it."""

    @abstractmethod
    async def post(self, question: Question, part: Part) -> ExternalId:
        """Post one part with its token where the question's thread lives, and return where it stands.

        A part of kind `approval` is posted with buttons to approve and to reject, which carry `part.message_id`: what
        people press is handed to `Inbox.decide`.
        """

    async def close_approval(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Let a post that asked for an approval say how it was decided, and take its buttons away.

        Harmless when repeated, and when the post is gone.
        """

    async def upload(self, question: Question, part: Part, attachment: Attachment, content: bytes) -> ExternalId:
        """Post a file, and return where the post stands."""
        raise AdapterError(f"{self.platform} takes no files from this bot.")

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Let a post of ours say something else; one that is gone stays gone."""
        raise AdapterError(f"{self.platform} cannot change what was posted.")

    async def remove(self, key: ThreadKey, external: ExternalId) -> None:
        """Take a post of ours away; harmless when it is gone."""
        raise AdapterError(f"{self.platform} cannot take away what was posted.")

    async def pass_over(self, question: Question) -> None:
        """Let go what shows that an answer is to come: nothing more will be said to this question.

        Best effort: it is called once, and after a crash not at all.
        """

    async def open_stream(self, question: Question, part: Part) -> Stream:
        """Post a part whose text is to grow."""
        raise AdapterError(f"{self.platform} has no posts that grow.")

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, ExternalId]:
        """Look which of these parts were posted already, and where: by their numbers.

        Called before anything is posted again whose outcome is unknown. An adapter that cannot look says so in its
        docstring; its parts may then be posted twice.

        Args: parts: of a file the `text` is its name.
        """
        return {}

    async def react(self, key: ThreadKey, external: ExternalId, emoji: str) -> str:
        """Put an emoji on a message, and return the bot's user id; harmless when it stands there."""
        raise AdapterError(f"{self.platform} takes no reactions from this bot.")

    def kept_emoji(self, emoji: str) -> str:
        """Return what the platform's own events call an emoji that `react` takes: so it is kept."""
        return emoji

    async def typing(self, key: ThreadKey, text: str | None = None) -> None:
        """Show for a while that the bot is at work, with a text where the platform has room for one."""

    def working(self, key: ThreadKey, thread: Thread) -> AbstractAsyncContextManager[None]:
        """Show that the bot is at work as long as this is entered; raises nothing.

        Args: thread: what the handler sees of it.
        """
        return nullcontext()

    def context_key(self, key: ThreadKey) -> ThreadKey:
        """Name the place under which `Inbox.keep_context` was told of a thread's context."""
        return key

    # What is read back

    def history(self, key: ThreadKey, *, since: datetime | None = None) -> AsyncIterator[list[Event]]:
        """Read what a thread's place says now, oldest first, in pages.

        Of a key whose thread is its channel that is the channel as a whole; of another, the channel that the thread is,
        where it is one, and the message that it began with.

        Args: since: only what was written later; None means all.
        """
        return _nothing()

    async def changed_places(self, workspace: str, since: datetime) -> list[ThreadKey]:
        """Name the channels and threads that the platform knows to have said something since an instant.

        What it does not know is left out: `Inbox.catch_up` reads the live threads anyhow.
        """
        return []

    async def is_gone(self, external: ExternalId, message: Message) -> bool:
        """Tell whether a message that is kept, and that `history` did not list, was taken away.

        Asked only where `tells_changes`. An adapter whose history leaves anything out that is kept looks for it here.

        Args: message: as it is kept.
        """
        return True

    async def reactors(self, external: ExternalId, emoji: str) -> list[str]:
        """Return who stands for an emoji on a message; asked where `reaction_counts` differ from what is kept."""
        raise AdapterError(f"{self.platform} does not tell who reacted.")

    def download(self, workspace: str, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a file that came with a message in a workspace.

        Raises: AdapterError: the host is not the platform's, or what comes is not the file.
        """
        raise AdapterError(f"{self.platform} has no files.")


async def _nothing() -> AsyncIterator[list[Event]]:
    pages: list[list[Event]] = []
    for page in pages:
        yield page
