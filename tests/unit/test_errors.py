"""The tree of errors is the one that its module draws, and each error tells what and what next."""

import json
import re

import pytest

from backscroll import errors
from backscroll.errors import BackscrollError, ConfigError, StorageError, named


def drawn_tree() -> dict[str, str | None]:
    """Read the drawing in the module's docstring: `{class: its parent}`."""
    tree: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if (found := re.match(r"    ([│├└─ ]*)(\w+Error)\b", line)) is not None:
            depth = len(found[1]) // 4
            tree[found[2]] = above[depth - 1] if depth else None
            above[depth:] = [found[2]]
    return tree


def test_docstring_draws_the_whole_tree() -> None:
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    real = {each.__name__: each.__bases__[0].__name__ for each in classes}

    assert drawn_tree() == real | {"BackscrollError": None}


def test_storage_error_is_a_runtime_error() -> None:
    assert issubclass(StorageError, RuntimeError)


def test_error_without_a_message_says_what_its_class_says() -> None:
    assert BackscrollError().message == "Backscroll could not go on."


def test_error_shows_fact_and_hint() -> None:
    error = StorageError("The disk is full.", "Free some space.")

    assert (error.message, error.hint, str(error)) == (
        "The disk is full.",
        "Free some space.",
        "The disk is full. Free some space.",
    )


def test_config_error_keeps_each_fault() -> None:
    error = ConfigError([("a.yaml:1: x", "y"), ("a.yaml:2: z", "")])

    assert error.faults == [("a.yaml:1: x", "y"), ("a.yaml:2: z", "")]
    assert error.message == "a.yaml:1: x\na.yaml:2: z"


@pytest.mark.parametrize("name", sorted(drawn_tree()))
def test_error_has_a_docstring_that_is_a_sentence(name: str) -> None:
    first_line = (getattr(errors, name).__doc__ or "").partition("\n")[0]

    assert first_line.endswith(".")


def test_named_tells_the_type_and_place_and_not_the_text() -> None:
    def fail() -> None:
        raise KeyError("somebody's words")

    with pytest.raises(KeyError) as caught:
        fail()
    assert re.fullmatch(r"KeyError at test_errors\.py:\d+", named(caught.value))


def test_named_has_no_place_for_what_was_never_raised() -> None:
    assert named(KeyError("somebody's words")) == "KeyError"


def test_named_passes_over_the_files_that_do_not_count() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # json's own
        json.loads("{")
    inside = json.__path__[0]
    assert "test_errors.py" in named(caught.value, outside=(inside,))
    assert "decoder.py" in named(caught.value, outside=(inside, __file__)), "all are passed over, so none is"
