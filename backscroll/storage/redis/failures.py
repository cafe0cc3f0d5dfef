"""What went wrong in Redis, told by our errors.

Redis' own errors may quote what was sent, so of their text only the first word, the code, is read. Proved by
`tests/unit/storage/redis/test_failures.py`.
"""

import re

from redis.exceptions import AuthenticationError, MaxConnectionsError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError

_UP = "Check that the server is up and storage.url is right."
_UP_TLS = "Check that the server is up, that it speaks TLS there, and that storage.url is right."
_RIGHTS = "Correct the user and password in storage.url, or grant the user the rights."

# The code that an answer begins with: the fact, the next step, and whether asking again may help.
_CODES = {
    "LOADING": ("is loading its data", "It goes on by itself.", True),
    "BUSY": ("is busy with a script", "It goes on by itself; look for a script that does not end.", True),
    "READONLY": ("is a replica, which takes no writes", "Connect to the primary server.", True),
    "MASTERDOWN": ("has lost its primary server", _UP, True),
    "CLUSTERDOWN": ("is part of a cluster that is down", "A cluster is not supported; use a single server.", False),
    "MOVED": ("is part of a cluster", "A cluster is not supported; use a single server.", False),
    "CROSSSLOT": ("is part of a cluster", "A cluster is not supported; use a single server.", False),
    "TRYAGAIN": ("is moving its data", "It goes on by itself.", True),
    "NOREPLICAS": ("has too few replicas to take writes", "Bring its replicas up.", True),
    "MISCONF": ("cannot save to its disk, and takes no writes", "Look into the server's log.", True),
    "OOM": ("has no memory left", "Raise maxmemory; nothing is dropped by itself.", False),
    "NOAUTH": ("wants a password", _RIGHTS, False),
    "WRONGPASS": ("refused the user or password", _RIGHTS, False),
    "NOPERM": ("does not let this user do that", _RIGHTS, False),
    "WRONGTYPE": ("holds something else under a key of ours", "Choose another storage.prefix.", False),
}


# redis-py takes the code off where it has a class for it.
_CLASSES = {
    "BusyLoadingError": "LOADING",
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "NoPermissionError": "NOPERM",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "MovedError": "MOVED",
    "ClusterCrossSlotError": "CROSSSLOT",
    "TryAgainError": "TRYAGAIN",
}
_CODE = re.compile(rf"\b({'|'.join(_CODES)})\b")


def translate(error: BaseException, shown: str) -> StorageError:
    """Make our error of the client's; its text is not taken along."""
    code = _code(error)
    up = _UP_TLS if shown.startswith("rediss:") else _UP
    if code in _CODES:
        fact, hint, may_help = _CODES[code]
        return (StorageUnavailableError if may_help else StorageRefusedError)(f"{shown} {fact}.", hint)
    if isinstance(error, AuthenticationError):
        return StorageRefusedError(f"{shown} refused the user or password.", _RIGHTS)
    if isinstance(error, MaxConnectionsError):
        return StorageUnavailableError(f"{shown} has no free connection.", "Raise storage.pool_size.")
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return StorageUnavailableError(f"{shown} did not answer in time.", up)
    if isinstance(error, RedisConnectionError | OSError):
        return StorageUnavailableError(f"{shown} does not answer ({type(error).__name__}).", up)
    if isinstance(error, ResponseError) and "DB index is out of range" in str(error):
        return StorageRefusedError(f"{shown} has no such database.", "Correct the number in storage.url.")
    return StorageError(f"{shown} reported {type(error).__name__} {code}".rstrip() + ".", "This is a defect of ours.")


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection was lost, so that nobody knows what became of the command."""
    is_refusal = isinstance(error, AuthenticationError | MaxConnectionsError) or _code(error) in _CODES
    return isinstance(error, RedisConnectionError | RedisTimeoutError | OSError) and not is_refusal


def _code(error: BaseException) -> str:
    if not isinstance(error, RedisError):
        return ""
    # What went wrong inside a script is told in the middle of the text.
    found = _CODE.search(str(error))
    return _CLASSES.get(type(error).__name__) or (found[0] if found else "")
