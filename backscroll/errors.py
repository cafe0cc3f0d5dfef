"""Every error that Backscroll raises on purpose.

    BackscrollError
    ├── StorageError (a RuntimeError)
    │   ├── StorageUnavailableError    the database does not answer now; asking again may help
    │   │   └── EchoPendingError
    │   ├── StorageRefusedError        the database answers, and says no; asking again does not help
    │   │   └── SchemaTooNewError
    │   ├── StoreClosedError
    │   ├── ThreadNotFoundError
    │   ├── ThreadExistsError
    │   ├── MessageNotFoundError
    │   ├── MessageExistsError
    │   ├── MessageIndexError          also an IndexError and a ValueError
    │   ├── AliasInUseError
    │   ├── SearchTimeoutError
    │   ├── FileGoneError
    │   └── AnswerLostError
    ├── AdapterError                   the platform refuses; asking again does not help
    │   └── AdapterUnavailableError    the platform does not answer now; asking again may help
    └── ConfigError

An error has a `message`, the fact, and a `hint`, the next step. Neither ever holds a message's text, a token or a
password. A value that no backend could store is a plain `ValueError`. `named` tells of what others raise, `fact_of` of
both. Knows nothing of the rest of the package: `PieceRefusedError`, a `StorageRefusedError`, stands in
`storage/archive.py`.
Proved by `tests/unit/test_errors.py`.
"""

import traceback


class BackscrollError(Exception):
    """Backscroll could not go on."""

    def __init__(self, message: str = "", hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.hint = hint
        super().__init__(self.message, hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class StorageError(BackscrollError, RuntimeError):
    """The storage did not do what it was asked."""


class StorageUnavailableError(StorageError):
    """The storage does not answer."""


class StorageRefusedError(StorageError):
    """The storage answers, and refuses."""


class SchemaTooNewError(StorageRefusedError):
    """The database was written by a newer release."""


class StoreClosedError(StorageError):
    """The store is closed."""


class ThreadNotFoundError(StorageError):
    """No thread has this id."""


class ThreadExistsError(StorageError):
    """A thread with this id exists already."""


class MessageNotFoundError(StorageError):
    """No message has this id."""


class MessageExistsError(StorageError):
    """A message with this id exists already in another thread."""


class MessageIndexError(StorageError, IndexError, ValueError):
    """The thread has no message at this index."""


class AliasInUseError(StorageError):
    """The alias belongs to another thread."""


class SearchTimeoutError(StorageError):
    """The search took too long."""


class EchoPendingError(StorageUnavailableError):
    """A post of ours came back before it is known whose it is."""


class FileGoneError(StorageError):
    """The content of an attachment is not kept."""


class AnswerLostError(StorageError):
    """The answer was taken over, because its lease ended."""


class AdapterError(BackscrollError):
    """The chat platform did not do what it was asked."""


class AdapterUnavailableError(AdapterError):
    """The chat platform does not answer.

    `retry_after_s` is how long it asks to wait, None when it does not say. `is_certain`: what was asked for is not
    done, for sure; otherwise nobody knows.
    """

    def __init__(
        self, message: str = "", hint: str = "", *, retry_after_s: float | None = None, is_certain: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s
        self.is_certain = is_certain


class ConfigError(BackscrollError):
    """The configuration has faults.

    `faults` are all of them, each a `(message, hint)`.
    """

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("\n".join(message for message, _ in faults), "\n".join(hint for _, hint in faults))
        self.args = (faults,)  # what pickle and copy build it from


def named(error: BaseException, *, outside: tuple[str, ...] = ()) -> str:
    """Tell of an exception what may be logged, its type and place: `KeyError at file.py:12`.

    Its own text may hold what people wrote. One that was never raised has no place.

    Args: outside: beginnings of paths; the last line that it came through in another file counts, where there is one.
    """
    every = list(traceback.extract_tb(error.__traceback__))
    frames = [frame for frame in every if not outside or not frame.filename.startswith(outside)] or every
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def fact_of(error: BaseException) -> str:
    """Tell of any exception in a sentence what may be logged: the fact of one of ours, else what `named` tells."""
    return error.message if isinstance(error, BackscrollError) else f"{named(error)}."
