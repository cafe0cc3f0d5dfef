"""Back-fill: what a platform's history says of threads that were begun without us, or went on while nobody listened.

Reads through the adapters, and keeps through a function that it is given; knows no storage but the watermark. Proved by
`tests/unit/bot/test_backfill.py` and `tests/scenario/test_slack_history.py`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Literal

from backscroll.adapters.base import Adapter
from backscroll.adapters.events import Event, MessagePosted
from backscroll.bot.reconciling import Comparison, Reconciling
from backscroll.errors import AdapterError, AdapterUnavailableError, EchoPendingError, StorageRefusedError, named
from backscroll.storage.keys import ThreadKey
from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)

EARLIER_S = 1.8
"""Seconds in which a platform may give a thread's earlier messages before its first mention is kept without them."""

OVERLAP = timedelta(minutes=15)
"""Read again before the watermark: Slack delivers for some six minutes what was not acknowledged."""

May = Literal["all", "mentions", "none"]
"""What of it may ask for an answer."""

Keep = Callable[[Event, May], Awaitable[bool]]
"""Keeps an event, is told whether it may ask for an answer, and tells whether it is to."""


class Backfill:
    """Reads what is missing of one storage's threads.

    Args: live_for: how long a thread that nobody writes to counts as live, by platform; of others nothing is read back.
    """

    def __init__(
        self, provider: StorageProvider, adapters: Mapping[str, Adapter], live_for: Mapping[str, timedelta]
    ) -> None:
        self._provider = provider
        self._adapters = adapters
        self._live_for = live_for
        self._reading: dict[ThreadKey, asyncio.Task[list[MessagePosted] | None]] = {}

    async def earlier(self, event: MessagePosted) -> list[MessagePosted] | None:
        """Read what stands before a message in its thread, oldest first; None when that takes too long, or fails.

        Messages of one thread that ask at once, as twins do, share what is read.
        """
        reading = self._reading.get(event.key)
        if reading is None:
            reading = self._reading[event.key] = asyncio.create_task(self._read_all(event.key))
            reading.add_done_callback(lambda _: self._reading.pop(event.key, None))
        found = await asyncio.shield(reading)
        if found is None:
            return None
        ids = [each.external for each in found]
        end = ids.index(event.external) if event.external in ids else len(found)
        # Not marked as late: they are kept in their place.
        return [replace(each, is_late=False) for each in found[:end] if each.key == event.key]

    async def fill(self, key: ThreadKey, keep: Keep) -> None:
        """Keep all that a thread says now; what is older than its first question asks nothing.

        Raises: AdapterUnavailableError: the platform does not answer; what was read is kept.
        """
        try:
            await self._read(key, None, keep)
        except AdapterUnavailableError:
            raise
        except AdapterError as error:
            log.warning("The beginning of a thread in %s is not kept: %s", key.channel, error)

    async def catch_up(self, platform: str, workspace: str, keep: Keep) -> None:
        """Keep what the live threads of a workspace, their channels, and what else spoke said since the watermark.

        Where the platform tells, also what became meanwhile of messages that are kept. The first time nothing is read:
        the watermark begins.

        Raises: AdapterUnavailableError: the platform does not answer; what was read is kept. StorageUnavailableError.
        """
        now, watermark = utc_now(), await self._watermark(platform, workspace)
        live_for = self._live_for.get(platform)
        if watermark is None:
            await self.keep_watermark(platform, workspace, now)
        if watermark is None or not live_for:
            return
        adapter, oldest = self._adapters[platform], now - live_for
        since = max(watermark - OVERLAP, oldest)
        reconciling = Reconciling(self._provider, adapter, oldest) if adapter.tells_changes else None
        seen, begun = set[ThreadKey](), list[ThreadKey]()

        async def read(key: ThreadKey) -> None:
            if key in seen:
                return
            seen.add(key)
            try:
                found = await self._catch_up(key, since, keep, reconciling)
            except AdapterUnavailableError:
                raise
            except AdapterError as error:
                log.warning("A thread in %s is not caught up: %s", key.channel, error)
            else:  # threads that were begun meanwhile have replies of their own
                begun.extend([each for each in found if await self._provider.is_joined(each.alias)])

        places = await self._places(adapter, workspace, since, oldest)
        # Channels as a whole come last, as `Reconciling.begin` wants it.
        await _each([key for key in places if key.thread != key.channel], read, adapter.readers)
        await _each([key for key in places if key.thread == key.channel], read, adapter.readers)
        while begun:
            new = list(begun)
            begun.clear()
            await _each(new, read, adapter.readers)

    async def keep_watermark(self, platform: str, workspace: str, at: datetime | None = None) -> None:
        """Note that all that was said until an instant, None is now, is kept, or will be delivered."""
        value = {"at": (at or utc_now()).isoformat()}
        await self._provider.set("watermarks", join_key(platform, workspace), value)

    async def _places(self, adapter: Adapter, workspace: str, since: datetime, oldest: datetime) -> list[ThreadKey]:
        """Return what is read back: what the platform names, threads that are live, and their channels."""
        live = await self._provider.list_live_keys(adapter.platform, workspace, oldest)
        channels = {key.channel: replace(key, thread=key.channel) for key in reversed(live)}
        try:
            spoke = await adapter.changed_places(workspace, since)
        except AdapterUnavailableError:
            raise
        except AdapterError as error:
            log.warning("What else spoke in %s is not known: %s", workspace, error)
            spoke = []
        return [*spoke, *live, *channels.values()]

    async def _catch_up(
        self, key: ThreadKey, since: datetime, keep: Keep, reconciling: Reconciling | None
    ) -> list[ThreadKey]:
        """Keep what a place said since an instant, and what became of what was kept of it."""
        if reconciling is None:
            return await self._read(key, since, keep)
        comparison = await reconciling.begin(key)
        begun = await self._read(key, since, keep, comparison)

        async def record(event: Event) -> None:
            await self._keep(event, "none", keep)

        await comparison.settle(record)
        return begun

    async def missed_since(self, platform: str, workspace: str) -> datetime | None:
        """Return from when on something may have been missed in a workspace; None when nobody has listened yet."""
        watermark = await self._watermark(platform, workspace)
        return None if watermark is None else watermark - OVERLAP

    async def _keep(self, event: Event, may: May, keep: Keep) -> bool:
        """Keep what was read, and tell whether it asks; what cannot be kept is put aside, and the rest goes on."""
        try:
            return await keep(event, may)
        except EchoPendingError:  # whoever sends that answer looks for it
            return False
        except (ValueError, StorageRefusedError) as error:
            where = getattr(event, "external", None) or getattr(event, "key", None)
            place = {} if where is None else asdict(where)
            reason = f"What was read back cannot be kept: {named(error)}."
            log.warning("A message in %s is put aside: %s", place.get("channel", "a channel"), reason)
            await self._provider.reject_event(str(place.get("platform", "")), reason, place)
            return False

    async def _read_all(self, key: ThreadKey) -> list[MessagePosted] | None:
        found: list[MessagePosted] = []
        try:
            async with asyncio.timeout(EARLIER_S):
                async for page in self._adapters[key.platform].history(key):
                    found += [each for each in page if isinstance(each, MessagePosted)]
        except (TimeoutError, AdapterUnavailableError):
            return None
        except AdapterError as error:
            log.warning("The beginning of a thread in %s is not kept: %s", key.channel, error)
            return []
        return found

    async def _watermark(self, platform: str, workspace: str) -> datetime | None:
        kept = await self._provider.get("watermarks", join_key(platform, workspace))
        return None if kept is None else datetime.fromisoformat(kept["at"])

    async def _asked_first_at(self, key: ThreadKey) -> datetime | None:
        """Return when the first question of a thread was written; None when nothing was asked, or it is unknown."""
        thread = await self._provider.get_by_alias(key.alias, limit=0)
        answers = [] if thread is None else await self._provider.list_answers(thread_id=thread.id, limit=1)
        found = await self._provider.get_message(answers[0].message_id) if answers else None
        return None if found is None else found[1].created_at

    async def _read(
        self, key: ThreadKey, since: datetime | None, keep: Keep, comparison: Comparison | None = None
    ) -> list[ThreadKey]:
        """Keep what a place says, and return the keys of the threads that it tells of.

        Args: comparison: is told of all, and from when on that has to be; what was said before `since` is not kept.
        """
        asked_first: dict[ThreadKey, datetime | None] = {}
        is_gap, start = since is not None, since
        missed_since = since if is_gap else await self.missed_since(key.platform, key.workspace)
        if comparison is not None and comparison.since is not None and since is not None:
            start = min(since, comparison.since)
        async for page in self._adapters[key.platform].history(key, since=start):
            for event in page:
                if comparison is not None:
                    comparison.meet(event)
                may: May = "none"
                if isinstance(event, MessagePosted):
                    if comparison is not None and since is not None and event.created_at < since:
                        continue  # what is not kept of it is so on purpose, such as that of a thread that was deleted
                    if event.key not in asked_first:
                        asked_first[event.key] = await self._asked_first_at(event.key)
                    may = what_may_ask(event, asked_first[event.key], missed_since, is_gap=is_gap)
                asks = await self._keep(event, may, keep)
                if asks and isinstance(event, MessagePosted) and may == "mentions":
                    asked_first[event.key] = event.created_at
        return list(asked_first)


def what_may_ask(
    event: MessagePosted, began_at: datetime | None, missed_since: datetime | None, *, is_gap: bool
) -> May:
    """Tell what of a message that was read may ask for an answer.

    Args: began_at: when the first question of its thread was written, None before one was. missed_since: from when on
        something may have been missed. is_gap: whether that is what is read back, and not a thread's beginning.
    """
    if (began_at is not None and event.created_at > began_at) or (began_at is None and is_gap):
        return "all"
    # What people said before they first asked the bot was not meant for it; a mention was.
    return "mentions" if missed_since is not None and event.created_at >= missed_since else "none"


async def _each(keys: list[ThreadKey], read: Callable[[ThreadKey], Awaitable[None]], readers: int) -> None:
    """Read places in their order, some at once; the first error ends it."""
    waiting = deque(keys)

    async def work() -> None:
        while waiting:
            await read(waiting.popleft())

    workers = [asyncio.ensure_future(work()) for _ in range(min(readers, len(keys)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers)
