"""Where threads and messages live outside: `ThreadKey` and `ExternalId`.

Their parts are texts that every backend can hold, cleaned like a model's; written as an alias, a key has 500 characters
at most. The platforms' own field names stand here and nowhere else in storage. Proved by
`tests/unit/storage/test_keys.py`.
"""

from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import quote, unquote

from backscroll.storage.values import ID_LENGTH, check_text

_FIELDS = {
    "slack": ("team", "channel", "thread_ts", "ts"),
    "discord": ("guild", "channel", "thread", "message"),
}
_OTHER = ("workspace", "channel", "thread", "message")


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """Where a thread lives outside. In a DM the `thread` part repeats the channel.

    Raises: ValueError: a part is no text, or the alias would have more than 500 characters.
    """

    platform: str
    workspace: str
    channel: str
    thread: str

    def __post_init__(self) -> None:
        _clean_parts(self)

    @property
    def alias(self) -> str:
        """The alias the thread is found by, such as `slack:T1:C123:1712.0001`; no two keys share one."""
        return _join(self.platform, self.workspace, self.channel, self.thread)

    @classmethod
    def from_alias(cls, alias: str) -> Self | None:
        """Read an alias back; None when it is no key's alias."""
        parts = alias.split(":")
        if len(parts) != 4 or len(alias) > ID_LENGTH or not alias.isascii():
            return None
        key = cls(*(unquote(part) for part in parts))
        return key if key.alias == alias else None

    @property
    def platforms(self) -> dict[str, dict[str, Any]]:
        """What `Thread.platforms` says of this key, such as `{"slack": {"team": …, "channel": …, "thread_ts": …}}`."""
        return {self.platform: place_fields(self.platform, self.workspace, self.channel, self.thread)}

    def moved(self, channel: str) -> Self:
        """Return the key after its channel got another id; in a DM the thread part follows it."""
        thread = channel if self.thread == self.channel else self.thread
        return replace(self, channel=channel, thread=thread)

    def message(self, external_id: str) -> "ExternalId":
        """Name one message of the channel that this thread lives in."""
        return ExternalId(self.platform, self.workspace, self.channel, external_id)


@dataclass(frozen=True, slots=True)
class ExternalId:
    """Where one message lives outside. Storage keeps each once.

    Raises: ValueError: as for a `ThreadKey`.
    """

    platform: str
    workspace: str
    channel: str
    id: str

    def __post_init__(self) -> None:
        _clean_parts(self)

    @property
    def platforms(self) -> dict[str, dict[str, Any]]:
        """What `Message.platforms` says of this id, such as `{"slack": {"team": …, "channel": …, "ts": …}}`."""
        workspace, channel, _, message = _FIELDS.get(self.platform, _OTHER)
        return {self.platform: {workspace: self.workspace, channel: self.channel, message: self.id}}

    @classmethod
    def of_message(cls, platforms: dict[str, dict[str, Any]], thread: dict[str, dict[str, Any]]) -> Self | None:
        """Read the id out of a message's `platforms`; None when it names no channel and id.

        Args: thread: its thread's `platforms`, which give the workspace where the message's do not.
        """
        for platform, place in platforms.items():
            workspace, channel, _, message = (_name(place.get(field)) for field in _FIELDS.get(platform, _OTHER))
            if channel is None or message is None:
                continue
            if workspace is None:
                workspace = _name(thread.get(platform, {}).get(_FIELDS.get(platform, _OTHER)[0]))
            return cls(platform, workspace or "", channel, message)
        return None


@dataclass(frozen=True, slots=True)
class ChannelMove:
    """A channel that has another id from now on."""

    platform: str
    workspace: str
    channel: str
    new_channel: str

    def fits(self, place: "ThreadKey | ExternalId") -> bool:
        """Tell whether a place lies in the channel."""
        return (place.platform, place.workspace, place.channel) == (self.platform, self.workspace, self.channel)

    def apply(self, platforms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]] | None:
        """Rewrite the `platforms` of a thread or message; None when they name another place."""
        place = platforms.get(self.platform, {})
        workspace, channel, thread, _ = _FIELDS.get(self.platform, _OTHER)
        if place.get(channel) != self.channel or place.get(workspace, self.workspace) != self.workspace:
            return None
        follows = {thread: self.new_channel} if place.get(thread) == self.channel else {}
        return platforms | {self.platform: place | {channel: self.new_channel} | follows}


def alias_range(*parts: str) -> tuple[str, str]:
    """Return the texts between which, the second excluded, the aliases lie whose keys begin with these parts."""
    start = _join(*parts)
    return f"{start}:", f"{start};"


def place_fields(platform: str, workspace: str, channel: str, thread: str | None = None) -> dict[str, Any]:
    """Return what threads say of their place that live in a channel, or at one key in it."""
    fields = _FIELDS.get(platform, _OTHER)
    there = {fields[0]: workspace, fields[1]: channel}
    return there if thread is None else there | {fields[2]: thread}


def thread_field(platform: str) -> str | None:
    """Name the property of a place that is the thread's own id; None on a platform that has no fixed one."""
    return _FIELDS[platform][2] if platform in _FIELDS else None


def _name(value: Any) -> str | None:
    """Read a name of a place: a text, or a number as some libraries give it; anything else names nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _clean_parts(key: "ThreadKey | ExternalId") -> None:
    for name in key.__slots__:
        object.__setattr__(key, name, check_text(getattr(key, name), name))
    length = len(_join(*(getattr(key, name) for name in key.__slots__)))
    if length > ID_LENGTH:
        raise ValueError(f"a key has {ID_LENGTH} characters at most when written as an alias, got {length}")


def _join(*parts: str) -> str:
    return ":".join(quote(part, safe="@/+ ~!$&'()*,;=") for part in parts)
