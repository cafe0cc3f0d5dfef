"""Each thing that Slack tells of becomes the event that it is, and nothing else does."""

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from backscroll.adapters.slack.translate import (
    MalformedError,
    Us,
    channels_in,
    message_event,
    people_in,
    translate,
)
from backscroll.storage.keys import ChannelMove, ExternalId, ThreadKey
from backscroll.storage.models import Attachment
from tests.payloads.slack import NAMES as PAYLOADS
from tests.payloads.slack import load
from tests.payloads.slack.malformed import MALFORMED, broken

US = Us("T1", "UBOT", "BBOT", "A1")
EVENTS = [name for name in PAYLOADS if name != "replies"]
NOTHING = [
    "app_rate_limited",
    "assistant_title_changed",
    "channel_join",
    "channel_name",
    "link_preview",
    "message_replied",
    "reaction_added_to_file",
    "reaction_added_to_file_comment",
]


class Known:
    """Knows a few names."""

    def person(self, user_id: str) -> str | None:
        return {"U1": "anna", "UBOT": "helper"}.get(user_id)

    def channel(self, channel_id: str) -> str | None:
        return {"C1": "general"}.get(channel_id)


KNOWN = Known()


def instant(seconds: int, microseconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def one(payload: dict[str, Any]) -> Event:
    (event,) = translate(payload, US, KNOWN)
    return event


def posted(name: str, **changes: Any) -> MessagePosted:
    """Translate a payload with some fields of its event changed."""
    payload = load(name)
    payload["event"] |= changes
    event = one(payload)
    assert isinstance(event, MessagePosted)
    return event


# Posted


def test_translate_gives_a_message_as_it_was_written() -> None:
    assert posted("message") == MessagePosted(
        key=ThreadKey("slack", "T1", "C1", "1736207085.539649"),
        external=ExternalId("slack", "T1", "C1", "1736207085.539649"),
        author_id="U1",
        text="@helper when was the fair?",
        created_at=instant(1736207085, 539649),
        author_name="anna",
        mentions_bot=True,
        channel_name="general",
    )


def test_translate_gives_a_mention_and_its_twin_as_equals() -> None:
    assert one(load("app_mention")) == one(load("app_mention_twin"))


def test_translate_gives_a_mention_that_names_nobody_as_a_mention() -> None:
    assert posted("app_mention", text="hello").mentions_bot


@pytest.mark.parametrize(
    ("text", "mentions_bot"),
    [("<@UBOT>", True), ("a <@UBOT|helper> b", True), ("&lt;@UBOT&gt;", False), ("<@U1>", False), ("UBOT", False)],
)
def test_translate_tells_whether_a_text_mentions_the_bot(text: str, mentions_bot: bool) -> None:
    assert posted("message_in_thread", text=text).mentions_bot is mentions_bot


@pytest.mark.parametrize(
    ("name", "changes", "thread", "is_reply"),
    [
        ("message", {}, "1736207085.539649", False),
        ("message", {"thread_ts": None}, "1736207085.539649", False),
        ("message", {"thread_ts": "1736207085.539649"}, "1736207085.539649", False),
        ("message_in_thread", {}, "1736207085.539649", True),
        ("thread_broadcast", {}, "1482950137.003543", True),
        ("direct_message", {}, "D1", False),
        ("direct_message", {"thread_ts": "1355517520.000001"}, "1355517520.000001", True),
        ("direct_message", {"thread_ts": "1355517523.000005"}, "D1", False),
        ("assistant_message", {}, "1724264405.531769", True),
    ],
)
def test_translate_puts_a_message_in_its_thread(
    name: str, changes: dict[str, Any], thread: str, is_reply: bool
) -> None:
    message = posted(name, **changes)

    assert (message.key.thread, message.is_reply) == (thread, is_reply)


@pytest.mark.parametrize(
    ("changes", "is_direct"),
    [
        ({"channel": "D1", "channel_type": "im"}, True),
        ({"channel": "D1", "channel_type": None}, True),
        ({"channel": "X1", "channel_type": "im"}, True),
        ({"channel": "G1", "channel_type": "mpim"}, False),
        ({"channel": "C1", "channel_type": "group"}, False),
        ({"channel": "C1", "channel_type": ["im"]}, False),
    ],
)
def test_translate_takes_only_a_dm_as_direct(changes: dict[str, Any], is_direct: bool) -> None:
    message = posted("message", **changes)

    assert message.is_direct is is_direct
    assert message.key.thread == (message.key.channel if is_direct else message.external.id)


@pytest.mark.parametrize("name", ["message", "file_share", "me_message", "thread_broadcast", "bot_message"])
def test_translate_takes_what_somebody_says(name: str) -> None:
    assert isinstance(one(load(name)), MessagePosted)


@pytest.mark.parametrize("name", NOTHING)
def test_translate_gives_nothing_for_what_nobody_says(name: str) -> None:
    assert translate(load(name), US, KNOWN) == []


@pytest.mark.parametrize(
    "subtype",
    [
        "assistant_app_thread",
        "channel_archive",
        "channel_topic",
        "ekm_access_denied",
        "huddle_thread",
        "message_replied",
        "pinned_item",
        "reminder_add",
        "something_new",
        "tombstone",
    ],
)
def test_translate_gives_nothing_for_a_system_message(subtype: str) -> None:
    payload = load("message")
    payload["event"]["subtype"] = subtype

    assert translate(payload, US, KNOWN) == []


def test_translate_gives_nothing_for_a_hidden_message() -> None:
    payload = load("message")
    payload["event"]["hidden"] = True

    assert translate(payload, US, KNOWN) == []


@pytest.mark.parametrize(
    "kind", ["app_home_opened", "assistant_thread_started", "team_join", "message_metadata_posted"]
)
def test_translate_gives_nothing_for_other_types(kind: str) -> None:
    assert translate({"type": "event_callback", "event": {"type": kind, "channel": 5}}, US, KNOWN) == []


def test_translate_gives_nothing_for_replies_that_are_counted() -> None:
    assert translate(broken("message_replied", "event.hidden"), US, KNOWN) == []


@pytest.mark.parametrize(
    ("timestamp", "microseconds"),
    [("1.1", 100_000), ("1.000001", 1), ("1.999999", 999_999), ("1.123456789", 123_456), ("1.539649", 539_649)],
)
def test_translate_reads_an_instant_to_the_microsecond(timestamp: str, microseconds: int) -> None:
    assert posted("message", ts=timestamp).created_at == instant(1, microseconds)


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        ("message", {}, "person"),
        ("message", {"user": "UBOT"}, "self"),
        ("message", {"bot_id": "BBOT"}, "self"),
        ("message", {"app_id": "A1", "bot_id": "B5"}, "self"),
        ("message", {"user": None, "bot_id": "BBOT"}, "self"),
        ("message", {"user": "USLACKBOT"}, "bot"),
        ("message", {"bot_profile": {"name": "CI"}}, "bot"),
        ("bot_message", {}, "bot"),
        ("bot_message", {"bot_id": None, "user": "U5"}, "bot"),
        ("app_posted", {}, "bot"),
        ("own_post", {}, "self"),
    ],
)
def test_translate_tells_who_wrote(name: str, changes: dict[str, Any], kind: str) -> None:
    assert posted(name, **changes).author_kind == kind


