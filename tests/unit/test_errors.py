"""The tree of errors, and what each carries."""

import copy
import inspect
import pickle
import re

import pytest

from backscroll import errors
from backscroll.errors import BackscrollError, ConfigError, StorageError, StorageUnavailableError

CLASSES = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}


def drawn_tree() -> dict[str, str | None]:
    """Read the tree in the docstring: each class, and the one it stands under."""
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    [│├└─ ]*(\w+Error)\b", line)
        if found is None:
            continue
        column = found.start(1)
        while path and path[-1][0] >= column:
            path.pop()
        parents[found[1]] = path[-1][1] if path else None
        path.append((column, found[1]))
    return parents


def test_drawn_tree_has_every_error() -> None:
    assert drawn_tree().keys() == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_drawn_tree_says_what_an_error_derives_from(name: str) -> None:
    ours = [base.__name__ for base in CLASSES[name].__bases__ if base.__name__ in CLASSES]
    assert ours == [parent for parent in [drawn_tree()[name]] if parent]


@pytest.mark.parametrize("name", CLASSES)
def test_error_without_a_message_says_what_its_docstring_says(name: str) -> None:
    if name != "ConfigError":
        assert CLASSES[name]().message == (CLASSES[name].__doc__ or "").splitlines()[0]


def test_error_reads_as_fact_and_next_step() -> None:
    error = StorageError("The store is closed.", "Open a new one.")
    assert (error.message, error.hint, str(error)) == (
        "The store is closed.",
        "Open a new one.",
        "The store is closed. Open a new one.",
    )


def test_error_without_a_hint_ends_with_its_fact() -> None:
    assert str(StorageError("The store is closed.")) == "The store is closed."


def test_storage_error_is_a_runtime_error() -> None:
    assert issubclass(StorageError, RuntimeError)


def test_config_error_tells_all_faults_a_line_each() -> None:
    error = ConfigError([("a is wrong.", "Mend a."), ("b is wrong.", "Mend b.")])
    assert (error.message, error.hint) == ("a is wrong.\nb is wrong.", "Mend a.\nMend b.")


@pytest.mark.parametrize("error", [StorageUnavailableError("fact", "hint"), ConfigError([("fact", "hint")])])
def test_error_survives_pickle_and_copy(error: BackscrollError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


def test_error_holds_nothing_but_what_it_was_given() -> None:
    assert vars(StorageError("fact", "hint")) == {"message": "fact", "hint": "hint"}
