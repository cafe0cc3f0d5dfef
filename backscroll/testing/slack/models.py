"""What a Slack workspace is made of: teams, people, channels, messages and files.

These are alive: they show what the fake knows now, and follow later edits and replies. Nothing here sends anything.
Shapes: docs.slack.dev/reference/objects. Proved by `tests/unit/testing/test_web.py`.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SLACKBOT = "USLACKBOT"
TOMBSTONE_TEXT = "This message was deleted."


@dataclass(slots=True, eq=False)
class Team:
    """A workspace where the app under test is installed, or a whole organisation when `is_org_wide`."""

    id: str
    name: str
    app_id: str
    bot: "User"
    bot_token: str = field(repr=False)
    enterprise_id: str | None = None
    is_org_wide: bool = False

    @property
    def bot_user_id(self) -> str:
        """The user id of the app's own bot."""
        return self.bot.id

    @property
    def bot_id(self) -> str:
        """The bot id (`B…`) of the app's own bot."""
        return self.bot.bot_id or ""

    @property
    def authorizations(self) -> list[Json]:
        """What every event of this team carries beside it: the installation that sees it."""
        return [
            {
                "enterprise_id": self.enterprise_id,
                "team_id": None if self.is_org_wide else self.id,
                "user_id": self.bot.id,
                "is_bot": True,
                "is_enterprise_install": self.is_org_wide,
            }
        ]


@dataclass(slots=True, eq=False)
class User:
    """A person, or the bot user of an app when `bot_id` is set."""

    id: str
    name: str
    team_id: str
    real_name: str
    bot_id: str | None = None
    app_id: str | None = None
    tz: str = "Europe/Berlin"
    is_stranger: bool = False

    def shown(self) -> Json:
        """Return the user object as users.info does."""
        return {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": False,
            "real_name": self.real_name,
            "tz": self.tz,
            "is_bot": self.bot_id is not None,
            "is_app_user": False,
            "is_stranger": self.is_stranger,
            "profile": {
                "real_name": self.real_name,
                "display_name": self.name,
                "team": self.team_id,
                **({"bot_id": self.bot_id, "api_app_id": self.app_id} if self.bot_id else {}),
            },
        }

    def profile(self) -> Json:
        """Return the `bot_profile` that a bot's messages carry."""
        return {
            "id": self.bot_id,
            "app_id": self.app_id,
            "user_id": self.id,
            "name": self.name,
            "deleted": False,
            "updated": 1_700_000_000,
            "team_id": self.team_id,
        }


@dataclass(slots=True, eq=False)
class Channel:
    """A conversation: a channel, a private group, a direct message or a group one.

    `type` is Slack's channel_type: channel, group, im or mpim. Clear `is_bot_member` to take the bot out.
    """

    id: str
    name: str
    team: Team
    type: str
    members: list[User]
    created: int
    is_bot_member: bool = True
    is_archived: bool = False
    is_ext_shared: bool = False
    messages: "dict[str, Message]" = field(default_factory=dict, repr=False)
    last_us: int = field(default=0, repr=False)

    @property
    def is_private(self) -> bool:
        """Whether only members may see it."""
        return self.type != "channel"

    def next_ts(self, now_s: float) -> str:
        """Return a ts above every earlier one of this channel, at `now_s` (Unix time) or just after the last."""
        self.last_us = max(self.last_us + 1, int(now_s * 1e6))
        return f"{self.last_us // 1_000_000}.{self.last_us % 1_000_000:06d}"

    def shown(self) -> Json:
        """Return the conversation object as conversations.info does."""
        shown: Json = {
            "id": self.id,
            "created": self.created,
            "is_archived": self.is_archived,
            "is_im": self.type == "im",
            "is_mpim": self.type == "mpim",
            "is_private": self.is_private,
            "is_ext_shared": self.is_ext_shared,
            "is_org_shared": False,
            "context_team_id": self.team.id,
        }
        if self.type == "im":
            return {**shown, "user": self.members[0].id}
        return {
            **shown,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.type == "channel",
            "is_group": self.type == "group",
            "is_member": self.is_bot_member,
            "num_members": len(self.members) + self.is_bot_member,
        }