def test_translate_takes_no_missing_id_of_ours_for_somebody_s() -> None:
    (event,) = translate(load("message"), Us("T1", "UBOT"), KNOWN)

    assert isinstance(event, MessagePosted)
    assert event.author_kind == "person"


@pytest.mark.parametrize(
    ("name", "changes", "author_id", "author_name"),
    [
        ("message", {}, "U1", "anna"),
        ("message", {"user": "U9"}, "U9", None),
        ("message", {"user": "U9", "user_profile": {"display_name": "", "real_name": "Carla"}}, "U9", "Carla"),
        ("message", {"user": "U9", "user_profile": {"display_name": "carla", "real_name": "C"}}, "U9", "carla"),
        ("message", {"user": "U1", "user_profile": {"display_name": "other"}}, "U1", "anna"),
        ("message", {"user": "U9", "user_profile": "carla", "username": 5}, "U9", None),
        ("bot_message", {}, "B9", "github"),
        ("app_posted", {}, "U9", "CI"),
        ("own_post", {}, "UBOT", "helper"),
    ],
)
def test_translate_names_the_author(
    name: str, changes: dict[str, Any], author_id: str, author_name: str | None
) -> None:
    message = posted(name, **changes)

    assert (message.author_id, message.author_name) == (author_id, author_name)


