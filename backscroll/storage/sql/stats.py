"""Figures in SQL; the contract stands in `provider/stats.py`."""

from collections import Counter
from datetime import date, datetime

from sqlalchemy import func, select

from backscroll.storage.records import PoolUse, UsageStats
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.search import SqlSearch
from backscroll.storage.sql.tables import messages, threads
from backscroll.storage.sql.types import day_of, in_seconds

_HOUR_S = 3600
_HALF = 2**32
_ALL = select(func.count(), func.coalesce(func.sum(threads.c.last_sequence), 0)).select_from(threads)
# In two halves: SQLite refuses a sum of more than 64 bits.
_TOKENS = (
    select(messages.c.model, func.sum(messages.c.tokens // _HALF), func.sum(messages.c.tokens % _HALF))
    .where(messages.c.tokens.is_not(None))
    .group_by(messages.c.model)
)
_USED = (
    select(
        message_blocks.c.model,
        func.sum(message_blocks.c.tokens // _HALF),
        func.sum(message_blocks.c.tokens % _HALF),
        func.sum(message_blocks.c.cost_usd),
    )
    .where(message_blocks.c.tokens.is_not(None))
    .group_by(message_blocks.c.model)
)


class SqlStats(SqlSearch):
    """The calls for figures."""

    async def count_messages_by_day(self, since: datetime) -> dict[date, int]:
        day = day_of(messages.c.created_at).label("day")
        counted = select(day, func.count().label("messages"))
        query = counted.where(messages.c.created_at >= since).group_by(day).order_by(day)
        return {date.fromisoformat(row.day): int(row.messages) for row in await self.database.rows(query)}

    async def get_usage_stats(self) -> UsageStats:
        async def work(connection: Connection) -> UsageStats:
            count, message_count = (await connection.execute(_ALL)).one()
            tokens: Counter[str | None] = Counter()
            for model, high, low in await connection.execute(_TOKENS):
                tokens[model] += int(high) * _HALF + int(low)
            costs: dict[str, float] = {}
            for model, high, low, cost_usd in await connection.execute(_USED):
                tokens[model] += int(high) * _HALF + int(low)
                costs |= {} if cost_usd is None else {model: float(cost_usd)}
            hour, day, week = [await _changed_within(connection, hours) for hours in (1, 24, 168)]
            return UsageStats(count, int(message_count), dict(tokens), hour, day, week, costs)

        return await self.database.read(work)

    def pool_use(self) -> PoolUse | None:
        pools = self.database.pools
        busy = sum(pool.checkedout() for pool in pools)
        is_open = busy + sum(pool.checkedin() for pool in pools)
        return PoolUse(is_open, busy, self.database.most_connections, self.writes.waiting_count)


async def _changed_within(connection: Connection, hours: int) -> int:
    since = in_seconds(-hours * _HOUR_S)
    query = select(func.count()).select_from(threads).where(threads.c.updated_at >= since)
    return int((await connection.execute(query)).scalar_one())
