"""What an adapter is, and what it hands its events to.

The contract stands here; `tests/contract/test_adapters.py` runs it on every adapter.
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Protocol, Self

from backscroll.adapters.events import Event
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Thread
from backscroll.storage.records import Part


class Inbox(Protocol):
    """Takes an adapter's events, and answers what an adapter may ask of what is kept."""

    async def record(self, event: Event) -> None:
        """Keep an event; when this returns, the transaction that holds it has committed. A repeat changes nothing.

        Raises: StorageUnavailableError: it is not kept, or nobody knows: hand it over again, and acknowledge nothing.
        """

    async def reject(self, platform: str, reason: str, payload: dict[str, Any]) -> None:
        """Put an event aside that could not be understood. Errors as `record`."""

    async def recent_threads(self, limit: int) -> list[Thread]:
        """Return the newest threads without their messages, newest first."""

    async def thread_at(self, key: ThreadKey) -> Thread | None:
        """Return the thread that lives at a key now, or None."""

    async def start_thread(self, key: ThreadKey) -> None:
        """Let the key's next message begin a new thread; the old one is kept."""

    async def open_thread(self, key: ThreadKey, thread_id: str) -> Thread | None:
        """Let a thread live at a key from now on, and return it; None when there is none of this id."""


class Adapter(ABC):
    """One chat platform. `async with` connects; inside it answers can be posted, and `serve` takes events in."""

    platform: str
    """The first part of its keys, such as `slack`."""

    async def __aenter__(self) -> Self:
        """Connect.

        Raises: AdapterError: the platform refuses, and asking again does not help.
        """
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""

    @abstractmethod
    async def serve(self, inbox: Inbox) -> None:
        """Hand events over until there will be no more, or until cancelled.

        Raises: AdapterError: the platform refuses, and asking again does not help.
        """

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Cut an answer into texts that the platform takes, in order; together they say all of it."""

    @abstractmethod
    async def post(self, key: ThreadKey, part: Part) -> str:
        """Post one part with its token and return its id in the key's channel.

        Raises: AdapterUnavailableError: it was not posted, or nobody knows. AdapterError: the platform refuses it.
        """

    async def find_posted(self, key: ThreadKey, parts: list[Part]) -> dict[int, str]:
        """Look which of these parts were posted already: `{number: id in the channel}`.

        Called before anything is posted again whose outcome is unknown. Errors as `post`. An adapter that cannot look
        says so in its docstring; its parts may then be posted twice.
        """
        return {}
