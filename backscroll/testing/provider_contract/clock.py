"""Instants of the storage's own clock, set by hand: no claim can wait a week for a thread to grow old."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.rows import instant_text

SetUpdatedAt = Callable[[str, datetime], Awaitable[None]]


@pytest.fixture
def set_updated_at(provider: StorageProvider) -> SetUpdatedAt:
    """Give a call that lets a stored thread have been changed last at an instant.

    A provider that keeps threads elsewhere than in the namespace `threads` of its six has a fixture of this name.
    """

    async def set_in_row(thread_id: str, instant: datetime) -> None:
        row = await provider.get("threads", thread_id)
        assert row is not None
        await provider.set("threads", thread_id, row | {"updated_at": instant_text(instant)})

    return set_in_row
