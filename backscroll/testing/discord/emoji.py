"""Emoji as texts, paths and payloads name them. Proved by `tests/unit/testing/discord/test_reactions.py`."""

import re

from backscroll.testing.discord.models import Json

_CUSTOM = re.compile(r"^<?(?P<animated>a?):?(?P<name>\w{2,32}):(?P<id>\d{5,20})>?$")


def read_emoji(text: str) -> Json | None:
    """Return the partial emoji of a character, `name:id` or `<:name:id>`; None when the text is no emoji."""
    custom = _CUSTOM.match(text)
    if custom is not None and (text.startswith("<") or not text.startswith("a:")):
        return {"id": custom["id"], "name": custom["name"], "animated": text.startswith("<a:")}
    if not text or len(text) > 16 or text.isascii() or any(letter.isalpha() and letter != "ℹ" for letter in text):
        return None
    return {"id": None, "name": text}


def key_of(emoji: Json) -> str:
    """Return what makes an emoji the same: the id of a custom one, the characters of any other."""
    return str(emoji["id"] or emoji["name"])
