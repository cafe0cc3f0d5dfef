"""Answers out: posted with their nonce, changed, taken away, and looked for when nobody knows.

Proved by `tests/scenario/test_discord_sending.py`, `test_discord_streams.py` and `test_discord_kill.py`.
Source: docs.discord.com/developers/resources/message, docs.discord.com/developers/topics/threads
"""

import contextlib
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from backscroll.adapters.base import IsKept, Question
from backscroll.adapters.discord.api import (
    ARCHIVED,
    THREAD_EXISTS,
    UNKNOWN_CHANNEL,
    UNKNOWN_MESSAGE,
    DiscordApi,
    RefusedError,
    made_in,
)
from backscroll.adapters.discord.approvals import buttons
from backscroll.adapters.discord.commands import CommandOverError, Commands, Ticket
from backscroll.adapters.discord.history import History
from backscroll.adapters.discord.interactions import NOBODY
from backscroll.adapters.discord.nonces import Nonces
from backscroll.adapters.discord.places import DIRECT, PLATFORM, PlaceBook
from backscroll.adapters.discord.text import emoji_path
from backscroll.adapters.discord.translate import is_said
from backscroll.adapters.edited import EditedStream
from backscroll.adapters.formatting import split
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment
from backscroll.storage.records import Part
from backscroll.storage.values import utc_now

K = TypeVar("K")
V = TypeVar("V")

PART_LENGTH = 2_000
"""UTF-16 units of one post, at most: it is not told whether Discord counts these or characters, which are fewer."""

NAME_LENGTH = 100
"""Characters of a thread's name, at most."""

DAY_MIN = 1_440
REMEMBERED_COUNT = 10_000
_GONE = (UNKNOWN_MESSAGE, UNKNOWN_CHANNEL)


