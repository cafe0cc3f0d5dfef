"""Answers on Redis: the number of a thread's last one is kept, and only unfinished ones are read to take one.

The contract stands in `provider/answers.py`. Proved by `tests/contract/test_answers.py`.
"""

import asyncio

from backscroll.storage.models import Message
from backscroll.storage.records import UNFINISHED, Arrival
from backscroll.storage.redis.primitives import Row
from backscroll.storage.redis.threads import RedisThreads

LAST = "answer_positions"
"""The namespace of each thread's last answer's position."""


class RedisAnswers(RedisThreads):
    """The calls for answers, where Redis can do better than the defaults."""

    async def is_joined(self, alias: str) -> bool:
        holder = await self.get("aliases", alias)
        return holder is not None and await self.get(LAST, holder["thread_id"]) is not None

    async def _is_due(self, thread_id: str, arrival: Arrival, message: Message, *, is_new: bool) -> bool:
        if is_new and message.deleted_at is None and arrival.asks not in ("yes", "no"):
            return await self.get(LAST, thread_id) is not None
        return await super()._is_due(thread_id, arrival, message, is_new=is_new)

    async def _next_position(self, thread_id: str) -> int:
        position = 1 + (await self.get(LAST, thread_id) or {"last": 0})["last"]
        await self.set(LAST, thread_id, {"last": position})
        return int(position)

    async def _first_unfinished(self, platforms: list[str]) -> list[Row]:
        first: dict[str, Row] = {}
        found = await asyncio.gather(*(self.query("answers", {"state": state}) for state in UNFINISHED))
        for row in (row for rows in found for row in rows):
            other = first.get(row["thread_id"])
            if other is None or row["position"] < other["position"]:
                first[row["thread_id"]] = row
        return [row for row in first.values() if row["place"]["platform"] in platforms]
