"""Slack's own export, a ZIP: its channels, its people, and its messages one after the other.

Nothing of it is written to a disk, and no name in it becomes a path: members are read in memory, up to a bound,
whatever their headers say. What cannot be read is counted, and the rest goes on. Knows no storage. Proved by
`tests/unit/transfer/test_slack_archive.py`. Source: slack.com/help/articles/220556107
"""

import json
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from backscroll.errors import StorageRefusedError

Fields = dict[str, Any]
Kind = Literal["channel", "group", "im", "mpim"]

DAY_BYTES = 64 * 1024 * 1024
"""Bytes of one day of one channel, unpacked, at most."""

LIST_BYTES = 256 * 1024 * 1024
"""Bytes of a list of people or channels, unpacked, at most."""

RATIO = 200
"""How many times its packed size a member may have, and the whole file; texts pack to a tenth or so."""

FREE_BYTES = 16 * 1024 * 1024
"""Bytes that are given before the ratio counts: short files of one sentence pack better than any text."""

DIRECTORY_BYTES = 64 * 1024 * 1024
"""Bytes of the ZIP's own table of contents, at most: it is held in memory many times larger."""

_CHUNK_BYTES = 1024 * 1024
_LISTS: dict[str, Kind] = {"channels.json": "channel", "groups.json": "group", "dms.json": "im", "mpims.json": "mpim"}
_PEOPLE = ("users.json", "org_users.json")
_KNOWN = {*_LISTS, *_PEOPLE, "integration_logs.json", "canvases.json", "content_flags.json", "lists.json"}
_DAY = re.compile(r"(?P<folder>[^/]+)/(?P<day>\d{4}-\d{2}-\d{2})\.json", re.ASCII)
_SPACE = re.compile(r"[ \t\r\n]*")
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack a chunk to any size at once
_DECODER = json.JSONDecoder()


class _UnreadableError(Exception):
    """One member cannot be read."""


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """A channel, a private one, a direct message, or one of several people. Only channels have names for people."""

    id: str
    name: str | None
    kind: Kind

    @property
    def is_direct(self) -> bool:
        """Whether it is between two."""
        return self.kind == "im"


@dataclass(frozen=True, slots=True)
class SlackBot:
    """What is known of a user that is an app."""

    bot_id: str | None
    app_id: str | None


@dataclass(eq=False)
class SlackArchive:
    """An export, open for reading while it is entered.

    `left_out` counts what was passed over: `unreadable_files`, `unsafe_names`, `unknown_folders` (days of what is in no
    list of channels), `other_files`.
    """

    path: Path
    channels: list[SlackChannel] = field(default_factory=list, init=False)
    people: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    """What each user is called."""
    bots: dict[str, SlackBot] = field(default_factory=dict, init=False, repr=False)
    teams: Counter[str] = field(default_factory=Counter, init=False)
    """How many people each workspace has, guests of other workspaces too."""
    left_out: Counter[str] = field(default_factory=Counter, init=False)

    def __enter__(self) -> Self:
        """Open the file and read its lists.

        Raises: StorageRefusedError: it cannot be read, or is no file, no ZIP, cut off, encrypted, or no export.
        """
        try:
            _check_directory(self.path)
            self._zip = zipfile.ZipFile(self.path)
        except OSError as error:
            fact = f"{self.path} cannot be read: {error.strerror or type(error).__name__}."
            raise StorageRefusedError(fact, "Check its path and its permissions.") from None
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error):
            raise _no_zip(self.path) from None
        try:
            self._read_lists()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def days(self, channel: SlackChannel) -> int:
        """Return how many day files a channel has."""
        return len(self._days_of(channel))

    def messages(self, channel: SlackChannel) -> Iterator[Any]:
        """Give what a channel's days hold, day after day, as it stands there; one day's file is in memory at once.

        What is not JSON ends its day there and counts as an unreadable file.

        Raises: StorageRefusedError: all that was read unpacks to more than any export does.
        """
        for _, info in self._days_of(channel):
            yield from self._items(info, DAY_BYTES)

    def _days_of(self, channel: SlackChannel) -> list[tuple[str, zipfile.ZipInfo]]:
        folder = channel.name if channel.name in self._days else channel.id
        return sorted(self._days.get(folder or "", []), key=lambda day: day[0])

    def _read_lists(self) -> None:
        self._unpacked = 0
        self._limit = RATIO * self.path.stat().st_size + FREE_BYTES
        members = self._members()
        root = _root_of(members)
        inside = {name.removeprefix(root): info for name, info in members.items() if name.startswith(root)}
        self._days: dict[str, list[tuple[str, zipfile.ZipInfo]]] = {}
        self.left_out["other_files"] += len(members) - len(inside)
        for name, info in inside.items():
            found = _DAY.fullmatch(name)
            if found is not None:
                self._days.setdefault(found["folder"], []).append((found["day"], info))
            elif name not in _KNOWN:
                self.left_out["other_files"] += 1
        for name in _PEOPLE:
            for item in self._items(inside[name], LIST_BYTES) if name in inside else ():
                self._meet(item)
        known = dict[str, SlackChannel]()
        for name, kind in _LISTS.items():
            for item in self._items(inside[name], LIST_BYTES) if name in inside else ():
                channel = _channel(item, kind)
                if channel is not None:
                    known.setdefault(channel.id, channel)
        self.channels = list(known.values())
        if not self.channels:
            raise StorageRefusedError(
                f"{self.path.name} is no export of Slack's: no list of channels in it can be read.",
                "Give the ZIP as Slack made it, with channels.json or dms.json in it.",
            )
        folders = {name for channel in self.channels for name in (channel.name, channel.id)}
        self.left_out["unknown_folders"] += sum(folder not in folders for folder in self._days)
        self.left_out += Counter()  # without what is none

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """Return the files of the ZIP by their names; of namesakes the last, as other programs unpack it."""
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.flag_bits & 0x1:
                raise StorageRefusedError(
                    f"{self.path.name} is encrypted.", "Unpack it, and pack it without a password."
                )
            name = _name_of(info)
            if info.is_dir() or name.startswith("__MACOSX/"):
                continue
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            if is_link or name.startswith("/") or "\\" in name or ".." in name.split("/"):
                self.left_out["unsafe_names"] += 1
                continue
            self.left_out["other_files"] += name in members
            members[name] = info
        return members

    def _meet(self, item: Any) -> None:
        """Remember what a user is called."""
        if not isinstance(item, dict) or (user_id := _text(item.get("id"))) is None:
            return
        profile = item.get("profile")
        profile = profile if isinstance(profile, dict) else {}
        told = (profile.get("display_name"), profile.get("real_name"), item.get("real_name"), item.get("name"))
        name = next(filter(None, map(_text, told)), None)
        if name is not None:
            self.people[user_id] = name
        team = _text(item.get("team_id"))
        if team is not None and not item.get("is_stranger"):
            self.teams[team] += 1
        if item.get("is_bot"):
            self.bots[user_id] = SlackBot(_text(profile.get("bot_id")), _text(profile.get("api_app_id")))

    def _items(self, info: zipfile.ZipInfo, limit: int) -> Iterator[Any]:
        """Give the items of a JSON list one after the other, so that but one of them is held."""
        try:
            yield from _list_items(self._read(info, limit).decode("utf-8-sig"))
        except (_UnreadableError, ValueError, RecursionError):
            self.left_out["unreadable_files"] += 1

    def _read(self, info: zipfile.ZipInfo, limit: int) -> bytes:
        """Unpack one member, up to a bound."""
        if info.compress_type not in _PACKINGS or info.file_size > limit:
            raise _UnreadableError
        parts, size = list[bytes](), 0
        try:
            with self._zip.open(info) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    size += len(chunk)
                    self._count(len(chunk))
                    if size > min(limit, RATIO * info.compress_size + FREE_BYTES):
                        raise _UnreadableError
                    parts.append(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, OSError):
            raise _UnreadableError from None
        return b"".join(parts)

    def _count(self, size: int) -> None:
        """Count what is unpacked of all members: many may lead to one and the same piece of the file."""
        self._unpacked += size
        if self._unpacked > self._limit:
            raise StorageRefusedError(
                f"{self.path.name} unpacks to more than {RATIO} times its size.",
                "No export of Slack's does, so it was made to do harm. What was read before is kept.",
            )


