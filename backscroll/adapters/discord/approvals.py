"""Approvals: the buttons below a question, and what people press.

A decision is kept before Discord hears of it. One that is not kept is not acknowledged: Discord then tells the person
that it failed, and they press again. One that is kept later than Discord waits counts all the same. Proved by
`tests/unit/adapters/discord/test_approvals.py` and `tests/scenario/test_discord_approvals.py`.
Source: docs.discord.com/developers/components/reference#button
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from backscroll.adapters.approvals import WHY_NOT
from backscroll.adapters.base import Inbox, Verdict
from backscroll.adapters.discord.api import DiscordApi
from backscroll.adapters.discord.interactions import NOBODY, acknowledge, kind_in, note, token_in
from backscroll.adapters.discord.places import snowflake_in
from backscroll.adapters.fields import Fields, MalformedError, need, object_in, text_in, unstorable
from backscroll.adapters.lanes import Lanes
from backscroll.errors import AdapterError, StorageError

log = logging.getLogger(__name__)

ID_LENGTH = 100
"""Characters of what a button carries, at most."""

_OURS = "backscroll"
_PRESSED = 3
_ROW, _BUTTON, _GREEN, _RED = 1, 2, 3, 4
# It takes the buttons away at once; the core says how it was decided a moment later.
_TAKEN: dict[str, Any] = {"type": 7, "data": {"components": [], "allowed_mentions": NOBODY}}
_CHOICES = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Press:
    """A press of a button of ours. `token` is Discord's, and secret."""

    interaction: str
    token: str = field(repr=False)
    approval_id: str
    user_id: str
    approved: bool


class Approvals:
    """Hands over what people press.

    Args: lanes: in which a press that comes twice waits for itself.
    """

    def __init__(self, api: DiscordApi, lanes: Lanes, inbox: Inbox) -> None:
        self._api = api
        self._lanes = lanes
        self._inbox = inbox

    async def take(self, data: Fields) -> None:
        """Keep what somebody decided, and answer Discord in its time; what is no button of ours is left alone.

        Raises: MalformedError: it cannot be understood, or no storage could hold it.
        """
        press = pressed(data)
        if press is None:
            return
        async with self._lanes.lane((press.interaction,)):
            verdict = await self._decide(press)
            if verdict is not None:
                reply = note(WHY_NOT[verdict]) if verdict in WHY_NOT else _TAKEN
                await acknowledge(self._api, "A decision on Discord", press.interaction, press.token, reply)

    async def _decide(self, press: Press) -> Verdict | None:
        """Return what became of a decision, however late; None when it is not kept, or nobody knows."""
        try:
            return await self._inbox.decide(press.approval_id, press.user_id, approved=press.approved)
        except StorageError as error:
            log.warning("A decision on Discord is not kept: %s", error.message)
            return None
        except ValueError as error:
            raise unstorable(error) from None


def buttons(approval_id: str) -> list[dict[str, Any]]:
    """Return the row of buttons by which people decide an approval.

    Raises: AdapterError: its id is longer than a button carries.
    """
    row = [_button("Yes", _GREEN, f"{_OURS}:yes:{approval_id}"), _button("No", _RED, f"{_OURS}:no:{approval_id}")]
    if any(len(each["custom_id"]) > ID_LENGTH for each in row):
        raise AdapterError(f"An approval's id of {len(approval_id)} characters does not fit a button of Discord's.")
    return [{"type": _ROW, "components": row}]


def pressed(data: Fields) -> Press | None:
    """Read a press of a button; None for what is none of ours, which somebody else may answer.

    Raises: MalformedError: it is ours, or nothing tells whose it is, and lacks what it must have.
    """
    if kind_in(data) != _PRESSED:
        return None
    carried = need(text_in, need(object_in, data, "data"), "data.custom_id")
    ours, _, rest = carried.partition(":")
    if ours != _OURS:
        return None
    choice, _, approval_id = rest.partition(":")
    approved = _CHOICES.get(choice)
    if approved is None or not approval_id:
        raise MalformedError("data.custom_id is a decision of an approval, got another text.")
    user = object_in(object_in(data, "member") or {}, "member.user") or need(object_in, data, "user")
    return Press(
        need(snowflake_in, data, "id"),
        need(token_in, data, "token"),
        approval_id,
        need(snowflake_in, user, "user.id"),
        approved,
    )


def _button(label: str, style: int, custom_id: str) -> dict[str, Any]:
    return {"type": _BUTTON, "style": style, "label": label, "custom_id": custom_id}
