"""Everything this Slack knows: its teams, their people, channels and files, and the ids it gives out.

Only state: nothing here sends or answers. An id is unique over all teams, unless a test gives the same one twice.
Proved by `tests/unit/testing/test_workspace.py`.
"""

import itertools
import secrets
import time
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from backscroll.testing.slack.models import Channel, File, Json, Message, Team, User
from backscroll.testing.slack.switches import Switches

BOT_NAME = "backscroll"


class Workspace:
    """The state of one FakeSlack."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.base_url = ""
        self.app_id = "A0FAKEAPP1"
        self.app_token = f"xapp-1-{secrets.token_hex(8)}"
        self.signing_secret = secrets.token_hex(16)
        self.verification_token = secrets.token_hex(12)
        self.client_id = "10.20"
        self.client_secret = secrets.token_hex(16)
        self.files: dict[str, File] = {}
        self.users: dict[str, User] = {}
        self.codes: dict[str, Team] = {}
        self.statuses: dict[tuple[str, str], str] = {}
        self.revoked_tokens: set[str] = set()
        self._ids = itertools.count(1)
        # Another fake may feed the same store later, and event ids are unique for all time.
        self._run = secrets.token_hex(4).upper()
        self._events = itertools.count(1)
        self._teams: dict[str, Team] = {}
        self._by_token: dict[str, Team] = {}
        self._channels: dict[tuple[str, str], Channel] = {}
        self.team = self.add_team("Acme")

    def now_s(self) -> float:
        """Return this Slack's Unix time."""
        return time.time() + self.switches.clock_shift_s

    def new_id(self, prefix: str) -> str:
        """Return an id that looks like one of Slack's and was not given before."""
        return f"{prefix}0{next(self._ids):08d}"

    def new_event_id(self) -> str:
        """Return an event id that no other FakeSlack gives either."""
        return f"Ev{self._run}{next(self._events):08d}"

    @property
    def teams(self) -> list[Team]:
        """Every team, the first one first."""
        return list(self._teams.values())

    def add_team(self, name: str, *, org_wide: bool = False) -> Team:
        """Make a workspace with the app installed; `org_wide` for an installation in a whole organisation."""
        team_id = self.new_id("T")
        bot = User(
            id=self.new_id("U"),
            name=BOT_NAME,
            team_id=team_id,
            real_name=BOT_NAME,
            bot_id=self.new_id("B"),
            app_id=self.app_id,
        )
        team = Team(
            id=team_id,
            name=name,
            app_id=self.app_id,
            bot=bot,
            bot_token=f"xoxb-{secrets.token_hex(12)}",
            enterprise_id=self.new_id("E") if org_wide else None,
            is_org_wide=org_wide,
        )
        self.users[bot.id] = bot
        self._teams[team_id] = team
        self._by_token[team.bot_token] = team
        return team

    def team_of(self, token: str) -> Team | None:
        """Return the team that this bot token is for, revoked or not."""
        return self._by_token.get(token)

    def reinstall(self, team: Team) -> None:
        """Give a team another token; the old one works until it is revoked."""
        team.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self._by_token[team.bot_token] = team

    def add_user(self, name: str, *, bot: bool = False, team: Team | None = None, user_id: str | None = None) -> User:
        """Make a person, or a foreign app's bot user."""
        user = User(
            id=user_id or self.new_id("U"),
            name=name,
            team_id=(team or self.team).id,
            real_name=name.title(),
            bot_id=self.new_id("B") if bot else None,
            app_id=self.new_id("A") if bot else None,
        )
        self.users[user.id] = user
        return user

    def add_channel(
        self,
        name: str,
        kind: str,
        members: Sequence[User],
        *,
        is_bot_member: bool = True,
        team: Team | None = None,
        channel_id: str | None = None,
    ) -> Channel:
        """Make a conversation of this channel_type."""
        team = team or self.team
        channel = Channel(
            id=channel_id or self.new_id("D" if kind == "im" else "C"),
            name=name,
            team=team,
            type=kind,
            members=list(members),
            created=int(self.now_s()),
            is_bot_member=is_bot_member,
        )
        self._channels[team.id, channel.id] = channel
        return channel

    def open_with(self, users: Sequence[User], team: Team | None = None) -> Channel:
        """Return the direct conversation of the bot with these people; it is made on the first call.

        Without a `team` it is in the first one's.
        """
        team = team or self._teams.get(users[0].team_id, self.team)
        wanted = {user.id for user in users}
        for channel in self.channels_of(team):
            if channel.type in {"im", "mpim"} and {user.id for user in channel.members} == wanted:
                return channel
        if len(users) == 1:
            return self.add_channel("", "im", users, team=team)
        names = "--".join(user.name for user in users)
        return self.add_channel(f"mpdm-{names}-1", "mpim", users, team=team)

    def channels_of(self, team: Team) -> Iterator[Channel]:
        """Give every conversation of a team."""
        return (channel for channel in self._channels.values() if channel.team is team)

    def channel(self, team: Team, channel_id: str) -> Channel | None:
        """Return the conversation with this id, or None."""
        return self._channels.get((team.id, channel_id))

    def rename_id(self, channel: Channel) -> tuple[str, str]:
        """Give a channel another id; return the old and the new one."""
        old = channel.id
        del self._channels[channel.team.id, old]
        channel.id = self.new_id("C")
        self._channels[channel.team.id, channel.id] = channel
        return old, channel.id

    def add_file(self, name: str, content: bytes, mimetype: str, size: int, user: User, team: Team) -> File:
        """Make a file that no message shows yet."""
        file_id = self.new_id("F")
        file = File(
            id=file_id,
            name=name,
            title=name,
            mimetype=mimetype,
            size=size,
            team_id=team.id,
            user=user.id,
            created=int(self.now_s()),
            url=f"{self.base_url}/files-pri/{team.id}-{file_id}/{quote(name, safe='') or 'file'}",
            content=content,
        )
        self.files[file_id] = file
        return file

    def message(self, channel: Channel, ts: str) -> Message:
        """Return the message with this ts.

        Raises: ValueError: the channel has none.
        """
        message = channel.messages.get(ts)
        if message is None:
            raise ValueError(f"Channel {channel.id} has no message {ts}.")
        return message

    def thread(self, channel: Channel, ts: str) -> list[Message]:
        """Return a thread's root and its replies, oldest first; nothing when there is no such message."""
        root = channel.messages.get(ts)
        return [] if root is None else [root, *root.replies]

    def outer(self, team: Team, event: Json, overrides: Json) -> Json:
        """Return the `event_callback` around an event, with an event_id of its own.

        Source: docs.slack.dev/apis/events-api#callback-field
        """
        shared = event.get("channel")
        channel = self._channels.get((team.id, shared)) if isinstance(shared, str) else None
        payload: Json = {
            "token": self.verification_token,
            "team_id": team.id,
            "enterprise_id": team.enterprise_id,
            "context_team_id": team.id,
            "context_enterprise_id": team.enterprise_id,
            "api_app_id": team.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": self.new_event_id(),
            "event_time": int(self.now_s()),
            "authorizations": team.authorizations,
            "is_ext_shared_channel": channel is not None and channel.is_ext_shared,
            "event_context": "4-fake",
        }
        if overrides:
            payload.update(overrides)
        return payload
