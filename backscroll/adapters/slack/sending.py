"""Answers out: posted with their token, grown, changed, taken away, and looked for when nobody knows.

Proved by `tests/scenario/test_slack_sending.py`, `test_slack_streams.py` and `test_slack_kill.py`.
Source: docs.slack.dev/reference/methods/chat.postMessage, chat.startStream
"""

import asyncio
from typing import Any

from backscroll.adapters.base import IsKept, Question
from backscroll.adapters.edited import EditedStream
from backscroll.adapters.formatting import split
from backscroll.adapters.slack.api import RefusedError, SlackApi
from backscroll.adapters.slack.approvals import asked
from backscroll.adapters.slack.history import History
from backscroll.adapters.slack.mrkdwn import FALLBACK_LENGTH, escape, markdown
from backscroll.adapters.slack.streams import NativeStream, body_of
from backscroll.adapters.slack.translate import TOKEN_TYPE, Us, thread_ts
from backscroll.adapters.slack.workspaces import Workspaces
from backscroll.errors import AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment
from backscroll.storage.records import Part

PART_LENGTH = FALLBACK_LENGTH
"""Characters of one post as Slack is sent it; more in one is cut, refused or shown folded, depending on the call."""

SHARED_S = 60.0
"""Seconds in which Slack must have made the message of an uploaded file."""

NO_STREAM_S = 3_600.0
"""Seconds in which a channel that took no stream is not asked again."""

_GONE = ("message_not_found", "channel_not_found", "thread_not_found")


