"""What Slack sends: kept before it is acknowledged, or put aside with its reason.

Whether a delivery is a retry makes no difference: storage keeps each message once. Proved by
`tests/scenario/test_slack_events.py`, `test_slack_malformed.py` and `test_slack_outage.py`.
"""

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from backscroll.adapters.base import Inbox
from backscroll.adapters.fields import MalformedError, id_in, need, object_in, text_in, unstorable
from backscroll.adapters.lanes import Lanes
from backscroll.adapters.observing import Observer
from backscroll.adapters.rejecting import put_aside
from backscroll.adapters.slack.approvals import PRESSED, Approvals
from backscroll.adapters.slack.assistant import Assistant
from backscroll.adapters.slack.lanes import lane_of
from backscroll.adapters.slack.names import NameBook
from backscroll.adapters.slack.timestamps import timestamp_in
from backscroll.adapters.slack.translate import PLATFORM, channels_in, people_in, translate
from backscroll.adapters.slack.workspaces import Workspace, Workspaces
from backscroll.errors import (
    AdapterError,
    AdapterUnavailableError,
    EchoPendingError,
    StorageError,
    StorageUnavailableError,
    named,
)
from backscroll.storage.keys import ThreadKey

log = logging.getLogger(__name__)

ACK_S = 2.6
"""Seconds after which an event is left unacknowledged. Slack waits three. Source: docs.slack.dev/apis/events-api"""

