"""Conversations: threads as Slack agents name them, what is exported of them, and heartbeats.

Proved by `tests/contract/test_conversations.py` and `test_export.py`.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from backscroll.storage.blocks import Carrier
from backscroll.storage.models import Block, Message, Thread
from backscroll.storage.provider.blocks import BlockCalls
from backscroll.storage.provider.places import with_place
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.provider.rows import instant_of, thread_row
from backscroll.storage.provider.threads import newest
from backscroll.storage.values import ID_LENGTH, as_utc, canonical_json, check_id, check_text

_ALIAS_STARTS = ('["conversation","', "conversation ")
_PLACES = {"slack": ("channel", "thread_ts"), "discord": ("channel", "thread")}


class ConversationCalls(BlockCalls):
    """The calls for conversations, with defaults on the six primitives."""

    async def get_or_create_conversation(
        self, agent_name: str, channel_id: str, thread_id: str, channel_name: str | None = None
    ) -> str:
        """Return the id of the thread that an agent has at a place of Slack; make and store it when there is none.

        Concurrent calls make one; in several processes where the provider supports them. A thread that was kept by
        other ways is found too: in `platforms.slack` it has this channel and `thread_ts`, or, where both ids are the
        same, no `thread_ts`; its agent is this one, or else it names none. Of several the newest. Which one it was
        stays so.

        Args: channel_name: kept in the thread's `platforms.slack`, also when it is told later.
        """
        place = ConversationPlace.of(agent_name, channel_id, thread_id)
        channel_name = None if channel_name is None else check_text(channel_name, "channel_name")
        async with self._exclusive:
            row = await self._conversation_row(place)
            if row is None:
                thread = place.new_thread(channel_name)
                row = thread_row(thread) | {"agent_name": thread.agent_name, "platforms": thread.platforms}
                await self._set_thread(row)
            elif channel_name is not None:
                changed = with_place(row, "slack", None, {"channel_name": channel_name})
                if changed is not None:
                    await self._set_thread(changed)
            await self.set("aliases", place.alias, {"thread_id": row["id"]})
            return str(row["id"])

    async def has_conversation(self, agent_name: str, channel_id: str, thread_id: str) -> bool:
        """Tell whether `get_or_create_conversation` would find a thread."""
        return await self._conversation_row(ConversationPlace.of(agent_name, channel_id, thread_id)) is not None

    async def create_message(
        self, conversation_id: str, user_id: str, user_name: str | None, user_handle: str | None
    ) -> str:
        """Append a user's message that says nothing yet, and return its id.

        Raises: ThreadNotFoundError: no thread has this id.
        """
        source = {"type": "user", "id": check_id(user_id, "user_id")}
        names = {"name": user_name, "handle": user_handle}
        told = {name: None if value is None else check_text(value, f"user_{name}") for name, value in names.items()}
        message = Message(role="user", source=source | told)
        return (await self.append_message(conversation_id, message)).id

    async def get_conversations_for_export(
        self,
        agent_name: str,
        *,
        handle: str | None = None,
        date_from: datetime | date | str | None = None,
        date_to: datetime | date | str | None = None,
    ) -> list[dict[str, Any]]:
        """Return an agent's threads: `{"id", "agent_name", "channel_id", "channel_name", "thread_id"}` of each.

        Order: `created_at`, then `id`. With conditions those in which one message meets all of them; a tombstone meets
        none. Channel and thread are those of Slack, else of Discord, else None.

        Args: handle: the author's, or where they have none their name. date_from, date_to: inclusive; instants, or ISO
            texts of such; without a zone they are UTC. A date without a time is its whole day.
        Raises: ValueError: a date cannot be read.
        """
        wanted = Wanted.of(handle, date_from, date_to)
        rows = await self.query("threads", {"agent_name": check_id(agent_name, "agent_name")})
        if wanted.is_given:
            found = {row["thread_id"] for row in await self.query("messages", {}) if wanted.fits(row["message"])}
            rows = [row for row in rows if row["id"] in found]
        rows.sort(key=lambda row: (instant_of(row["created_at"]), row["id"]))
        return [exported(row["id"], row["agent_name"], row["platforms"]) for row in rows]

    async def get_messages_with_blocks(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return a thread's messages by sequence, with their authors and blocks; empty for an unknown thread.

        Each is `{"id", "user_id", "user_name", "user_handle", "created_at", "blocks"}`, the blocks as
        `get_message_blocks` gives them. What is not known of an author is None.
        """
        return [_with_author(carrier, blocks) for carrier, blocks in await self.read_blocks(conversation_id)]

    async def upsert_heartbeat(self, agent_name: str, last_ping_pong_time: float) -> None:
        """Note when an agent's connection was last seen alive, in place of what was noted before.

        Args: last_ping_pong_time: seconds, by the clock of whoever asks for it again.
        """
        value = {"last_ping_pong_time": checked_time(last_ping_pong_time)}
        await self.set("heartbeats", check_id(agent_name, "agent_name"), value)

    async def get_heartbeat(self, agent_name: str) -> dict[str, float] | None:
        """Return `{"last_ping_pong_time": seconds}`, or None for an agent that never had one."""
        return await self.get("heartbeats", agent_name)

    async def list_heartbeats(self) -> dict[str, float]:
        """Return all heartbeats: the seconds that were noted last, by the agents' names."""
        return {row["key"]: row["last_ping_pong_time"] for row in await self.query("heartbeats", {})}

    async def _conversation_row(self, place: "ConversationPlace") -> dict[str, Any] | None:
        holder = await self.get("aliases", place.alias)
        held = None if holder is None else await self.get("threads", holder["thread_id"])
        if held is not None:
            return held
        rows = [row for row in await self.query("threads", {}) if place.fits(row["agent_name"], row["platforms"])]
        rows.sort(key=lambda row: (row["agent_name"] is not None, newest(row)), reverse=True)
        return rows[0] if rows else None