def test_translate_finds_the_token_of_our_own_post() -> None:
    assert posted("own_post").token == "m1.1"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "m1.1",
        {"event_type": "other", "event_payload": {"token": "m1.1"}},
        {"event_type": "backscroll", "event_payload": {"token": ""}},
        {"event_type": "backscroll", "event_payload": {"token": 5}},
        {"event_type": "backscroll", "event_payload": None},
        {"event_type": "backscroll"},
    ],
)
def test_translate_takes_nothing_else_for_a_token(metadata: Any) -> None:
    assert posted("own_post", metadata=metadata).token is None


def test_translate_believes_no_token_of_another_s_post() -> None:
    own = load("own_post")["event"]["metadata"]

    assert posted("app_posted", metadata=own).token is None
    assert posted("message", metadata=own).token is None


def test_translate_keeps_who_else_is_mentioned_in_order() -> None:
    message = posted("message", text="<@U9> <@UBOT> <@U1> <@U9>")

    assert list(message.attributes["mentions"].items()) == [("U9", None), ("U1", "anna")]


@pytest.mark.parametrize("text", ["<@UBOT> hello", "hello", "&lt;@U1&gt;"])
def test_translate_keeps_no_mentions_where_there_are_none(text: str) -> None:
    assert posted("message", text=text).attributes == {}


def test_translate_reads_the_blocks_of_a_message_without_text() -> None:
    assert posted("message", text="").text == "@helper when was the fair?"
    assert posted("message", text="").mentions_bot


def test_translate_keeps_a_message_that_has_only_files() -> None:
    message = posted("file_stub")

    assert message.text == ""
    assert len(message.files) == 3


# Files


def test_translate_gives_files_with_the_place_of_their_content() -> None:
    assert posted("file_share").files == (
        Attachment(
            name="notes.txt",
            type="text/plain",
            size_bytes=13,
            location="https://files.slack.com/files-pri/T1-F1/download/notes.txt",
        ),
    )


def test_translate_names_a_stub_by_its_id_and_gives_gone_files_no_place() -> None:
    locations = [(file.name, file.location) for file in posted("file_stub").files]

    assert locations == [("F2", "slack-file:F2"), ("F3", None), ("old.png", None)]


@pytest.mark.parametrize(
    ("file", "attachment"),
    [
        ({}, Attachment(name="file")),
        ({"id": "F1"}, Attachment(name="F1")),
        ({"title": "Notes", "name": ""}, Attachment(name="Notes")),
        ({"name": 5, "mimetype": [], "size": "13", "url_private": 7}, Attachment(name="file")),
        ({"name": "a", "size": -1}, Attachment(name="a")),
        ({"name": "a", "size": True}, Attachment(name="a")),
        ({"name": "a", "size": 2**63}, Attachment(name="a")),
        ({"name": "a", "url_private": "https://x/a"}, Attachment(name="a", location="https://x/a")),
        ({"name": "a", "url_private": "sha256:abc"}, Attachment(name="a")),
        ({"name": "a", "url_private": "file:///etc/passwd"}, Attachment(name="a")),
        ({"name": "a", "file_access": "check_file_info"}, Attachment(name="a")),
        ({"name": "\ud800\0"}, Attachment(name="\ufffd\ufffd")),
    ],
)
def test_translate_takes_what_a_file_tells(file: dict[str, Any], attachment: Attachment) -> None:
    assert posted("message", files=[file]).files == (attachment,)


# Edited


def test_translate_gives_an_edit_with_the_new_words_and_its_own_time() -> None:
    assert one(load("message_changed")) == MessageEdited(
        key=ThreadKey("slack", "T1", "C1", "1736207085.539649"),
        external=ExternalId("slack", "T1", "C1", "1736207085.539649"),
        text="@helper when was the fair again?",
        edited_at=instant(1736207110, 400),
    )