@dataclass(slots=True, eq=False)
class File:
    """A file. Set its faults before the bot asks for it.

    `size` is what Slack announces; the content may be longer. `redirect_to` sends the download to another URL,
    `hang_s` holds it for so long. `needs_asking` makes events show the stub of Slack Connect, which only
    files.info completes.
    """

    id: str
    name: str
    title: str
    mimetype: str
    size: int
    team_id: str
    user: str
    created: int
    url: str
    content: bytes = field(default=b"", repr=False)
    redirect_to: str | None = None
    hang_s: float = 0.0
    needs_asking: bool = False
    shares: "list[Message]" = field(default_factory=list, repr=False)

    def shown(self, *, whole: bool = False) -> Json:
        """Return the file object as messages carry it; `whole` as files.info does, with its shares."""
        if self.needs_asking and not whole:
            return {"id": self.id, "created": self.created, "mode": "file_access", "file_access": "check_file_info"}
        shown: Json = {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title,
            "mimetype": self.mimetype,
            "filetype": self.name.rpartition(".")[2].lower(),
            "user": self.user,
            "user_team": self.team_id,
            "mode": "hosted",
            "is_external": False,
            "size": self.size,
            "url_private": self.url,
            "url_private_download": self.url,
            "file_access": "visible",
        }
        return {**shown, "shares": self._shares()} if whole else shown

    def _shares(self) -> Json:
        shares: Json = {}
        for message in self.shares:
            kind = shares.setdefault("private" if message.channel.is_private else "public", {})
            share = {"ts": message.ts, "channel_name": message.channel.name, "team_id": self.team_id}
            if message.thread_ts:
                share["thread_ts"] = message.thread_ts
            kind.setdefault(message.channel.id, []).append(share)
        return shares


@dataclass(slots=True, eq=False)
class Message:
    """A message. `thread_ts` is None on one that stands alone, its own ts on a root with replies."""

    channel: Channel
    ts: str
    text: str
    author: User | None
    subtype: str | None = None
    root: "Message | None" = field(default=None, repr=False)
    client_msg_id: str | None = None
    bot_id: str | None = None
    blocks: list[Json] | None = field(default=None, repr=False)
    attachments: list[Json] | None = field(default=None, repr=False)
    files: list[File] = field(default_factory=list)
    metadata: Json | None = None
    edited: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    replies: "list[Message]" = field(default_factory=list, repr=False)
    extra: Json = field(default_factory=dict, repr=False)
    is_streaming: bool = False
    stream_ends_s: float = 0.0

    @property
    def user(self) -> str | None:
        """The author's user id; None for what was posted without one."""
        return self.author.id if self.author else None

    @property
    def thread_ts(self) -> str | None:
        """The ts of the thread's root, or None."""
        if self.root is not None:
            return self.root.ts
        return self.ts if self.replies or self.subtype == "assistant_app_thread" else None

    def shown(self, *, with_metadata: bool = False) -> Json:
        """Return the message as conversations.history and .replies do; metadata comes only when asked for."""
        shown: Json = {"type": "message"}
        if self.subtype is not None:
            shown["subtype"] = self.subtype
        if self.author is not None:
            shown["user"] = self.author.id
        if self.client_msg_id is not None:
            shown["client_msg_id"] = self.client_msg_id
        shown["ts"] = self.ts
        shown["text"] = self.text
        shown["team"] = self.author.team_id if self.author else self.channel.team.id
        self._show_author(shown)
        self._show_rest(shown)
        self._show_thread(shown)
        if self.metadata is not None and with_metadata:
            shown["metadata"] = self.metadata
        if self.extra:
            shown.update(self.extra)
        return shown

    def _show_author(self, shown: Json) -> None:
        if self.bot_id is not None:
            shown["bot_id"] = self.bot_id
            shown["app_id"] = self.channel.team.app_id
        if self.author is None:
            return
        if self.author.bot_id is not None:
            shown["app_id"] = self.author.app_id
            shown["bot_profile"] = self.author.profile()
        if self.author.team_id != self.channel.team.id:
            # Someone from another workspace, in a shared channel.
            shown["user_team"] = shown["source_team"] = self.author.team_id

    def _show_rest(self, shown: Json) -> None:
        if self.blocks:
            shown["blocks"] = self.blocks
        if self.attachments:
            shown["attachments"] = self.attachments
        if self.files:
            shown["files"] = [file.shown() for file in self.files]
            shown["upload"] = False
        if self.edited is not None:
            shown["edited"] = self.edited
        if self.reactions:
            shown["reactions"] = [{"name": n, "users": list(u), "count": len(u)} for n, u in self.reactions.items()]

    def _show_thread(self, shown: Json) -> None:
        if self.root is not None:
            shown["thread_ts"] = self.root.ts
            if self.root.user is not None:
                shown["parent_user_id"] = self.root.user
        elif self.replies:
            shown["thread_ts"] = self.ts
            shown["reply_count"] = len(self.replies)
            shown["reply_users"] = list(dict.fromkeys(r.user for r in self.replies if r.user is not None))[:5]
            shown["latest_reply"] = self.replies[-1].ts
