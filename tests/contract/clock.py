"""Instants of the storage's own clock, set by hand: no claim can wait a week for a thread to grow old."""

from datetime import datetime

from sqlalchemy import update

from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.rows import instant_text
from backscroll.storage.sql import Provider as SqlProvider
from backscroll.storage.sql.tables import threads


async def set_updated_at(provider: StorageProvider, thread_id: str, instant: datetime) -> None:
    """Let a stored thread have been changed last at this instant."""
    if isinstance(provider, SqlProvider):
        change = update(threads).where(threads.c.id == thread_id).values(updated_at=instant)
        await provider.database.write(lambda connection: connection.execute(change))
        return
    row = await provider.get("threads", thread_id)
    assert row is not None
    await provider.set("threads", thread_id, row | {"updated_at": instant_text(instant)})
