"""Threads and messages as objects."""

import hashlib
import math
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from backscroll.errors import FileGoneError
from backscroll.storage.models import (
    Attachment,
    Message,
    Remembered,
    Thread,
    message_tokens,
    plain_text,
    short_title,
)
from backscroll.storage.values import clean_text
from tests.unit.storage.test_values import ANY_TEXT, JSON, nested

SECRET = "the-secret-words"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
INT64 = 2**63 - 1

IDS = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=20)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_characters="\0\ufffd")), JSON, max_size=4)
INSTANTS = st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-5, minutes=-30)))).filter(
    lambda instant: 1 < instant.year < 9999
)
ATTACHMENTS = st.builds(
    Attachment,
    name=ANY_TEXT,
    type=ANY_TEXT,
    size_bytes=st.none() | st.integers(0, INT64),
    sha256=st.none() | st.binary(max_size=50).map(lambda content: hashlib.sha256(content).hexdigest()),
    location=st.none() | ANY_TEXT,
)
MESSAGES = st.builds(
    Message,
    id=IDS,
    role=st.sampled_from(["user", "assistant", "tool", "system"]),
    content=ANY_TEXT | st.lists(OBJECTS, max_size=3),
    sequence=st.none() | st.integers(0, INT64),
    name=st.none() | ANY_TEXT,
    source=st.none() | OBJECTS,
    platforms=st.dictionaries(IDS, OBJECTS, max_size=2),
    attributes=OBJECTS,
    attachments=st.lists(ATTACHMENTS, max_size=2),
    reactions=st.dictionaries(IDS, st.lists(IDS, max_size=3), max_size=3),
    tool_calls=st.lists(OBJECTS, max_size=2),
    tool_call_id=st.none() | ANY_TEXT,
    metrics=OBJECTS,
    token_count=st.none() | st.integers(-INT64 - 1, INT64),
    created_at=INSTANTS,
    updated_at=st.none() | INSTANTS,
    edited_at=st.none() | INSTANTS,
    deleted_at=st.none() | INSTANTS,
)
THREADS = st.builds(
    Thread,
    id=IDS,
    title=ANY_TEXT,
    user_id=st.none() | IDS,
    agent_name=st.none() | IDS,
    attributes=OBJECTS,
    platforms=st.dictionaries(IDS, OBJECTS, max_size=2),
    messages=st.lists(MESSAGES, max_size=3, unique_by=lambda message: message.id),
    created_at=INSTANTS,
    updated_at=INSTANTS,
    parent_id=st.none() | IDS,
    forked_at=st.none() | st.integers(0, INT64),
)


def said(text: str = "hello", **fields: Any) -> Message:
    """Make a user's message."""
    return Message(role="user", content=text, **fields)


@given(THREADS)
def test_thread_comes_back_equal_from_its_json(thread: Thread) -> None:
    assert Thread.model_validate_json(thread.model_dump_json()) == thread


@given(THREADS)
def test_thread_comes_back_equal_from_its_dump(thread: Thread) -> None:
    assert Thread.model_validate(thread.model_dump()) == thread


@given(MESSAGES)
def test_message_comes_back_equal_from_its_json(message: Message) -> None:
    assert Message.model_validate_json(message.model_dump_json()) == message


def test_thread_dumps_its_reactions_by_message() -> None:
    thread = Thread(id="t", messages=[said(id="m", reactions={"+1": ["U1", "U2"]}), said(id="n")])
    dumped = thread.model_dump()
    assert dumped["reactions"] == {"m": {"+1": ["U1", "U2"]}}
    assert all("reactions" not in message for message in dumped["messages"])


def test_thread_gives_reactions_to_messages_that_are_objects() -> None:
    thread = Thread(messages=[said(id="m")], reactions={"m": {"+1": ["U1"]}})  # type: ignore[call-arg]  # the other shape
    assert thread.get_reactions("m") == {"+1": ["U1"]}


