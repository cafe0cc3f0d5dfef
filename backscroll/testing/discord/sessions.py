"""Gateway sessions: what each client asked for, everything it was sent, and what a RESUME brings back.

A session outlives its socket. Knows nothing of frames and compression.
Source: docs.discord.com/developers/events/gateway.
Proved by `tests/unit/testing/discord/test_sessions.py`.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from backscroll.testing.discord.events import GUILD_MEMBERS, GUILD_PRESENCES, GUILDS, MESSAGE_CONTENT, Event
from backscroll.testing.discord.models import Guild, Json
from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World

Send = Callable[[str], None]


class Session:
    """One session: `send` puts a frame on its socket and is None while it has none.

    `acked` is the last sequence number that the client has told. `is_awaited` says that the fake cut its socket, so
    that the client ought to come back.
    """

    def __init__(self, intents: int, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.send: Send | None = None
        self.sequence = 0
        self.acked = 0
        self.is_awaited = False
        self._frames: list[tuple[int, str]] = []

    def push(self, name: str, data: Any, *, is_kept: bool = True) -> None:
        """Dispatch an event: to the socket if there is one, and into what a RESUME replays."""
        self.sequence += 1
        frame = json.dumps({"t": name, "s": self.sequence, "op": 0, "d": data})
        if is_kept:
            self._frames.append((self.sequence, frame))
        if self.send is not None:
            self.send(frame)

    def resume(self, send: Send, sequence: int) -> None:
        """Go on with another socket: everything after `sequence` again, in order, then RESUMED."""
        self.send = send
        self.is_awaited = False
        self.acked = sequence
        for number, frame in self._frames:
            if number > sequence:
                send(frame)
        self.push("RESUMED", {"_trace": ["fake"]}, is_kept=False)

    def repeat(self, count: int) -> None:
        """Dispatch the last events once more, with new sequence numbers."""
        for _, frame in self._frames[-count:] if count else []:
            event = json.loads(frame)
            self.push(event["t"], event["d"])

    def sees(self, guild: Guild | None) -> bool:
        """Whether a guild's events, or with None those of direct messages, are this shard's."""
        number, count = self.shard
        return (0 if guild is None else (int(guild.id) >> 22) % count) == number

    def wants(self, event: Event) -> bool:
        """Whether it asked for this kind of event, and is the shard for it."""
        return self.sees(event.guild) and (not event.intent or bool(self.intents & event.intent))


class Sessions:
    """All sessions that could be resumed, and how events find them."""

    def __init__(self, world: World, views: Views) -> None:
        self.identifies: list[Json] = []
        self.resume_count = 0
        self._world = world
        self._views = views
        self._sessions: dict[str, Session] = {}

    @property
    def open(self) -> list[Session]:
        """The sessions that have a socket."""
        return [session for session in self._sessions.values() if session.send is not None]

    @property
    def awaited(self) -> list[Session]:
        """The sessions whose socket was cut here, and whose client did not come back yet."""
        return [session for session in self._sessions.values() if session.is_awaited]

    def emit(self, event: Event) -> None:
        """Dispatch an event to every session that wants it; of a guild that is away nothing is told."""
        guild = event.guild
        if guild is not None and not (guild.has_bot and guild.is_available):
            return
        for session in list(self._sessions.values()):
            if session.wants(event):
                session.push(event.name, self._seen(session, event))

    def identify(self, payload: Json, send: Send, gateway_url: str) -> Session | int:
        """Begin a session and greet it: READY, then its guilds. Return the close code when it is refused."""
        self.identifies.append(payload)
        if payload.get("token") != self._world.token or self._world.is_token_refused:
            return 4004
        shard = payload.get("shard")
        if shard is None and self._world.switches.sharding_required:
            return 4011
        number, count = (0, 1) if shard is None else (int(shard[0]), int(shard[1]))
        if not 0 <= number < count:
            return 4010
        intents = payload.get("intents")
        if not isinstance(intents, int) or intents < 0 or intents >= 1 << 26:
            return 4013
        if self._asks_too_much(intents):
            return 4014
        session = Session(intents, (number, count))
        for other in self._sessions.values():
            if other.shard == session.shard:
                # Its client has begun anew and will not come back to it.
                other.is_awaited = False
        self._sessions[session.id] = session
        session.send = send
        self._greet(session, gateway_url)
        return session

    def resume(self, payload: Json, send: Send) -> Session | int | None:
        """Go on with a session. Return the close code when it is refused, None when the session is over."""
        if payload.get("token") != self._world.token or self._world.is_token_refused:
            return 4004
        session = self._sessions.get(str(payload.get("session_id")))
        if session is None:
            return None
        sequence = payload.get("seq")
        if not isinstance(sequence, int) or not 0 <= sequence <= session.sequence:
            return 4007
        self.resume_count += 1
        session.resume(send, sequence)
        return session

    def end(self, session: Session) -> None:
        """End a session: nothing of it can be resumed."""
        self._sessions.pop(session.id, None)

    def forget(self) -> None:
        """End every session; those with a socket go on until it closes, under an id that no client knows."""
        going_on = self.open
        for session in going_on:
            session.id = secrets.token_hex(16)
        self._sessions = {session.id: session for session in going_on}

    def send_all(self, name: str, data: Any) -> None:
        """Dispatch something to every session, whatever it asked for."""
        for session in self._sessions.values():
            session.push(name, data)

    def __iter__(self) -> Iterator[Session]:
        """Give every session that could be resumed."""
        return iter(list(self._sessions.values()))

    def _seen(self, session: Session, event: Event) -> Json:
        may_read = session.intents & MESSAGE_CONTENT and self._world.switches.message_content_allowed
        return event.data if may_read or event.bare is None else event.bare

    def _asks_too_much(self, intents: int) -> bool:
        switches = self._world.switches
        refused = 0 if switches.message_content_allowed else MESSAGE_CONTENT
        refused |= 0 if switches.members_allowed else GUILD_MEMBERS
        refused |= 0 if switches.presences_allowed else GUILD_PRESENCES
        return bool(intents & refused)

    def _greet(self, session: Session, gateway_url: str) -> None:
        guilds = [guild for guild in self._world.guilds.values() if guild.has_bot and session.sees(guild)]
        ready: Json = {
            "v": 10,
            "user": {**self._views.user(self._world.bot), "verified": True, "mfa_enabled": False, "email": None},
            "user_settings": {},
            "private_channels": [],
            "relationships": [],
            "guilds": [{"id": guild.id, "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": gateway_url,
            "application": {"id": self._world.application_id, "flags": application_flags(self._world)},
            "shard": list(session.shard),
            "_trace": ["fake"],
        }
        session.push("READY", ready)
        for guild in guilds:
            if guild.is_available and session.intents & GUILDS:
                session.push("GUILD_CREATE", self._views.whole_guild(guild))


def application_flags(world: World) -> int:
    """Return the application's flags, which tell what the portal grants to an app in few guilds."""
    switches = world.switches
    flags = 1 << 19 if switches.message_content_allowed else 0
    flags |= 1 << 15 if switches.members_allowed else 0
    return flags | (1 << 13 if switches.presences_allowed else 0)
