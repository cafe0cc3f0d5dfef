"""Slash commands: a question for servers that do not show what people write, and a new thread in a direct message.

A question is kept before Discord hears that it was taken, and what Discord needs for the answer is kept with it for the
quarter of an hour that it is good for. Proved by `tests/scenario/test_discord_commands.py`.
Source: docs.discord.com/developers/interactions/receiving-and-responding
"""

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from backscroll.adapters.base import Inbox
from backscroll.adapters.discord.api import (
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    WEBHOOK_TOKEN_OVER,
    DiscordApi,
    RefusedError,
    made_in,
)
from backscroll.adapters.discord.interactions import acknowledge, kind_in, note, token_in
from backscroll.adapters.discord.places import DIRECT, PLATFORM, Place, PlaceBook, instant, snowflake_in
from backscroll.adapters.discord.translate import name_of
from backscroll.adapters.events import MessagePosted
from backscroll.adapters.fields import Fields, list_in, need, object_in, text_in, unstorable
from backscroll.adapters.lanes import Lanes
from backscroll.errors import AdapterError, AdapterUnavailableError, BackscrollError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.provider.primitives import Primitives
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)

ANSWER_S = 2.4
"""Seconds in which a question has to be kept; Discord waits three for a first word."""

GOOD_FOR = timedelta(minutes=14, seconds=30)
"""How long an interaction takes answers; Discord says 15 minutes."""

EARLY_S = 4.0
"""Seconds after a command in which a refused answer may be one that is earlier than another process's first word."""

NEW = "new"
OPTION = "question"
TICKETS, COMMANDS = "discord_interactions", "discord_commands"
_COMMAND, _DEFER = 2, 5
_WHAT = "A command of Discord's"
# Nobody acknowledged it in time, somebody took away what held the answer's place, or its quarter of an hour is over.
_OVER = (UNKNOWN_WEBHOOK, UNKNOWN_MESSAGE, WEBHOOK_TOKEN_OVER)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What lets an answer be given to a command. `token` is Discord's, and secret."""

    interaction: str
    token: str = field(repr=False)
    channel: str
    until: datetime


class CommandOverError(AdapterError):
    """Discord takes no answer to this command any more."""


