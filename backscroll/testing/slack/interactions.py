"""What the app is sent when somebody presses a button below a message.

Source: docs.slack.dev/reference/interaction-payloads/block_actions-payload. Proved by
`tests/unit/testing/test_interactions.py`.
"""

import secrets
from typing import Any

from backscroll.testing.slack.models import Json, Message, User
from backscroll.testing.slack.workspace import Workspace


def button_of(message: Message, label: str) -> tuple[Json, str]:
    """Return the button of a message that has this text, and its block's id.

    Raises: ValueError: there is none.
    """
    seen = []
    for number, block in enumerate(message.blocks or [], start=1):
        for element in block.get("elements", []) if block.get("type") == "actions" else []:
            text = element["text"]["text"]
            if text == label:
                return element, str(block.get("block_id", f"fake{number}"))
            seen.append(text)
    raise ValueError(f"Message {message.ts} of channel {message.channel.id} has no button {label!r}, but {seen}.")


def pressed(workspace: Workspace, user: User, message: Message, label: str) -> Json:
    """Return the `block_actions` payload of a button, as somebody presses it.

    Raises: ValueError: there is no such button.
    """
    button, block_id = button_of(message, label)
    channel, team = message.channel, message.channel.team
    container: Json = {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": False}
    if message.root is not None:
        container["thread_ts"] = message.root.ts
    action = {**button, "block_id": block_id, "action_ts": channel.next_ts(workspace.now_s())}
    return {
        "type": "block_actions",
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": team.app_id,
        "token": workspace.verification_token,
        "container": container,
        "trigger_id": secrets.token_hex(8),
        # Of an installation in a whole organisation there may be no team.
        "team": None if team.is_org_wide else {"id": team.id, "domain": team.name.lower()},
        "enterprise": {"id": team.enterprise_id, "name": team.name} if team.enterprise_id else None,
        "is_enterprise_install": team.is_org_wide,
        "channel": {"id": channel.id, "name": channel.name or "directmessage"},
        "message": message.shown(with_metadata=True),
        "state": {"values": {}},
        "response_url": f"{workspace.base_url}/actions/{team.id}/{channel.id}/{message.ts}",
        "actions": [action],
    }


def is_wanted(params: Json, name: str) -> bool:
    """Tell whether what was sent to a response_url asks for something; clients write `true` in two ways."""
    return params.get(name) in (True, "true")


def is_taken(block: Json) -> bool:
    """Tell whether Slack takes an `actions` block.

    Source: docs.slack.dev/reference/block-kit/blocks/actions-block
    """
    elements = block.get("elements")
    if not isinstance(elements, list) or not 0 < len(elements) <= 25:
        return False
    names = [each["action_id"] for each in elements if isinstance(each, dict) and each.get("action_id")]
    return len(set(map(str, names))) == len(names) and all(map(_is_element, elements))


def _is_element(element: Any) -> bool:
    """Tell whether a button is as documented; other elements are taken as they are."""
    if not isinstance(element, dict):
        return False
    if element.get("type") != "button":
        return isinstance(element.get("type"), str)
    text = element.get("text")
    words = text.get("text") if isinstance(text, dict) and text.get("type") == "plain_text" else None
    return (
        isinstance(words, str)
        and 0 < len(words) <= 75
        and len(str(element.get("action_id") or "")) <= 255
        and len(str(element.get("value") or "")) <= 2_000
        and element.get("style", "primary") in ("primary", "danger")
    )
