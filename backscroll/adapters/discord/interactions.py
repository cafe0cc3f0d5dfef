"""What Discord waits three seconds for: the first word about a command that was given, or a button that was pressed.

Proved by `tests/scenario/test_discord_commands.py` and `test_discord_approvals.py`.
Source: docs.discord.com/developers/interactions/receiving-and-responding
"""

import logging
import re
from typing import Any

from backscroll.adapters.discord.api import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION, DiscordApi, RefusedError
from backscroll.adapters.fields import Fields, MalformedError, text_in
from backscroll.errors import AdapterError

log = logging.getLogger(__name__)

NOBODY = {"parse": [], "replied_user": False}
"""What lets a text of ours notify nobody."""

_SAY = 4
_EPHEMERAL = 1 << 6
_WORD = re.compile(r"[!-~]+")


async def acknowledge(api: DiscordApi, what: str, interaction_id: str, token: str, reply: dict[str, Any]) -> None:
    """Say the first word, best effort: it may have been said, or be too late.

    Args: what: what it is about, for the log.
    """
    try:
        await api.call(
            "POST",
            # So named, each is a bucket of its own to discord.py, and one that hangs holds up no other.
            "/interactions/{webhook_id}/{webhook_token}/callback",
            body=reply,
            webhook_id=interaction_id,
            webhook_token=token,
        )
    except RefusedError as error:
        if error.code not in (ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION):
            log.warning("%s is not acknowledged: %s", what, error.message)
    except AdapterError as error:
        log.warning("%s is not acknowledged: %s", what, error.message)


def note(text: str) -> dict[str, Any]:
    """Say something to the one who did it alone."""
    return {"type": _SAY, "data": {"content": text, "flags": _EPHEMERAL, "allowed_mentions": {"parse": []}}}


def token_in(fields: Fields, path: str) -> str | None:
    """Read what an interaction is answered by. Raises: MalformedError: it is something else."""
    token = text_in(fields, path)
    if token is not None and not _WORD.fullmatch(token):
        raise MalformedError(f"{path} is a word, got another text.")
    return token


def kind_in(fields: Fields) -> int:
    """Read what somebody did: 2 is a command, 3 a button. Raises: MalformedError: nothing tells."""
    kind = fields.get("type")
    if not isinstance(kind, int):
        raise MalformedError("type is a number, and is missing or something else.")
    return kind