class Commands:
    """The application's commands.

    Args: command: the question's name; None has none. `inbox` keeps what is asked, as soon as there is one.
    """

    def __init__(
        self, api: DiscordApi, places: PlaceBook, storage: Primitives, lanes: Lanes, command: str | None
    ) -> None:
        self._api = api
        self._places = places
        self._storage = storage
        self._command = command
        self._user_id: str | None = None
        self._lanes = lanes
        self.inbox: Inbox | None = None

    def is_us(self, user_id: Any) -> bool:
        """Tell whether a user is the bot, once it has logged in."""
        return self._user_id is not None and user_id == self._user_id

    async def register(self) -> None:
        """Tell Discord of the commands, where they are others than the last time. Errors as `DiscordApi.call`."""
        us = await self._api.us()
        self._user_id = us.user_id
        definitions = _definitions(self._command)
        digest = hashlib.sha256(json.dumps(definitions, sort_keys=True).encode()).hexdigest()
        known = await self._storage.get(COMMANDS, us.application_id) or {}
        if known.get("digest") == digest:
            return
        path, ids = "/applications/{application_id}/commands", dict[str, str]()
        for definition in definitions:  # one of the same name is replaced, others that the app has stay
            made = await self._api.call("POST", path, body=definition, application_id=us.application_id)
            ids[definition["name"]] = made_in(made)
        for name, command_id in (known.get("ids") or {}).items():
            if name not in ids:
                await self._remove(us.application_id, command_id)
        await self._storage.set(COMMANDS, us.application_id, {"digest": digest, "ids": ids})

    async def take(self, data: Fields) -> None:
        """Keep what a command asks, and answer Discord in its time.

        Raises: MalformedError: it cannot be understood, or no storage could hold it.
        """
        if kind_in(data) != _COMMAND:
            return
        interaction_id, token = need(snowflake_in, data, "id"), need(token_in, data, "token")
        channel = need(snowflake_in, data, "channel_id")
        async with self._lanes.lane((interaction_id,)):
            try:
                # What was said in the channel before is kept before.
                async with asyncio.timeout(ANSWER_S), self._lanes.lane((channel,)):
                    reply = await self._reply(data, interaction_id, token)
            except (BackscrollError, TimeoutError) as error:
                # Perhaps it is kept all the same: its ticket stays, and an answer takes the note's place.
                fact = error.message if isinstance(error, BackscrollError) else f"more than {ANSWER_S:g} s passed."
                log.warning("A command of Discord's is not kept: %s", fact)
                reply = note("I cannot keep that now. Please ask again in a while.")
            except ValueError as error:
                await acknowledge(self._api, _WHAT, interaction_id, token, note("I cannot understand that."))
                raise unstorable(error) from None
            await acknowledge(self._api, _WHAT, interaction_id, token, reply)

    async def ticket(self, external: ExternalId | None) -> Ticket | None:
        """Return what lets this question be answered as a command; None when it is none, or too old."""
        kept = None if external is None else await self._storage.get(TICKETS, external.id)
        if external is None or kept is None:
            return None
        until = instant(external.id) + GOOD_FOR
        return Ticket(external.id, kept["token"], kept["channel"], until) if utc_now() < until else None

    async def say(self, ticket: Ticket, token: str, body: dict[str, Any], file: tuple[str, bytes] | None = None) -> str:
        """Say something to a command, and return the message's id.

        The first post of all takes the place that the command holds free, and is changed when it is said again.

        Args: token: the part's. file: its name and content.
        Raises: CommandOverError: Discord takes no answer to it. Else as `DiscordApi.call`.
        """
        if file is not None:  # told so, the file of an earlier try is replaced
            body = body | {"attachments": [{"id": 0, "filename": file[0]}]}
        try:
            return await self._say(ticket, token, body, file)
        except RefusedError as error:
            if error.code not in _OVER:
                raise
            if utc_now() - instant(ticket.interaction) < timedelta(seconds=EARLY_S):
                fact = f"A command of Discord's takes no answer yet: {error.message}"
                raise AdapterUnavailableError(fact, retry_after_s=EARLY_S / 4, is_certain=True) from None
            log.info("A command of Discord's takes no answer: %s", error.message)
            raise CommandOverError from None

    async def _say(self, ticket: Ticket, token: str, body: dict[str, Any], file: tuple[str, bytes] | None) -> str:
        row = await self._storage.get(TICKETS, ticket.interaction) or {}
        if row.get("filled_by", token) != token:
            return made_in(await self._webhook(ticket, "POST", "", body, file))
        await self._storage.set(TICKETS, ticket.interaction, _row(ticket.token, ticket.channel, token))
        return made_in(await self._webhook(ticket, "PATCH", "/messages/@original", body, file))

    async def edit(self, ticket: Ticket, message_id: str, body: dict[str, Any]) -> None:
        """Change what was said to a command.

        Raises: CommandOverError: Discord takes no change to it. Else as `DiscordApi.call`.
        """
        try:
            await self._webhook(ticket, "PATCH", f"/messages/{message_id}", body)
        except RefusedError as error:
            if error.code not in _OVER:
                raise
            raise CommandOverError from None

    async def original(self, ticket: Ticket) -> str:
        """Return the id of the message that answers a command, or will."""
        return made_in(await self._webhook(ticket, "GET", "/messages/@original", None))

    async def pass_over(self, ticket: Ticket) -> None:
        """Take away what waits for an answer, and forget the ticket; what was said already stays. Errors as `call`."""
        row = await self._storage.get(TICKETS, ticket.interaction)
        if row is not None and "filled_by" not in row:
            await self._webhook(ticket, "DELETE", "/messages/@original", None)
            await self._storage.delete(TICKETS, ticket.interaction)

    async def sweep(self) -> None:
        """Take away what waits for an answer that never came, before Discord calls it failed; forget what is old."""
        for row in await self._storage.query(TICKETS, {}):
            ticket = Ticket(row["key"], row["token"], row["channel"], instant(row["key"]) + GOOD_FOR)
            if "filled_by" not in row and ticket.until - timedelta(minutes=1) <= utc_now() < ticket.until:
                try:
                    await self._webhook(ticket, "DELETE", "/messages/@original", None)
                except AdapterError as error:
                    log.info("A command without an answer stays in sight: %s", error.message)
            if utc_now() > ticket.until:
                await self._storage.delete(TICKETS, ticket.interaction)

    async def _webhook(
        self,
        ticket: Ticket,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        file: tuple[str, bytes] | None = None,
    ) -> Any:
        async with self._lanes.lane((ticket.interaction,)):
            pass  # an answer may be quicker than our first word for the question
        path = "/webhooks/{webhook_id}/{webhook_token}" + path
        us, token = await self._api.us(), ticket.token
        if file is not None:
            return await self._api.upload(
                path, body or {}, *file, method=method, webhook_id=us.application_id, webhook_token=token
            )
        return await self._api.call(method, path, body=body, webhook_id=us.application_id, webhook_token=token)

    async def _reply(self, data: Fields, interaction_id: str, token: str) -> dict[str, Any]:
        """Do what a command asks for, and return what Discord is told."""
        inbox = self.inbox
        command = need(object_in, data, "data")
        name, channel = need(text_in, command, "data.name"), need(snowflake_in, data, "channel_id")
        place = await self._places.find(channel, snowflake_in(data, "guild_id"))
        if inbox is None:
            return note("I am just starting. Please ask again in a while.")
        if name == NEW and place.kind == "direct":
            key = ThreadKey(PLATFORM, DIRECT, channel, channel)
            await inbox.start_thread(key, asked_at=instant(interaction_id))
            return note("A new thread begins.")
        if name != self._command:
            return note("This bot has no such command here.")
        posted = _question(data, command, place, interaction_id, name)
        if not inbox.answers(posted):
            return note("I may not answer you here.")
        if await self._storage.get(TICKETS, interaction_id) is None:  # a repeat takes no answer's place
            await self._storage.set(TICKETS, interaction_id, _row(token, channel))
        await inbox.record(posted)
        return {"type": _DEFER}

    async def _remove(self, application_id: str, command_id: str) -> None:
        try:
            await self._api.call(
                "DELETE",
                "/applications/{application_id}/commands/{command_id}",
                application_id=application_id,
                command_id=command_id,
            )
        except RefusedError as error:
            if error.status != 404:
                raise