def test_translate_tells_two_edits_in_one_second_apart() -> None:
    first, second = load("message_changed"), load("message_changed")
    second["event"] |= {"ts": "1736207110.000500", "event_ts": "1736207110.000500"}
    second["event"]["message"]["text"] = "third"
    edits = [one(payload) for payload in (first, second)]

    assert isinstance(edits[0], MessageEdited)
    assert isinstance(edits[1], MessageEdited)
    assert edits[0].edited_at < edits[1].edited_at


def test_translate_takes_the_event_s_time_for_an_edit_that_has_none() -> None:
    event = one(broken("message_changed", "event.message.edited"))

    assert isinstance(event, MessageEdited)
    assert event.edited_at == instant(1736207110, 400)


def test_translate_gives_an_edit_that_comes_as_the_documentation_shows() -> None:
    event = one(load("documented_message_changed"))

    assert isinstance(event, MessageEdited)
    assert (event.text, event.edited_at) == ("Hello, world!", instant(1358878755, 1))


@pytest.mark.parametrize(
    ("changes", "thread"),
    [
        ({}, "1736207085.539649"),
        ({"message.thread_ts": None}, "1736207085.539649"),
        ({"message.thread_ts": None, "previous_message.thread_ts": None}, "1736481285.683829"),
        ({"message.thread_ts": None, "previous_message.thread_ts": None, "channel_type": "im"}, "C1"),
        ({"channel_type": "im"}, "1736207085.539649"),
    ],
)
def test_translate_puts_an_edit_in_the_thread_of_its_message(changes: dict[str, Any], thread: str) -> None:
    payload = load("message_in_thread_changed")
    for path, value in changes.items():
        *way, last = path.split(".")
        holder = payload["event"]
        for name in way:
            holder = holder[name]
        holder[last] = value
    event = one(payload)

    assert isinstance(event, MessageEdited)
    assert event.key.thread == thread


def changed(**changes: Any) -> list[Event]:
    """Translate an edit whose message is changed like this."""
    payload = load("message_changed")
    payload["event"]["message"] |= changes
    return translate(payload, US, KNOWN)


@pytest.mark.parametrize(
    "message",
    [
        {"text": "<@UBOT> when was the fair?"},
        {"text": "<@UBOT> when was the fair?", "edited": None},
        {"user": "UBOT"},
        {"bot_id": "BBOT"},
        {"app_id": "A1"},
        {"subtype": "assistant_app_thread"},
        {"subtype": "channel_topic"},
    ],
)
def test_translate_gives_nothing_for_a_change_that_is_no_edit(message: dict[str, Any]) -> None:
    assert changed(**message) == []


def test_translate_gives_nothing_for_a_change_that_shows_neither_edit_nor_words_before() -> None:
    payload = broken("message_changed", "event.previous_message")
    del payload["event"]["message"]["edited"]

    assert translate(payload, US, KNOWN) == []


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message", "bot_message", None])
def test_translate_gives_the_edit_of_whatever_somebody_said(subtype: str | None) -> None:
    assert len(changed(subtype=subtype)) == 1


# Deleted


@pytest.mark.parametrize(
    ("name", "timestamp", "deleted_at"),
    [
        ("message_in_thread_deleted", "1736481285.683829", instant(1738194975, 100)),
        ("documented_message_deleted", "1358878749.000002", instant(1358878755, 1)),
        ("root_deleted", "1736207085.539649", instant(1738195030, 300)),
    ],
)
def test_translate_gives_a_deletion(name: str, timestamp: str, deleted_at: datetime) -> None:
    assert one(load(name)) == MessageDeleted(ExternalId("slack", "T1", "C1", timestamp), deleted_at)


def test_translate_gives_the_deletion_of_our_own_message() -> None:
    payload = load("message_in_thread_deleted")
    payload["event"]["previous_message"] |= {"user": "UBOT", "bot_id": "BBOT"}

    assert isinstance(one(payload), MessageDeleted)


# Reactions and channels


