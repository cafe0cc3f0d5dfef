"""Figures about all that is kept.

Proved by `tests/contract/test_stats.py`.
"""

from collections import Counter
from datetime import date, datetime, timedelta
from math import fsum

from backscroll.storage.models import message_model, message_tokens
from backscroll.storage.provider.rows import instant_of, instant_text, message_of
from backscroll.storage.provider.search import SearchCalls
from backscroll.storage.records import PoolUse, UsageStats
from backscroll.storage.values import utc_now


class StatsCalls(SearchCalls):
    """The calls for figures, with defaults on the six primitives."""

    async def count_messages_by_day(self, since: datetime) -> dict[date, int]:
        """Count the messages that were written since an instant, tombstones and copies too, by day in UTC.

        Reads every message, as no index has when they were written. Days without any are left out; the oldest first.
        """
        days: Counter[date] = Counter()
        for row in await self.query("messages", {}):
            at = instant_of(row["message"]["created_at"])
            if at is not None and at >= since:
                days[at.date()] += 1
        return {day: days[day] for day in sorted(days)}

    async def get_usage_stats(self) -> UsageStats:
        """Count threads, messages (tombstones too), tokens and costs, and the threads that changed in the last while.

        Where a message has usage blocks, their tokens count, and not what it says of itself.

        The storage's clock says what the last hour, day and week are.
        """
        threads = await self.query("threads", {})
        tokens: Counter[str | None] = Counter()
        costs: dict[str, list[float]] = {}
        usage = await self.query("blocks", {"block_type": "usage"})
        for block in usage:
            tokens[block["model"]] += block["tokens"]
            if block["cost_usd"] is not None:
                costs.setdefault(block["model"], []).append(block["cost_usd"])
        told = {block["message_id"] for block in usage}
        for row in await self.query("messages", {}):
            message = message_of(row)
            if message.id not in told and "is_copy" not in row:
                tokens[message_model(message)] += message_tokens(message) or 0
        now = utc_now()

        def changed_within(**span: float) -> int:
            since = instant_text(now - timedelta(**span))
            return sum(row["updated_at"] >= since for row in threads)

        return UsageStats(
            threads=len(threads),
            messages=sum(row["last_sequence"] for row in threads),
            tokens=dict(tokens),
            threads_last_hour=changed_within(hours=1),
            threads_last_24h=changed_within(hours=24),
            threads_last_7d=changed_within(days=7),
            costs_usd={model: fsum(each) for model, each in costs.items()},
        )

    def pool_use(self) -> PoolUse | None:
        """Tell how busy this process's connections to the storage are, at once; None where there are none to count."""
        return None
