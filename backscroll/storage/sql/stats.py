"""Figures in SQL; the contract stands in `provider/stats.py`."""

from sqlalchemy import func, select

from backscroll.storage.records import UsageStats
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.search import SqlSearch
from backscroll.storage.sql.tables import messages, threads
from backscroll.storage.sql.types import in_seconds

_HOUR_S = 3600
_HALF = 2**32
_ALL = select(func.count(), func.coalesce(func.sum(threads.c.last_sequence), 0)).select_from(threads)
# In two halves: SQLite refuses a sum of more than 64 bits.
_TOKENS = (
    select(messages.c.model, func.sum(messages.c.tokens // _HALF), func.sum(messages.c.tokens % _HALF))
    .where(messages.c.tokens.is_not(None))
    .group_by(messages.c.model)
)


class SqlStats(SqlSearch):
    """The calls for figures."""

    async def get_usage_stats(self) -> UsageStats:
        async def work(connection: Connection) -> UsageStats:
            count, message_count = (await connection.execute(_ALL)).one()
            tokens = {model: int(high) * _HALF + int(low) for model, high, low in await connection.execute(_TOKENS)}
            changed = [await _changed_within(connection, hours) for hours in (1, 24, 168)]
            return UsageStats(count, int(message_count), tokens, *changed)

        return await self.database.read(work)


async def _changed_within(connection: Connection, hours: int) -> int:
    since = in_seconds(-hours * _HOUR_S)
    query = select(func.count()).select_from(threads).where(threads.c.updated_at >= since)
    return int((await connection.execute(query)).scalar_one())
