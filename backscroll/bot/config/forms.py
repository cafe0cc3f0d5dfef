"""Forms and bounds that the sections of several platforms share: secrets, addresses, hosts, files, catching up.

Knows no key and no platform; what a hint gives as an example comes from the platform's own module. Proved by
`tests/unit/bot/test_config_slack.py` and `test_config_discord.py`.
"""

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from backscroll.bot.config.keys import Between, Form

CatchUpHours = Annotated[float, Between(0, 720)]
FileLimitBytes = Annotated[int, Between(0, 1_000_000_000)]


def one_word(platform: str) -> Form:
    """Return the form of a secret, which has nothing in it that a header could not carry."""
    return Form(
        f"one word, as {platform} shows it",
        "Look for a space or a line end in it.",
        lambda text: text if re.fullmatch(r"[\x21-\x7e]+", text) else None,
    )


def base_url(example: str, finish: Callable[[str], str]) -> Form:
    """Return the form of an address that the calls' names are put behind; `finish` gives it as it is kept."""

    def read(url: str) -> str | None:
        return finish(url) if _is_base_url(url) else None

    return Form("a URL that begins with http:// or https://", f"Write for example {example}.", read)


def host(example: str) -> Form:
    """Return the form of a host's name, which is kept in lower case."""
    return Form("the name of a host", f"Write the name alone, for example {example}.", _read_host)


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_plain = not re.search(r"[^\x21-\x7e]|[?#@\\]", url) and has_port
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain


def _read_host(name: str) -> str | None:
    return name.lower() if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) else None
