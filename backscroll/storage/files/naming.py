"""The default name of a database's files directory, which tells the database apart from its namesakes elsewhere.

Proved by `tests/unit/storage/test_files_directory.py`.
"""

import hashlib
from collections.abc import Iterable
from urllib.parse import quote

_LONGEST = 200


def directory_name(names: Iterable[object], hosts: Iterable[str] = (), ports: Iterable[object] = ()) -> str:
    """Return `backscroll-files-<names>@<hosts>+<ports>`, one name of a file; two databases never have the same.

    What is quoted holds neither `@` nor `+` nor a comma, so these part it. A very long one ends with a hash.

    Args: ports: those that are not the default.
    """
    name = f"backscroll-files-{_joined(names, '+')}"
    if host := _joined(hosts, ","):
        name += f"@{host}"
    if port := _joined(ports, ","):
        name += f"+{port}"
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}+{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _joined(parts: Iterable[object], by: str) -> str:
    return by.join(quote(str(part), safe="") for part in parts if part not in (None, ""))