NEW = "/new"
SECOND = timedelta(seconds=1)
# Anything else might be somebody's words, and is not logged.
_EVENT_ID = re.compile(r"Ev[A-Za-z0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What Slack is told: `is_kept`, or to send it again; `text` answers a slash command."""

    is_kept: bool
    text: str = ""


class Receiver:
    """Takes the bodies of Slack's requests, however they come."""

    def __init__(
        self,
        inbox: Inbox,
        workspaces: Workspaces,
        names: NameBook,
        assistant: Assistant,
        approvals: Approvals,
        observer: Observer | None = None,
    ) -> None:
        self._inbox = inbox
        self._workspaces = workspaces
        self._names = names
        self._assistant = assistant
        self._approvals = approvals
        self._observer = observer or Observer()
        self._lanes = Lanes()

    async def receive(self, body: Any, sent_at: datetime | None = None) -> Reply:
        """Keep what a request tells of.

        Args: sent_at: when Slack sent it; None means now.
        """
        began_at, ids = time.monotonic(), {"event_id": _event_id(body), "platform": PLATFORM}
        try:
            async with asyncio.timeout(ACK_S):
                reply = await self._receive(body, sent_at or datetime.now(UTC))
        except EchoPendingError:
            fact = "Slack's event %s is not acknowledged yet: a post of ours that is not marked."
            log.info(fact, ids["event_id"], extra=ids)
        except (StorageUnavailableError, AdapterUnavailableError, TimeoutError) as error:
            fact = error.message if isinstance(error, StorageError | AdapterError) else f"more than {ACK_S:g} s passed."
            log.warning("Slack's event %s is not acknowledged: %s", ids["event_id"], fact, extra=ids)
        except Exception as error:  # noqa: BLE001  # here one event ends
            log.error("Slack's event %s is not acknowledged: %s.", ids["event_id"], named(error), extra=ids)
        else:
            self._observer.event_acknowledged(PLATFORM, time.monotonic() - began_at)
            return reply
        self._observer.event_not_acknowledged(PLATFORM)
        return Reply(is_kept=False)

    async def _receive(self, body: Any, sent_at: datetime) -> Reply:
        try:
            body = need(object_in, {"payload": body}, "payload")
            if "command" in body and "event" not in body:
                return await self._take_command(body, sent_at)
            if body.get("type") == "app_rate_limited":
                log.warning("Slack holds events back for a minute: there were more than 30,000 in an hour.")
            elif body.get("type") == "event_callback" or "event" in body:
                await self._take_event(body)
            elif body.get("type") == PRESSED:
                await self._approvals.take(self._inbox, body)
        except (StorageUnavailableError, AdapterUnavailableError):
            raise
        except (MalformedError, AdapterError, StorageError) as error:
            await self.put_aside(body, str(error))
        except Exception as error:  # noqa: BLE001  # whatever is wrong with it, the next one is heard
            await self.put_aside(body, f"{named(error)}.")
        return Reply(is_kept=True)

    async def replay(self, body: dict[str, Any]) -> None:
        """Keep what an event tells of that was put aside. Errors as `Adapter.replay`."""
        if "event" not in body:
            raise AdapterError("It is no event: commands, buttons and what was unreadable are not played again.")
        await self._take_event(body)

    async def put_aside(self, body: Any, reason: str) -> None:
        """Keep an event that could not be understood, for somebody to look at.

        Raises: StorageUnavailableError: it is not kept.
        """
        ids = {"event_id": _event_id(body), "platform": PLATFORM}
        log.warning("Slack's event %s is put aside: %s", ids["event_id"], reason, extra=ids)
        await put_aside(self._inbox, PLATFORM, reason, body)

    async def _take_event(self, body: dict[str, Any]) -> None:
        event = need(object_in, body, "event")
        kind = need(text_in, event, "event.type")
        if kind in ("app_uninstalled", "tokens_revoked"):
            # Both come when the app is removed; the second finds no installation that it could be for.
            await self._workspaces.revoke(body)
            return
        workspace = await self._workspaces.of_body(body)
        match kind:
            case "assistant_thread_started" | "assistant_thread_context_changed":
                key, context, is_new = _assistant_thread(event, workspace)
                await self._inbox.keep_context(key, context)
                if is_new:
                    self._assistant.greet(workspace, key)
            case "app_home_opened" | "app_context_changed":
                key, looked_at = _agent_view(event, workspace)
                if looked_at is not None:
                    await self._inbox.keep_context(key, looked_at)
                if event.get("tab") == "messages":
                    self._assistant.greet(workspace, key)
            case "channel_rename" | "group_rename":
                channel = need(object_in, event, "event.channel")
                channel_id, name = (
                    need(id_in, channel, "event.channel.id"),
                    need(text_in, channel, "event.channel.name"),
                )
                self._names.rename(workspace.us.workspace, channel_id, name)
            case _:
                # A message whose author's name is asked for is not overtaken in its thread. A post of ours may have to
                # wait for its mark, and holds up nobody.
                lane = None if event.get("user") == workspace.us.bot_user_id else lane_of(event)
                async with self._lanes.lane(lane):
                    names = await self._names.learn(workspace, people_in(body), channels_in(body))
                    for each in translate(body, workspace.us, names):
                        await self._record(each)

    async def _record(self, event: Any) -> None:
        try:
            await self._inbox.record(event)
        except ValueError as error:
            raise unstorable(error) from None

    async def _take_command(self, body: dict[str, Any], sent_at: datetime) -> Reply:
        if need(text_in, body, "command") != NEW:
            return Reply(is_kept=True, text="This bot has no such command.")
        channel, workspace = need(id_in, body, "channel_id"), await self._workspaces.of_body(body)
        if not channel.startswith("D"):
            return Reply(is_kept=True, text=f"{NEW} begins a new thread in a direct message; here every thread is one.")
        # When it was sent is known to the second: what was written within that came before it.
        key, asked_at = ThreadKey(PLATFORM, workspace.us.workspace, channel, channel), sent_at + SECOND
        await self._inbox.start_thread(key, asked_at=asked_at)
        return Reply(is_kept=True, text="A new thread begins.")


def _assistant_thread(event: dict[str, Any], workspace: Workspace) -> tuple[ThreadKey, dict[str, Any], bool]:
    thread = need(object_in, event, "event.assistant_thread")
    channel = need(id_in, thread, "event.assistant_thread.channel_id")
    timestamp = need(timestamp_in, thread, "event.assistant_thread.thread_ts")
    context = object_in(thread, "event.assistant_thread.context") or {}
    key = ThreadKey(PLATFORM, workspace.us.workspace, channel, timestamp)
    return key, context, event["type"] == "assistant_thread_started"


def _agent_view(event: dict[str, Any], workspace: Workspace) -> tuple[ThreadKey, dict[str, Any] | None]:
    """Read which DM somebody opened or has beside what they look at now, and what that is."""
    channel = need(id_in, event, "event.channel")
    key = ThreadKey(PLATFORM, workspace.us.workspace, channel, channel)
    return key, object_in(event, "event.context")


def _event_id(body: Any) -> str:
    event_id = body.get("event_id") if isinstance(body, dict) else None
    return event_id if isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id) else "without an id"