def test_translate_gives_a_reaction() -> None:
    external = ExternalId("slack", "T1", "C1", "1360782400.498405")

    assert one(load("reaction_added")) == ReactionAdded(external, "thumbsup", "U1", instant(1360782804, 83113))


def test_translate_gives_a_removed_reaction_with_its_skin_tone() -> None:
    external = ExternalId("slack", "T1", "C1", "1360782400.498405")

    assert one(load("reaction_removed")) == ReactionRemoved(
        external, "wave::skin-tone-2", "U1", instant(1360782805, 83113)
    )


def test_translate_gives_our_own_reaction() -> None:
    event = one(broken("reaction_added", "event.user", "UBOT"))

    assert isinstance(event, ReactionAdded)
    assert event.user_id == "UBOT"


def test_translate_gives_a_reaction_to_a_message_of_nobody() -> None:
    assert isinstance(one(broken("reaction_added", "event.item_user")), ReactionAdded)


def test_translate_gives_a_channel_its_new_id() -> None:
    assert one(load("channel_id_changed")) == ChannelMove("slack", "T1", "G1", "C1")


def test_translate_names_the_workspace_as_it_is_told_to() -> None:
    payload = load("message") | {"team_id": "TOTHER"}
    (event,) = translate(payload, Us("E1", "UBOT"), KNOWN)

    assert isinstance(event, MessagePosted)
    assert event.key.workspace == "E1"


# Read from the history


def late(message: dict[str, Any], *, is_direct: bool = False) -> list[Event]:
    return message_event(message, "C1", US, KNOWN, is_direct=is_direct)


def test_message_event_gives_an_old_message_with_its_reactions_and_its_edit() -> None:
    message, edited = late(load("replies")["messages"][0])

    assert isinstance(message, MessagePosted)
    assert message.is_late
    assert not message.is_reply
    assert message.reactions == {"eyes": ["U2", "U3"], "wave::skin-tone-2": ["U2"]}
    assert edited == MessageEdited(message.key, message.external, message.text, instant(1736207110, 0))


def test_message_event_gives_a_reply_in_its_thread() -> None:
    (message,) = late(load("replies")["messages"][1])

    assert isinstance(message, MessagePosted)
    assert (message.key.thread, message.is_reply) == ("1736207085.539649", True)


def test_message_event_gives_our_own_post_without_its_edit() -> None:
    (message,) = late(load("replies")["messages"][2])

    assert isinstance(message, MessagePosted)
    assert (message.author_kind, message.token) == ("self", "m2.1")


@pytest.mark.parametrize("change", [{"subtype": "tombstone"}, {"subtype": "channel_join"}, {"hidden": True}])
def test_message_event_gives_nothing_for_what_nobody_says(change: dict[str, Any]) -> None:
    assert late(load("replies")["messages"][1] | change) == []


def test_message_event_of_a_dm_is_direct() -> None:
    message = load("direct_message")["event"]
    (event,) = message_event(message, "D1", US, KNOWN, is_direct=True)

    assert isinstance(event, MessagePosted)
    assert (event.is_direct, event.key.thread) == (True, "D1")


def test_message_event_is_the_live_event_but_for_its_lateness() -> None:
    message = load("app_mention_twin")["event"]

    assert message_event(message, "C1", US, KNOWN, is_direct=False, late=False) == [one(load("app_mention"))]


def test_message_event_puts_each_reactor_once() -> None:
    reactions = [{"name": "a", "users": ["U1", "U2", "U1"]}, {"name": "a", "users": ["U3"]}, {"name": "b", "users": []}]
    (event,) = late(load("replies")["messages"][1] | {"reactions": reactions})

    assert isinstance(event, MessagePosted)
    assert event.reactions == {"a": ["U1", "U2", "U3"]}


@pytest.mark.parametrize(
    "reactions",
    ["eyes", [None], [{}], [{"name": "eyes"}], [{"name": "eyes", "users": "U1"}], [{"name": 1, "users": []}],
     [{"name": "eyes", "users": [None]}], [{"name": "", "users": ["U1"]}]],
)  # fmt: skip
def test_message_event_refuses_malformed_reactions(reactions: Any) -> None:
    with pytest.raises(MalformedError, match=r"^message\.reactions"):
        late(load("replies")["messages"][1] | {"reactions": reactions})


