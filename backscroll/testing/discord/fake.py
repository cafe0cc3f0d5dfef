"""FakeDiscord itself: its life, its people and places, and what a test may look at."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from backscroll.testing.discord import gateway, rest
from backscroll.testing.discord.faults import fits
from backscroll.testing.discord.files import FileServer
from backscroll.testing.discord.models import (
    SPOKEN,
    Channel,
    File,
    Guild,
    Json,
    Kind,
    Message,
    Role,
    Thread,
    User,
)
from backscroll.testing.discord.rest import ReceivedCall, RestApi
from backscroll.testing.discord.routes import Desk
from backscroll.testing.discord.trouble import Trouble
from backscroll.testing.faults import Fault
from backscroll.testing.loopback import BODY_BYTES, HOST, PATIENCE_S, Server, Waiting


@dataclass(eq=False, kw_only=True)
class FakeDiscord(Trouble, Waiting):
    """A Discord on loopback, to which real clients connect: REST v10, gateway v10, files, interactions.

    Point a client at `api_url`, in discord.py as `discord.http.Route.BASE`, and at `gateway_url`, which
    `GET /gateway/bot` gives out as well, and give it `token`; the bot may run in this process or in any other. Every
    argument is described in Switches. Entered once more after it was left, it listens on the same port and knows all
    it knew but sessions: an outage of Discord, after which clients identify anew.

    ```python
    async with FakeDiscord() as discord:
        anna = discord.add_user("anna")
        general = discord.add_channel("general")
        ...  # start the bot
        await discord.say(anna, general, "hello <@BOT>")
        await discord.until(lambda: discord.posted_by_bot(general))
    ```

    People `say`, `edit`, `delete`, `react`, `start_thread`, `post_in_forum`, `use_command` and `press`; each deed
    changes what stands there and sends its events to every session that asked for them. What the bot does over REST
    does the same.
    `fail` orders trouble for REST calls; `drop_sockets`, `reconnect`, `invalidate_sessions` and `send_raw` make it on
    the gateway. `messages`, `posted_by_bot`, `thread_of` and `calls` look; `until` and `quiet` wait.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        desk = Desk(self._world, self._views, self._talk, self._places, lambda: self._gateway.url)
        self._rest = RestApi(desk)
        self._files = FileServer(self._world, self._views)
        self._server = Server()

    async def __aenter__(self) -> Self:
        """Listen.

        Raises: RuntimeError: it is open already. OSError: the port is taken.
        """
        if self._server.is_open:
            raise RuntimeError("FakeDiscord is open already.")
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", rest.PREFIX + "/{path:.*}", self._rest.serve)
        app.router.add_get(gateway.PATH, self._gateway.serve)
        app.router.add_get(gateway.PATH + "/", self._gateway.serve)
        app.router.add_get("/attachments/{channel}/{file}/{name}", self._files.give)
        try:
            self.port = await self._server.open(app, self.port)
        except BaseException:
            await self._close()
            raise
        self._world.base_url = f"http://{HOST}:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        """Cut every socket, forget the sessions, stop listening, end what still runs."""
        self._gateway.drop()
        self._sessions.forget()
        await self._server.close()

    @property
    def api_url(self) -> str:
        """What clients take as the base of REST, without a final slash."""
        return f"{self._world.base_url}{rest.PREFIX}"

    @property
    def gateway_url(self) -> str:
        """Where the gateway is, as /gateway/bot tells it."""
        return self._gateway.url

    @property
    def token(self) -> str:
        """The bot's token."""
        return self._world.token

    @property
    def application_id(self) -> str:
        """The application's id, which is not the bot's user id."""
        return self._world.application_id

    @property
    def bot(self) -> User:
        """The bot's user."""
        return self._world.bot

    @property
    def bot_user_id(self) -> str:
        """The bot's user id."""
        return self._world.bot.id

    @property
    def guild(self) -> Guild:
        """The first guild; `add_guild` makes more."""
        return self._world.guild

    @property
    def commands(self) -> list[Json]:
        """The application's registered global commands."""
        return list(self._world.commands)

    def add_guild(self, name: str) -> Guild:
        """Let the bot be in one more guild; clients that are there hear of it. Guilds take turns on the shards."""
        guild = self._world.add_guild(name)
        self._places.tell_of_guild(guild, is_new=True)
        return guild

    def shard_of(self, guild: Guild, count: int) -> int:
        """Return which of so many shards a guild is on."""
        return self._gateway.shard_of(guild, count)

    def add_user(
        self, name: str, *, bot: bool = False, display_name: str | None = None, user_id: str | None = None
    ) -> User:
        """Make a person, or with `bot` a foreign bot; they are members of every guild."""
        return self._world.add_user(name, bot=bot, display_name=display_name, user_id=user_id)

    def add_role(self, guild: Guild, name: str, *, bot_has_it: bool = False) -> Role:
        """Make a role of a guild, which everybody may mention; clients that are there hear of it."""
        role = self._world.add_role(guild, name, bot_has_it=bot_has_it)
        self._places.tell_of_role(guild, role)
        return role

    def add_channel(
        self,
        name: str,
        kind: Kind = "text",
        guild: Guild | None = None,
        *,
        bot_can_read: bool = True,
        topic: str | None = None,
    ) -> Channel:
        """Make a channel of a guild, by default of the first; clients that see it hear of it."""
        channel = self._world.add_channel(name, kind, guild or self.guild, bot_can_read=bot_can_read, topic=topic)
        self._places.tell("CHANNEL_CREATE", channel)
        return channel

    def open_dm(self, user: User) -> Channel:
        """Return the bot's direct messages with someone, always the same ones."""
        return self._world.open_dm(user)

    def add_file(
        self, user: User, name: str, content: bytes, *, size: int | None = None, mimetype: str | None = None
    ) -> File:
        """Make a file for `say(files=…)`. Another `size` than the content's is a lie that Discord tells."""
        return self._world.add_file(name, content, size=size, mimetype=mimetype)

    def fail(self, method: str, path_pattern: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next REST calls go wrong, in the order they were ordered.

        Args:
            method: GET, POST, PATCH, PUT, DELETE or `*`.
            path_pattern: like `/channels/{channel_id}/messages`, with any name or a true id in it, or `*`.
        """
        self._rest.faults.order(method, path_pattern, fault, times)

    def forgive(self) -> None:
        """Take back every fault that has not happened yet."""
        self._rest.faults.clear()

    @property
    def calls(self) -> list[ReceivedCall]:
        """Every REST call, also those that went wrong, with `method`, `path`, `params`, `json` and `files`."""
        return self._rest.calls

    def calls_of(self, method: str, path_pattern: str) -> list[ReceivedCall]:
        """Return every call of a method, `*` for any, to a path like `/channels/{channel_id}/messages`."""
        return [call for call in self.calls if method in {call.method, "*"} and fits(path_pattern, call.path)]

    @property
    def sessions(self) -> list[str]:
        """The ids of the sessions that have a socket."""
        return [session.id for session in self._sessions.open]

    @property
    def session_count(self) -> int:
        """How many sessions have a socket."""
        return len(self._sessions.open)

    @property
    def identifies(self) -> list[Json]:
        """The payload of every IDENTIFY, also of those that were refused."""
        return self._sessions.identifies

    @property
    def resumes(self) -> int:
        """How many RESUMEs worked."""
        return self._sessions.resume_count

    def messages(self, channel: Channel) -> list[Json]:
        """Return all messages of a channel or thread, system ones too, oldest first, as REST shows them."""
        found = sorted(channel.messages.values(), key=lambda message: int(message.id))
        return [self._views.message(message) for message in found]

    def message(self, message_id: str | int) -> Message:
        """Return a message, also one of the bot's, to edit it, delete it or react to it.

        Raises: ValueError: no channel has it.
        """
        found = self._world.message(str(message_id))
        if found is None:
            raise ValueError(f"No channel has a message {message_id}.")
        return found

    def own_messages(self, channel: Channel) -> list[Message]:
        """Return what the bot has said in a channel or thread, oldest first, without notes and ephemeral answers."""
        bot = self._world.bot
        return [one for one in channel.messages.values() if one.author is bot and one.type in SPOKEN]

    def posted_by_bot(self, channel: Channel) -> list[str]:
        """Return the texts, as they are now, of what the bot has said in a channel or thread, oldest first."""
        return [message.content for message in self.own_messages(channel)]

    def pinged(self, message: Message) -> frozenset[str]:
        """Return whom a message of the bot notified: ids of people and roles, and `everyone`."""
        return message.pings

    def thread_of(self, message: Message) -> Thread | None:
        """Return the thread that was begun on a message, or None."""
        return message.thread

    def threads(self, channel: Channel) -> list[Thread]:
        """Return the threads of a channel, archived ones too, in the order of their making."""
        return list(self._world.threads_of(channel))

    def typing_in(self, channel: Channel) -> int:
        """Return how often the bot has said that it types."""
        return channel.typing_count

    def reactions(self, message: Message) -> dict[str, list[str]]:
        """Return a message's reactions: the emoji, as a text has it, and the names of who gave it."""
        shown = {}
        for reaction in message.reactions.values():
            emoji = reaction.emoji
            name = f"<{'a' * emoji['animated']}:{emoji['name']}:{emoji['id']}>" if emoji["id"] else emoji["name"]
            shown[name] = [user.name for user in reaction.users]
        return shown

    async def quiet(self, timeout: float = PATIENCE_S) -> None:  # noqa: ASYNC109
        """Wait until every client has read all that was sent to it, and until those that were cut off are back.

        Clients are asked for a heartbeat, which tells what they have read; what they do about it may still be under
        way. discord.py answers about a hundred times a minute.
        Raises: TimeoutError: one has not.
        """
        try:
            async with asyncio.timeout(timeout):  # on 3.11 wait_for may lose a cancellation
                await self._gateway.settle()
        except TimeoutError:
            raise TimeoutError(f"A client has not read all events in {timeout} s.") from None
