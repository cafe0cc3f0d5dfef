"""What the claims are made on: keys, messages, arrivals, answers under way; and waiting for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Arrival, Part, Recorded

T = TypeVar("T")

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
KEY = ThreadKey("slack", "T1", "C1", "1.0")
OTHER_KEY = ThreadKey("slack", "T1", "C1", "2.0")
LEASE_S = 30.0
PATIENCE_S = 15.0
ODD_TEXTS = [
    'a "quoted" one',
    "it's",
    "a.b.c",
    " space ",
    "back\\slash",
    "%_*?",
    "[]{}",
    "$.a",
    "👩‍👩‍👧 a",
    "שלום",
    ":",
]


def at(seconds: float) -> datetime:
    """Return an instant of the platform's."""
    return START + timedelta(seconds=seconds)


def said(text: str = "hello", **fields: Any) -> Message:
    """Make a user's message."""
    return Message(role="user", content=text, **fields)


def external(number: int | str = 1, key: ThreadKey = KEY) -> ExternalId:
    """Name the message of this number in the key's channel."""
    return key.message(str(number))


def arriving(number: int | str = 1, text: str = "hello", *, key: ThreadKey = KEY, **options: Any) -> Arrival:
    """Make the arrival of the message of this number."""
    message = options.pop("message", None) or said(text)
    return Arrival(key=key, message=message, external=external(number, key), **options)


async def recorded(provider: StorageProvider, number: int | str = 1, text: str = "hello", **options: Any) -> Recorded:
    """Record the message of this number."""
    kept = await provider.record_message(arriving(number, text, **options))
    assert kept is not None
    return kept


async def asked(provider: StorageProvider, number: int | str = 1, *, key: ThreadKey = KEY) -> Answer:
    """Record a message that asks for an answer, and return the answer."""
    kept = await recorded(provider, number, key=key, asks="yes")
    assert kept.asked
    (answer,) = [one for one in await provider.list_answers(limit=None) if one.message_id == kept.message.id]
    return answer


async def taken(
    provider: StorageProvider, owner: str = "one", *, lease_s: float = LEASE_S, latest: bool = False
) -> Answer:
    """Take the answer that is ready."""
    answer = await provider.take_answer(owner, ["slack", "discord"], lease_s, latest=latest)
    assert answer is not None
    return answer


async def begun(provider: StorageProvider, answer: Answer, *texts: str, **options: Any) -> list[Part]:
    """Store an answer's message and its parts."""
    message = Message(role="assistant", content="".join(texts) or "an answer")
    parts = list(texts or ["an answer"])
    return await provider.begin_sending(answer.id, answer.owner or "one", message, parts, **options)


async def now(provider: StorageProvider, answer: Answer) -> Answer:
    """Read an answer that must be there."""
    found = await provider.get_answer(answer.id)
    assert found is not None
    return found


async def got(provider: StorageProvider, thread_id: str) -> Thread:
    """Read a thread that must be there."""
    thread = await provider.get_thread(thread_id)
    assert thread is not None
    return thread


async def stored(provider: StorageProvider, message_id: str) -> Message:
    """Read a message that must be there."""
    found = await provider.get_message(message_id)
    assert found is not None
    return found[1]


async def eventually(ask: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until there is something, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := await ask()) is None:
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.01)
    return answer
