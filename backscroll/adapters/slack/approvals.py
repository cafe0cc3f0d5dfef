"""Approvals on Slack: a question with two buttons, and what people press.

A press is kept before it is acknowledged. Whoever pressed what does not count is told why, alone. Proved by
`tests/unit/adapters/slack/test_approvals.py` and `tests/scenario/test_slack_approvals.py`.
Source: docs.slack.dev/reference/interaction-payloads/block_actions-payload, docs.slack.dev/reference/block-kit
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from backscroll.adapters.approvals import WHY_NOT
from backscroll.adapters.base import Inbox
from backscroll.adapters.edited import Edits
from backscroll.adapters.fields import Fields, id_in, list_in, need, object_in, text_in, unstorable
from backscroll.adapters.slack.api import RefusedError, SlackApi
from backscroll.adapters.slack.background import Background
from backscroll.adapters.slack.mrkdwn import escape
from backscroll.adapters.slack.streams import body_of
from backscroll.adapters.slack.timestamps import timestamp_in
from backscroll.adapters.slack.workspaces import Workspace, Workspaces
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.records import Part

PRESSED = "block_actions"
"""The type of what Slack sends when somebody presses a button."""

APPROVE, REJECT = "backscroll_approve", "backscroll_reject"
YES, NO = "Yes", "No"

REMEMBERED_COUNT = 1_000
"""Posts of which it is known that they say how they were decided."""

Place = tuple[str, str]
"""The channel and the timestamp of a post."""

# A post that stands as it is, whatever is wanted of it.
_UNCHANGEABLE = ("cant_update_message", "edit_window_closed")


@dataclass(frozen=True, slots=True)
class Press:
    """One press of one of our buttons. `place`, `thread` and `post` say below which post, where Slack tells it."""

    approval_id: str
    user_id: str
    approved: bool
    place: Place | None = None
    thread: str | None = None
    post: Fields = field(default_factory=dict, repr=False)


class Approvals:
    """Takes what is pressed in the workspaces of one app."""

    def __init__(self, api: SlackApi, workspaces: Workspaces, edits: Edits) -> None:
        self._api = api
        self._workspaces = workspaces
        self._edits = edits
        self._background = Background()
        self._changed: dict[Place, asyncio.Task[None] | None] = {}

    async def take(self, inbox: Inbox, payload: Fields) -> None:
        """Keep what somebody pressed; what the person sees of it follows when nobody waits for it any more.

        Buttons of others are left alone.

        Raises: MalformedError: it is one of ours, and lacks what it must have. AdapterError: it is of a workspace that
            is not ours. StorageUnavailableError, AdapterUnavailableError: it is not kept, or nobody knows.
        """
        press = press_in(payload)
        if press is None:
            return
        workspace = await self._workspaces.of_body(_installation_in(payload))
        try:
            verdict = await inbox.decide(press.approval_id, press.user_id, approved=press.approved)
        except ValueError as error:
            raise unstorable(error) from None
        if press.place is None:
            return
        if verdict == "decided":
            self._take_buttons_away(workspace, press, press.place)
        else:
            self._tell(workspace, press, press.place, WHY_NOT[verdict])

    async def close_approval(self, key: ThreadKey, external: ExternalId, text: str) -> None:
        """Let the post say how it was decided; that is its last change."""
        place = external.channel, external.id
        changing = self._changed.get(place)
        self._remember(place, changing)
        if changing is not None:
            await asyncio.wait([changing])
        try:
            await self._edits.edit(key, external, text)
        except RefusedError as error:
            if error.error not in _UNCHANGEABLE:
                raise

    async def close(self) -> None:
        """End what is under way."""
        await self._background.close()

    def _take_buttons_away(self, workspace: Workspace, press: Press, place: Place) -> None:
        """Show once, and at once, that it is decided: the handler may work on before `close_approval` says it.

        Where another process does that, either may come last; what they say is the same.
        """
        if place in self._changed or "actions" not in map(_type_of, press.post.get("blocks") or []):
            return
        post = {"channel": place[0], "ts": place[1]}
        task = self._background.start(self._api.call, workspace.token, "chat.update", **post, **decided(press))
        self._remember(place, task)

    def _remember(self, place: Place, changing: asyncio.Task[None] | None) -> None:
        if len(self._changed) >= REMEMBERED_COUNT:
            self._changed.clear()
        self._changed[place] = changing

    def _tell(self, workspace: Workspace, press: Press, place: Place, text: str) -> None:
        """Tell one person alone, where they pressed."""
        to = {"channel": place[0], "thread_ts": press.thread, "user": press.user_id}
        self._background.start(self._api.call, workspace.token, "chat.postEphemeral", **to, text=text)


def asked(part: Part) -> dict[str, Any]:
    """Give what a post says that asks for an approval: its words, as those of any post, and the buttons."""
    said = body_of(part.text)
    buttons = {
        "type": "actions",
        "elements": [
            {"style": "primary", **_button(YES, APPROVE, part.message_id)},
            _button(NO, REJECT, part.message_id),
        ],
    }
    return {**said, "blocks": [*said["blocks"], buttons]}


def decided(press: Press) -> dict[str, Any]:
    """Give what a post says when it is decided: its words as Slack has them, who decided and how, and no buttons."""
    said = f"<@{escape(press.user_id)}>: {YES if press.approved else NO}"
    blocks = [each for each in list_in(press.post, "message.blocks") or [] if _type_of(each) not in (None, "actions")]
    text = text_in(press.post, "message.text") or ""
    below = {"type": "context", "elements": [{"type": "mrkdwn", "text": said}]}
    return {"text": text or said, "blocks": [*blocks, below]}


def press_in(payload: Fields) -> Press | None:
    """Read which of our buttons somebody pressed; None when it is none of ours.

    Raises: MalformedError: it lacks what it must have.
    """
    for action in need(list_in, payload, "actions"):
        fields = need(object_in, {"actions[]": action}, "actions[]")
        name = text_in(fields, "actions[].action_id")
        if name in (APPROVE, REJECT):
            user = need(object_in, payload, "user")
            approval_id, user_id = need(id_in, fields, "actions[].value"), need(id_in, user, "user.id")
            return Press(approval_id, user_id, name == APPROVE, *_place_in(payload))
    return None


def _place_in(payload: Fields) -> tuple[Place | None, str | None, Fields]:
    """Read below which post the button stands, and what it says."""
    container, post = object_in(payload, "container") or {}, object_in(payload, "message") or {}
    channel = id_in(container, "container.channel_id") or id_in(object_in(payload, "channel") or {}, "channel.id")
    ts = timestamp_in(container, "container.message_ts") or timestamp_in(post, "message.ts")
    thread = timestamp_in(container, "container.thread_ts") or timestamp_in(post, "message.thread_ts")
    list_in(post, "message.blocks")
    text_in(post, "message.text")
    return None if channel is None or ts is None else (channel, ts), thread, post


def _installation_in(payload: Fields) -> Fields:
    """Name the installation as events do: that whose post it is, wherever the person who pressed comes from."""
    team, enterprise = (object_in(payload, name) or {} for name in ("team", "enterprise"))
    return {
        "team_id": team.get("id"),
        "enterprise_id": enterprise.get("id") or team.get("enterprise_id"),
        "is_enterprise_install": payload.get("is_enterprise_install"),
    }


def _button(label: str, name: str, approval_id: str) -> dict[str, Any]:
    text = {"type": "plain_text", "text": label}
    return {"type": "button", "text": text, "action_id": name, "value": approval_id}


def _type_of(block: Any) -> str | None:
    kind = block.get("type") if isinstance(block, dict) else None
    return kind if isinstance(kind, str) else None
