"""From the configuration to the provider that it names, and the place of its files; nothing is connected yet.

Proved by `tests/scenario/test_run.py` and `tests/test_writing_a_provider.py`.
"""

import re
from pathlib import Path

from backscroll.bot.config import StorageConfig
from backscroll.bot.config.user_code import place_of
from backscroll.errors import ConfigError, StorageError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.primitives import taken_names


def make_provider(storage: StorageConfig) -> StorageProvider:
    """Make the provider that the configuration names; it is not connected yet.

    Raises: ConfigError: its constructor refuses what stands there.
    """
    place = f"{storage.path}:{storage.line}: storage"
    try:
        provider: StorageProvider = storage.provider_class(**storage.options)
    except StorageError as error:
        raise ConfigError(_refusals(storage, error)) from None
    except Exception as error:  # noqa: BLE001  # somebody else's constructor; the exception's text may hold a password
        raised = f"{type(error).__qualname__}{place_of(error, directory_of(storage))}"
        fact = f"{place}: {storage.type}'s Provider raised {raised}."
        raise ConfigError([(fact, "Correct the keys of storage, or the provider.")]) from None
    if taken := taken_names(type(provider), vars(provider)):
        fact = f"{place}: {storage.type}'s Provider has {', '.join(taken)}, which StorageProvider has for itself."
        raise ConfigError([(fact, "Rename what is yours.")])
    return provider


def directory_of(storage: StorageConfig) -> Path:
    """Return the configuration's directory, in which the storage has its own things.

    In the working directory a program that is started from elsewhere would not find them.
    """
    return storage.path.absolute().parent.resolve()


def make_attachments(storage: StorageConfig, provider: StorageProvider) -> Attachments:
    """Make what keeps the contents of attachments, where the configuration says so; nothing is touched yet."""
    files = None if storage.files is None else LocalFiles(storage.files)
    return Attachments(provider, files, beside=directory_of(storage))


def _refusals(storage: StorageConfig, error: StorageError) -> list[tuple[str, str]]:
    """Tell of a constructor's refusal: a sentence that begins with a key in the file at that key's line."""
    keys = "|".join(map(re.escape, storage.lines)) or r"\Z"
    told = []
    for fact in re.split(rf"(?<=\.) (?=(?:{keys}) )", error.message):
        line = storage.lines.get(fact.partition(" ")[0])
        place = f"{storage.line}: storage: " if line is None else f"{line}: storage."
        told.append((line or storage.line, f"{storage.path}:{place}{fact}"))
    return [(fact, error.hint) for _, fact in sorted(told)]
