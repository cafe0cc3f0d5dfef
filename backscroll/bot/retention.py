"""Carrying out `retention`: messages that are older than their platform or channel keeps them become tombstones.

Each rule goes on where it ended the hour before, so what is kept is not read again; once a day it begins at the oldest
message, for those that were passed over because their answer was not finished, or that came later with an old date.
Where that did not come to its end, the next run begins there again, and finds what is still to be cleared.
At most once a day the search's indexes are merged, in which cleared words would stay else.
Several processes may do so at once. Proved by `tests/unit/bot/test_retention.py`.
"""

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from backscroll.bot.config.retention import RetentionConfig
from backscroll.storage.attachments import Attachments
from backscroll.storage.forgetting import Expiry, ExpiryMark, Forgotten
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)

PAGE_COUNT = 5_000
"""Messages that are looked at by one query."""

CLEARED_COUNT = 200
"""Messages of one transaction."""

WHOLE_EVERY = timedelta(days=1)

Rule = tuple[str, str | None]
"""A platform, and a channel or None for its others."""


class Retention:
    """What a configuration says of how long messages are kept, and how far it is carried out."""

    def __init__(self, config: RetentionConfig, provider: StorageProvider, attachments: Attachments) -> None:
        self._config = config
        self._provider = provider
        self._attachments = attachments
        self._marks: dict[Rule, ExpiryMark | None] = {}
        self._whole_at: datetime | None = None
        # Nobody knows what a process before cleared and did not merge.
        self._is_to_merge = True
        self._merged_at: datetime | None = None

    async def carry_out(self) -> None:
        """Let all go that is too old by now. What was done when this is cut off stays done.

        Raises: StorageError: it is put off to the next time.
        """
        now, done, events = utc_now(), Forgotten(), 0
        is_whole = self._whole_at is None or now - self._whole_at >= WHOLE_EVERY
        if is_whole:
            self._marks.clear()
        for rule, expiry in self._expiries(now):
            done += await self._expire(rule, expiry)
        for platform, kept in self._config.items():
            if kept.days is not None:
                events += await self._provider.expire_rejected_events(platform, now - timedelta(days=kept.days))
        if is_whole:
            self._whole_at = now
        if done:
            await self._attachments.discard_dropped()
        if done or events:
            log.info("Retention: %d messages and %d rejected events were too old.", done.messages, events)
        if self._is_to_merge and (self._merged_at is None or now - self._merged_at >= WHOLE_EVERY):
            await self._provider.merge_indexes()
            self._is_to_merge, self._merged_at = False, now

    def _expiries(self, now: datetime) -> Iterator[tuple[Rule, Expiry]]:
        for platform, kept in self._config.items():
            for channel, days in kept.channels.items():
                yield (platform, channel), Expiry(platform, now - timedelta(days=days), channel)
            if kept.days is not None:
                others = frozenset(kept.channels)
                yield (platform, None), Expiry(platform, now - timedelta(days=kept.days), other_than=others)

    async def _expire(self, rule: Rule, expiry: Expiry) -> Forgotten:
        done = Forgotten()
        while True:
            page = await self._provider.find_expired(expiry, after=self._marks.get(rule), limit=PAGE_COUNT)
            for start in range(0, len(page.message_ids), CLEARED_COUNT):
                cleared = await self._provider.clear_messages(page.message_ids[start : start + CLEARED_COUNT])
                # At once: a later step may fail, and the next run finds nothing here any more.
                self._is_to_merge |= bool(cleared)
                done += cleared
                await asyncio.sleep(0)
            self._marks[rule] = page.mark
            if page.is_last:
                return done
