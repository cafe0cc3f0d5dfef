"""Links that people copy out of Slack and Discord, read.

Pure; knows no storage. Proved by `tests/unit/storage/test_permalinks.py` and `tests/contract/test_permalinks.py`.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

_SLACK = re.compile(r"/archives/(?P<channel>[A-Z0-9]+)/p(?P<seconds>\d{10,})(?P<micros>\d{6})/?", re.ASCII)
_SLACK_TS = re.compile(r"\d+\.\d+", re.ASCII)
_DISCORD = re.compile(r"/channels/(?P<guild>@me|\d+)/(?P<channel>\d+)(/(?P<message>\d+))?/?", re.ASCII)
_DISCORD_HOSTS = ("discord.com", "discordapp.com")


@dataclass(frozen=True, slots=True)
class Permalink:
    """Where a link leads: a message, a thread, or a message in a thread.

    `workspace` is None for Slack, whose links name it by its domain. On Discord a thread is a channel of its own, so
    `channel` may be a thread's.
    """

    platform: str
    workspace: str | None
    channel: str
    message: str | None
    thread: str | None

    @classmethod
    def read(cls, url: str) -> "Permalink | None":
        """Read a Slack archive link or a Discord jump link; None when it is neither.

        Source: docs.slack.dev/reference/methods/chat.getPermalink
        """
        try:
            parts = urlsplit(url.strip())
            host = parts.hostname or ""
        except ValueError:
            return None
        if parts.scheme not in ("http", "https"):
            return None
        if host.endswith((".slack.com", ".slack-gov.com")):
            return cls._read_slack(parts)
        if host.removeprefix("ptb.").removeprefix("canary.").removeprefix("www.") in _DISCORD_HOSTS:
            return cls._read_discord(parts)
        return None

    @classmethod
    def _read_slack(cls, parts: SplitResult) -> "Permalink | None":
        place = _SLACK.fullmatch(parts.path)
        if place is None:
            return None
        thread = parse_qs(parts.query).get("thread_ts", [""])[0]
        message = f"{place['seconds']}.{place['micros']}"
        return cls("slack", None, place["channel"], message, thread if _SLACK_TS.fullmatch(thread) else None)

    @classmethod
    def _read_discord(cls, parts: SplitResult) -> "Permalink | None":
        place = _DISCORD.fullmatch(parts.path)
        return place and cls("discord", place["guild"], place["channel"], place["message"], None)