def test_thread_gives_reactions_by_an_id_that_had_to_be_cleaned() -> None:
    data = {"messages": [{"role": "user", "id": "m\0"}], "reactions": {"m\0": {"+1": ["U1"]}}}
    assert Thread.model_validate(data).get_reactions("m\ufffd") == {"+1": ["U1"]}


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "a\udfffb"], ids=["nul", "high", "low"])  # noqa: PT014  # they differ
class TestTexts:
    """What cannot be stored is replaced wherever a text may stand."""

    def test_of_a_thread_are_cleaned(self, text: str) -> None:
        thread = Thread(
            id=text,
            title=text,
            user_id=text,
            agent_name=text,
            parent_id=text,
            attributes={text: {text: text}},
            platforms={text: {text: [text]}},
        )
        assert thread.model_dump(exclude={"created_at", "updated_at"}) == {
            "id": "a\ufffdb",
            "title": "a\ufffdb",
            "user_id": "a\ufffdb",
            "agent_name": "a\ufffdb",
            "parent_id": "a\ufffdb",
            "attributes": {"a\ufffdb": {"a\ufffdb": "a\ufffdb"}},
            "platforms": {"a\ufffdb": {"a\ufffdb": ["a\ufffdb"]}},
            "messages": [],
            "reactions": {},
            "forked_at": None,
        }

    def test_of_a_message_are_cleaned(self, text: str) -> None:
        message = Message(
            id=text,
            role="tool",
            content=[{text: text}],
            name=text,
            source={text: text},
            platforms={text: {text: text}},
            attributes={text: text},
            reactions={text: [text]},
            tool_calls=[{text: text}],
            tool_call_id=text,
            metrics={text: text},
            attachments=[Attachment(name=text, type=text, location=text)],
        )
        texts = str(message.model_dump())
        assert "\0" not in texts
        assert "\\x00" not in texts
        assert "\\ud" not in texts
        assert message.content == [{"a\ufffdb": "a\ufffdb"}]
        assert message.attachments[0].name == "a\ufffdb"
        assert message.reactions == {"a\ufffdb": ["a\ufffdb"]}

    def test_given_later_are_cleaned(self, text: str) -> None:
        message = said()
        message.content = text
        assert message.content == "a\ufffdb"

    def test_of_a_content_are_cleaned(self, text: str) -> None:
        assert said(text).content == "a\ufffdb"


@pytest.mark.parametrize("field", ["content", "name", "tool_call_id"])
def test_bytes_do_not_pass_for_a_text(field: str) -> None:
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", field: b"a\0b"})


def test_naive_instant_is_taken_as_utc() -> None:
    assert said(created_at=NOW.replace(tzinfo=None)).created_at == NOW


def test_instant_of_another_zone_stays_the_same_instant_in_utc() -> None:
    given_at = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    message = said(created_at=given_at)
    assert message.created_at == given_at
    assert message.created_at.tzinfo is UTC


def test_instants_read_from_json_are_utc() -> None:
    message = Message.model_validate_json('{"role": "user", "created_at": "2026-01-02T04:04:05.678901+01:00"}')
    assert message.created_at.isoformat() == NOW.isoformat()


def test_new_instants_are_aware() -> None:
    assert (Thread().created_at.tzinfo, said().created_at.tzinfo) == (UTC, UTC)


def test_source_becomes_platforms() -> None:
    thread = Thread(source={"name": "slack", "channel": "C1"}, platforms={"discord": {"channel": "2"}})  # type: ignore[call-arg]  # the other shape
    assert thread.platforms == {"discord": {"channel": "2"}, "slack": {"channel": "C1"}}


@pytest.mark.parametrize("source", [{}, {"channel": "C1"}, {"name": 5}, "slack", 5])
def test_source_without_a_name_is_refused(source: Any) -> None:
    with pytest.raises(ValidationError, match='source is an object with a "name"'):
        Thread.model_validate({"source": source})