@dataclass(frozen=True, slots=True)
class ConversationPlace:
    """Where an agent's conversation is."""

    agent_name: str
    channel_id: str
    thread_id: str

    @classmethod
    def of(cls, agent_name: str, channel_id: str, thread_id: str) -> "ConversationPlace":
        """Check the three names. Raises: ValueError: one is no text of 1 to 500 characters."""
        return cls(
            check_id(agent_name, "agent_name"), check_id(channel_id, "channel_id"), check_id(thread_id, "thread_id")
        )

    @property
    def alias(self) -> str:
        """The alias of the thread; no two places share one. Names that are too long for one are hashed."""
        alias = join_key("conversation", self.agent_name, self.channel_id, self.thread_id)
        return alias if len(alias) <= ID_LENGTH else f"conversation {hashlib.sha256(alias.encode()).hexdigest()}"

    @staticmethod
    def is_alias(alias: str) -> bool:
        """Tell whether an alias is one of a conversation."""
        return alias.startswith(_ALIAS_STARTS)

    @property
    def is_channel(self) -> bool:
        """Whether the conversation is the channel itself, as a direct message is."""
        return self.thread_id == self.channel_id

    def new_thread(self, channel_name: str | None) -> Thread:
        """Make the thread of a place that has none."""
        place = {"channel": self.channel_id, "thread_ts": self.thread_id}
        named = {} if channel_name is None else {"channel_name": channel_name}
        return Thread(agent_name=self.agent_name, platforms={"slack": place | named})

    def fits(self, agent_name: str | None, platforms: dict[str, dict[str, Any]]) -> bool:
        """Tell whether a thread of this agent and place is this conversation."""
        place = platforms.get("slack", {})
        if agent_name not in (None, self.agent_name) or place.get("channel") != self.channel_id:
            return False
        return place.get("thread_ts") == self.thread_id or (self.is_channel and "thread_ts" not in place)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one message of an exported thread has to meet."""

    handle: str | None
    date_from: datetime | None
    date_to: datetime | None

    @classmethod
    def of(cls, handle: str | None, date_from: Any, date_to: Any) -> "Wanted":
        """Check the conditions. Raises: ValueError: one cannot be read."""
        return cls(
            None if handle is None else check_text(handle, "handle"),
            None if date_from is None else _instant(date_from, "date_from", time.min),
            None if date_to is None else _instant(date_to, "date_to", time.max),
        )

    @property
    def is_given(self) -> bool:
        """Whether there is a condition at all."""
        return (self.handle, self.date_from, self.date_to) != (None, None, None)

    def fits(self, message: dict[str, Any]) -> bool:
        """Tell whether a message's dump meets all of them."""
        at = instant_of(message["created_at"])
        if message["deleted_at"] is not None or at is None:
            return False
        if self.handle is not None and canonical_json(_handle(message["source"])) != canonical_json(self.handle):
            return False
        return not (self.date_from and at < self.date_from) and not (self.date_to and at > self.date_to)


def exported(thread_id: str, agent_name: str | None, platforms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Lay a thread out as it is listed for an export."""
    name = next((name for name in _PLACES if name in platforms), None)
    place = {} if name is None else platforms[name]
    channel, thread = _PLACES[name or "slack"]
    return {
        "id": thread_id,
        "agent_name": agent_name,
        "channel_id": place.get(channel),
        "channel_name": place.get("channel_name"),
        "thread_id": place.get(thread, place.get(channel) if name == "slack" else None),
    }


def checked_time(seconds: float) -> float:
    """Return an instant in seconds. Raises: ValueError: it is no finite number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"last_ping_pong_time is a number, got {type(seconds).__name__}")
    try:
        value = float(seconds)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("last_ping_pong_time is a finite number")
    return value


def _instant(value: Any, name: str, at: time) -> datetime:
    """Read an instant; a date without a time is its beginning or end."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(f"{name} is an instant or a date in ISO 8601, got a text that is neither") from None
    if isinstance(value, datetime):
        return as_utc(value)
    if not isinstance(value, date):
        raise ValueError(f"{name} is an instant or a date, got {type(value).__name__}")
    return datetime.combine(value, at, UTC)


def _handle(source: dict[str, Any] | None) -> Any:
    handle = (source or {}).get("handle")
    return (source or {}).get("name") if handle is None else handle


def _with_author(carrier: Carrier, blocks: list[Block]) -> dict[str, Any]:
    source = carrier.source or {}
    return {
        "id": carrier.id,
        "user_id": source.get("id"),
        "user_name": source.get("name"),
        "user_handle": _handle(carrier.source),
        "created_at": carrier.created_at,
        "blocks": blocks,
    }
