"""The difference that a save writes."""

from typing import Any

import pytest
from hypothesis import given

from backscroll.storage.changes import ThreadChanges, changes_of, remember
from backscroll.storage.models import Message, Thread
from tests.unit.storage.test_models import SECRET, THREADS, said


def loaded(**fields: Any) -> Thread:
    """Make a thread as storage gives it."""
    return remember(Thread(id="t", **fields))


def written(changes: ThreadChanges) -> dict[str, Any]:
    """Name what a save would write."""
    names = ("fields", "set_keys", "removed_keys", "contents", "reactions")
    found = {name: getattr(changes, name) for name in names if getattr(changes, name)}
    return found | ({"messages": [message.id for message in changes.messages]} if changes.messages else {})


@given(THREADS)
def test_thread_that_was_loaded_and_left_alone_writes_nothing(thread: Thread) -> None:
    for sequence, message in enumerate(thread.messages, 1):
        message.sequence = sequence
    assert written(changes_of(remember(thread))) == {}


def test_new_thread_writes_all_that_is_in_it() -> None:
    thread = Thread(
        title="A", user_id="U1", attributes={"a": 1}, platforms={"slack": {"team": "T"}}, messages=[said(id="m")]
    )
    assert written(changes_of(thread)) == {
        "fields": {"title": "A", "user_id": "U1"},
        "set_keys": {"attributes": {"a": 1}, "platforms": {"slack": {"team": "T"}}},
        "messages": ["m"],
    }


def test_new_thread_leaves_a_title_that_nobody_gave_to_others() -> None:
    assert "title" not in changes_of(Thread()).fields


@pytest.mark.parametrize(("field", "value"), [("title", "B"), ("user_id", None), ("agent_name", "other")])
def test_changed_field_is_written_alone(field: str, value: Any) -> None:
    thread = loaded(title="A", user_id="U1", agent_name="helper", attributes={"a": 1})
    setattr(thread, field, value)
    assert written(changes_of(thread)) == {"fields": {field: value}}


def test_changed_key_is_written_without_its_neighbours() -> None:
    thread = loaded(attributes={"a": 1, "b": {"c": 2}, "d": 3})
    thread.attributes["b"]["c"] = 4
    del thread.attributes["d"]
    thread.attributes["e"] = None
    assert written(changes_of(thread)) == {
        "set_keys": {"attributes": {"b": {"c": 4}, "e": None}},
        "removed_keys": {"attributes": ["d"]},
    }


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False), ({"a": 1}, {"a": 1.0})])
def test_value_of_another_type_is_a_change(before: Any, after: Any) -> None:
    thread = loaded(attributes={"a": before})
    thread.attributes["a"] = after
    assert written(changes_of(thread)) == {"set_keys": {"attributes": {"a": after}}}


def test_order_of_keys_inside_a_value_is_no_change() -> None:
    thread = loaded(attributes={"a": {"b": 1, "c": 2}})
    thread.attributes["a"] = {"c": 2, "b": 1}
    assert written(changes_of(thread)) == {}


@pytest.mark.parametrize(
    ("before", "after"), [("a", "b"), ("a", [{"text": "a"}]), ([{"n": 1}], [{"n": True}]), ([{"a": 1}], "")]
)
def test_changed_content_is_written(before: Any, after: Any) -> None:
    thread = loaded(messages=[said(before, id="m", sequence=1)])
    thread.messages[0].content = after
    assert written(changes_of(thread)) == {"contents": {"m": after}}


def test_content_changed_in_place_is_written() -> None:
    thread = loaded(messages=[said([{"a": 1}], id="m", sequence=1)])  # type: ignore[arg-type]  # blocks
    thread.messages[0].content[0]["a"] = 2  # type: ignore[index]  # a list of blocks
    assert written(changes_of(thread)) == {"contents": {"m": [{"a": 2}]}}


def test_reactions_added_and_removed_are_written() -> None:
    thread = loaded(messages=[said(id="m", sequence=1, reactions={"+1": ["U1", "U2"]})])
    thread.remove_reaction("m", "+1", "U1")
    thread.add_reaction("m", "-1", "U1")
    assert written(changes_of(thread)) == {"reactions": [("m", "-1", "U1", True), ("m", "+1", "U1", False)]}


def test_message_that_the_object_lacks_is_left_alone() -> None:
    thread = loaded(messages=[said(id="m", sequence=1)])
    thread.messages.clear()
    assert written(changes_of(thread)) == {}


def test_system_message_is_not_written() -> None:
    thread = loaded()
    thread.add_message(Message(role="system", content="be kind"))
    assert written(changes_of(thread)) == {}


def test_what_no_backend_can_hold_is_refused_without_its_value() -> None:
    thread = loaded()
    thread.attributes["a"] = SECRET.encode()
    with pytest.raises(ValueError, match="is a bytes, which JSON cannot hold") as caught:
        changes_of(thread)
    assert SECRET not in str(caught.value)


def test_what_was_put_into_a_message_is_cleaned() -> None:
    thread = Thread(messages=[said(id="m")])
    thread.messages[0].attributes["a\0"] = "\ud800"
    assert changes_of(thread).messages[0].attributes == {"a\ufffd": "\ufffd"}


def test_changes_are_apart_from_the_object() -> None:
    thread = Thread(attributes={"a": {"b": 1}}, messages=[said(id="m", attributes={"a": {"b": 1}})])
    changes = changes_of(thread)
    thread.attributes["a"]["b"] = 2
    thread.messages[0].attributes["a"]["b"] = 2
    assert changes.set_keys["attributes"] == {"a": {"b": 1}}
    assert changes.messages[0].attributes == {"a": {"b": 1}}


def test_remembering_is_no_part_of_equality() -> None:
    thread = Thread()
    assert remember(thread.model_copy()) == thread


def test_apply_to_keeps_what_others_wrote() -> None:
    thread = loaded(title="A", attributes={"a": 1, "b": 2})
    thread.attributes["a"] = 5
    del thread.attributes["b"]
    stored: dict[str, Any] = {"title": "theirs", "user_id": None, "agent_name": None, "platforms": {}}
    changed = changes_of(thread).apply_to(stored | {"attributes": {"a": 1, "b": 2, "c": 3}})
    assert changed == stored | {"attributes": {"a": 5, "c": 3}}


def test_repr_shows_no_text() -> None:
    thread = loaded(messages=[said(id="m", sequence=1)])
    thread.title = SECRET
    thread.attributes["a"] = SECRET
    thread.messages[0].content = SECRET
    assert SECRET not in repr(changes_of(thread))