class Poster:
    """Posts what the bot says."""

    def __init__(
        self,
        api: DiscordApi,
        places: PlaceBook,
        history: History,
        commands: Commands,
        nonces: Nonces,
        reply_in: Literal["thread", "channel"],
    ) -> None:
        self._api = api
        self._places = places
        self._history = history
        self._commands = commands
        self._nonces = nonces
        self._reply_in = reply_in
        self._threads: OrderedDict[str, None] = OrderedDict()
        self._said: OrderedDict[ExternalId, Ticket] = OrderedDict()

    async def post(self, question: Question, part: Part) -> ExternalId:
        """Post one part, with its buttons where it has some."""
        body: dict[str, Any] = {"content": part.text, "allowed_mentions": NOBODY}
        if part.kind == "approval":
            body["components"] = buttons(part.message_id)
        said = await self._say(question, part, body)
        if said is not None:
            return said
        channel, extra = await self._target(question, part)
        told = await self._api.call(
            "POST", "/channels/{channel_id}/messages", body=body | self._once(part) | extra, channel_id=channel
        )
        return self._named(question.key, channel, made_in(told))

    async def upload(self, question: Question, part: Part, attachment: Attachment, content: bytes) -> ExternalId:
        """Post a file."""
        body: dict[str, Any] = {"allowed_mentions": NOBODY}
        said = await self._say(question, part, body, (attachment.name, content))
        if said is not None:
            return said
        channel, extra = await self._target(question, part)
        path = "/channels/{channel_id}/messages"
        body |= self._once(part) | extra
        told = await self._api.upload(path, body, attachment.name, content, channel_id=channel)
        return self._named(question.key, channel, made_in(told))

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Change a post; one that is gone stays so."""
        await self._edit(external, {"content": text})

    async def close_approval(self, external: ExternalId, text: str) -> None:
        """Change a post, and take its buttons away; one that is gone stays so.

        A text that is too long for one post loses its beginning: how it was decided stands at its end.
        """
        await self._edit(external, {"content": split_answer(text)[-1], "components": []})

    async def _edit(self, external: ExternalId, change: dict[str, Any]) -> None:
        body, ticket = change | {"allowed_mentions": NOBODY}, self._said.get(external)
        if ticket is not None and utc_now() < ticket.until:
            with contextlib.suppress(CommandOverError):
                await self._commands.edit(ticket, external.id, body)
                return
        await self._change("PATCH", external, body)

    async def remove(self, external: ExternalId) -> None:
        """Take a post away; one that is gone is."""
        await self._change("DELETE", external, None)

    async def pass_over(self, question: Question) -> None:
        """Take away what holds the place of a command's answer; of another question nothing shows."""
        ticket = await self._commands.ticket(question.external) if question.is_command else None
        if ticket is not None:
            await self._commands.pass_over(ticket)

    async def open_stream(self, question: Question, part: Part) -> EditedStream:
        """Begin a post that is edited while its text grows."""
        return EditedStream(await self.post(question, part), question.key, part.text, self)

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, ExternalId]:
        """Look for parts among what we said since the question: by their texts, for history tells no nonce."""
        key, us = question.key, await self._api.us()
        channel = await self._channel(question)
        after = "0" if question.external is None else question.external.id
        ours: list[dict[str, Any]] = []
        try:
            async for page in self._history.pages(channel, after):
                ours += [each for each in page if (each.get("author") or {}).get("id") == us.user_id]
        except RefusedError as error:
            if error.code != UNKNOWN_CHANNEL:
                raise
            return {}  # the thread is not even begun
        ours = [each for each in ours if _may_answer(each, question.external)]
        free = [each for each in ours if not await is_kept(self._named(key, channel, str(each["id"])))]
        found: dict[int, ExternalId] = {}
        for choose in (_same, _likely):
            for part in sorted(parts, key=lambda each: each.number):
                post = choose(part, free) if part.number not in found else None
                if post is not None:
                    free.remove(post)
                    found[part.number] = self._named(key, channel, str(post["id"]))
        return found

    async def react(self, external: ExternalId, emoji: str) -> str:
        """Put an emoji on a message, or of a command on its answer, and return our user id."""
        name, ticket = emoji_path(emoji), await self._commands.ticket(external)
        if ticket is not None:
            external = replace(external, id=await self._commands.original(ticket))
        path = f"/channels/{{channel_id}}/messages/{{message_id}}/reactions/{quote(name, safe='')}/@me"
        await self._unarchived("PUT", path, external, None)
        return (await self._api.us()).user_id

    def place_of(self, key: ThreadKey) -> str:
        """Return the channel or thread in which an answer to a key is made now."""
        is_begun = key.thread in self._threads or self._places.channel_name(key.thread) is not None
        return key.thread if is_begun else key.channel

    async def _say(
        self, question: Question, part: Part, body: dict[str, Any], file: tuple[str, bytes] | None = None
    ) -> ExternalId | None:
        """Answer a command; None when it is none, or one that Discord takes no answer to any more."""
        ticket = await self._commands.ticket(question.external) if question.is_command else None
        if ticket is None:
            return None
        try:
            message_id = await self._commands.say(ticket, part.token, body, file)
        except CommandOverError:
            return None
        said = self._named(question.key, ticket.channel, message_id)
        _remember(self._said, said, ticket)
        return said

    async def _change(self, method: str, external: ExternalId, body: dict[str, Any] | None) -> None:
        try:
            await self._unarchived(method, "/channels/{channel_id}/messages/{message_id}", external, body)
        except RefusedError as error:
            if error.code not in _GONE:
                raise

    async def _unarchived(self, method: str, path: str, external: ExternalId, body: dict[str, Any] | None) -> None:
        """Call something that an archived thread refuses until it is none any more."""
        channel, message = external.channel, external.id
        try:
            await self._api.call(method, path, body=body, channel_id=channel, message_id=message)
        except RefusedError as error:
            if error.code != ARCHIVED:
                raise
            await self._api.call("PATCH", "/channels/{channel_id}", body={"archived": False}, channel_id=channel)
            await self._api.call(method, path, body=body, channel_id=channel, message_id=message)

    async def _channel(self, question: Question) -> str:
        """Return where the answer to a question stands, or is to stand."""
        key, asked = question.key, question.external
        if key.workspace == DIRECT or asked is None or asked.channel != key.channel:
            return key.thread
        if self._reply_in == "channel" or question.is_command:
            return key.channel
        place = await self._places.find(key.channel, key.workspace)
        return key.thread if place.opens_threads or place.kind == "thread" else key.channel

    async def _target(self, question: Question, part: Part) -> tuple[str, dict[str, Any]]:
        """Return where to post, and what ties the post to the question; begins the thread where there is none."""
        key, asked = question.key, question.external
        channel = await self._channel(question)
        if channel == key.channel and key.workspace != DIRECT:
            is_reply = asked is not None and part.number == 1 and not question.is_command
            reference = {"message_id": asked.id, "fail_if_not_exists": False} if asked is not None else {}
            return channel, {"message_reference": reference} if is_reply else {}
        if asked is not None and asked.channel == key.channel and key.workspace != DIRECT:
            await self._begin_thread(key, question.title)
        return channel, {}

    async def _begin_thread(self, key: ThreadKey, title: str) -> None:
        """Begin a thread from the message that names it, unless there is one."""
        if key.thread in self._threads or self._places.channel_name(key.thread) is not None:
            return
        name = title.strip()[:NAME_LENGTH] or "Thread"
        try:
            told = await self._api.call(
                "POST",
                "/channels/{channel_id}/messages/{message_id}/threads",
                body={"name": name, "auto_archive_duration": DAY_MIN},
                channel_id=key.channel,
                message_id=key.thread,
            )
            made_in(told)  # what stands before Discord may say yes to anything
        except RefusedError as error:
            if error.code != THREAD_EXISTS:
                raise
        _remember(self._threads, key.thread, None)

    def _once(self, part: Part) -> dict[str, Any]:
        return {"nonce": self._nonces.of(part.token), "enforce_nonce": True}

    def _named(self, key: ThreadKey, channel: str, message_id: str) -> ExternalId:
        return ExternalId(PLATFORM, key.workspace, channel, message_id)


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED_COUNT:
        memory.popitem(last=False)


def split_answer(text: str) -> list[str]:
    """Cut an answer into posts, each of which Discord takes."""
    return split(text, PART_LENGTH, measure=utf16_length)


def utf16_length(text: str) -> int:
    """Return how many UTF-16 units a text has."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _may_answer(post: dict[str, Any], asked: ExternalId | None) -> bool:
    """Tell whether one of our posts may be of the answer to a question: it says of no other that it answers that.

    A note of Discord's own, such as a thread's first one, is shown as ours too where we began the thread.
    """
    interaction, reference = post.get("interaction_metadata"), post.get("message_reference")
    named = interaction.get("id") if isinstance(interaction, dict) else None
    if named is None and not post.get("webhook_id") and isinstance(reference, dict):
        named = reference.get("message_id")
    return is_said({"type": -1} | post) and (named is None or asked is None or named == asked.id)


def _same(part: Part, free: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first of our posts that says what a part says, or has its file by name."""
    for post in free:
        names = [file.get("filename") for file in post.get("attachments") or []]
        is_file, said = part.kind == "file", str(post.get("content", "")).strip()
        if part.text in names if is_file else not names and said == part.text.strip():
            return post
    return None


def _likely(part: Part, free: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what else may be a part: of a stream the newest text, of a file, which Discord may rename, the first."""
    if part.kind == "file":
        return next((post for post in free if post.get("attachments")), None)
    return next((post for post in reversed(free) if part.kind == "stream" and not post.get("attachments")), None)
