"""The composition root: from a configuration to a running bot, and to its end.

Proved by `tests/scenario/test_run.py` and `tests/scenario/test_kill.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from backscroll.adapters.base import Adapter
from backscroll.adapters.console import ConsoleAdapter
from backscroll.adapters.observing import Observer
from backscroll.bot.answering import Answering
from backscroll.bot.background import every, in_background, signals, until, when
from backscroll.bot.config import AdapterConfigs, BotConfig, Config, load_config
from backscroll.bot.delivery import Limits
from backscroll.bot.fetching import Fetching
from backscroll.bot.handling import Handler
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.bot.one_process import one_process
from backscroll.bot.opening import directory_of, make_attachments, make_provider
from backscroll.bot.own_posts import OwnPosts
from backscroll.bot.retention import Retention
from backscroll.bot.watching.condition import Watch
from backscroll.bot.watching.heartbeat import keep_beating
from backscroll.bot.watching.starting import watching
from backscroll.errors import AdapterError, StorageUnavailableError, named
from backscroll.storage.attachments import Attachments
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)

RETRY_S = 1.0
TOLD_EVERY_S = 60.0
SWEEP_EVERY_S = 3600.0
EXPIRE_EVERY_S = 60.0
EARLY_EVENTS_LIVE = timedelta(hours=72)

END_S = 3.0
"""Seconds after the grace period in which all has to end; then the storage, which may hang, is waited for no more."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a running bot has open.

    Args: stopped: is set when the bot ends. adapters: those that their platforms took; refused: what the others said.
    """

    config: Config
    provider: StorageProvider
    attachments: Attachments
    observer: Observer
    stopped: asyncio.Event
    adapters: dict[str, Adapter] = field(default_factory=dict)
    refused: list[AdapterError] = field(default_factory=list)


async def run(handler: Handler, config: Config | Path | str = "config.yaml") -> None:
    """Run a bot with this handler, in place of the one that the configuration names, until it ends or is cancelled.

    Raises: ConfigError, StorageError, AdapterError: as `backscroll run` reports them.
    """
    loaded = config if isinstance(config, Config) else load_config(Path(config))
    await run_bot(replace(loaded, handler_function=handler))


async def run_bot(config: Config) -> None:
    """Run a bot until its adapters have no more events and all is answered, or SIGINT or SIGTERM stops it.

    Waits for a storage that does not answer; a second signal ends the process at once, with code 130.

    Raises: StorageRefusedError: the storage cannot be used. AdapterError: a platform refused, and the rest has ended.
    """
    async with AsyncExitStack() as stack:
        stopped = stack.enter_context(signals())
        provider = make_provider(config.storage)
        # First to start and last to stop, so that it shows a bot that waits, or ends.
        watch = Watch(provider, platforms_of(config.adapters), stopped.is_set)
        observer = await stack.enter_async_context(watching(config.watch, watch))
        stack.enter_context(one_process(provider, directory_of(config.storage)))
        await stack.enter_async_context(in_background(_abort_late(provider, stopped, config.bot.shutdown_grace_s)))
        stack.push_async_callback(provider.close)
        attachments = make_attachments(config.storage, provider)
        stack.push_async_callback(attachments.close)
        parts = Parts(config, provider, attachments, observer, stopped)
        stack.callback(stopped.set)
        if not await until(stopped, _open(provider, attachments)):
            return
        watch.is_open = True
        await stack.enter_async_context(in_background(keep_beating(provider, observer)))
        if not await until(stopped, _connect(stack, parts)):
            return
        watch.adapters = parts.adapters
        await _talk(parts)


def make_adapters(configs: AdapterConfigs, provider: StorageProvider) -> list[Adapter]:
    """Make an adapter for each platform that the configuration names; what one has to keep goes to the provider."""
    adapters: list[Adapter] = []
    if configs.console is not None:
        adapters.append(ConsoleAdapter())
    if configs.slack is not None:
        from backscroll.adapters.slack import SlackAdapter  # noqa: PLC0415  # half a second that others need not wait

        adapters.append(SlackAdapter(configs.slack, provider))
    if configs.discord is not None:
        from backscroll.adapters.discord import DiscordAdapter  # noqa: PLC0415  # as above

        adapters.append(DiscordAdapter(configs.discord, provider))
    return adapters


def platforms_of(configs: AdapterConfigs) -> list[str]:
    """Name the platforms that the configuration names."""
    return [each.name for each in fields(configs) if getattr(configs, each.name) is not None]


def live_for(configs: AdapterConfigs) -> dict[str, timedelta]:
    """Take from the configuration how long a thread is read back that nobody writes to, by platform."""
    hours: dict[str, float] = {}
    if configs.slack is not None:
        hours["slack"] = configs.slack.catch_up_hours
    if configs.discord is not None:
        hours["discord"] = configs.discord.catch_up_hours
    return {platform: timedelta(hours=count) for platform, count in hours.items()}


def policy_of(bot: BotConfig) -> Policy:
    """Take from the configuration what is kept and answered."""
    users, channels = bot.allow.users, bot.allow.channels
    return Policy(
        answer=bot.answer,
        record=bot.record,
        users=None if users == "all" else users,
        channels=None if channels == "all" else channels,
        approve=bot.approve,
    )


def limits_of(bot: BotConfig) -> Limits:
    """Take from the configuration how answers are made."""
    return Limits(
        history_limit=bot.history_limit,
        handler_timeout_s=bot.handler_timeout_s,
        max_parallel=bot.max_parallel,
        lease_s=bot.lease_s,
        shutdown_grace_s=bot.shutdown_grace_s,
        latest=bot.overlap == "latest",
        failure_text=bot.failure_text,
    )


async def _abort_late(provider: StorageProvider, stopped: asyncio.Event, grace_s: float) -> None:
    """Let go of the storage when the bot does not come to its end; the next start finds all as after a kill."""
    await stopped.wait()
    await asyncio.sleep(grace_s + END_S)
    log.warning("The end takes too long: what is under way on the storage is cut off.")
    await provider.abort()


async def _talk(parts: Parts) -> None:
    """Keep what the adapters bring and answer what is asked, and do what is due now and then, until it is stopped.

    Raises: as `_serve`.
    """
    provider, attachments, stopped = parts.provider, parts.attachments, parts.stopped
    async with AsyncExitStack() as stack:
        fetching = Fetching(provider, parts.adapters, attachments)
        manager, answering = _make_room(parts, fetching)
        await stack.enter_async_context(fetching)
        await stack.enter_async_context(answering)
        steps: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "Sweeping": (SWEEP_EVERY_S, partial(_sweep, provider, attachments)),
            "Expiring approvals": (EXPIRE_EVERY_S, partial(_expire, provider, answering)),
        }
        if parts.config.retention:
            retention = Retention(parts.config.retention, provider, attachments)
            steps["Retention"] = (SWEEP_EVERY_S, retention.carry_out)
        for name, (every_s, step) in steps.items():
            await stack.enter_async_context(in_background(every(every_s, name, step)))
        # While the adapters end, which may take seconds, no further handler begins.
        await stack.enter_async_context(in_background(when(stopped, answering.stop_taking)))
        stack.callback(stopped.set)
        await until(stopped, _serve(parts.adapters.values(), manager, answering, parts.refused))


def _make_room(parts: Parts, fetching: Fetching) -> tuple[ConversationManager, Answering]:
    """Make who keeps what is said, and who answers it."""
    config, own_posts = parts.config, OwnPosts()
    manager = ConversationManager(
        parts.provider,
        policy_of(config.bot),
        lambda: answering.wake(),  # noqa: PLW0108  # it is made below: each of the two needs the other
        files_changed=fetching.wake,
        adapters=parts.adapters,
        live_for=live_for(config.adapters),
        own_posts=own_posts,
        files=parts.attachments.files,
        observer=parts.observer,
    )
    answering = Answering(
        parts.provider,
        parts.adapters,
        config.handler_function,
        limits_of(config.bot),
        parts.attachments,
        fetch=fetching.read,
        fill=manager.fill,
        own_posts=own_posts,
        observer=parts.observer,
    )
    return manager, answering


async def _open(provider: StorageProvider, attachments: Attachments) -> None:
    """Initialize the provider, as soon as its storage answers, and look at the place of its files."""
    told_at = -TOLD_EVERY_S
    clock = asyncio.get_running_loop().time
    while True:
        try:
            await provider.initialize()
            return await attachments.open()
        except StorageUnavailableError as error:
            if clock() - told_at >= TOLD_EVERY_S:
                log.warning("Waiting for the storage: %s", error)
                told_at = clock()
        await asyncio.sleep(RETRY_S)


async def _connect(stack: AsyncExitStack, parts: Parts) -> None:
    """Enter the adapters.

    Raises: AdapterError: none was taken.
    """
    left: dict[str, AdapterError] = {}
    for adapter in make_adapters(parts.config.adapters, parts.provider):
        adapter.observer = parts.observer
        try:
            parts.adapters[adapter.platform] = await stack.enter_async_context(adapter)
        except AdapterError as error:
            left[adapter.platform] = error
    if parts.adapters or len(left) > 1:  # of a single one the caller tells
        for platform, refusal in left.items():
            log.error("%s is left: %s", platform, refusal)
    parts.refused.extend(left.values())
    if not parts.adapters:
        raise parts.refused[0]


async def _serve(
    adapters: Collection[Adapter],
    manager: ConversationManager,
    answering: Answering,
    refused: Collection[AdapterError] = (),
) -> None:
    """Take events in until no adapter has more, and answer what was asked.

    One platform that refuses does not end the others; its error is raised when they have ended. When none is left, or
    after another error, what is left to answer is not waited for.

    Args: refused: the errors of platforms that were not taken from the start.
    Raises: BrokenPipeError: nobody reads what an adapter posts; the answers wait for the next start.
    """

    async def serve(adapter: Adapter) -> Exception | None:
        try:
            await adapter.serve(manager)
        except AdapterError as error:
            if len(adapters) > 1:  # of a single one the caller tells
                log.error("%s is left: %s", adapter.platform, error)
            return error
        except BrokenPipeError as error:
            return error
        except Exception as error:  # noqa: BLE001  # here one adapter ends, and the others go on
            log.error("%s is left by %s.", adapter.platform, named(error))
            return error
        return None

    async def serve_all() -> None:
        left = [error for error in await asyncio.gather(*map(serve, adapters)) if error is not None]
        errors = sorted([*left, *refused], key=lambda error: isinstance(error, AdapterError))
        if len(left) < len(adapters) and (not errors or isinstance(errors[0], AdapterError)):
            await answering.drained()
        if errors:
            raise errors[0]

    if not await until(answering.outlet_closed, serve_all()):
        raise BrokenPipeError


async def _sweep(provider: StorageProvider, attachments: Attachments) -> None:
    """Let go of what nobody needs any more."""
    await provider.sweep_early_events(utc_now() - EARLY_EVENTS_LIVE)
    await provider.cleanup_expired_states()
    await attachments.recover()


async def _expire(provider: StorageProvider, answering: Answering) -> None:
    """Let the approvals expire whose time is over; their answers go on."""
    while await provider.expire_approvals():
        answering.wake()
