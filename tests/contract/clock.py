"""Instants of the storage's own clock, set by hand, on every provider of ours."""

from datetime import datetime

import pytest
from sqlalchemy import update

from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.rows import instant_text
from backscroll.storage.sql import Provider as SqlProvider
from backscroll.storage.sql.tables import threads
from backscroll.testing.provider_contract.clock import SetUpdatedAt


@pytest.fixture
def set_updated_at(provider: StorageProvider) -> SetUpdatedAt:
    """Give a call that lets a stored thread have been changed last at an instant."""

    async def set_in_table(thread_id: str, instant: datetime) -> None:
        if isinstance(provider, SqlProvider):
            change = update(threads).where(threads.c.id == thread_id).values(updated_at=instant)
            await provider.database.write(lambda connection: connection.execute(change))
            return
        row = await provider.get("threads", thread_id)
        assert row is not None
        await provider.set("threads", thread_id, row | {"updated_at": instant_text(instant)})

    return set_in_table
