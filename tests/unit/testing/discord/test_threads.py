"""Threads are channels, with the ids and the notes that Discord gives them."""

import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Begin, Bot


async def test_thread_on_a_message_has_its_id(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "topic")

    thread = await fake.start_thread(anna, general, "About", said)
    await fake.quiet()

    (created,) = bot.of("thread_create")
    assert created.id == int(said.id) == int(thread.id)
    assert created.parent_id == int(general.id)
    assert fake.thread_of(said) is thread


async def test_thread_on_a_message_leaves_its_notes(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "topic")

    thread = await fake.start_thread(anna, general, "About", said)
    await fake.quiet()

    (edit,) = bot.of("raw_message_edit")
    assert edit.message.flags.has_thread
    assert edit.message.edited_at is None
    note = bot.of("message")[-1]
    assert note.type is discord.MessageType.thread_starter_message
    assert (note.channel.id, note.content) == (int(thread.id), "")
    assert note.reference.message_id == int(said.id)


async def test_thread_without_a_message_leaves_a_note_in_the_channel(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    thread = await fake.start_thread(anna, general, "Alone")
    await fake.quiet()

    (note,) = bot.of("message")
    assert note.type is discord.MessageType.thread_created
    assert (note.channel.id, note.content) == (int(general.id), "Alone")
    assert fake.messages(thread) == []


async def test_forum_post_and_its_message_have_one_id(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    forum = fake.add_channel("ideas", kind="forum")

    thread = await fake.post_in_forum(anna, forum, "Idea", "what if <@BOT>")
    await fake.quiet()

    (message,) = bot.of("message")
    assert message.id == message.channel.id == int(thread.id)
    assert bot.user in message.mentions
    assert fake.threads(forum) == [thread]


async def test_bot_begins_a_thread_and_speaks_in_it(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "topic")

    thread = await bot.text_channel(general).get_partial_message(int(said.id)).create_thread(name="Answer")
    await thread.send("here")
    await fake.quiet()

    begun = fake.thread_of(said)
    assert begun is not None
    assert fake.posted_by_bot(begun) == ["here"]
    assert [message.content for message in bot.of("message")] == ["topic", "", "here"]


async def test_second_thread_on_a_message_is_refused(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "topic")
    thread = await fake.start_thread(anna, general, "First", said)

    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).get_partial_message(int(said.id)).create_thread(name="Second")

    assert (caught.value.status, caught.value.code) == (400, 160004)
    found = await bot.fetch_channel(int(said.id))
    assert found.id == int(thread.id)


async def test_bot_posts_in_a_forum(fake: FakeDiscord, bot: Bot) -> None:
    place = fake.add_channel("wishes", kind="forum")
    await fake.quiet()
    forum = bot.text_channel(place)

    thread, message = await forum.create_thread(name="Wish", content="more")

    assert thread.id == message.id
    assert fake.posted_by_bot(fake.threads(place)[0]) == ["more"]


async def test_new_thread_of_the_bot_is_private_unless_it_says_more(
    fake: FakeDiscord, bot: Bot, general: Channel
) -> None:
    channel = bot.text_channel(general)

    private = await channel.create_thread(name="hidden")
    public = await channel.create_thread(name="open", type=discord.ChannelType.public_thread)

    assert (private.type, public.type) == (discord.ChannelType.private_thread, discord.ChannelType.public_thread)


async def test_thread_of_a_news_channel_is_one(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    news = fake.add_channel("news", kind="news")
    said = await fake.say(anna, news, "topic")

    await fake.start_thread(anna, news, "About", said)
    await fake.quiet()

    assert bot.of("thread_create")[0].type is discord.ChannelType.news_thread


async def test_active_threads_come_with_the_guild(
    fake: FakeDiscord, begin: Begin, anna: User, general: Channel
) -> None:
    active = await fake.start_thread(anna, general, "active")
    archived = await fake.start_thread(anna, general, "archived")
    await fake.archive_thread(archived)

    bot = await begin()

    assert [thread.id for thread in bot.guilds[0].threads] == [int(active.id)]
    assert [thread.id for thread in await bot.guilds[0].active_threads()] == [int(active.id)]
    found = [thread.id async for thread in bot.text_channel(general).archived_threads()]
    assert found == [int(archived.id)]


async def test_archived_threads_come_in_pages(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    for number in range(5):
        fake.clock_shift_s += 10
        await fake.archive_thread(await fake.start_thread(anna, general, str(number)))

    await fake.quiet()
    first = [thread async for thread in bot.text_channel(general).archived_threads(limit=2)]
    rest = [one.name async for one in bot.text_channel(general).archived_threads(before=first[-1].archive_timestamp)]

    assert [thread.name for thread in first] == ["4", "3"]
    assert rest == ["2", "1", "0"]


async def test_archived_thread_takes_no_edit_and_no_reaction(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    thread = await fake.start_thread(anna, general, "old")
    await fake.quiet()
    message = await bot.text_channel(thread).send("x")
    await fake.archive_thread(thread)

    for act in (message.edit(content="y"), message.add_reaction("👍")):
        with pytest.raises(discord.HTTPException) as caught:
            await act
        assert caught.value.code == 50083


async def test_sending_brings_an_archived_thread_back(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    thread = await fake.start_thread(anna, general, "old")
    await fake.quiet()
    place = bot.text_channel(thread)
    await fake.archive_thread(thread)
    await fake.quiet()
    assert bot.get_channel(int(thread.id)) is None

    await place.send("x")
    await fake.quiet()

    assert not thread.is_archived
    assert bot.get_channel(int(thread.id)) is not None


async def test_locked_thread_refuses_the_bot(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    thread = await fake.start_thread(anna, general, "old")
    await fake.quiet()
    place = bot.text_channel(thread)
    await fake.archive_thread(thread, locked=True)

    with pytest.raises(discord.Forbidden) as caught:
        await place.send("x")

    assert caught.value.code == 160005


async def test_rename_and_deletion_are_told(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    thread = await fake.start_thread(anna, general, "old")

    await fake.rename_thread(thread, "new")
    await fake.delete_thread(thread)
    await fake.quiet()

    assert [after.name for after in bot.of("thread_update")] == ["new"]
    assert [event.thread_id for event in bot.of("raw_thread_delete")] == [int(thread.id)]


async def test_bot_renames_and_archives_its_own_thread_only(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    own = await bot.text_channel(general).create_thread(name="own", type=discord.ChannelType.public_thread)
    other = await fake.start_thread(anna, general, "other")
    await fake.quiet()

    await own.edit(name="renamed", archived=True)

    begun = fake.threads(general)[0]
    assert (begun.name, begun.is_archived) == ("renamed", True)
    with pytest.raises(discord.Forbidden):
        await bot.text_channel(other).edit(name="mine")


async def test_bot_joins_a_thread(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    thread = await fake.start_thread(anna, general, "x")
    await fake.quiet()
    place = bot.text_channel(thread)

    await place.join()
    await fake.quiet()

    assert place.me is not None
    assert fake.bot_user_id in thread.members


async def test_private_thread_is_silent_until_the_bot_is_added(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    thread = await fake.start_thread(anna, general, "hidden", private=True)
    await fake.say(anna, thread, "before")
    await fake.add_to_thread(thread)
    await fake.say(anna, thread, "after")

    await fake.quiet()

    assert bot.texts == ["after"]
    assert bot.get_channel(int(thread.id)) is not None
    assert bot.of("thread_create") == []


async def test_forbidden_thread_says_so(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "topic")
    fake.forbid(general, "CREATE_PUBLIC_THREADS")

    with pytest.raises(discord.Forbidden) as caught:
        await bot.text_channel(general).get_partial_message(int(said.id)).create_thread(name="x")

    assert caught.value.code == 50013
