"""A Redis URL as people write it, as the client needs it, and as it may be shown.

No part of a URL that may be a password reaches an error. Proved by `tests/unit/storage/redis/test_url.py`.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from backscroll.errors import StorageRefusedError

SCHEMES = ("redis", "rediss", "unix")

_HINT = "Use redis://user:password@host:6379/0, rediss://… for TLS, or unix:///path/to/redis.sock?db=0."


@dataclass(frozen=True)
class RedisUrl:
    """Where a Redis listens. `text` holds the password; `shown` does not."""

    text: str
    shown: str
    database: int

    def __repr__(self) -> str:
        return f"RedisUrl({self.shown!r})"


def parse_url(text: str) -> RedisUrl:
    """Read a URL.

    Raises: StorageRefusedError: it is none of Redis.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _unreadable() from None
    if parts.scheme not in SCHEMES or parts.fragment:
        raise _unreadable()
    if "@" in unquote(parts.hostname or "") or "@" in parts.netloc.rpartition("@")[0]:
        raise StorageRefusedError(
            "The storage's URL has more than one @.", "In a password, write @ as %40 and / as %2F."
        )
    is_socket = parts.scheme == "unix"
    if (is_socket and not parts.path.strip("/")) or (not is_socket and not parts.hostname) or port == 0:
        raise _unreadable()
    database = _database(parts.query, parts.path, is_socket=is_socket)
    address = parts.path if is_socket else _host(parts.hostname or "", port)
    user = f"{quote(unquote(parts.username or ''), safe='')}:***@" if parts.password is not None else ""
    where = f"{address}?db={database}" if is_socket else f"{address}/{database}"
    return RedisUrl(text, f"{parts.scheme}://{user}{where}", database)


def _host(name: str, port: int | None) -> str:
    return f"[{name}]:{port or 6379}" if ":" in name else f"{name}:{port or 6379}"


def _database(query: str, path: str, *, is_socket: bool) -> int:
    """Read the database's number; a URL says nothing else besides, so that nothing in it need be hidden."""
    name, _, number = query.partition("=")
    if query and (name != "db" or not is_socket):
        raise StorageRefusedError("The storage's URL has an option that is not known.", _HINT)
    if not is_socket:
        number = path.strip("/")
    if number and not (number.isascii() and number.isdigit() and len(number) < 6):
        raise StorageRefusedError("The storage's URL names a database that is no number.", _HINT)
    return int(number or 0)


def _unreadable() -> StorageRefusedError:
    return StorageRefusedError("The storage's URL cannot be read.", _HINT)
