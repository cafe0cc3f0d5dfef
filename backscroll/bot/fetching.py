"""Fetching: the contents of the files that messages bring, and the end of those that no message has any more.

What is to be fetched stands in storage, so a kill loses none. Proved by `tests/unit/bot/test_fetching.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from backscroll.adapters.base import Adapter
from backscroll.bot.handling import place_of
from backscroll.errors import AdapterError, AdapterUnavailableError, BackscrollError
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


class Fetching:
    """Fetches files as long as it is entered, one after the other."""

    def __init__(self, provider: StorageProvider, adapters: Mapping[str, Adapter], attachments: Attachments) -> None:
        self._provider = provider
        self._adapters = adapters
        self._attachments = attachments
        self._called = asyncio.Event()
        self._called.set()
        self._tries: dict[tuple[str, int], int] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

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
            fact = error.message if isinstance(error, AdapterError) else "it is too large"
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
                for wanted in await self._provider.list_wanted_files(list(self._adapters)):
                    await self._try(wanted)
            except Exception as error:  # noqa: BLE001  # whatever a provider raises, fetching goes on
                told = (
                    error.message
                    if isinstance(error, BackscrollError)
                    else f"{type(error).__name__} at {place_of(error)}"
                )
                log.warning("Files wait: %s", told)

    async def _try(self, wanted: WantedFile) -> None:
        place = wanted.message_id, wanted.position
        try:
            await self.fetch(wanted)
        except AdapterUnavailableError as error:
            self._tries[place] = self._tries.get(place, 0) + 1
            if self._tries[place] < GIVE_UP_TRIES:
                return
            log.warning("File %d of message %s is not kept: %s", wanted.position, wanted.message_id, error.message)
            await self._provider.settle_file(*place, None)
        self._tries.pop(place, None)
