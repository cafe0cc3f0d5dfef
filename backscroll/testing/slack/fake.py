"""FakeSlack itself: its life, its workspace, and what a test may look at."""

import mimetypes
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from backscroll.testing.faults import Fault
from backscroll.testing.loopback import BODY_BYTES, HOST, PATIENCE_S, Server, Waiting
from backscroll.testing.slack import sockets
from backscroll.testing.slack.acts import Acts
from backscroll.testing.slack.delivery import Delivery
from backscroll.testing.slack.files import FileServer
from backscroll.testing.slack.interactions import is_wanted
from backscroll.testing.slack.models import Channel, File, Json, Message, Team, User
from backscroll.testing.slack.web import ReceivedCall, WebApi, read_params


@dataclass(eq=False, kw_only=True)
class FakeSlack(Acts, Waiting):
    """A Slack on loopback, to which real clients connect: Web API, Socket Mode or signed HTTP requests, files.

    Point a client at `api_url` and give it `bot_token`, and `app_token` or `signing_secret`; the bot may run in this
    process or in any other. Every argument is described in Switches. Entered once more after it was left, it listens
    on the same port and knows all it knew, but events under way are forgotten: an outage of Slack.

    ```python
    async with FakeSlack() as slack:
        anna = slack.add_user("anna")
        general = slack.add_channel("general", members=[anna])
        ...  # start the bot
        await slack.say(anna, general, "hello <@BOT>")
        await slack.until(lambda: slack.posted_by_bot(general))
    ```
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._web = WebApi(self._workspace, self._talk, self._courier, self._sockets)
        self._files = FileServer(self._workspace)
        self._server = Server()
        self.responses: list[Json] = []

    async def __aenter__(self) -> Self:
        """Listen.

        Raises: RuntimeError: it is open already. OSError: the port is taken.
        """
        if self._server.is_open:
            raise RuntimeError("FakeSlack is open already.")
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", "/api/{method}", self._web.serve)
        app.router.add_get(sockets.PATH, self._sockets.serve)
        app.router.add_get("/files-pri/{key}/{name}", self._files.give)
        app.router.add_post("/upload/v1/{file_id}", self._files.take)
        app.router.add_post("/commands/{team}/{channel}", self._respond)
        app.router.add_post("/actions/{team}/{channel}/{ts}", self._respond)
        try:
            self.port = await self._server.open(app, self.port)
        except BaseException:
            await self._close()
            raise
        self._workspace.base_url = f"http://{HOST}:{self.port}"
        self._requests.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        """Cut every socket, stop listening, end what still runs: calls that end may have sent events."""
        self._sockets.drop()
        await self._server.close()
        await self._courier.close()
        await self._requests.close()

    @property
    def api_url(self) -> str:
        """What clients take as base_url, with its final slash."""
        return f"{self._workspace.base_url}/api/"

    @property
    def team(self) -> Team:
        """The first workspace; `add_team` makes more."""
        return self._workspace.team

    @property
    def bot_token(self) -> str:
        """The first team's bot token."""
        return self.team.bot_token

    @property
    def app_token(self) -> str:
        """The app-level token, for Socket Mode."""
        return self._workspace.app_token

    @property
    def signing_secret(self) -> str:
        """What HTTP requests are signed with."""
        return self._workspace.signing_secret

    @property
    def client_id(self) -> str:
        """The app's client id, for OAuth."""
        return self._workspace.client_id

    @property
    def client_secret(self) -> str:
        """The app's client secret, for OAuth."""
        return self._workspace.client_secret

    @property
    def app_id(self) -> str:
        """The app's id, in all teams."""
        return self._workspace.app_id

    @property
    def team_id(self) -> str:
        """The first team's id."""
        return self.team.id

    @property
    def bot_user_id(self) -> str:
        """The bot's user id in the first team."""
        return self.team.bot_user_id

    @property
    def bot_id(self) -> str:
        """The bot's bot id in the first team."""
        return self.team.bot_id

    def add_team(self, name: str, *, org_wide: bool = False) -> Team:
        """Install the app in one more workspace, or with `org_wide` in a whole organisation."""
        return self._workspace.add_team(name, org_wide=org_wide)

    def new_code(self, team: Team | None = None) -> str:
        """Return a code that oauth.v2.access changes, once, for a new token of this team."""
        team = team or self.team
        if team.bot_token in self._workspace.revoked_tokens:
            self._workspace.reinstall(team)
        code = secrets.token_hex(8)
        self._workspace.codes[code] = team
        return code

    def add_user(self, name: str, *, bot: bool = False, team: Team | None = None, user_id: str | None = None) -> User:
        """Make a person, or with `bot` the bot user of a foreign app."""
        return self._workspace.add_user(name, bot=bot, team=team, user_id=user_id)

    def add_channel(
        self,
        name: str,
        *,
        members: Sequence[User] = (),
        private: bool = False,
        is_bot_member: bool = True,
        team: Team | None = None,
        channel_id: str | None = None,
    ) -> Channel:
        """Make a channel. The same `channel_id` in two teams is two channels, as in Slack."""
        kind = "group" if private else "channel"
        return self._workspace.add_channel(
            name, kind, members, is_bot_member=is_bot_member, team=team, channel_id=channel_id
        )

    def open_dm(self, user: User, *, team: Team | None = None) -> Channel:
        """Return the bot's direct messages with someone, always the same conversation; by default in their team."""
        return self._workspace.open_with([user], team)

    def open_group_dm(self, users: Sequence[User], *, team: Team | None = None) -> Channel:
        """Return the bot's group message with these people; always the same conversation."""
        return self._workspace.open_with(users, team)

    def add_file(
        self,
        user: User,
        name: str,
        content: bytes,
        *,
        mimetype: str | None = None,
        size: int | None = None,
        team: Team | None = None,
    ) -> File:
        """Make a file for `say(files=…)`. Another `size` than the content's is a lie that Slack tells.

        Raises: RuntimeError: the fake is not open, so the file can have no URL.
        """
        if not self._workspace.base_url:
            raise RuntimeError("FakeSlack is not open.")
        mimetype = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
        announced = len(content) if size is None else size
        return self._workspace.add_file(name, content, mimetype, announced, user, team or self.team)

    def fail(self, method: str, fault: Fault, *, times: int = 1, channel: Channel | None = None) -> None:
        """Let the next calls of a method go wrong; `*` is any method. Faults happen in the order they were ordered."""
        self._web.faults.order(method, fault, times, channel.id if channel else None)

    def forgive(self) -> None:
        """Take back every fault that has not happened yet."""
        self._web.faults.clear()

    def drop_sockets(self) -> None:
        """Cut every WebSocket's TCP connection, without a close frame."""
        self._sockets.drop()

    async def refresh_sockets(self, reason: str = "refresh_requested") -> None:
        """Tell every WebSocket's client to connect anew; what it still acks counts."""
        await self._sockets.refresh(reason)

    def refuse_connections(self, refuse: bool = True) -> None:
        """Let no new WebSocket in, nor give out its URL; `False` ends it. Open ones stay."""
        self._sockets.are_refused = refuse

    @property
    def socket_count(self) -> int:
        """How many WebSockets take events now."""
        return self._sockets.count

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to deliver an event, in the order of sending."""
        return self._courier.deliveries

    @property
    def calls(self) -> list[ReceivedCall]:
        """Every Web API call, also those that went wrong, as `(method, params)`."""
        return self._web.calls

    def calls_of(self, method: str) -> list[Json]:
        """Return the params of every call of one method."""
        return [call.params for call in self._web.calls if call.method == method]

    def messages(self, channel: Channel) -> list[Json]:
        """Return all messages of a channel, replies too, oldest first, as Slack returns them with metadata."""
        return [message.shown(with_metadata=True) for message in channel.messages.values()]

    def thread(self, channel: Channel, ts: str | Message) -> list[Json]:
        """Return a thread's root and replies, oldest first; nothing when there is none."""
        root_ts = ts if isinstance(ts, str) else ts.thread_ts or ts.ts
        return [message.shown(with_metadata=True) for message in self._workspace.thread(channel, root_ts)]

    def message(self, channel: Channel, ts: str) -> Message:
        """Return a message, also one of the app's, to edit it, delete it or react to it.

        Raises: ValueError: the channel has no message with this ts.
        """
        return self._workspace.message(channel, ts)

    def own_messages(self, channel: Channel) -> list[Message]:
        """Return the app's own messages in a channel, oldest first."""
        own = channel.team.bot_id
        return [message for message in channel.messages.values() if message.bot_id == own]

    def posted_by_bot(self, channel: Channel) -> list[str]:
        """Return the texts, as they are now, of the app's own messages in a channel, oldest first."""
        return [message.text for message in self.own_messages(channel)]

    def status(self, thread: Message) -> str:
        """Return the status that the app shows in an assistant thread; empty when it shows none."""
        return self._workspace.statuses.get((thread.channel.id, thread.thread_ts or thread.ts), "")

    async def quiet(self, timeout: float = PATIENCE_S) -> None:  # noqa: ASYNC109
        """Wait until every event is acked, or given up after its last repeat.

        Raises: TimeoutError: some are still under way.
        """
        try:
            await self.until(lambda: self._courier.count == 0, timeout)
        except TimeoutError:
            raise TimeoutError(f"{self._courier.count} events were not acked in {timeout} s.") from None

    async def _respond(self, request: web.Request) -> web.Response:
        """Take what the app sends to a response_url; `in_channel` makes it a message without a user.

        That of a button may also change or delete the message that it stands below.
        Source: docs.slack.dev/interactivity/handling-user-interaction#message_responses
        """
        params = await read_params(request)
        self.responses.append(params)
        team = next((team for team in self._workspace.teams if team.id == request.match_info["team"]), self.team)
        channel = self._workspace.channel(team, request.match_info["channel"])
        message = None if channel is None else channel.messages.get(request.match_info.get("ts", ""))
        if message is not None and is_wanted(params, "delete_original"):
            self._talk.remove(message)
        elif message is not None and is_wanted(params, "replace_original"):
            self._talk.change(message, lambda: _replace(message, params))
        elif channel is not None and params.get("response_type") == "in_channel":
            text = str(params.get("text", ""))
            self._talk.echo(self._talk.post(channel, None, text, bot_id=team.bot_id))
        return web.Response(text="ok")


def _replace(message: Message, params: Json) -> None:
    message.text, message.blocks = str(params.get("text", "")), params.get("blocks")
