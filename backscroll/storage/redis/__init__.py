"""The provider on Redis: the contract's own defaults, each a transaction, with overrides where it pays.

    scripts, url, failures, terms → batch → connection → transactions → primitives → threads → answers → agents
    → names → archives

Proved by `tests/contract/` and `tests/unit/storage/redis/`.
"""

import math
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from backscroll.errors import StorageError, StorageRefusedError
from backscroll.storage.files.naming import directory_name
from backscroll.storage.redis.archives import RedisArchives
from backscroll.storage.redis.connection import Server
from backscroll.storage.redis.names import Names
from backscroll.storage.redis.transactions import Transactions, whole_calls
from backscroll.storage.redis.url import parse_url

_PREFIX = re.compile(r"[ -~]{1,100}")


@whole_calls
class Provider(RedisArchives):
    """Storage in Redis 6.2 or newer, a single server.

    Args: url: `redis://…`, `rediss://…` or `unix://…`; connects at first use. prefix: what all keys begin with, so that
        several bots may share a database. pool_size: connections, at most. timeout_s: for connecting, for each
        answer, and for all of the opening.
    Raises: StorageRefusedError: the URL cannot be read; a setting cannot have such a value.
    """

    def __init__(self, url: str, *, prefix: str = "backscroll", pool_size: int = 10, timeout_s: float = 10.0) -> None:
        _check(prefix, pool_size, timeout_s)
        self.server = Server(parse_url(url), prefix, pool_size=pool_size, timeout_s=timeout_s)
        self.transactions = Transactions(self.server)
        self.names = Names(self.server)
        self._prefix = prefix

    @property
    def database_url(self) -> str:
        """The URL with its password hidden."""
        return self.server.url.shown

    @property
    def files_directory(self) -> str | None:
        url, parts = self.server.url, urlsplit(self.server.url.text)
        host = parts.path if parts.scheme == "unix" else (parts.hostname or "").lower()
        ports = [parts.port] if parts.port not in (None, 6379) else []
        return directory_name(
            ["redis", self._prefix, *([url.database] if url.database else [])], [unquote(host)], ports
        )

    async def initialize(self) -> None:
        self.transactions.must_be_open()
        await self.server.open()

    async def check(self) -> None:
        self.transactions.must_be_open()
        await self.server.check()

    async def close(self) -> None:
        await self.transactions.close()
        self.names.drop()
        await self.server.close()

    async def abort(self) -> None:
        self.transactions.abort()
        await self.close()

    async def health_check(self) -> dict[str, Any]:
        try:
            await self.check()
        except StorageError as error:
            return {"status": "unhealthy", "backend": "redis", "reason": error.message}
        return {"status": "healthy", "backend": "redis"}


def _check(prefix: Any, pool_size: Any, timeout_s: Any) -> None:
    rules = {
        "prefix is not a text of 1 to 100 ASCII characters.": isinstance(prefix, str) and _PREFIX.fullmatch(prefix),
        "pool_size is not a whole number from 1 up.": type(pool_size) is int and pool_size >= 1,
        "timeout_s is not a number above 0.": type(timeout_s) in (int, float) and 0 < timeout_s < math.inf,
    }
    faults = [fault for fault, is_kept in rules.items() if not is_kept]
    if faults:
        raise StorageRefusedError(" ".join(faults), "Correct what is named, or leave it out.")
