"""One bot at a time on a storage that takes one process, as far as this machine can tell.

The lock goes with the process, however that ends. Proved by `tests/test_writing_a_provider.py` and
`tests/unit/bot/test_one_process.py`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backscroll.errors import StorageRefusedError
from backscroll.storage.provider import StorageProvider


@contextmanager
def one_process(provider: StorageProvider, directory: Path = Path()) -> Iterator[None]:
    """Hold a lock beside the storage's files, unless several processes may write there, or nothing outlives this one.

    Args: directory: where the provider's place of files lies when it is relative, as `Attachments` has it.
    Raises: StorageRefusedError: another process holds it, or the place of the files cannot be used.
    """
    if provider.supports_concurrent_writers or provider.files_directory is None:
        yield
        return
    path = directory / f"{provider.files_directory}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        fact = f"{path} cannot be opened ({error.strerror}); it keeps a second process away."
        raise StorageRefusedError(fact, "Let files_directory of the provider be a place that can be written.") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fact = f"{type(provider).__module__} takes one process at a time, and another one runs on it ({path})."
            raise StorageRefusedError(fact, "End the other one; a storage of type sql takes several.") from None
        yield
    finally:
        os.close(lock)