@pytest.mark.parametrize("message", [None, [], "message", 5])
def test_message_event_refuses_what_is_no_message(message: Any) -> None:
    with pytest.raises(MalformedError, match=r"^message is"):
        late(message)


# Names that help


def test_people_in_names_the_author_and_who_is_mentioned() -> None:
    payload = broken("message", "event.text", "<@U3> <@U1> <@U2>")

    assert people_in(payload) == ["U1", "U3", "U2"]


def test_people_in_looks_into_an_edited_message() -> None:
    payload = broken("message_changed", "event.message.text", "<@U3>")

    assert people_in(payload) == ["U1", "U3"]


def test_channels_in_names_the_channel_and_those_that_are_mentioned_without_a_name() -> None:
    payload = broken("message", "event.text", "<#C3> <#C4|named> <#C1>")

    assert channels_in(payload) == ["C1", "C3"]


def test_channels_in_names_no_dm() -> None:
    assert channels_in(load("direct_message")) == []


@pytest.mark.parametrize("name", ["reaction_added", "channel_id_changed", "app_rate_limited"])
def test_people_in_names_nobody_where_nothing_is_said(name: str) -> None:
    assert (people_in(load(name)), channels_in(load(name))) == ([], [])


# Malformed


@pytest.mark.parametrize("payload", [payload for _, payload in MALFORMED], ids=[name for name, _ in MALFORMED])
def test_translate_refuses_a_malformed_event(payload: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match=r"^(event|The channel's id)\b"):
        translate(payload, US, KNOWN)
    people_in(payload)
    channels_in(payload)


def test_translate_refuses_a_message_that_cannot_be_named_though_its_thread_can() -> None:
    payload = broken("message", "event.channel", "C" * 470)
    payload["event"] |= {"ts": "123456789012.123456789", "thread_ts": "1.1"}
    with pytest.raises(MalformedError, match="makes no key"):
        translate(payload, US, KNOWN)


def test_malformed_payloads_have_each_their_name() -> None:
    assert len({name for name, _ in MALFORMED}) == len(MALFORMED) >= 60


SECRET = "XsecretX"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(SECRET),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=9), children, max_size=3),
    max_leaves=6,
)


def paths(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the way to every field of a payload."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*way, name)
        yield from paths(item, (*way, name))


PATHS = [(name, path) for name in PAYLOADS for path in paths(load(name))]


def replaced(name: str, path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    payload = load(name)
    holder: Any = payload
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = copy.deepcopy(value)
    return payload


def refuses_quietly(call: Callable[[], object]) -> None:
    told = ""
    try:
        call()
    except MalformedError as error:
        told = str(error)
    assert SECRET not in told


@given(st.sampled_from(PATHS), JSON)
def test_translate_never_fails_otherwise_nor_tells_a_text(place: tuple[str, tuple[str | int, ...]], value: Any) -> None:
    name, path = place
    payload = replaced(name, path, value)
    refuses_quietly(lambda: translate(payload, US, KNOWN))
    people_in(payload)
    channels_in(payload)
    for message in payload["messages"] if isinstance(payload.get("messages"), list) else ():
        refuses_quietly(lambda message=message: late(message))  # type: ignore[misc]


@pytest.mark.parametrize("value", [None, SECRET, "", 5, 1.5, True, [], {}, [SECRET], {SECRET: SECRET}])
def test_translate_refuses_each_field_quietly(value: Any) -> None:
    for name, path in PATHS:
        payload = replaced(name, path, value)
        refuses_quietly(lambda payload=payload: translate(payload, US, KNOWN))  # type: ignore[misc]
        people_in(payload)
        channels_in(payload)


@pytest.mark.parametrize("name", EVENTS)
def test_translate_leaves_the_payload_as_it_was(name: str) -> None:
    payload = load(name)
    translate(payload, US, KNOWN)

    assert payload == load(name)


def test_event_reprs_show_no_text() -> None:
    for name in EVENTS:
        for event in translate(load(name), US, KNOWN):
            assert not any(word in repr(event) for word in ("fair", "anna", "notes", "general", "thumbsup"))
