"""Snowflakes and instants, and which places of a guild said something: read from discord.py's own cache."""

from datetime import UTC, datetime, timedelta

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.adapters.discord.api import DiscordApi
from backscroll.adapters.discord.places import Place, PlaceBook, instant, is_snowflake, snowflake, snowflake_in
from backscroll.adapters.fields import MalformedError
from backscroll.storage.keys import ThreadKey
from backscroll.testing import FakeDiscord

LAST = (1 << 64) - 1


def test_instant_is_the_one_that_discord_documents() -> None:
    assert instant("175928847299117063") == datetime(2016, 4, 30, 11, 18, 25, 796_000, tzinfo=UTC)


@pytest.mark.parametrize("message_id", ["0", "1", str((1 << 22) - 1)])
def test_instant_of_the_first_ids_is_discord_s_epoch(message_id: str) -> None:
    assert instant(message_id) == datetime(2015, 1, 1, tzinfo=UTC)


def test_instant_of_the_last_id_lies_in_our_calendar() -> None:
    assert instant(str(LAST)).year == 2154


@pytest.mark.parametrize(
    "other",
    ["", " 1", "1\n", "-1", "+1", "1.5", "1_000", "0x1", "\u0661", "\u00b2", "general", str(1 << 64), "9" * 5_000],
)
def test_instant_takes_nothing_else_for_a_snowflake(other: str) -> None:
    assert not is_snowflake(other)
    with pytest.raises(ValueError, match="no snowflake"):
        instant(other)


@pytest.mark.parametrize("other", [None, 5, True, 1.5, ["1"], {"id": "1"}, b"1"])
def test_snowflake_is_a_text(other: object) -> None:
    assert not is_snowflake(other)


@given(number=st.integers(0, LAST))
def test_snowflake_of_an_id_s_instant_is_the_first_of_its_millisecond(number: int) -> None:
    assert int(snowflake(instant(str(number)))) == number >> 22 << 22


@given(seconds=st.floats(0, 4e9))
def test_snowflake_is_not_later_than_its_instant(seconds: float) -> None:
    at = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert timedelta(0) <= at - instant(snowflake(at)) < timedelta(milliseconds=1.001)


def test_snowflake_before_discord_began_is_the_first() -> None:
    assert snowflake(datetime(1999, 1, 1, tzinfo=UTC)) == "0"


def test_snowflake_in_gives_an_id_and_none_where_there_is_none() -> None:
    assert snowflake_in({"id": "175928847299117063"}, "message.id") == "175928847299117063"
    assert snowflake_in({"id": None}, "message.id") is None
    assert snowflake_in({}, "message.id") is None


@pytest.mark.parametrize("value", ["canary-4711", 5, ["1"]])
def test_snowflake_in_names_the_field_and_no_value(value: object) -> None:
    with pytest.raises(MalformedError, match=r"^message\.id ") as raised:
        snowflake_in({"id": value}, "message.id")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("place", "root", "key"),
    [
        (Place("1", "2", "channel"), None, ThreadKey("discord", "1", "2", "9")),
        (Place("1", "2", "channel"), "8", ThreadKey("discord", "1", "2", "8")),
        (Place("1", "3", "thread", parent="2"), None, ThreadKey("discord", "1", "2", "3")),
        (Place("1", "3", "thread", parent="2"), "8", ThreadKey("discord", "1", "2", "3")),
        (Place("@me", "4", "direct"), None, ThreadKey("discord", "@me", "4", "4")),
    ],
)
def test_place_names_the_thread_of_a_message(place: Place, root: str | None, key: ThreadKey) -> None:
    assert place.key("9", root) == key


def test_place_of_a_thread_is_called_as_its_channel_is() -> None:
    assert Place("1", "3", "thread", "a thread", "2", "general").channel_name == "general"
    assert Place("1", "2", "channel", "general").channel_name == "general"


# What a guild said


def book_of(fake: FakeDiscord) -> PlaceBook:
    """Return the places that a client knows which was told of the guild as it is now."""
    client = discord.Client(intents=discord.Intents.none())
    state = client._connection
    state.user = discord.ClientUser(state=state, data=fake._views.user(fake.bot))  # type: ignore[arg-type]
    state._add_guild_from_data(fake._views.whole_guild(fake.guild))  # type: ignore[arg-type]
    book = PlaceBook(DiscordApi("token", None))
    book.use(client)
    return book


async def test_changed_since_names_channels_and_threads_that_said_something() -> None:
    fake = FakeDiscord()
    anna, general, quiet = fake.add_user("anna"), fake.add_channel("general"), fake.add_channel("quiet")
    said = await fake.say(anna, general, "hello")
    thread = await fake.start_thread(anna, quiet, "a thread", private=False)
    await fake.say(anna, thread, "in it")
    found = book_of(fake).changed_since(fake.guild.id, said.created_at)
    guild = fake.guild.id
    assert set(found) == {
        ThreadKey("discord", guild, general.id, general.id),
        ThreadKey("discord", guild, quiet.id, quiet.id),  # the note that a thread began
        ThreadKey("discord", guild, quiet.id, thread.id),
    }


async def test_changed_since_leaves_out_what_said_something_before() -> None:
    fake = FakeDiscord()
    said = await fake.say(fake.add_user("anna"), fake.add_channel("general"), "hello")
    book = book_of(fake)
    assert book.changed_since(fake.guild.id, said.created_at + timedelta(milliseconds=1)) == []
    assert len(book.changed_since(fake.guild.id, said.created_at)) == 1


async def test_changed_since_leaves_out_what_the_bot_may_not_read() -> None:
    fake = FakeDiscord()
    channel = fake.add_channel("general")
    said = await fake.say(fake.add_user("anna"), channel, "hello")
    fake.forbid(channel, "READ_MESSAGE_HISTORY")
    assert book_of(fake).changed_since(fake.guild.id, said.created_at) == []


async def test_changed_since_names_a_forum_s_posts_and_not_the_forum() -> None:
    fake = FakeDiscord()
    anna, forum = fake.add_user("anna"), fake.add_channel("help", "forum")
    post = await fake.post_in_forum(anna, forum, "a post", "its beginning")
    found = book_of(fake).changed_since(fake.guild.id, instant(post.id))
    assert found == [ThreadKey("discord", fake.guild.id, forum.id, post.id)]


async def test_changed_since_knows_nothing_of_another_guild() -> None:
    fake = FakeDiscord()
    assert book_of(fake).changed_since("1", datetime(2015, 1, 1, tzinfo=UTC)) == []
    assert PlaceBook(DiscordApi("token", None)).changed_since(fake.guild.id, datetime(2015, 1, 1, tzinfo=UTC)) == []
