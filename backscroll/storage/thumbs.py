"""Reactions that are feedback: which emoji is a thumb, and what it is kept as.

Pure: knows no backend. Proved by `tests/contract/test_feedback.py`.
"""

import hashlib
import re
from typing import Literal

from backscroll.storage.values import canonical_json

Thumb = Literal["up", "down"]

FROM_REACTION = {"source": "reaction"}
"""The metadata of feedback that is a reaction's."""

# By name, as Slack writes it, or by character; each with or without a skin tone.
_THUMB = re.compile(
    "(?:(?P<up>\\+1|thumbsup|\U0001f44d)|(?P<down>-1|thumbsdown|\U0001f44e))"
    "(?:::skin-tone-[2-6]|[\U0001f3fb-\U0001f3ff\ufe0f]*)"
)


def thumb_of(emoji: str) -> Thumb | None:
    """Tell which thumb an emoji shows, by its name or its character; None for any other."""
    found = _THUMB.fullmatch(emoji)
    if found is None:
        return None
    return "up" if found["up"] else "down"


def reaction_feedback_id(message_id: str, user_id: str, thumb: Thumb) -> str:
    """Name the one feedback that a user's thumb on a message is, whatever its skin tone."""
    return hashlib.sha256(canonical_json(["reaction", message_id, user_id, thumb]).encode()).hexdigest()