def _channel(item: Any, kind: Kind) -> SlackChannel | None:
    if not isinstance(item, dict) or (channel_id := _text(item.get("id"))) is None or len(channel_id) > 100:
        return None
    return SlackChannel(channel_id, _text(item.get("name")), kind)


def _root_of(names: dict[str, zipfile.ZipInfo]) -> str:
    """Return the folder that the lists stand in: none, or one that was packed with them."""
    roots = {name[: -len(each)] for name in names for each in _LISTS if name.endswith(each)}
    fitting = [root for root in roots if root == "" or (root.endswith("/") and root.count("/") == 1)]
    return min(fitting, key=lambda root: (len(root), root), default="")


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return a member's name; one without the mark of UTF-8 may be UTF-8 all the same."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _list_items(text: str) -> Iterator[Any]:
    """Give the items of a list, as far as it is one. Raises: _UnreadableError, ValueError, RecursionError: it ends."""
    at = _past_space(text, 0)
    if text[at : at + 1] != "[":
        raise _UnreadableError
    at = _past_space(text, at + 1)
    while text[at : at + 1] != "]":
        item, at = _DECODER.raw_decode(text, at)
        yield item
        at = _past_space(text, at)
        if text[at : at + 1] == ",":
            at = _past_space(text, at + 1)
        elif text[at : at + 1] != "]":
            raise _UnreadableError


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _no_zip(path: Path) -> StorageRefusedError:
    return StorageRefusedError(f"{path.name} is no ZIP, or was cut off.", "Download the export once more.")


def _check_directory(path: Path) -> None:
    """Look at the size of the table of contents, which zipfile reads as a whole, at the places where it looks for it.

    Raises: StorageRefusedError: it is no file, there is none, or it is too large. OSError: the file cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe may be waited for without end
        raise StorageRefusedError(
            f"{path} is no file.", "Save the export, and name its ZIP: a pipe cannot be read at several places."
        )
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - (22 + 65_535 + 20 + 56)))
        tail = file.read()
    at = len(tail) - 22
    if at < 0 or tail[at : at + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise _no_zip(path)
    (size,) = struct.unpack_from("<L", tail, at + 12)
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        (size,) = struct.unpack_from("<Q", tail, at - 76 + 40)
    if size > DIRECTORY_BYTES:
        raise StorageRefusedError(
            f"{path.name} has a table of contents of {size:,} bytes, more than {DIRECTORY_BYTES:,}.",
            "Export a shorter time, several times.",
        )
