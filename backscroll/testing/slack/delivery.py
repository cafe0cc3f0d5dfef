"""How an event gets to the app: sent, acked or sent again, and the record of every attempt.

The transport, Socket Mode or HTTP, only carries one attempt; what comes again and when is decided here.
Source: docs.slack.dev/apis/events-api#retries. Proved by `tests/unit/testing/test_delivery.py`.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from backscroll.testing.slack.models import Json
from backscroll.testing.slack.switches import Switches


@dataclass(slots=True, eq=False)
class Delivery:
    """One attempt to deliver one event. Times are of the monotonic clock."""

    event_id: str
    type: str
    attempt: int
    envelope_id: str
    sent_s: float
    acked_s: float | None = None
    status: int | None = None

    @property
    def acked(self) -> bool:
        """Whether the app took this attempt."""
        return self.acked_s is not None

    @property
    def ack_s(self) -> float | None:
        """Seconds from sending to the ack; None without one."""
        return None if self.acked_s is None else self.acked_s - self.sent_s


@dataclass(slots=True, eq=False)
class Errand:
    """One event on its way, over all its attempts. `body` is its payload as JSON."""

    event_id: str
    type: str
    body: str
    envelope_id: str = ""
    attempt: int = 0
    reason: str = ""
    is_done: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Transport(Protocol):
    """Carries attempts to the app."""

    @property
    def is_open(self) -> bool:
        """Whether there is anyone to send to."""
        ...

    async def carry(self, errand: Errand, delivery: Delivery) -> None:
        """Send one attempt, and report what became of it by `Courier.settle` or `Courier.miss`."""
        ...


class Courier:
    """Sends every event until it is acked or its repeats are used up."""

    def __init__(self, switches: Switches) -> None:
        self.deliveries: list[Delivery] = []
        self._switches = switches
        self._transports: tuple[Transport, Transport] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._under_way: set[Errand] = set()
        self._waiting: deque[Errand] = deque()

    def use(self, sockets: Transport, requests: Transport) -> None:
        """Send by these from now on: by HTTP requests while there is a `request_url`, else by sockets."""
        self._transports = (sockets, requests)

    @property
    def count(self) -> int:
        """How many events are neither acked nor given up."""
        return len(self._under_way)

    def post(self, payload: Json) -> None:
        """Send an event; its first frame leaves before the next task of the loop runs."""
        event = payload.get("event")
        kind = str(event.get("type")) if isinstance(event, dict) else str(payload.get("type"))
        errand = Errand(str(payload.get("event_id", "")), kind, json.dumps(payload))
        self._under_way.add(errand)
        self._send(errand)

    def flush(self) -> None:
        """Send what waited for a socket. To the app it was late, so it comes as a repeat."""
        while self._waiting:
            errand = self._waiting.popleft()
            errand.attempt = max(errand.attempt, 1)
            errand.reason = errand.reason or "timeout"
            self._send(errand)

    def settle(self, errand: Errand, delivery: Delivery) -> None:
        """Note that an attempt was acked. It ends the errand, whichever attempt it was."""
        if delivery.acked_s is None:
            delivery.acked_s = time.monotonic()
        self._end(errand)

    def miss(self, errand: Errand, reason: str, *, again: bool = True) -> None:
        """Note that an attempt was not acked; `again` False gives up at once."""
        if errand.is_done:
            return
        delays = self._switches.retry_delays
        if not again or errand.attempt >= len(delays):
            self._end(errand)
            return
        delay_s = delays[errand.attempt]
        errand.attempt += 1
        errand.reason = reason
        errand.timer = asyncio.get_running_loop().call_later(delay_s, self._send, errand)

    def watch(self, errand: Errand) -> None:
        """Count an attempt as missed when it is not acked in time."""
        if not errand.is_done:
            loop = asyncio.get_running_loop()
            errand.timer = loop.call_later(self._switches.retry_after_s, self.miss, errand, "timeout")

    def spawn(self, step: Coroutine[Any, Any, None]) -> None:
        """Run something beside the caller; it ends with the fake."""
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop all attempts and everything that was spawned."""
        for errand in self._under_way:
            if errand.timer is not None:
                errand.timer.cancel()
        self._under_way.clear()
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _send(self, errand: Errand) -> None:
        if errand.is_done or self._transports is None:
            return
        transport = self._transports[self._switches.request_url is not None]
        if not transport.is_open:
            self._waiting.append(errand)
            return
        delivery = Delivery(errand.event_id, errand.type, errand.attempt, "", time.monotonic())
        self.deliveries.append(delivery)
        self.spawn(transport.carry(errand, delivery))

    def _end(self, errand: Errand) -> None:
        errand.is_done = True
        self._under_way.discard(errand)
        if errand.timer is not None:
            errand.timer.cancel()
            errand.timer = None
