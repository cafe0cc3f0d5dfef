"""Places: what lives in a workspace, or in one of its channels.

Proved by `tests/contract/test_places.py`.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from backscroll.storage.keys import ChannelMove, ExternalId, ThreadKey
from backscroll.storage.provider.files import FileCalls
from backscroll.storage.provider.rows import external_key, instant_of
from backscroll.storage.provider.threads import newest
from backscroll.storage.values import canonical_json, clean_object, clean_text


class PlaceCalls(FileCalls):
    """The calls for places, with defaults on the six primitives."""

    async def list_live_keys(self, platform: str, workspace: str, since: datetime) -> list[ThreadKey]:
        """Return the keys of a workspace under which threads are found that changed since an instant, inclusive.

        The newest thread's first, as in `list_threads`; of one thread in the order of the aliases, descending.
        """
        live = []
        for row in await self.query("aliases", {}):
            key = ThreadKey.from_alias(row["key"])
            if key is None or (key.platform, key.workspace) != (platform, workspace):
                continue
            thread = await self.get("threads", row["thread_id"])
            if thread is not None and (instant_of(thread["updated_at"]) or since) >= since:
                live.append((newest(thread), key.alias, key))
        return [key for *_, key in sorted(live, key=lambda each: each[:2], reverse=True)]

    async def change_place(
        self, key: ThreadKey, *, title: str | None = None, place: dict[str, Any] | None = None
    ) -> bool:
        """Call the thread that lives at a key otherwise, and add to what it says of its place; the rest stays as it is.

        Atomic: what somebody else changes of it at the same time stands too. A repeat writes nothing.

        Args: title: None leaves the one that stands. place: properties, each in the place of its namesake.
        Returns: whether anything changed; False when no thread lives there.
        """
        async with self._exclusive:
            holder = await self.get("aliases", key.alias)
            row = None if holder is None else await self.get("threads", holder["thread_id"])
            changed = None if row is None else with_place(row, key.platform, title, place or {})
            if changed is not None:
                await self._set_thread(changed)
            return changed is not None

    async def move_channel(self, move: ChannelMove) -> None:
        """Let all that lives in a channel live under the channel's new id, and harmless when repeated.

        Threads, messages, posts, answers and waiting changes go along, `platforms` too. What is there already under the
        new id stays as it is, and its namesake under the old one. Reads all that is kept.
        """
        async with self._exclusive:
            await self._move_aliases(move)
            await self._move_external(move)
            for row in await self.query("threads", {}):
                if (moved := move.apply(row["platforms"])) is not None:
                    await self.set("threads", row.pop("key"), row | {"platforms": moved})
            for row in await self.query("answers", {}):
                key = ThreadKey(**row["place"])
                if move.fits(key):
                    await self.set("answers", row.pop("key"), row | {"place": asdict(key.moved(move.new_channel))})

    async def _move_aliases(self, move: ChannelMove) -> None:
        for row in await self.query("aliases", {}):
            key = ThreadKey.from_alias(row["key"])
            if key is None or not move.fits(key):
                continue
            await self._rename("aliases", row.pop("key"), key.moved(move.new_channel).alias, row)

    async def _move_external(self, move: ChannelMove) -> None:
        for namespace in ("external_ids", "early_events"):
            for row in await self.query(namespace, {}):
                old = row.pop("key")
                external = ExternalId(*json.loads(old))
                if move.fits(external):
                    await self._rename(namespace, old, external_key(_moved(external, move)), row)
        for row in await self.query("messages", {}):
            external_moved = await self._moved_of(row["external"], row["message"]["id"], move)
            if external_moved is not None:
                platforms = move.apply(row["message"]["platforms"]) or row["message"]["platforms"]
                message = row["message"] | {"platforms": platforms}
                moved = row | {"external": external_key(external_moved), "message": message}
                await self.set("messages", moved.pop("key"), moved)
        for row in await self.query("parts", {}):
            posted = None if row["external"] is None else external_key(ExternalId(**row["external"]))
            posted_moved = await self._moved_of(posted, row["message_id"], move)
            if posted_moved is not None:
                await self.set("parts", row.pop("key"), row | {"external": asdict(posted_moved)})
        for row in await self.query("early_events", {}):
            await self._apply_waiting(ExternalId(*json.loads(row["key"])), move)

    async def _apply_waiting(self, external: ExternalId, move: ChannelMove) -> None:
        """Apply the changes that came under the new id before the message did."""
        holder = await self._external_row(external) if external.channel == move.new_channel else None
        if holder is not None:
            if await self._apply_early(holder, external, of_post=True):
                await self._set_message(holder)
                await self._touch(holder["thread_id"])
            await self._finish_early(holder["message"]["id"], external)

    async def _rename(self, namespace: str, old: str, new: str, value: dict[str, Any]) -> None:
        there = await self.get(namespace, new)
        if there is None:
            await self.set(namespace, new, value)
        if there in (None, value):  # its own: a move was cut off between the two
            await self.delete(namespace, old)

    async def _moved_of(self, external: str | None, message_id: str, move: ChannelMove) -> ExternalId | None:
        """Return the external id that a message has in the new channel; None when it has none there."""
        old = None if external is None else ExternalId(*json.loads(external))
        if old is None or not move.fits(old):
            return None
        holder = await self.get("external_ids", external_key(_moved(old, move)))
        return _moved(old, move) if holder is not None and holder["message_id"] == message_id else None


def with_place(
    fields: dict[str, Any], platform: str, title: str | None, place: dict[str, Any]
) -> dict[str, Any] | None:
    """Return a thread's fields with another title and further properties of its place; None when they say so already.

    Raises: ValueError: no backend could hold them.
    """
    there = fields["platforms"].get(platform, {})
    changed = {
        "title": fields["title"] if title is None else clean_text(title),
        "platforms": fields["platforms"] | {platform: there | clean_object(place)},
    }
    before = {name: fields[name] for name in changed}
    return None if canonical_json(before) == canonical_json(changed) else fields | changed


def _moved(external: ExternalId, move: ChannelMove) -> ExternalId:
    return ExternalId(external.platform, external.workspace, move.new_channel, external.id)
