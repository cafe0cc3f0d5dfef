"""The gateway at the wire: sockets, opcodes, compression, close codes.

Serves `compress=zlib-stream`; any other compression gets plain text frames, which discord.py reads as well.
Source: docs.discord.com/developers/events/gateway.
Proved by `tests/unit/testing/discord/test_gateway.py` and `test_sessions.py`.
"""

import asyncio
import json
import zlib
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from backscroll.testing.discord.models import Guild, Json, User
from backscroll.testing.discord.sessions import Session, Sessions
from backscroll.testing.discord.views import Views
from backscroll.testing.discord.world import World

PATH = "/gateway"
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11,
)  # fmt: skip
# After these the session cannot be resumed.
ENDING = frozenset({4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014})
LOOK_S = 0.002


class Connection:
    """One socket. What is sent waits in line, so that nobody who sends has to wait."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.session: Session | None = None
        # What stands in the line or is on its way.
        self.waiting_count = 0
        self._request = request
        self._line: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None

    def send(self, frame: str | bytes) -> None:
        """Put a frame in the line; text is compressed if the client asked for it, bytes go as they are."""
        self.waiting_count += 1
        self._line.put_nowait(frame)

    def send_op(self, op: int, data: Any) -> None:
        """Send anything but an event."""
        self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def write(self) -> None:
        """Write the line to the socket, for ever."""
        while True:
            frame = await self._line.get()
            with suppress(ConnectionError):
                if isinstance(frame, str) and self._deflate is None:
                    await self.socket.send_str(frame)
                else:
                    await self.socket.send_bytes(self._compressed(frame) if isinstance(frame, str) else frame)
            self.waiting_count -= 1

    def cut(self) -> None:
        """Cut the TCP connection, without a close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def _compressed(self, frame: str) -> bytes:
        if self._deflate is None:
            return frame.encode()
        return self._deflate.compress(frame.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Gateway:
    """The open sockets."""

    def __init__(self, world: World, views: Views, sessions: Sessions) -> None:
        self.are_refused = False
        self._world = world
        self._views = views
        self._sessions = sessions
        self._connections: list[Connection] = []

    @property
    def url(self) -> str:
        """Where clients connect, without the query."""
        return f"{self._world.base_url.replace('http', 'ws', 1)}{PATH}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take one socket and hold it until either side ends it."""
        if self.are_refused:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self._connections.append(connection)
        writer = asyncio.create_task(connection.write())
        connection.send_op(HELLO, {"heartbeat_interval": self._world.switches.heartbeat_interval_ms, "_trace": []})
        try:
            async for frame in socket:
                code = self._take(connection, frame.data) if frame.type is WSMsgType.TEXT else 4002
                if code is not None:
                    await socket.close(code=code)
        finally:
            writer.cancel()
            self._part(connection)
        return socket

    def send_all(self, frame: str | bytes) -> None:
        """Send a frame as it is to every client that has a session."""
        for connection in self._ready():
            connection.send(frame)

    def drop(self) -> None:
        """Cut every socket's TCP connection, without a close frame."""
        for connection in list(self._connections):
            self._await_again(connection)
            self._leave(connection)
            connection.cut()

    async def close(self, code: int) -> None:
        """Close every socket with a code; some codes end the session too."""
        for connection in list(self._connections):
            session = connection.session
            if code not in ENDING:
                self._await_again(connection)
            elif session is not None:
                self._sessions.end(session)
            self._leave(connection)
            with suppress(ConnectionError):
                await connection.socket.close(code=code)

    def reconnect(self) -> None:
        """Ask every client to come back anew (opcode 7)."""
        for connection in self._ready():
            connection.send_op(RECONNECT, None)
            self._await_again(connection)

    def invalidate(self, *, resumable: bool) -> None:
        """Tell every client that its session is over (opcode 9), or with `resumable` that it may resume it."""
        for connection in self._ready():
            connection.send_op(INVALID, resumable)
            session = connection.session
            if resumable:
                self._await_again(connection)
            elif session is not None:
                self._sessions.end(session)
                self._leave(connection)

    async def settle(self) -> None:
        """Wait until every client has read all that was sent to it, and told so by a heartbeat."""
        asked: dict[Session, int] = {}
        while True:
            late = [connection for connection in self._ready() if self._is_late(connection)]
            if not late and not self._sessions.awaited:
                return
            for connection in late:
                session = connection.session
                if session is not None and asked.get(session, -1) < session.sequence:
                    asked[session] = session.sequence
                    connection.send_op(HEARTBEAT, None)
            await asyncio.sleep(LOOK_S)

    def _is_late(self, connection: Connection) -> bool:
        session = connection.session
        return connection.waiting_count > 0 or (session is not None and session.acked < session.sequence)

    def _ready(self) -> list[Connection]:
        return [connection for connection in self._connections if connection.session is not None]

    def _await_again(self, connection: Connection) -> None:
        if connection.session is not None:
            connection.session.is_awaited = True

    def _leave(self, connection: Connection) -> None:
        session, connection.session = connection.session, None
        if session is not None and session.send == connection.send:
            session.send = None

    def _part(self, connection: Connection) -> None:
        session = connection.session
        self._connections.remove(connection)
        self._leave(connection)
        # A client that says a proper good-bye does not come back.
        if session is not None and connection.socket.close_code in {1000, 1001}:
            self._sessions.end(session)

    def _take(self, connection: Connection, text: str) -> int | None:
        """Take what a client sends; return the code to close with, or None."""
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame.get("d")
        except (ValueError, TypeError, KeyError, AttributeError):
            return 4002
        if op == HEARTBEAT:
            if connection.session is not None and isinstance(data, int):
                connection.session.acked = data
            connection.send_op(ACK, None)
            return None
        if op in {IDENTIFY, RESUME}:
            if not isinstance(data, dict):
                return 4002
            return 4005 if connection.session is not None else self._admit(connection, op, data)
        if connection.session is None:
            return 4003
        if op == MEMBERS and isinstance(data, dict):
            self._give_members(connection.session, data)
            return None
        return None if op in {PRESENCE, VOICE} else 4001

    def _admit(self, connection: Connection, op: int, data: Json) -> int | None:
        if op == IDENTIFY:
            found = self._sessions.identify(data, connection.send, self.url)
        else:
            resumed = self._sessions.resume(data, connection.send)
            if resumed is None:
                connection.send_op(INVALID, False)
                return None
            found = resumed
        if isinstance(found, int):
            return found
        for other in self._connections:
            if other.session is found:
                # Its old socket is a dead one.
                other.session = None
                other.cut()
        connection.session = found
        return None

    def _give_members(self, session: Session, asked: Json) -> None:
        """Answer opcode 8. Source: docs.discord.com/developers/events/gateway-events, Request Guild Members."""
        guild = self._world.guilds.get(str(asked.get("guild_id")))
        if guild is None:
            return
        found, missing = self._members(asked)
        data: Json = {
            "guild_id": guild.id,
            "members": [self._views.member(user, guild, with_user=True) for user in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": missing,
        }
        if "nonce" in asked:
            data["nonce"] = asked["nonce"]
        session.push("GUILD_MEMBERS_CHUNK", data)

    def _members(self, asked: Json) -> tuple[list[User], list[str]]:
        users = self._world.users
        wanted = asked.get("user_ids")
        if wanted:
            ids = [str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
            return [users[one] for one in ids if one in users], [one for one in ids if one not in users]
        start, limit = str(asked.get("query") or ""), int(asked.get("limit") or 0)
        found = [user for user in users.values() if user.name.startswith(start)]
        return found[:limit] if limit else found, []

    def shard_of(self, guild: Guild, count: int) -> int:
        """Return the shard that a guild is on."""
        return (int(guild.id) >> 22) % count
