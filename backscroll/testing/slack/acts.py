"""What people do in this Slack, and what Slack itself does: every deed that sends the app something.

Proved by `tests/unit/testing/test_events.py` and `test_delivery.py`.
"""

import asyncio
import json
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp

from backscroll.testing.slack import events, interactions
from backscroll.testing.slack.delivery import Courier
from backscroll.testing.slack.models import Channel, File, Json, Message, Team, User
from backscroll.testing.slack.requests import FORM_TYPE, Answer, Requests
from backscroll.testing.slack.sockets import Sockets
from backscroll.testing.slack.switches import Switches
from backscroll.testing.slack.talk import Talk, Twins
from backscroll.testing.slack.workspace import Workspace

COMMAND_S = 3.0


class Acts(Switches):
    """The deeds. Each returns when its frames are on their way, not when the app has acked them."""

    def __post_init__(self) -> None:
        self._workspace = Workspace(self)
        self._courier = Courier(self)
        self._sockets = Sockets(self._workspace, self._courier)
        self._requests = Requests(self._workspace, self._courier)
        self._talk = Talk(self._workspace, self._emit)
        self._courier.use(self._sockets, self._requests)

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread: Message | str | None = None,
        broadcast: bool = False,
        files: Sequence[File] = (),
        subtype: str | None = None,
        blocks: list[Json] | None = None,
        twins: Twins = "message_first",
    ) -> Message:
        """Let someone say something.

        `<@BOT>` in the text is the bot's mention. A mention outside a direct message comes as `message` and as
        `app_mention`, with two event ids; `twins` chooses the order, or leaves one of them out.

        Args:
            thread: the message, or its ts, under which it is said; a reply stands for its thread.
            broadcast: whether a reply is shown in the channel too.
            subtype: None is found from what is said (file_share, thread_broadcast).
            blocks: None makes those of a person's client, an empty list leaves them out.
        Raises: ValueError: the channel has no message with this ts.
        """
        text = text.replace("<@BOT>", f"<@{channel.team.bot_user_id}>")
        root = self._workspace.message(channel, thread) if isinstance(thread, str) else thread
        if subtype is None and files:
            subtype = "file_share"
        elif subtype is None and broadcast and root is not None:
            subtype = "thread_broadcast"
        is_classic = subtype == "bot_message"
        message = self._talk.post(
            channel,
            None if is_classic else user,
            text,
            root=root,
            subtype=subtype,
            blocks=events.rich_text(text) if blocks is None and text else blocks,
            files=files,
            bot_id=user.bot_id,
        )
        if is_classic:
            message.extra = {"username": user.name}
        self._talk.announce(message, twins)
        await asyncio.sleep(0)
        return message

    async def edit(self, message: Message, text: str, *, with_previous: bool = True) -> None:
        """Let the author change a message; `with_previous` False leaves previous_message out of the event."""

        def change() -> None:
            message.text, message.blocks = text, events.rich_text(text)
            ts = message.channel.next_ts(self._workspace.now_s())
            message.edited = {"user": message.user or "", "ts": ts}

        self._talk.change(message, change, with_previous=with_previous)
        await asyncio.sleep(0)

    async def unfurl(self, message: Message, url: str = "https://example.com/") -> None:
        """Let Slack add a link's preview: a `message_changed` with the same text, and no `edited`."""

        def change() -> None:
            preview = {"id": 1, "from_url": url, "title": "Example", "fallback": "Example"}
            message.attachments = [*(message.attachments or []), preview]

        self._talk.change(message, change)
        await asyncio.sleep(0)

    async def delete(self, message: Message, *, with_previous: bool = True) -> None:
        """Let someone delete a message. Of a root with replies a tombstone stays, told as `message_changed`.

        Raises: ValueError: it is deleted already.
        """
        if message.channel.messages.get(message.ts) is not message:
            raise ValueError(f"Message {message.ts} of channel {message.channel.id} is deleted already.")
        self._talk.remove(message, with_previous=with_previous)
        await asyncio.sleep(0)

    async def react(self, user: User, message: Message, name: str) -> None:
        """Let someone react; twice is once."""
        self._talk.react(user, message, name)
        await asyncio.sleep(0)

    async def unreact(self, user: User, message: Message, name: str) -> None:
        """Let someone take a reaction back."""
        self._talk.unreact(user, message, name)
        await asyncio.sleep(0)

    async def open_assistant(self, user: User, context: Json | None = None, *, team: Team | None = None) -> Message:
        """Let someone open the assistant; return the new thread's root, to say something under.

        Source: docs.slack.dev/reference/events/assistant_thread_started
        """
        channel = self._workspace.open_with([user], team)
        root = self._talk.post(channel, channel.team.bot, "New Assistant Thread", subtype="assistant_app_thread")
        await self._tell_assistant("assistant_thread_started", user.id, root, context or {})
        return root

    async def change_context(self, user: User, thread: Message, context: Json) -> None:
        """Let someone look at something else while an assistant thread is open."""
        await self._tell_assistant("assistant_thread_context_changed", user.id, thread, context)

    async def _tell_assistant(self, kind: str, user_id: str, root: Message, context: Json) -> None:
        ts = root.channel.next_ts(self._workspace.now_s())
        self._emit(root.channel.team, events.assistant_thread(kind, user_id, root, context, ts))
        await asyncio.sleep(0)

    async def rename_channel(self, channel: Channel, name: str) -> None:
        """Give a channel another name; its id stays."""
        channel.name = name
        ts = channel.next_ts(self._workspace.now_s())
        shown = {"id": channel.id, "name": name, "name_normalized": name, "created": channel.created}
        kind = "group_rename" if channel.is_private else "channel_rename"
        await self.send_event({"type": kind, "channel": shown, "event_ts": ts}, team=channel.team)

    async def change_channel_id(self, channel: Channel) -> str:
        """Give a channel another id, as sharing it does; return the old one."""
        old, new = self._workspace.rename_id(channel)
        ts = channel.next_ts(self._workspace.now_s())
        event = {"type": "channel_id_changed", "old_channel_id": old, "new_channel_id": new, "event_ts": ts}
        await self.send_event(event, team=channel.team)
        return old

    async def send_command(
        self, user: User, channel: Channel, command: str, text: str = "", *, timeout_s: float = COMMAND_S
    ) -> Any:
        """Let someone give a slash command; return what the app answered with its ack, None when it was empty.

        What the app sends to the response_url comes into `responses`.
        Raises: TimeoutError: the app did not answer in time, or has no socket open.
        Source: docs.slack.dev/interactivity/implementing-slash-commands
        """
        payload: Json = {
            "token": self._workspace.verification_token,
            "team_id": channel.team.id,
            "team_domain": channel.team.name.lower(),
            "channel_id": channel.id,
            "channel_name": channel.name or "directmessage",
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": text,
            "api_app_id": channel.team.app_id,
            "is_enterprise_install": str(channel.team.is_org_wide).lower(),
            "response_url": f"{self._workspace.base_url}/commands/{channel.team.id}/{channel.id}",
            "trigger_id": secrets.token_hex(8),
        }
        if self.request_url is not None:
            return await self._requests.ask(payload, timeout_s)
        return await self._sockets.ask("slash_commands", payload, timeout_s)

    async def press(self, user: User, message: Message, label: str, *, timeout_s: float = COMMAND_S) -> bool:
        """Let someone press a button below a message; return whether the app acknowledged it in time.

        If it did not, Slack shows the person an error, and sends nothing again. What the app sends to the response_url
        comes into `responses`, and with `replace_original` or `delete_original` changes the message.
        Raises: ValueError: the message has no button with this text now.
        Source: docs.slack.dev/interactivity/handling-user-interaction
        """
        payload = interactions.pressed(self._workspace, user, message, label)
        return await self.send_interaction(payload, timeout_s=timeout_s)

    async def send_interaction(self, payload: Json, *, timeout_s: float = COMMAND_S) -> bool:
        """Send any payload as that of a press of a button, once; return as `press`."""
        try:
            if self.request_url is None:
                await self._sockets.ask("interactive", payload, timeout_s)
                return True
            body = urlencode({"payload": json.dumps(payload)}).encode()
            answer = await self._requests.send(body, content_type=FORM_TYPE, timeout_s=timeout_s)
        except (TimeoutError, aiohttp.ClientError):
            return False
        return 200 <= answer.status < 300

    async def send_event(self, event: Json, *, team: Team | None = None, **outer: Any) -> str:
        """Send any event in its envelope and return the event_id; `outer` replaces fields around it."""
        payload = self._workspace.outer(team or self._workspace.team, event, outer)
        self._courier.post(payload)
        await asyncio.sleep(0)
        return str(payload["event_id"])

    async def send_payload(self, payload: Json | bytes) -> None:
        """Send something malformed: a dictionary as the payload of an envelope, bytes as a frame of their own.

        In HTTP mode bytes are a signed body. A payload without an event_id comes again like any other.
        """
        if isinstance(payload, dict):
            self._courier.post(payload)
            await asyncio.sleep(0)
        elif self.request_url is not None:
            await self._requests.send(payload)
        else:
            await self._sockets.send_frame(payload)

    async def send_request(
        self,
        payload: Json,
        *,
        signing_secret: str | None = None,
        age_s: float = 0.0,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Post one HTTP request and return the answer; it is never repeated.

        Args:
            signing_secret: another one gives a wrong signature.
            age_s: how old its timestamp is; negative for the future.
            headers: put over the signed ones.
        Raises: TimeoutError; aiohttp.ClientError.
        """
        body = json.dumps(payload).encode()
        return await self._requests.send(body, signing_secret=signing_secret, age_s=age_s, headers=headers)

    async def replay_request(self) -> Answer:
        """Post the last HTTP request once more, byte for byte, with its old signature.

        Raises: RuntimeError: nothing was sent yet.
        """
        return await self._requests.replay()

    async def verify_url(self) -> bool:
        """Send the `url_verification` of a new Request URL; return whether the app gave the challenge back."""
        challenge = secrets.token_hex(16)
        payload = {"token": self._workspace.verification_token, "challenge": challenge, "type": "url_verification"}
        content = (await self.send_request(payload)).content
        return bool((content.get("challenge") if isinstance(content, dict) else content) == challenge)

    async def revoke_tokens(self, team: Team | None = None) -> None:
        """Revoke a team's bot token and tell the app by `tokens_revoked`."""
        team = team or self._workspace.team
        self._workspace.revoked_tokens.add(team.bot_token)
        await self.send_event({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [team.bot.id]}}, team=team)

    async def uninstall(self, team: Team | None = None) -> None:
        """Take the app out of a team: its token ends, `tokens_revoked` and `app_uninstalled` tell of it."""
        await self.revoke_tokens(team)
        await self.send_event({"type": "app_uninstalled"}, team=team)

    def _emit(self, team: Team, event: Json) -> None:
        self._courier.post(self._workspace.outer(team, event, {}))
