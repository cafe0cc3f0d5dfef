"""Events that were put aside, handed over once more: to a release that understands them, or a storage that takes them.

The adapter's own translation reads them, as it would have done then, and the manager keeps them; a question that is
kept so asks for its answer, which a running bot gives. Proved by `tests/scenario/test_cli_events.py`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from backscroll.adapters.base import Adapter
from backscroll.adapters.fields import MalformedError
from backscroll.adapters.rejecting import REASON_LENGTH
from backscroll.bot.app import live_for, make_adapters, policy_of
from backscroll.bot.config import Config
from backscroll.bot.manager import ConversationManager
from backscroll.errors import AdapterUnavailableError, StorageUnavailableError, fact_of
from backscroll.storage.files import FileStore
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import RejectedEvent


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of an event. `reason` is None when it is kept, and put aside no more."""

    event: RejectedEvent
    reason: str | None = None


async def replay_events(
    config: Config, provider: StorageProvider, events: Sequence[RejectedEvent], files: FileStore | None = None
) -> AsyncIterator[Replayed]:
    """Play events again, in their order, and tell what became of each.

    One that fails again stays, with its new reason; where the platform or the storage did not answer, with the old one.
    The platforms are asked for names over their web interface; no events are listened to. Killed in between, what is
    done is done, and a repeat changes nothing of it.

    Raises: AdapterError: a platform does not take its token. StorageUnavailableError: the storage does not answer.
    """
    platforms = {event.platform for event in events}
    async with AsyncExitStack() as stack:
        made = make_adapters(config.adapters, provider)
        adapters = {
            adapter.platform: await stack.enter_async_context(adapter)
            for adapter in made
            if adapter.platform in platforms
        }
        manager = ConversationManager(
            provider, policy_of(config.bot), adapters=adapters, live_for=live_for(config.adapters), files=files
        )
        for event in events:
            yield await _replay(provider, manager, adapters.get(event.platform), event)


async def _replay(
    provider: StorageProvider, manager: ConversationManager, adapter: Adapter | None, event: RejectedEvent
) -> Replayed:
    if adapter is None:
        return Replayed(event, f"The configuration names no adapter for {event.platform}.")
    try:
        await adapter.replay(event.payload, manager, event.created_at)
    except (StorageUnavailableError, AdapterUnavailableError) as error:
        return Replayed(event, error.message)
    except Exception as error:  # noqa: BLE001  # here one event ends
        reason = _reason(error)
        await provider.explain_rejected_event(event.id, reason)
        return Replayed(event, reason)
    await provider.delete_rejected_event(event.id)
    return Replayed(event)


def _reason(error: Exception) -> str:
    if isinstance(error, MalformedError):
        return str(error)[:REASON_LENGTH]
    return fact_of(error)[:REASON_LENGTH]
