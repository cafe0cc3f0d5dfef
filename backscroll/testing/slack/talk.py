"""What can be done to a conversation, by a person or by the app: post, change, remove, react.

Each deed changes the state first and emits its events after. Knows neither the Web API nor how events travel.
Proved by `tests/unit/testing/test_events.py`.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Literal

from backscroll.testing.slack import events
from backscroll.testing.slack.models import Channel, File, Json, Message, Team, User
from backscroll.testing.slack.workspace import Workspace

Twins = Literal["message_first", "mention_first", "message_only", "mention_only"]


class Talk:
    """Carries out deeds and hands their events to `emit`."""

    def __init__(self, workspace: Workspace, emit: Callable[[Team, Json], None]) -> None:
        self.workspace = workspace
        self.emit = emit

    def post(
        self,
        channel: Channel,
        author: User | None,
        text: str,
        *,
        root: Message | None = None,
        subtype: str | None = None,
        blocks: list[Json] | None = None,
        files: Sequence[File] = (),
        metadata: Json | None = None,
        bot_id: str | None = None,
    ) -> Message:
        """Store a message without telling anyone. A reply to a reply stands under the root."""
        if root is not None and root.root is not None:
            root = root.root
        message = Message(
            channel=channel,
            ts=channel.next_ts(self.workspace.now_s()),
            text=text,
            author=author,
            subtype=subtype,
            root=root,
            blocks=blocks,
            files=list(files),
            metadata=metadata,
            bot_id=bot_id or (author.bot_id if author else None),
        )
        if author is not None and author.bot_id is None:
            message.client_msg_id = str(uuid.uuid4())
        channel.messages[message.ts] = message
        if root is not None:
            root.replies.append(message)
        for file in files:
            file.shares.append(message)
        return message

    def announce(self, message: Message, twins: Twins = "message_first") -> None:
        """Emit `message`, and `app_mention` when it mentions the bot.

        A mention outside a direct message is sent twice, as Slack does; where the bot is no member there is only the
        mention, and in a private channel nothing.
        """
        channel = message.channel
        told = [events.posted(message)] if channel.is_bot_member else []
        is_mentioned = channel.type != "im" and events.mentions(message.text, channel.team.bot_user_id)
        if is_mentioned and (told or channel.type == "channel"):
            if twins == "mention_only":
                told = [events.mentioned(message)]
            elif twins != "message_only":
                told.append(events.mentioned(message))
                if twins == "mention_first":
                    told.reverse()
        for event in told:
            self.emit(channel.team, event)

    def echo(self, message: Message) -> None:
        """Emit the `message` event of the app's own post."""
        switches = self.workspace.switches
        if switches.echo and message.channel.is_bot_member:
            event = events.posted(message, with_metadata=switches.echo_metadata)
            self.emit(message.channel.team, event)

    def change(self, message: Message, edit: Callable[[], None], *, with_previous: bool = True) -> None:
        """Change a message by calling `edit`, and emit `message_changed`."""
        switches = self.workspace.switches
        before = message.shown(with_metadata=switches.echo_metadata)
        edit()
        own = message.author is not None and message.author.id == message.channel.team.bot_user_id
        if own and not switches.echo:
            return
        after = message.shown(with_metadata=switches.echo_metadata)
        self._emit_in(
            message.channel,
            events.changed(after, before if with_previous else None, message.channel, self._ts(message.channel)),
        )

    def remove(self, message: Message, *, with_previous: bool = True) -> None:
        """Delete a message. Of a root with replies a tombstone stays, and `message_changed` tells of it."""
        channel = message.channel
        if message.replies:
            owner = events.slackbot(channel.team.id)
            self.change(message, lambda: events.tombstone(message, owner), with_previous=with_previous)
            return
        before = message.shown() if with_previous else None
        del channel.messages[message.ts]
        if message.root is not None:
            message.root.replies.remove(message)
        self._emit_in(channel, events.deleted(message.ts, before, channel, self._ts(channel)))

    def react(self, user: User, message: Message, name: str) -> bool:
        """Add a reaction; False when it is there already."""
        users = message.reactions.setdefault(name, [])
        if user.id in users:
            return False
        users.append(user.id)
        self._emit_reaction(user, message, name, removed=False)
        return True

    def unreact(self, user: User, message: Message, name: str) -> bool:
        """Take a reaction away; False when there is none."""
        users = message.reactions.get(name, [])
        if user.id not in users:
            return False
        users.remove(user.id)
        if not users:
            del message.reactions[name]
        self._emit_reaction(user, message, name, removed=True)
        return True

    def _emit_reaction(self, user: User, message: Message, name: str, *, removed: bool) -> None:
        own = user.id == message.channel.team.bot_user_id
        if own and not self.workspace.switches.echo:
            return
        event = events.reacted(user.id, name, message, self._ts(message.channel), removed=removed)
        self._emit_in(message.channel, event)

    def _emit_in(self, channel: Channel, event: Json) -> None:
        if channel.is_bot_member:
            self.emit(channel.team, event)

    def _ts(self, channel: Channel) -> str:
        return channel.next_ts(self.workspace.now_s())
