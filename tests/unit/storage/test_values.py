"""What every backend can hold."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.storage.values import (
    INT64,
    as_utc,
    canonical_json,
    check_count,
    check_id,
    clean_json,
    clean_object,
    clean_text,
    new_id,
    to_json,
    utc_now,
)

SECRET = "the-secret-words"
ANY_TEXT = st.text(st.characters(exclude_categories=[]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int) -> list[Any]:
    """Make lists inside each other."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_new_ids_are_version_7_and_ascend() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {UUID(one).version for one in ids} == {7}


@given(ANY_TEXT)
def test_clean_text_can_be_written_as_utf8_without_nul(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned) == len(text)
    assert b"\0" not in cleaned.encode()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_clean_text_leaves_what_can_be_stored(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize("text", ["x", "x" * 500, "👩" * 500])
def test_check_id_takes_1_to_500_characters(text: str) -> None:
    assert check_id(text) == text


@pytest.mark.parametrize("value", ["", "x" * 501, 5, None, b"x", ["x"]])
def test_check_id_refuses_all_else(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^id is a text of 1 to 500 characters, got "):
        check_id(value)


def test_check_id_replaces_what_cannot_be_stored() -> None:
    assert check_id("a\0b\ud800") == "a\ufffdb\ufffd"


@pytest.mark.parametrize(("value", "least"), [(1, 1), (0, 0), (INT64, 1)])
def test_check_count_takes_whole_numbers_from_the_least_up(value: int, least: int) -> None:
    assert check_count(value, "limit", least) == value


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, INT64 + 1, pytest.param(10**5000, id="huge")])
def test_check_count_refuses_all_else(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^limit is a whole number"):
        check_count(value, "limit")


def test_as_utc_takes_a_naive_instant_as_utc() -> None:
    assert as_utc(datetime(2026, 1, 2, 3)) == datetime(2026, 1, 2, 3, tzinfo=UTC)  # noqa: DTZ001  # the case at hand


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001  # no zone yet
def test_as_utc_keeps_the_instant_of_another_zone(naive: datetime, minutes: int) -> None:
    instant = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert as_utc(instant) == instant
    assert as_utc(instant).tzinfo is UTC


def test_as_utc_refuses_an_instant_outside_the_years() -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        as_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))))


def test_utc_now_is_aware() -> None:
    assert utc_now().tzinfo is UTC


@given(JSON)
def test_clean_json_comes_back_equal_from_json(value: Any) -> None:
    cleaned = clean_json(value)
    assert canonical_json(json.loads(to_json(cleaned))) == canonical_json(cleaned)
    to_json(cleaned).encode()


def test_clean_json_returns_a_copy() -> None:
    value: dict[str, Any] = {"a": [{"b": 1}]}
    cleaned = clean_json(value)
    value["a"][0]["b"] = 2
    assert cleaned == {"a": [{"b": 1}]}


def test_clean_json_replaces_what_cannot_be_stored_in_texts_and_keys() -> None:
    assert clean_json({"a\0": ["\ud800"]}) == {"a\ufffd": ["\ufffd"]}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({SECRET: [1, b"secret"]}, r"^value\.\*\[1\] is a bytes, which JSON cannot hold$"),
        ([(SECRET,)], r"^value\[0\] is a tuple, which JSON cannot hold$"),
        ([datetime(2026, 1, 1, tzinfo=UTC)], r"^value\[0\] is a datetime, which JSON cannot hold$"),
        ([{SECRET}], r"^value\[0\] is a set, which JSON cannot hold$"),
        ([math.nan], r"^value\[0\] is not a finite number, which JSON cannot hold$"),
        ([-math.inf], r"^value\[0\] is not a finite number, which JSON cannot hold$"),
        ({SECRET: {7: SECRET}}, r"^value\.\* has a key of type int; JSON's keys are texts$"),
        pytest.param([10**4300], r"^value\[0\] is an integer of more than 4,200 digits$", id="huge"),
        (
            {"\0": SECRET, "\ud800": SECRET},
            r"^value has two keys that differ only in characters that cannot be stored$",
        ),
        (nested(101), r"^value(\[0\]){100} is nested more than 100 deep$"),
    ],
)
def test_clean_json_names_the_place_and_type_but_no_value(value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        clean_json(value)
    assert SECRET not in str(caught.value)


def test_clean_json_survives_a_value_that_holds_itself() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        clean_json(value)


@pytest.mark.parametrize(
    "value",
    [nested(100), pytest.param(10**4200, id="huge"), pytest.param(-(10**4200), id="-huge"), 5e-324, 1e23, -0.0],
)
def test_clean_json_takes_what_lies_at_the_border(value: Any) -> None:
    assert json.loads(to_json(clean_json(value))) == value


def test_clean_object_refuses_what_is_no_object() -> None:
    with pytest.raises(ValueError, match=r"^filters is a JSON object, got list$"):
        clean_object([], "filters")


def test_canonical_json_tells_values_apart_that_python_takes_as_equal() -> None:
    texts = {canonical_json(value) for value in (5, 5.0, "5", True, 1, None, "null", 0, False)}
    assert len(texts) == 9


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"a": 1, "b": {"c": 2, "d": 3}}) == canonical_json({"b": {"d": 3, "c": 2}, "a": 1})


def test_to_json_keeps_the_order_of_keys() -> None:
    assert to_json({"b": 1, "a": 2}) == '{"b":1,"a":2}'