class Poster:
    """Posts in the workspaces of one app."""

    def __init__(self, api: SlackApi, workspaces: Workspaces, history: History, *, streams: bool) -> None:
        self._api = api
        self._workspaces = workspaces
        self._history = history
        self._streams = streams
        self._no_streams: dict[str, float] = {}

    async def post(self, key: ThreadKey, part: Part) -> ExternalId:
        """Post one part, with buttons where it asks for an approval."""
        metadata = {"event_type": TOKEN_TYPE, "event_payload": {"token": part.token}}
        body = asked(part) if part.kind == "approval" else body_of(part.text)
        answer = await self._call(key, "chat.postMessage", **_place(key), **body, metadata=metadata)
        return _posted_at(key, answer)

    async def edit(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Change a post; one that is gone stays so."""
        await self._change(key, "chat.update", external, **body_of(text))

    async def remove(self, key: ThreadKey, external: ExternalId) -> None:
        """Take a post away; one that is gone is."""
        await self._change(key, "chat.delete", external)

    async def open_stream(self, question: Question, part: Part) -> NativeStream | EditedStream:
        """Begin a post that grows: natively, or where Slack takes no stream, one that is edited."""
        key = question.key
        workspace = await self._workspaces.named(key.workspace)
        now = asyncio.get_running_loop().time()
        if self._streams and thread_ts(key) is not None and self._no_streams.get(key.channel, now) <= now:
            to = {"recipient_user_id": question.author_id, "recipient_team_id": workspace.team_id}
            try:
                answer = await self._api.call(workspace.token, "chat.startStream", **_place(key), **to)
                return NativeStream(self._api, workspace.token, key, _posted_at(key, answer), self)
            except RefusedError:
                # Not every workspace, channel or app may; the post itself says when it is the bot that may not.
                self._no_streams[key.channel] = now + NO_STREAM_S
        return EditedStream(await self.post(key, part), key, part.text, self)

    async def upload(self, key: ThreadKey, attachment: Attachment, content: bytes) -> ExternalId:
        """Post a file, and return where its message stands."""
        ticket = await self._call(key, "files.getUploadURLExternal", filename=attachment.name, length=len(content))
        await self._put(str(ticket.get("upload_url")), content)
        file_id = str(ticket.get("file_id"))
        files, to = (
            [{"id": file_id, "title": attachment.name}],
            {"channel_id": key.channel, "thread_ts": thread_ts(key)},
        )
        await self._call(key, "files.completeUploadExternal", files=files, **to)
        return key.message(await self._shared_at(key, file_id))

    async def find_posted(self, question: Question, parts: list[Part], is_kept: IsKept) -> dict[int, ExternalId]:
        """Look for parts among what we said since the question."""
        key, asked = question.key, question.external
        workspace = await self._workspaces.named(key.workspace)
        ours = [
            message
            for message in await self._history.since(workspace, key, None if asked is None else asked.id)
            if _is_ours(message, workspace.us)
        ]
        tokens = {token: _external_of(key, each) for each in ours if (token := _token_of(each)) is not None}
        found = {part.number: tokens[part.token] for part in parts if part.token in tokens}
        # What carries no token: the newest stream that no row owns, and the files, in their order.
        nameless = [message for message in ours if _token_of(message) is None]
        unowned = [each for each in nameless if not await is_kept(_external_of(key, each))]
        streams = [message for message in unowned if not message.get("files")]
        files = [message for message in unowned if message.get("files")]
        for part in parts:
            if part.number in found:
                continue
            if part.kind == "stream" and streams:
                found[part.number] = _external_of(key, streams.pop())
            elif part.kind == "file" and files:
                found[part.number] = _external_of(key, files.pop(0))
        return found

    async def react(self, external: ExternalId, emoji: str) -> str:
        """Put an emoji on a message, and return our user id."""
        workspace = await self._workspaces.named(external.workspace)
        place = {"channel": external.channel, "timestamp": external.id}
        try:
            await self._api.call(workspace.token, "reactions.add", **place, name=emoji.strip(":"))
        except RefusedError as error:
            if error.error != "already_reacted":
                raise
        return workspace.us.bot_user_id

    async def _call(self, key: ThreadKey, method: str, **arguments: Any) -> dict[str, Any]:
        workspace = await self._workspaces.named(key.workspace)
        return await self._api.call(workspace.token, method, **arguments)

    async def _change(self, key: ThreadKey, method: str, external: ExternalId, **arguments: Any) -> None:
        """Change a post that may be gone; a stream that is open is ended first."""
        place = {"channel": external.channel, "ts": external.id}
        try:
            await self._call(key, method, **place, **arguments)
        except RefusedError as error:
            if error.error == "streaming_state_conflict":
                await self._stop(key, place)
                await self._call(key, method, **place, **arguments)
            elif error.error not in _GONE:
                raise

    async def _stop(self, key: ThreadKey, place: dict[str, str]) -> None:
        try:
            await self._call(key, "chat.stopStream", **place)
        except RefusedError as error:
            if error.error != "message_not_in_streaming_state":
                raise

    async def _put(self, url: str, content: bytes) -> None:
        """Bring a content to where Slack said; that alone posts nothing."""
        try:
            async with asyncio.timeout(60), self._api.session.post(url, data=content) as answer:
                status = answer.status
        except (OSError, TimeoutError, ValueError) as error:  # aiohttp's errors of connections are OSErrors
            raise AdapterUnavailableError(f"Slack takes no upload: {type(error).__name__}.", is_certain=True) from None
        if status != 200:
            raise AdapterUnavailableError(f"Slack takes no upload: status {status}.", is_certain=True)

    async def _shared_at(self, key: ThreadKey, file_id: str) -> str:
        """Wait for the message that Slack makes of an upload, a moment later."""
        until = asyncio.get_running_loop().time() + SHARED_S
        wait_s = 0.25
        while asyncio.get_running_loop().time() < until:
            try:
                answer = await self._call(key, "files.info", file=file_id)
            except AdapterUnavailableError as error:
                wait_s = max(wait_s, error.retry_after_s or 0)  # the file is out, whatever is said of it
            else:
                timestamp = _share_in(answer.get("file"), key)
                if timestamp is not None:
                    return timestamp
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, 2.0)
        raise AdapterUnavailableError(f"Slack has not shown file {file_id} in {SHARED_S:g} s.")


def split_answer(text: str) -> list[str]:
    """Cut an answer into posts, each of which Slack shows whole."""
    return split(text, PART_LENGTH, measure=lambda part: max(len(escape(part)), len(markdown(part))))


def _place(key: ThreadKey) -> dict[str, Any]:
    return {"channel": key.channel, "thread_ts": thread_ts(key)}


def _posted_at(key: ThreadKey, answer: dict[str, Any]) -> ExternalId:
    timestamp = answer.get("ts")
    if not isinstance(timestamp, str) or not timestamp:
        raise AdapterUnavailableError("Slack took a post and did not say which it is.")
    return key.message(timestamp)


def _external_of(key: ThreadKey, message: dict[str, Any]) -> ExternalId:
    return key.message(str(message["ts"]))


def _token_of(message: dict[str, Any]) -> str | None:
    match message.get("metadata"):
        case {"event_type": kind, "event_payload": {"token": str(token)}} if kind == TOKEN_TYPE:
            return token
    return None


def _is_ours(message: dict[str, Any], us: Us) -> bool:
    return message.get("user") == us.bot_user_id or (us.bot_id is not None and message.get("bot_id") == us.bot_id)


def _share_in(file: Any, key: ThreadKey) -> str | None:
    shares = file.get("shares") if isinstance(file, dict) else None
    for places in shares.values() if isinstance(shares, dict) else ():
        for share in places.get(key.channel, ()) if isinstance(places, dict) else ():
            if isinstance(share.get("ts"), str):
                return str(share["ts"])
    return None
