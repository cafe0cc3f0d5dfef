"""Terms: equal values share them, and nothing else does."""

from typing import Any

import pytest

from backscroll.storage.redis.terms import EVERY, field_term, property_term, score_of, term_of, terms_of

VALUES: list[Any] = [5, 5.0, "5", True, None, [5], {"a": 5}]


def test_property_terms_tell_values_and_types_apart() -> None:
    assert len({property_term("attributes", None, "a", value) for value in VALUES}) == len(VALUES)


def test_terms_of_a_thread_name_all_that_it_is_found_by() -> None:
    value = {"agent_name": "bot", "attributes": {"a": 5}, "platforms": {"slack": {"channel": "C1"}}}
    expected = {EVERY, field_term("agent_name", "bot"), property_term("attributes", None, "a", 5)}
    assert expected < set(terms_of("threads", value).split())


@pytest.mark.parametrize("value", [{"attributes": 5, "platforms": []}, {"platforms": {"slack": None}}, {}])
def test_terms_of_somebodys_own_value_among_the_threads_are_no_error(value: dict[str, Any]) -> None:
    assert EVERY in terms_of("threads", value).split()
    assert score_of("threads", value) == 1


def test_term_of_takes_the_most_telling_field() -> None:
    assert term_of("blocks", {"thread_id": "t", "message_id": "m"}) == field_term("message_id", "m")


def test_term_of_finds_what_is_not_decided_yet() -> None:
    assert term_of("approvals", {"outcome": None}) in terms_of("approvals", {"outcome": None}).split()


def test_term_of_is_none_where_no_field_is_indexed() -> None:
    assert term_of("space", {"colour": "red", "state": 5}) is None