def _row(token: str, channel: str, filled_by: str | None = None) -> dict[str, Any]:
    """Return what is kept of a ticket, with the part that has taken the place that the command holds free."""
    return {"token": token, "channel": channel} | ({} if filled_by is None else {"filled_by": filled_by})


def _definitions(command: str | None) -> list[dict[str, Any]]:
    new = {"name": NEW, "type": 1, "description": "Begin a new thread in this direct message.", "contexts": [1]}
    if command is None:
        return [new]
    option = {"name": OPTION, "type": 3, "description": "What you want to know", "required": True}
    ask = {"name": command, "type": 1, "description": "Ask the bot", "contexts": [0, 1], "options": [option]}
    return [ask, new]


def _question(data: Fields, command: Fields, place: Place, interaction_id: str, name: str) -> MessagePosted:
    member = object_in(data, "member") or {}
    user = object_in(member, "member.user") or need(object_in, data, "user")
    options = [each for each in list_in(command, "data.options") or [] if isinstance(each, dict)]
    option = next((each for each in options if each.get("name") == OPTION), {"value": ""})
    return MessagePosted(
        key=place.key(interaction_id),
        external=ExternalId(PLATFORM, place.guild, place.id, interaction_id),
        author_id=need(snowflake_in, user, "user.id"),
        text=need(text_in, option, "data.options[].value"),
        created_at=instant(interaction_id),
        author_name=name_of(user, member),
        author_kind="bot" if user.get("bot") is True else "person",
        mentions_bot=True,
        is_direct=place.kind == "direct",
        is_reply=place.kind == "thread",
        channel_name=place.channel_name,
        thread_title=place.name if place.kind == "thread" else None,
        attributes={"command": name},
    )
