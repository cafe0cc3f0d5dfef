"""What agents leave behind, on Redis: conversations found by an index, forks and blocks read in few round trips.

The contract stands in `provider/conversations.py`, `forks.py` and `blocks.py`. Proved by `tests/contract/`.
"""

from backscroll.storage.blocks import Carrier
from backscroll.storage.models import Block
from backscroll.storage.provider.conversations import ConversationPlace
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.threads import newest
from backscroll.storage.redis.answers import RedisAnswers
from backscroll.storage.redis.primitives import Row, read_ahead
from backscroll.storage.redis.terms import MESSAGES, THREADS, property_term


class RedisAgents(RedisAnswers):
    """The calls for what agents leave behind, where Redis can do better than the defaults."""

    async def read_blocks(self, thread_id: str) -> list[tuple[Carrier, list[Block]]]:
        thread = await self.get(THREADS, thread_id)
        keys = [join_key(thread_id, number) for number in range(1, 1 + (thread or {}).get("last_sequence", 0))]
        with read_ahead(MESSAGES, dict(zip(keys, await self._read(MESSAGES, keys), strict=True))):
            return await super().read_blocks(thread_id)

    async def _conversation_row(self, place: ConversationPlace) -> Row | None:
        holder = await self.get("aliases", place.alias)
        held = None if holder is None else await self.get(THREADS, holder["thread_id"])
        if held is not None:
            return held
        # Where the conversation is the channel itself, a thread of it may name no `thread_ts`.
        name, value = ("channel", place.channel_id) if place.is_channel else ("thread_ts", place.thread_id)
        rows, _ = await self._with_term(THREADS, property_term("platforms", "slack", name, value))
        fitting = [row for row in rows.values() if place.fits(row["agent_name"], row["platforms"])]
        return max(fitting, key=lambda row: (row["agent_name"] is not None, newest(row)), default=None)

    async def _copy_messages(self, thread_id: str, fork_id: str, last: int) -> None:
        await self._rows(MESSAGES, [join_key(thread_id, number) for number in range(1, last + 1)])
        await super()._copy_messages(thread_id, fork_id, last)
