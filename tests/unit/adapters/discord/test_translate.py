"""Each thing that Discord tells of becomes the event that it is, and nothing else does."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.adapters.discord.places import Identity, Place, instant
from backscroll.adapters.discord.translate import (
    MalformedError,
    deleted_events,
    edited_event,
    message_event,
    place_event,
    reaction_event,
)
from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PlaceDeleted,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.adapters.fields import need, object_in
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment
from tests.payloads.discord import FRAMES, load
from tests.payloads.discord.malformed import GONE, MALFORMED, broken

BOT, APP, ROLE, ANNA, CARL = (
    "100000000000000001",
    "100000000000000002",
    "165511591545143296",
    "53908099506183680",
    "53908099506183681",
)
GUILD, CHANNEL, THREAD, MESSAGE = "41771983423143937", "290926798999357250", "334385199974967042", "334385199974967042"
US = Identity(BOT, APP, ROLE)
GENERAL = Place(GUILD, CHANNEL, "channel", "general", opens_threads=True)
IN_THREAD = Place(GUILD, THREAD, "thread", "a thread", CHANNEL, "general")
DM = Place("@me", CHANNEL, "direct")
AT = datetime(2026, 1, 2, tzinfo=UTC)
EXTERNAL = ExternalId("discord", GUILD, CHANNEL, MESSAGE)
NOTHING = [name for name in FRAMES if name.startswith("note_")] + [
    "channel_updated",
    "command",
    "ephemeral",
    "own_command_answer",
    "own_edited",
    "previewed",
    "previewed_partly",
    "thread_begun",
]


class Known:
    def person(self, user_id: str) -> str | None:
        return {ANNA: "another name"}.get(user_id)

    def role(self, role_id: str) -> str | None:
        return {ROLE: "helpers"}.get(role_id)

    def channel(self, channel_id: str) -> str | None:
        return {CHANNEL: "general"}.get(channel_id)


KNOWN = Known()


def translate(frame: dict[str, Any], place: Place = GENERAL, us: Identity = US) -> list[Event]:
    """Read a frame as the receiver does."""
    kind, data = frame["t"], need(object_in, frame, "d")
    found: Event | None = None
    if kind == "MESSAGE_CREATE":
        found = message_event(data, place, us, KNOWN)
    elif kind == "MESSAGE_UPDATE":
        found = edited_event(data, place, us, KNOWN)
    elif kind in ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK"):
        return deleted_events(kind, data, place, AT)
    elif kind.startswith("MESSAGE_REACTION"):
        found = reaction_event(kind, data, place, AT)
    elif kind not in ("CHANNEL_UPDATE", "INTERACTION_CREATE"):
        found = place_event(kind, data)
    return [] if found is None else [found]


def one(frame: dict[str, Any], place: Place = GENERAL) -> Event:
    (event,) = translate(frame, place)
    return event


def posted(name: str, place: Place = GENERAL, **changes: Any) -> MessagePosted:
    """Translate a message with some of its fields changed."""
    frame = load(name)
    frame["d"] |= changes
    event = one(frame, place)
    assert isinstance(event, MessagePosted)
    return event


# Posted


def test_translate_gives_a_message_as_it_was_written() -> None:
    assert posted("message") == MessagePosted(
        key=ThreadKey("discord", GUILD, CHANNEL, MESSAGE),
        external=EXTERNAL,
        author_id=ANNA,
        text="Supa Hot",
        created_at=instant(MESSAGE),
        author_name="Annie",
        channel_name="general",
    )


@pytest.mark.parametrize(
    ("name", "place", "root", "thread", "is_reply", "is_direct"),
    [
        ("message", GENERAL, None, MESSAGE, False, False),
        ("reply", GENERAL, None, "334385199974967060", False, False),
        ("reply", GENERAL, "306588351130107906", "306588351130107906", True, False),
        ("message_in_thread", IN_THREAD, None, THREAD, True, False),
        ("message", IN_THREAD, None, THREAD, False, False),  # a forum's first
        ("direct_message", DM, None, CHANNEL, False, True),
    ],
)
def test_translate_puts_a_message_in_its_thread(
    name: str, place: Place, root: str | None, thread: str, is_reply: bool, is_direct: bool
) -> None:
    message = message_event(load(name)["d"], place, US, KNOWN, root=root)
    assert message is not None
    assert (message.key.thread, message.is_reply, message.is_direct) == (thread, is_reply, is_direct)
    assert message.key.workspace == place.guild


@pytest.mark.parametrize("name", NOTHING)
def test_translate_gives_nothing_for_what_nobody_says(name: str) -> None:
    assert translate(load(name)) == []


@pytest.mark.parametrize("name", [name for name in FRAMES if name not in NOTHING])
def test_translate_gives_an_event_for_the_rest(name: str) -> None:
    assert translate(load(name))


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 21, 22, 24, 25, 46, 999])
def test_translate_gives_nothing_for_discord_s_own_words(kind: int) -> None:
    frame = load("message")
    frame["d"]["type"] = kind
    assert translate(frame) == []


@pytest.mark.parametrize("kind", [0, 19, 20, 23])
def test_translate_takes_what_somebody_says(kind: int) -> None:
    assert posted("message", type=kind).text == "Supa Hot"


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        ("message", {}, "person"),
        ("webhook", {}, "bot"),
        ("crossposted", {}, "bot"),
        ("own_post", {}, "self"),
        ("message", {"author": {"id": "5", "bot": True}}, "bot"),
        ("message", {"author": {"id": "5", "bot": False}}, "person"),
        ("message", {"webhook_id": APP, "author": {"id": "5", "bot": True}}, "self"),
        ("message", {"webhook_id": "6", "author": {"id": "6"}}, "bot"),
    ],
)
def test_translate_tells_who_wrote(name: str, changes: dict[str, Any], kind: str) -> None:
    assert posted(name, **changes).author_kind == kind


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "Annie"),
        ({"member": {"nick": None}}, "Anna"),
        ({"member": None, "author": {"id": ANNA, "username": "anna", "global_name": None}}, "anna"),
        ({"member": None, "author": {"id": ANNA}}, None),
        ({"member": None, "author": {"id": ANNA, "username": 5, "global_name": ""}}, None),
    ],
)
def test_translate_names_the_author(changes: dict[str, Any], name: str | None) -> None:
    assert posted("message", **changes).author_name == name


@pytest.mark.parametrize(
    ("name", "changes", "mentions_bot"),
    [
        ("mention", {}, True),
        ("role_mention", {}, True),
        ("reply", {}, True),
        ("message", {}, False),
        ("message", {"mention_everyone": True, "content": "@everyone"}, False),
        ("message", {"content": f"<@{BOT}>"}, False),  # written in code, for example
        ("message", {"mention_roles": ["1"]}, False),
    ],
)
def test_translate_tells_whether_a_message_mentions_the_bot(
    name: str, changes: dict[str, Any], mentions_bot: bool
) -> None:
    assert posted(name, **changes).mentions_bot is mentions_bot


def test_translate_takes_no_role_for_ours_where_we_have_none() -> None:
    (event,) = translate(load("role_mention"), us=replace(US, role_id=None))
    assert isinstance(event, MessagePosted)
    assert not event.mentions_bot


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mention", "@helper and @Carlo, when was the fair?"),
        ("role_mention", "@helpers when was the fair?"),
        ("webhook", "Build 7\nfailed\nstep\ntests"),
        ("forward", "forwarded words"),
        ("poll", "Lunch?\n- Soup\n- Salad"),
        ("stickers", ":Wave:"),
        ("attachments", ""),
    ],
)
def test_translate_reads_the_words(name: str, text: str) -> None:
    assert posted(name).text == text


def test_translate_keeps_whom_else_a_message_mentions() -> None:
    assert posted("mention").attributes == {"mentions": {CARL: "Carlo"}}


@pytest.mark.parametrize("name", ["reply", "reply_to_deleted"])
def test_translate_keeps_what_a_message_replies_to(name: str) -> None:
    assert posted(name).attributes == {"reply_to": "306588351130107906"}


@pytest.mark.parametrize("name", ["forward", "crossposted"])
def test_translate_takes_no_other_reference_for_a_reply(name: str) -> None:
    assert "reply_to" not in posted(name).attributes


def test_translate_finds_the_nonce_of_our_own_post_alone() -> None:
    assert posted("own_post").token == "AbCdEfGhIjKlMnOpQrStUvWx"
    assert posted("message", nonce="AbCdEfGhIjKlMnOpQrStUvWx").token is None
    assert posted("own_post", nonce=4711).token is None


# Files


def test_translate_gives_files_with_the_place_of_their_content() -> None:
    (file,) = posted("attachments").files
    assert (file.name, file.type, file.size_bytes) == ("notes.txt", "text/plain; charset=utf-8", 13)
    assert file.location is not None
    assert file.location.startswith("https://cdn.discordapp.com/attachments/")


def test_translate_gives_the_files_of_what_is_forwarded() -> None:
    assert [file.name for file in posted("forward").files] == ["plan.pdf"]


@pytest.mark.parametrize(
    ("file", "attachment"),
    [
        ({}, Attachment(name="file")),
        ({"filename": "a", "size": -1}, Attachment(name="a")),
        ({"filename": "a", "size": True}, Attachment(name="a")),
        ({"filename": "a", "size": 2**63}, Attachment(name="a")),
        ({"filename": "a", "size": "13"}, Attachment(name="a")),
        ({"filename": "a", "url": "https://x/a"}, Attachment(name="a", location="https://x/a")),
        ({"filename": "a", "url": "file:///etc/passwd"}, Attachment(name="a")),
        ({"filename": "a", "url": "sha256:abc"}, Attachment(name="a")),
        ({"filename": "a", "url": 5}, Attachment(name="a")),
    ],
)
def test_translate_takes_what_a_file_tells(file: dict[str, Any], attachment: Attachment) -> None:
    assert posted("message", attachments=[file]).files == (attachment,)


# Edited


def test_translate_gives_an_edit_with_the_new_words_and_its_own_time() -> None:
    assert one(load("edited")) == MessageEdited(
        key=ThreadKey("discord", GUILD, CHANNEL, MESSAGE),
        external=EXTERNAL,
        text="@helper when was the fair again?",
        edited_at=datetime(2017, 7, 11, 17, 28, 0, 123456, tzinfo=UTC),
    )


def test_translate_puts_an_edit_in_the_thread_of_its_message() -> None:
    event = one(load("edited_in_thread"), IN_THREAD)
    assert isinstance(event, MessageEdited)
    assert event.key == ThreadKey("discord", GUILD, CHANNEL, THREAD)


@pytest.mark.parametrize("changes", [{"type": 21}, {"type": 6}, {"flags": 64}])
def test_translate_gives_nothing_for_the_edit_of_what_nobody_says(changes: dict[str, Any]) -> None:
    frame = load("edited")
    frame["d"] |= changes
    assert translate(frame) == []


def test_translate_reads_an_instant_without_a_zone_as_utc() -> None:
    event = one(broken("edited", "edited_timestamp", "2017-07-11T17:28:00"))
    assert isinstance(event, MessageEdited)
    assert event.edited_at == datetime(2017, 7, 11, 17, 28, tzinfo=UTC)


# Deleted, reactions, places


def test_translate_gives_a_deletion() -> None:
    assert one(load("deleted")) == MessageDeleted(EXTERNAL, AT)


def test_translate_gives_each_of_many_deletions() -> None:
    assert translate(load("deleted_many")) == [
        MessageDeleted(ExternalId("discord", GUILD, CHANNEL, f"33438519997496704{number}"), AT) for number in (2, 3)
    ]


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("reaction_added", ReactionAdded(EXTERNAL, "🔥", ANNA, AT)),
        ("reaction_added_custom", ReactionAdded(EXTERNAL, "41771983429993937", ANNA, AT)),
        ("reaction_added_deleted_emoji", ReactionAdded(EXTERNAL, "41771983429993937", ANNA, AT)),
        ("reaction_removed", ReactionRemoved(EXTERNAL, "🔥", ANNA, AT)),
        ("reactions_cleared", ReactionsCleared(EXTERNAL, None, AT)),
        ("reactions_cleared_of_one", ReactionsCleared(EXTERNAL, "❤", AT)),
        ("thread_deleted", PlaceDeleted("discord", GUILD, CHANNEL, THREAD)),
        ("channel_deleted", PlaceDeleted("discord", GUILD, CHANNEL, None)),
    ],
)
def test_translate_gives_what_became_of_messages_and_places(name: str, event: Event) -> None:
    assert one(load(name)) == event


@pytest.mark.parametrize(
    ("name", "title", "place"),
    [
        ("thread_created", "don't buy this phone", {}),
        ("thread_updated", "a better name", {"archived": False}),
        ("thread_archived", "don't buy this phone", {"archived": True}),
    ],
)
def test_translate_gives_a_thread_its_name(name: str, title: str, place: dict[str, Any]) -> None:
    assert one(load(name)) == ThreadChanged(ThreadKey("discord", GUILD, CHANNEL, THREAD), title, place)


@pytest.mark.parametrize("name", ["thread_deleted", "thread_updated", "channel_deleted"])
def test_translate_gives_nothing_for_a_place_outside_of_a_guild(name: str) -> None:
    assert translate(broken(name, "guild_id", GONE)) == []


@pytest.mark.parametrize("name", ["thread_deleted", "thread_updated"])
def test_translate_gives_nothing_for_a_thread_without_a_channel(name: str) -> None:
    assert translate(broken(name, "parent_id", GONE)) == []


# Read from the history


def test_message_event_gives_an_old_message_with_its_counts() -> None:
    message = message_event(load("history"), GENERAL, US, KNOWN, is_late=True)
    assert message is not None
    assert message.is_late
    assert message.reaction_counts == {"🔥": 3, "41771983429993937": 1}


def test_message_event_gives_no_counts_of_a_message_that_comes_live() -> None:
    message = message_event(load("history"), GENERAL, US, KNOWN)
    assert message is not None
    assert message.reaction_counts is None


# Whatever comes

BROKEN = [
    (name, frame)
    for name, frame in MALFORMED
    # Commands are read by `commands`, and where a message stands by the receiver.
    if not name.startswith(("command", "message with channel", "message in guild"))
]


@pytest.mark.parametrize("name", FRAMES)
def test_repr_of_an_event_shows_no_words(name: str) -> None:
    shown = repr(translate(load(name)))
    for word in ("fair", "Supa", "notes.txt?", "phone", "🔥", "Annie", "forwarded", "Soup"):
        assert word not in shown


@pytest.mark.parametrize(("name", "frame"), BROKEN, ids=[name for name, _ in BROKEN])
def test_translate_calls_a_broken_frame_malformed(name: str, frame: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as raised:
        translate(frame)
    assert not [word for word in ("anna", "yesterday", "words", "general", "Lunch") if word in str(raised.value)]


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from([MESSAGE, BOT, "2017-07-11T17:28:00+00:00", "🔥", "\ud800"])
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_NAMES = st.sampled_from(
    sorted({name for each in FRAMES for name in load(each)["d"]} | {"message_snapshots", "poll", "reactions"})
)


@given(name=st.sampled_from(FRAMES), changes=st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_translate_gives_events_or_calls_it_malformed(name: str, changes: dict[str, Any]) -> None:
    frame = load(name)
    frame["d"] |= changes
    try:
        events = translate(frame)
    except MalformedError:
        return
    assert all(isinstance(event, Event) for event in events)


@given(kind=st.sampled_from(sorted({load(each)["t"] for each in FRAMES})), data=_VALUES)
def test_translate_of_any_json_gives_events_or_calls_it_malformed(kind: str, data: Any) -> None:
    try:
        events = translate({"t": kind, "d": data})
    except MalformedError:
        return
    assert all(isinstance(event, Event) for event in events)
