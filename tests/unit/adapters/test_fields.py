"""What is read out of payloads, and what is told of those that cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from backscroll.adapters.fields import Fields, MalformedError, id_in, list_in, need, object_in, text_in, unstorable
from backscroll.storage.models import Message

READERS: list[tuple[Callable[[Fields, str], Any], Any, Any]] = [
    (object_in, {"a": 1}, "secret"),
    (list_in, [1], "secret"),
    (text_in, "said", ["secret"]),
    (id_in, "U1", 5),
]
EACH = pytest.mark.parametrize(("read", "good", "bad"), READERS)


@EACH
def test_read_gives_the_field_that_the_path_ends_in(read: Callable[[Fields, str], Any], good: Any, bad: Any) -> None:
    assert read({"item": good}, "event.item") == good


@EACH
def test_read_gives_nothing_for_a_missing_field_and_for_null(
    read: Callable[[Fields, str], Any], good: Any, bad: Any
) -> None:
    assert read({}, "event.item") is None
    assert read({"item": None}, "event.item") is None


@EACH
def test_read_names_the_field_and_no_value(read: Callable[[Fields, str], Any], good: Any, bad: Any) -> None:
    with pytest.raises(MalformedError, match=r"event\.item is a ") as caught:
        read({"item": bad}, "event.item")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 501])
def test_id_has_1_to_500_characters(length: int) -> None:
    with pytest.raises(MalformedError, match=f"got {length} characters"):
        id_in({"id": "x" * length}, "event.id")


def test_need_refuses_a_field_that_is_missing() -> None:
    assert need(text_in, {"text": ""}, "event.text") == ""
    with pytest.raises(MalformedError, match=r"event\.text is missing"):
        need(text_in, {}, "event.text")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"role": "secret"}, "role: Input should be "),
        ({"attachments": [{"name": ["secret"]}]}, "attachments.0.name: Input should be a valid string."),
        (
            {"platforms": {"secret": {}, "other": "secret"}},
            "platforms.*: Value error, value is a JSON object, got str.",
        ),
        ({"attributes": {"secret": {1: "secret"}}}, "attributes: Value error, value.* has a key of type int"),
        ({"name": 5, "role": 5, "model": 5, "created_at": 5, "content": 5}, "role: Input should be "),
    ],
)
def test_what_no_storage_could_hold_is_told_in_one_line_without_it(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Message(**({"role": "user", "content": "secret"} | fields))
    reason = str(unstorable(caught.value))
    assert reason.startswith("No storage could hold it: ")
    assert told in reason
    assert not any(sign in reason for sign in ("secret", "\n", "http", "input_value"))
    assert len(reason) < 300


def test_what_is_said_so_already_stays() -> None:
    error = MalformedError("event.item is missing.")
    assert unstorable(error) is error
    assert str(unstorable(ValueError("an id is too long"))) == "No storage could hold it: an id is too long"
