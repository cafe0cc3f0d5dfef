"""Which thread a name means: its id, an alias, a link, a message's id, or an id on a platform.

Proved by `tests/scenario/test_cli_find.py`.
"""

from dataclasses import dataclass
from typing import Any

from backscroll.errors import StorageRefusedError, ThreadNotFoundError
from backscroll.storage.models import Thread
from backscroll.storage.permalinks import Permalink
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import ID_LENGTH

PLATFORMS = ("slack", "discord")
"""Where an id is looked for that no thread, alias or message has."""

CANDIDATES = 10
"""How many threads an error names, at most."""

_SHOWN = 100
_FIELDS = (("team", "guild", "workspace"), ("channel",), ("thread_ts", "thread"))


@dataclass(frozen=True, slots=True)
class Named:
    """A thread without its messages, and the message that was named, if it was one."""

    thread: Thread
    message_id: str | None = None
    sequence: int | None = None


async def find_thread(provider: StorageProvider, name: str) -> Named:
    """Find the thread that a name means: the first of id, alias, link, message's id and platform's id that fits.

    Raises: ThreadNotFoundError: none does. StorageRefusedError: an id on a platform is that of several threads.
    """
    name = name.strip()
    if not 0 < len(name) <= ID_LENGTH and Permalink.read(name) is None:
        raise _unknown(name)
    if Permalink.read(name) is not None:
        async with ThreadStore(provider=provider, closes_provider=False) as store:
            linked = await store.get_by_permalink(name)
        if linked is None:
            raise ThreadNotFoundError("No thread or message that is kept has this link.", _HINT)
        bare, message = linked.thread.model_copy(update={"messages": []}), linked.message
        return Named(bare) if message is None else Named(bare, message.id, message.sequence)
    thread = await provider.get_thread(name, limit=0) or await provider.get_by_alias(name, limit=0)
    if thread is not None:
        return Named(thread)
    return await _by_message(provider, name) or await _by_platform(provider, name)


def place_of(platforms: dict[str, dict[str, Any]]) -> str:
    """Write where a thread lives outside, as its alias does; of several places each."""
    return ", ".join(":".join([platform, *_parts(place)]) for platform, place in platforms.items())


_HINT = "`backscroll threads` lists the newest, `backscroll search WORDS` finds them by what was said."


async def _by_message(provider: StorageProvider, name: str) -> Named | None:
    found = await provider.get_message(name)
    thread = None if found is None else await provider.get_thread(found[0], limit=0)
    return None if thread is None or found is None else Named(thread, name, found[1].sequence)


async def _by_platform(provider: StorageProvider, name: str) -> Named:
    """Find an id that a platform gave: of a message, or of a place that a thread lives at."""
    found: dict[str, Named] = {}
    for platform in PLATFORMS:
        for _, message_id in await provider.find_external_ids(platform, name):
            held = await _by_message(provider, message_id)
            if held is not None:
                found.setdefault(held.thread.id, held)
    for platform in PLATFORMS if not found else ():
        for thread in await provider.search_by_platform(platform, name, limit=CANDIDATES + 1):
            found.setdefault(thread.id, Named(thread.model_copy(update={"messages": []})))
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        ids = [f"{each.thread.id} ({place_of(each.thread.platforms)})" for each in found.values()][:CANDIDATES]
        count = f"more than {CANDIDATES}" if len(found) > CANDIDATES else str(len(found))
        raise StorageRefusedError(f"{name[:_SHOWN]} means {count} threads.", f"Name one of them: {', '.join(ids)}.")
    return next(iter(found.values()))


def _unknown(name: str) -> ThreadNotFoundError:
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return ThreadNotFoundError(f"{shown} is no thread, alias, link or message that is kept.", _HINT)


def _parts(place: dict[str, Any]) -> list[str]:
    values = (next((place[name] for name in names if name in place), None) for names in _FIELDS)
    return [str(value) for value in values if value is not None]
