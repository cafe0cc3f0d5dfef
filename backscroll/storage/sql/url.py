"""Database URLs as people write them, and as SQLAlchemy needs them.

No part of a URL that may be a password reaches an error. Proved by `tests/unit/storage/sql/test_url.py`.
"""

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from backscroll.errors import StorageRefusedError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_HINT = "Use postgresql://user:password@host/database, sqlite:///path/to/file.db, a bare file name, or :memory:."

# What the URL's query may say on PostgreSQL; sslmode is libpq's name for ssl.
_OPTIONS = ("host", "passfile", "password", "port", "ssl", "sslmode", "target_session_attrs", "user")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# A bare name of such a form is a URL with a slip, and its password would be shown as the name of a file.
_SLIPPED_URL = re.compile(r"(postgres|sqlite)\w*(\+\w+)?:|.*:.*@", re.DOTALL)


def parse_url(text: str) -> URL:
    """Read a URL, a bare SQLite file name, or `:memory:`; the async driver is filled in.

    Raises: StorageRefusedError: it is none of these.
    """
    if "://" not in text:
        if not text or _SLIPPED_URL.match(text):
            raise _unreadable()
        return URL.create("sqlite+aiosqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _unreadable() from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise StorageRefusedError(f"The driver {url.drivername} is not supported.", _HINT)
    return _sqlite(url.set(drivername=driver)) if is_sqlite(url) else _postgresql(url.set(drivername=driver))


def is_sqlite(url: URL) -> bool:
    """Tell whether the URL is SQLite's."""
    return url.drivername.startswith("sqlite")


def is_memory(url: URL) -> bool:
    """Tell whether the URL is a SQLite database in memory."""
    return is_sqlite(url) and url.database in (None, "", ":memory:")


def shown(url: URL) -> str:
    """Write the URL with its password hidden."""
    return f"{url.drivername}:///{url.database}" if is_sqlite(url) else url.render_as_string(hide_password=True)


def addresses(url: URL) -> tuple[list[str], list[str]]:
    """Return the hosts of a PostgreSQL URL in small letters, and the ports that are not the default."""
    hosts, ports = (
        [single] if single else [part for text in _texts(several) for part in text.split(",")]
        for single, several in ((url.host, url.query.get("host")), (str(url.port or ""), url.query.get("port")))
    )
    return [host.lower().removesuffix(":5432") for host in hosts], [port for port in ports if port != "5432"]


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value or ()


def _sqlite(url: URL) -> URL:
    if url.host or url.username or url.password or url.port:
        raise StorageRefusedError("A SQLite URL has three slashes before a relative path, four before /.", _HINT)
    if url.query or (url.database or "").startswith("file:"):
        # mode=memory would give each connection a database of its own, mode=ro one that cannot be used.
        raise StorageRefusedError("A SQLite URL has a path and no options.", _HINT)
    return URL.create(url.drivername, database=url.database or ":memory:")


def _postgresql(url: URL) -> URL:
    if "@" in (url.host or "") + (url.database or ""):
        raise StorageRefusedError(
            "The storage's URL has more than one @.", "In a password, write @ as %40 and / as %2F."
        )
    _check_host(url)
    options = {}
    for name, value in url.query.items():
        if name not in _OPTIONS:
            shown_name = name if name.isidentifier() else "in it"
            raise StorageRefusedError(
                f"The option {shown_name} of the storage's URL is not known.", f"Known are {', '.join(_OPTIONS)}."
            )
        options["ssl" if name == "sslmode" else name] = value
    if options.get("ssl", "prefer") not in _SSL_MODES:
        raise StorageRefusedError("The sslmode of the storage's URL is not known.", f"Use {', '.join(_SSL_MODES)}.")
    # The query is shown as it is, so what names a person goes where the password is hidden.
    username, password = options.pop("user", url.username), options.pop("password", url.password)
    if not isinstance(username, str | None) or not isinstance(password, str | None):
        raise _unreadable()
    if not url.database:
        raise StorageRefusedError("The storage's URL names no database.", _HINT)
    return url.set(username=username, password=password, query=options)


def _check_host(url: URL) -> None:
    try:
        (url.host or "").encode("idna")
    except UnicodeError:
        raise StorageRefusedError("The host of the storage's URL is no host's name.", _HINT) from None
    if url.port is not None and not 0 < url.port < 65_536:
        raise StorageRefusedError(f"The port of the storage's URL is {url.port}, which is no port.", _HINT)


def _unreadable() -> StorageRefusedError:
    return StorageRefusedError("The storage's URL cannot be read.", _HINT)
