"""Posts that grow by being edited, on platforms or in places that have no streams of their own.

Proved by `tests/unit/adapters/test_edited.py`.
"""

import asyncio
from typing import Protocol

from backscroll.adapters.base import Stream
from backscroll.errors import AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey


class Edits(Protocol):
    """Changes posts."""

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None: ...  # as Adapter.edit


class EditedStream(Stream):
    """A post that is edited.

    Args: key: where its thread lives. shown: what it says already.
    """

    def __init__(self, external: ExternalId, key: ThreadKey, shown: str, edits: Edits) -> None:
        self.external = external
        self._key = key
        self._shown = shown
        self._edits = edits
        self._not_before = 0.0

    async def show(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if text == self._shown or now < self._not_before:
            return
        try:
            await self._edits.edit(self._key, self.external, text)
            self._shown = text
        except AdapterUnavailableError as error:
            self._not_before = now + (error.retry_after_s or 1.0)

    async def close(self, text: str) -> None:
        if text != self._shown:
            await self._edits.edit(self._key, self.external, text)