@pytest.mark.parametrize(
    "data",
    [
        {"source": {"name": "slack"}, "platforms": [1]},
        {"messages": 5, "reactions": {}},
        {"messages": "text", "reactions": {}},
        {"messages": [5], "reactions": {}},
        {"messages": [{"role": "user", "id": ["m"]}], "reactions": {"m": {}}},
        {"messages": [{"role": "user", "id": "m"}], "reactions": {"m": 5}},
        {"messages": [{"role": "user", "id": "m"}], "reactions": {"m": {"+1": "U1"}}},
        {"messages": [{"role": "user", "id": "m"}], "reactions": 5},
        {"attributes": []},
        {"platforms": {"slack": 5}},
        {"title": 5},
        {"unknown": 1},
    ],
)
def test_thread_of_a_wrong_shape_is_a_validation_error(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Thread.model_validate(data)


MAKERS: dict[str, Callable[[Any], Any]] = {
    "Thread": lambda value: Thread(id=value),
    "Message": lambda value: said(id=value),
    "user": lambda value: Thread(user_id=value),
}


@pytest.mark.parametrize("kind", MAKERS)
class TestIds:
    @pytest.mark.parametrize("value", ["x", "x" * 500, " ", "👩" * 500], ids=["1", "500", "blank", "500 wide"])
    def test_of_1_to_500_characters_are_taken(self, kind: str, value: str) -> None:
        MAKERS[kind](value)

    @pytest.mark.parametrize("value", ["", "x" * 501, 5, b"x"], ids=["0", "501", "int", "bytes"])
    def test_of_another_length_or_type_are_refused(self, kind: str, value: Any) -> None:
        with pytest.raises(ValueError, match="is a text of 1 to 500 characters"):
            MAKERS[kind](value)


UNFIT = [
    (math.nan, "is not a finite number"),
    (math.inf, "is not a finite number"),
    (SECRET.encode(), "is a bytes"),
    ((SECRET,), "is a tuple"),
    (NOW, "is a datetime"),
    ({SECRET}, "is a set"),
    (nested(101), "is nested more than 100 deep"),
    (10**4300, "is an integer of more than 4,200 digits"),
    ({7: SECRET}, "has a key of type int"),
]


@pytest.mark.parametrize(
    ("value", "complaint"), UNFIT, ids=["nan", "inf", "bytes", "tuple", "datetime", "set", "deep", "huge", "key"]
)
@pytest.mark.parametrize("field", ["attributes", "source", "metrics", "content", "tool_calls"])
def test_what_json_cannot_hold_is_refused_by_place_and_type_but_without_value(
    field: str, value: Any, complaint: str
) -> None:
    held = {SECRET: value}
    with pytest.raises(ValidationError, match=rf"\.\*\S* {complaint}") as caught:
        Message.model_validate({"role": "user", field: [held] if field in ("content", "tool_calls") else held})
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in shown


@pytest.mark.parametrize("depth", [99, 100])
def test_attributes_nested_up_to_100_deep_come_back_equal(depth: int) -> None:
    thread = Thread(attributes={"deep": nested(depth - 1)})
    assert Thread.model_validate_json(thread.model_dump_json()) == thread


@pytest.mark.parametrize(
    ("model", "needed", "field", "least"),
    [
        (Message, {"role": "user"}, "token_count", -INT64 - 1),
        (Message, {"role": "user"}, "sequence", 0),
        (Attachment, {"name": "a"}, "size_bytes", 0),
        (Thread, {}, "forked_at", 0),
    ],
    ids=["token_count", "sequence", "size_bytes", "forked_at"],
)
def test_integers_that_do_not_fit_64_bits_are_refused(
    model: type[BaseModel], needed: dict[str, Any], field: str, least: int
) -> None:
    for number in (least, INT64):
        assert getattr(model.model_validate(needed | {field: number}), field) == number
    for number in (least - 1, INT64 + 1):
        with pytest.raises(ValidationError):
            model.model_validate(needed | {field: number})


def test_each_user_stands_once_for_an_emoji() -> None:
    assert said(reactions={"+1": ["U2", "U1", "U2"], "-1": []}).reactions == {"+1": ["U2", "U1"]}


def test_emojis_that_cleaning_makes_one_share_their_users() -> None:
    assert said(reactions={"\0": ["U1"], "\ud800": ["U2", "U1"]}).reactions == {"\ufffd": ["U1", "U2"]}


class TestRepr:
    """A repr, a str and an error hold no text of a person."""

    MODELS = (
        Attachment(name=SECRET, location=SECRET, content=SECRET.encode()),
        said(SECRET, name=SECRET, attributes={SECRET: SECRET}, reactions={"+1": ["U1"]}),
        Thread(title=SECRET, attributes={SECRET: SECRET}, messages=[said(SECRET)]),
        Remembered({("title", ""): SECRET}, {"m": (SECRET, frozenset())}),
    )

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
    def test_shows_no_text(self, model: Any) -> None:
        assert SECRET not in repr(model) + str(model) + repr([model])

    def test_shows_what_a_developer_looks_for(self) -> None:
        assert repr(said(id="m", sequence=3)) == "Message(id='m', role='user', sequence=3)"
        assert repr(Thread(id="t", messages=[said()])) == "Thread(id='t', messages=1)"

    @pytest.mark.parametrize(
        "data",
        [
            {"role": SECRET},
            {"role": "user", "content": 5, "name": SECRET},
            {"role": "user", "content": SECRET, "created_at": SECRET},
            {"role": "user", "content": SECRET, "sequence": SECRET},
            {"role": "user", "attachments": [SECRET]},
            {"role": "user", "reactions": {SECRET: 5}},
            {"role": "user", "platforms": {"slack": SECRET}},
        ],
    )
    def test_of_an_error_shows_no_value(self, data: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as caught:
            Message.model_validate(data)
        assert SECRET not in repr(caught.value) + "".join(traceback.format_exception(caught.value))


def test_add_message_takes_a_text_and_its_author() -> None:
    thread = Thread()
    message = thread.add_message("hello", "user1")
    assert (message.role, message.content, message.source) == ("user", "hello", {"type": "user", "id": "user1"})
    assert thread.messages == [message]


def test_add_message_keeps_the_object_it_is_given() -> None:
    thread, message = Thread(), said()
    assert thread.add_message(message) is message
    assert thread.messages[0] is message


def test_add_reaction_adds_each_user_once() -> None:
    thread = Thread(messages=[said(id="m")])
    assert [thread.add_reaction("m", "+1", user) for user in ("U1", "U2", "U1")] == [True, True, False]
    assert thread.get_reactions("m") == {"+1": ["U1", "U2"]}


def test_add_reaction_to_an_unknown_message_changes_nothing() -> None:
    assert Thread().add_reaction("m", "+1", "U1") is False


def test_remove_reaction_takes_one_user_away() -> None:
    thread = Thread(messages=[said(id="m", reactions={"+1": ["U1", "U2"]})])
    assert [thread.remove_reaction("m", "+1", user) for user in ("U1", "U3", "U2")] == [True, False, True]
    assert thread.get_reactions("m") == {}


def test_get_reactions_gives_a_copy() -> None:
    thread = Thread(messages=[said(id="m", reactions={"+1": ["U1"]})])
    thread.get_reactions("m")["+1"].append("U2")
    assert thread.get_reactions("m") == {"+1": ["U1"]}


def test_get_message_by_id_finds_it_or_gives_none() -> None:
    message = said(id="m")
    thread = Thread(messages=[message])
    assert thread.get_message_by_id("m") is message
    assert thread.get_message_by_id("n") is None


def test_get_last_message_by_role_gives_the_last_one() -> None:
    first, last = said(), said()
    thread = Thread(messages=[first, last, Message(role="assistant")])
    assert thread.get_last_message_by_role("user") is last
    assert thread.get_last_message_by_role("tool") is None


def test_get_messages_in_sequence_puts_those_not_stored_last() -> None:
    messages = [said(id="new"), said(id="2", sequence=2), said(id="newer"), said(id="1", sequence=1)]
    assert [message.id for message in Thread(messages=messages).get_messages_in_sequence()] == [
        "1",
        "2",
        "new",
        "newer",
    ]


def test_generate_title_takes_the_first_line_that_a_user_wrote() -> None:
    thread = Thread(messages=[Message(role="assistant", content="Hi"), said("  \n"), said("  How  are\tyou?\nWell?")])
    assert thread.generate_title() == "How are you?"
    assert thread.title == "How are you?"


def test_generate_title_leaves_the_title_where_no_user_wrote() -> None:
    assert Thread().generate_title() == "Untitled Thread"


@given(st.text())
def test_short_title_has_60_characters_at_most(text: str) -> None:
    title = short_title(text)
    assert title is None or 0 < len(title) <= 60


def test_short_title_marks_what_it_left_out() -> None:
    assert short_title("x" * 61) == "x" * 59 + "…"
    assert short_title("x" * 60) == "x" * 60


def test_plain_text_of_blocks_is_their_texts() -> None:
    assert plain_text([{"text": "a"}, {"type": "image"}, {"text": 5}, {"text": "b"}]) == "a\nb"


def test_total_tokens_prefer_the_usage_that_was_measured() -> None:
    measured = said(metrics={"usage": {"total_tokens": 7}}, token_count=100)
    counted = said(token_count=5)
    unknown = said(metrics={"usage": "none"})
    assert Thread(messages=[measured, counted, unknown]).get_total_tokens() == 12


def test_threads_that_differ_in_a_message_are_not_equal() -> None:
    thread = Thread(messages=[said("a", id="m")])
    other = Thread.model_validate_json(thread.model_dump_json())
    assert thread == other
    other.messages[0].content = "b"
    assert thread != other


@given(ANY_TEXT)
def test_content_is_what_clean_text_makes_of_it(text: str) -> None:
    assert said(text).text == clean_text(text)


@pytest.mark.parametrize("sha256", ["", "../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_attachment_refuses_what_is_no_hash(sha256: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        Attachment(name="a", sha256=sha256)


def test_attachment_dumps_no_content() -> None:
    attachment = Attachment(name="a", content=SECRET.encode())
    assert SECRET not in attachment.model_dump_json()
    assert "content" not in attachment.model_dump()


@pytest.mark.parametrize("content", ["text", 5, [1]])
def test_attachment_refuses_a_content_that_is_not_bytes(content: object) -> None:
    with pytest.raises(ValueError, match="content"):
        Attachment.model_validate({"name": "a", "content": content})


@pytest.mark.parametrize(
    ("metrics", "token_count", "tokens"),
    [
        ({}, None, None),
        ({}, 7, 7),
        ({"usage": {"total_tokens": 5}}, 7, 5),
        ({"usage": {"total_tokens": 0}}, 7, 0),
        ({"usage": {"total_tokens": True}}, 7, 7),
        ({"usage": {"total_tokens": "5"}}, 7, 7),
        ({"usage": {"total_tokens": 2**70}}, 7, 7),
        ({"usage": [5]}, None, None),
    ],
)
def test_tokens_of_a_message_are_its_usage_else_its_count(
    metrics: dict[str, Any], token_count: int | None, tokens: int | None
) -> None:
    assert message_tokens(Message(role="assistant", metrics=metrics, token_count=token_count)) == tokens


# Reading a content


async def test_attachment_reads_its_own_content() -> None:
    assert await Attachment(name="a", content=b"x").read() == b"x"


async def test_attachment_reads_what_it_is_bound_to() -> None:
    async def read() -> bytes | None:
        return b"kept"

    attachment = Attachment(name="a")
    attachment.bind(read)
    assert await attachment.read() == b"kept"


@pytest.mark.parametrize("is_bound", [True, False])
async def test_attachment_whose_content_nobody_has_says_so_without_its_name(is_bound: bool) -> None:
    async def read() -> bytes | None:
        return None

    attachment = Attachment(name="canary", type="text/plain", location="https://example.com/canary")
    if is_bound:
        attachment.bind(read)
    with pytest.raises(FileGoneError, match="of type text/plain is not kept") as caught:
        await attachment.read()
    assert "canary" not in str(caught.value)


def test_binding_changes_nothing_that_is_compared_or_dumped() -> None:
    async def read() -> bytes | None:
        return None

    one, other = Attachment(name="a"), Attachment(name="a")
    one.bind(read)
    assert one == other
    assert one.model_dump() == other.model_dump()
