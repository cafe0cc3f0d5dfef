"""Fetching: the contents of the files that messages bring, and the end of those that no message has any more.

What is to be fetched stands in storage, so a kill loses none. Proved by `tests/unit/bot/test_fetching.py` and
`tests/scenario/test_slack_files.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from backscroll.adapters.base import Adapter
from backscroll.errors import AdapterError, AdapterUnavailableError, fact_of
from backscroll.storage.attachments import Attachments
from backscroll.storage.keys import ExternalId
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import WantedFile

log = logging.getLogger(__name__)

RETRY_S = 30.0
"""Seconds after which what could not be fetched is tried again."""

GIVE_UP_TRIES = 20
"""Tries in one process after which a file is left where it lies."""

PARALLEL_COUNT = 4

Place = tuple[str, int]
"""A message's id, and the position of its file."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """How often a file could not be fetched, and from when on it may be tried again."""

    count: int
    not_before: float


_UNTRIED = _Tried(0, 0.0)


class Fetching:
    """Fetches files as long as it is entered, a few at once."""

    def __init__(self, provider: StorageProvider, adapters: Mapping[str, Adapter], attachments: Attachments) -> None:
        self._provider = provider
        self._adapters = adapters
        self._attachments = attachments
        self._called = asyncio.Event()
        self._called.set()
        self._tried: dict[Place, _Tried] = {}
        self._under_way: dict[Place, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*([] if self._task is None else [self._task]), *self._under_way.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def wake(self) -> None:
        """See to files that came or went."""
        self._called.set()

    async def fetch(self, wanted: WantedFile) -> Attachment | None:
        """Fetch one file into the file store and return its attachment; None when the platform has no such file.

        Raises: AdapterUnavailableError: the platform does not answer. StorageError.
        """
        place = wanted.message_id, wanted.position

        async def commit(kept: Attachment) -> bool:
            return await self._provider.settle_file(*place, kept)

        try:
            async with self._adapters[wanted.platform].download(wanted.workspace, wanted.attachment) as content:
                return await self._attachments.fetch(wanted.attachment, content, commit)
        except AdapterUnavailableError:
            raise
        except (AdapterError, ValueError) as error:
            fact = str(error) if isinstance(error, AdapterError) else "It is larger than the file store allows."
            log.warning("File %d of message %s is not kept: %s", wanted.position, wanted.message_id, fact)
            await self._provider.settle_file(*place, None)
            return None

    async def read(self, message: Message, position: int) -> bytes | None:
        """Return the content of a message's attachment, fetched now where it is not kept yet; None when nobody has it.

        Raises: as `fetch`.
        """
        attachment = message.attachments[position - 1]
        external = ExternalId.of_message(message.platforms, {})
        if not attachment.is_kept and attachment.location is not None and external is not None:
            wanted = WantedFile(message.id, position, external.platform, external.workspace, attachment)
            fetched = await self.fetch(wanted) if external.platform in self._adapters else None
            attachment = fetched or attachment
        return await self._attachments.read(attachment)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._called.wait()
            self._called.clear()
            try:
                await self._attachments.discard_dropped()
                self._start(await self._provider.list_wanted_files(list(self._adapters)))
            except Exception as error:  # noqa: BLE001  # whatever a provider raises, fetching goes on
                _tell(error)

    def _start(self, files: list[WantedFile]) -> None:
        """Fetch those whose time has come: one that hangs holds up no other, as long as there are not several."""
        now = asyncio.get_running_loop().time()
        places = {(wanted.message_id, wanted.position): wanted for wanted in files}
        self._tried = {place: tried for place, tried in self._tried.items() if place in places}
        for place, wanted in places.items():
            if len(self._under_way) >= PARALLEL_COUNT:
                return
            if place not in self._under_way and self._tried.get(place, _UNTRIED).not_before <= now:
                task = asyncio.create_task(self._try(wanted))
                self._under_way[place] = task
                task.add_done_callback(partial(self._ended, place))

    def _ended(self, place: Place, _task: "asyncio.Task[None]") -> None:
        del self._under_way[place]
        self._called.set()  # there is room for another

    async def _try(self, wanted: WantedFile) -> None:
        place = wanted.message_id, wanted.position
        count, wait_s = self._tried.get(place, _UNTRIED).count, RETRY_S
        try:
            await self.fetch(wanted)
        except AdapterUnavailableError as error:
            count, wait_s = count + 1, max(RETRY_S, error.retry_after_s or 0)
            if count >= GIVE_UP_TRIES:
                await self._give_up(wanted, error)
        except Exception as error:  # noqa: BLE001  # as in _run
            _tell(error)
        self._tried[place] = _Tried(count, asyncio.get_running_loop().time() + wait_s)

    async def _give_up(self, wanted: WantedFile, error: AdapterUnavailableError) -> None:
        log.warning("File %d of message %s is not kept: %s", wanted.position, wanted.message_id, error.message)
        try:
            await self._provider.settle_file(wanted.message_id, wanted.position, None)
        except Exception as failure:  # noqa: BLE001  # as in _run
            _tell(failure)


def _tell(error: Exception) -> None:
    log.warning("Files wait: %s", fact_of(error))
