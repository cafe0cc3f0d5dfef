"""Socket Mode: the WebSockets of the app, the envelopes on them and their acks.

Source: docs.slack.dev/apis/events-api/using-socket-mode. Proved by `tests/unit/testing/test_sockets.py`.
"""

import asyncio
import json
import secrets
import uuid
from typing import Any

from aiohttp import WSMsgType, web

from backscroll.testing.slack.delivery import Courier, Delivery, Errand
from backscroll.testing.slack.models import Json
from backscroll.testing.slack.workspace import Workspace

PATH = "/link"


class Sockets:
    """The open WebSockets. Each event goes to one of them in turn."""

    def __init__(self, workspace: Workspace, courier: Courier) -> None:
        self.are_refused = False
        self._workspace = workspace
        self._courier = courier
        self._tickets: set[str] = set()
        # A socket that was told to go gets nothing new, but its acks still count.
        self._open: list[web.WebSocketResponse] = []
        self._requests: dict[web.WebSocketResponse, web.Request] = {}
        self._envelopes: dict[str, tuple[Errand, Delivery]] = {}
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._turn = 0

    @property
    def is_open(self) -> bool:
        """Whether any socket takes events."""
        return bool(self._open)

    @property
    def count(self) -> int:
        """How many sockets take events."""
        return len(self._open)

    def new_url(self) -> str:
        """Return the address that apps.connections.open gives out."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return f"{self._workspace.base_url.replace('http', 'ws', 1)}{PATH}?ticket={ticket}&app_id=fake"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take one socket and hold it until either side ends it."""
        if self.are_refused or request.query.get("ticket") not in self._tickets:
            return web.Response(status=503 if self.are_refused else 401)
        heartbeat_s = self._workspace.switches.ping_interval_s
        socket = web.WebSocketResponse(heartbeat=heartbeat_s, compress=False, max_msg_size=0)
        await socket.prepare(request)
        self._requests[socket] = request
        try:
            await socket.send_str(json.dumps(self._hello()))
            self._open.append(socket)
            self._courier.flush()
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._take(frame.data)
        except ConnectionError:
            # The app went while it was greeted.
            pass
        finally:
            self._forget(socket)
            del self._requests[socket]
        return socket

    async def carry(self, errand: Errand, delivery: Delivery) -> None:
        """Send one attempt over a socket, or over all of them."""
        if not errand.envelope_id or self._workspace.switches.new_envelope_per_retry:
            errand.envelope_id = str(uuid.uuid4())
        delivery.envelope_id = errand.envelope_id
        self._envelopes[delivery.envelope_id] = (errand, delivery)
        # The timer stands before the sending: a socket that takes nothing must not hold up the repeat.
        self._courier.watch(errand)
        await self._send(
            f'{{"envelope_id":"{delivery.envelope_id}","payload":{errand.body},"type":"events_api",'
            f'"accepts_response_payload":false,"retry_attempt":{errand.attempt},"retry_reason":"{errand.reason}"}}'
        )

    async def ask(self, kind: str, payload: Json, timeout_s: float) -> Any:
        """Send what is sent once, as a slash command or a press of a button, and return the answer.

        Raises: TimeoutError: no socket is open, or none answered in time.
        """
        if not self._open:
            raise TimeoutError("No socket is open.")
        envelope_id = str(uuid.uuid4())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[envelope_id] = answer
        frame = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": kind == "slash_commands",
        }
        try:
            await self._send(json.dumps(frame))
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            del self._answers[envelope_id]

    async def send_frame(self, frame: bytes) -> None:
        """Send a frame as it is, in the next socket's turn: as text, or as a binary one when it is no UTF-8."""
        try:
            await self._send(frame.decode())
        except UnicodeDecodeError:
            await self._send(frame)

    async def refresh(self, reason: str) -> None:
        """Tell every socket to come back anew; they get no more events."""
        leaving, self._open = self._open, []
        info = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake"}}
        await asyncio.gather(*(self._send_to(socket, json.dumps(info)) for socket in leaving))

    def drop(self) -> None:
        """Cut the TCP connection of every socket, without a close frame."""
        for socket, request in list(self._requests.items()):
            self._forget(socket)
            if request.transport is not None:
                request.transport.abort()

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._open) + 1,
            "debug_info": {"host": "applink-fake", "build_number": 1, "approximate_connection_time": 18_060},
            "connection_info": {"app_id": self._workspace.app_id},
        }

    def _take(self, text: str) -> None:
        """Take an ack. What is none is left alone, as Slack does."""
        try:
            ack = json.loads(text)
        except ValueError:
            return
        envelope_id = ack.get("envelope_id") if isinstance(ack, dict) else None
        if not isinstance(envelope_id, str):
            return
        if known := self._envelopes.pop(envelope_id, None):
            self._courier.settle(*known)
        elif (answer := self._answers.get(envelope_id)) and not answer.done():
            answer.set_result(ack.get("payload"))

    async def _send(self, frame: str | bytes) -> None:
        if self._workspace.switches.to_all_sockets:
            await asyncio.gather(*(self._send_to(socket, frame) for socket in list(self._open)))
        elif self._open:
            self._turn += 1
            await self._send_to(self._open[self._turn % len(self._open)], frame)

    async def _send_to(self, socket: web.WebSocketResponse, frame: str | bytes) -> None:
        try:
            if isinstance(frame, str):
                await socket.send_str(frame)
            else:
                await socket.send_bytes(frame)
        except ConnectionError:
            # It is gone; the repeat goes to another.
            self._forget(socket)

    def _forget(self, socket: web.WebSocketResponse) -> None:
        if socket in self._open:
            self._open.remove(socket)
