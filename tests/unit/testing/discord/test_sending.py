"""What the bot posts, with Discord's limits and its codes for everything it refuses."""

import io

import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Bot

MESSAGES = "/channels/{channel_id}/messages"


async def test_post_is_answered_and_heard(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    posted = await bot.text_channel(general).send("  hello ")
    await fake.quiet()

    assert posted.content == "hello"
    assert fake.posted_by_bot(general) == ["hello"]
    assert [(message.id, message.author.id) for message in bot.of("message")] == [(posted.id, int(fake.bot_user_id))]


@pytest.mark.parametrize("content", ["x" * 2001, "😀" * 1001])
async def test_text_over_2000_units_is_refused(fake: FakeDiscord, bot: Bot, general: Channel, content: str) -> None:
    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).send(content)

    assert (caught.value.status, caught.value.code) == (400, 50035)
    assert fake.messages(general) == []


@pytest.mark.parametrize("content", ["x" * 2000, "😀" * 1000])
async def test_text_of_2000_units_is_taken(fake: FakeDiscord, bot: Bot, general: Channel, content: str) -> None:
    await bot.text_channel(general).send(content)

    assert fake.posted_by_bot(general) == [content]


@pytest.mark.parametrize("content", ["", " \n "])
async def test_blank_text_is_refused(bot: Bot, general: Channel, content: str) -> None:
    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).send(content)

    assert (caught.value.status, caught.value.code) == (400, 50006)


async def test_embed_goes_without_a_text(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    await bot.text_channel(general).send(embed=discord.Embed(title="hello"))

    (shown,) = fake.messages(general)
    assert [embed["title"] for embed in shown["embeds"]] == ["hello"]


async def test_reply_refers_to_its_message(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "question")
    reference = discord.MessageReference(message_id=int(said.id), channel_id=int(general.id))

    await bot.text_channel(general).send("answer", reference=reference)

    assert fake.messages(general)[-1]["message_reference"]["message_id"] == said.id
    assert fake.messages(general)[-1]["type"] == 19


@pytest.mark.parametrize("strict", [True, False])
async def test_reply_to_a_deleted_message_depends_on_its_form(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, strict: bool
) -> None:
    said = await fake.say(anna, general, "question")
    await fake.delete(said)
    reference = discord.MessageReference(message_id=int(said.id), channel_id=int(general.id), fail_if_not_exists=strict)
    channel = bot.text_channel(general)

    if strict:
        with pytest.raises(discord.HTTPException) as caught:
            await channel.send("answer", reference=reference)
        assert caught.value.code == 50035
    else:
        assert (await channel.send("answer", reference=reference)).type is discord.MessageType.default


async def test_same_nonce_makes_no_second_message(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    channel = bot.text_channel(general)

    first = await channel.send("one", nonce="job-1")
    second = await channel.send("two", nonce="job-1")

    assert second.id == first.id
    assert fake.posted_by_bot(general) == ["one"]


async def test_nonce_is_forgotten_after_its_window(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.nonce_window_s = 0
    channel = bot.text_channel(general)

    for text in ("one", "two"):
        await channel.send(text, nonce="job-1")

    assert fake.posted_by_bot(general) == ["one", "two"]


async def test_nonce_stands_in_the_answer_and_the_echo_only(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    channel = bot.text_channel(general)
    posted = await channel.send("one", nonce="job-1")
    await posted.edit(content="two")
    await fake.quiet()

    assert posted.nonce == "job-1"
    assert [message.nonce for message in bot.of("message")] == ["job-1"]
    assert [event.data.get("nonce") for event in bot.of("raw_message_edit")] == [None]
    assert [message.nonce async for message in channel.history()] == [None]
    assert (await channel.fetch_message(posted.id)).nonce is None


async def test_nonce_has_25_characters_at_most(bot: Bot, general: Channel) -> None:
    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).send("x", nonce="n" * 26)

    assert caught.value.code == 50035


async def test_edit_changes_the_text_and_is_heard(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    posted = await bot.text_channel(general).send("one")

    edited = await posted.edit(content="two")
    await fake.quiet()

    assert edited.edited_at is not None
    assert fake.posted_by_bot(general) == ["two"]
    assert [event.message.content for event in bot.of("raw_message_edit")] == ["two"]


async def test_message_of_another_cannot_be_changed(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "mine")
    message = bot.text_channel(general).get_partial_message(int(said.id))

    with pytest.raises(discord.Forbidden) as edited:
        await message.edit(content="yours")
    with pytest.raises(discord.Forbidden) as deleted:
        await message.delete()

    assert (edited.value.code, deleted.value.code) == (50005, 50013)


async def test_deleted_message_is_unknown(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    posted = await bot.text_channel(general).send("one")
    await posted.delete()

    with pytest.raises(discord.NotFound) as caught:
        await bot.text_channel(general).fetch_message(posted.id)

    assert caught.value.code == 10008
    assert fake.posted_by_bot(general) == []


async def test_files_are_taken_and_given_back(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    file = discord.File(io.BytesIO(b"abc"), "a.txt", description="three letters")

    posted = await bot.text_channel(general).send("here", file=file)

    (attachment,) = posted.attachments
    assert (attachment.filename, attachment.size, attachment.description) == ("a.txt", 3, "three letters")
    assert await attachment.read() == b"abc"
    (call,) = fake.calls_of("POST", MESSAGES)
    assert (call.files, call.json["content"]) == (("a.txt",), "here")


async def test_edit_keeps_the_files_that_it_does_not_take_away(bot: Bot, general: Channel) -> None:
    files = [discord.File(io.BytesIO(name.encode()), name) for name in ("a.txt", "b.txt")]
    posted = await bot.text_channel(general).send("here", files=files)

    renamed = await posted.edit(content="there")
    fewer = await posted.edit(attachments=renamed.attachments[1:])

    assert [one.filename for one in renamed.attachments] == ["a.txt", "b.txt"]
    assert [one.filename for one in fewer.attachments] == ["b.txt"]


async def test_edit_to_nothing_is_refused(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    posted = await bot.text_channel(general).send("here")

    with pytest.raises(discord.HTTPException) as caught:
        await posted.edit(content=None)

    assert caught.value.code == 50006
    assert fake.posted_by_bot(general) == ["here"]


async def test_reply_needs_the_history(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "question")
    message = await bot.text_channel(general).fetch_message(int(said.id))
    fake.forbid(general, "READ_MESSAGE_HISTORY")

    with pytest.raises(discord.Forbidden) as caught:
        await message.reply("answer")

    assert caught.value.code == 160002


async def test_forum_takes_no_plain_message(fake: FakeDiscord, bot: Bot) -> None:
    forum = fake.add_channel("ideas", kind="forum")

    with pytest.raises(discord.HTTPException) as caught:
        await bot.get_partial_messageable(int(forum.id)).send("x")

    assert caught.value.code == 50008


async def test_file_over_the_limit_is_refused(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.attachment_limit_bytes = 2

    with pytest.raises(discord.HTTPException) as caught:
        await bot.text_channel(general).send(file=discord.File(io.BytesIO(b"abc"), "a.txt"))

    assert (caught.value.status, caught.value.code) == (413, 40005)


@pytest.mark.parametrize("count", [1, 150])
async def test_history_is_read_in_pages_from_a_message_on(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, count: int
) -> None:
    first = await fake.say(anna, general, "first")
    for number in range(count):
        await fake.say(anna, general, str(number))

    after = discord.Object(int(first.id))
    found = [one.content async for one in bot.text_channel(general).history(after=after, limit=None)]

    assert found == [str(number) for number in range(count)]
    assert len(fake.calls_of("GET", MESSAGES)) == 1 + count // 100


async def test_history_before_and_around_a_message(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = [await fake.say(anna, general, str(number)) for number in range(7)]
    channel, middle = bot.text_channel(general), discord.Object(int(said[3].id))

    before = [message.content async for message in channel.history(before=middle, limit=2)]
    around = [message.content async for message in channel.history(around=middle, limit=3)]

    assert before == ["2", "1"]
    assert sorted(around) == ["2", "3", "4"]


async def test_history_is_empty_without_the_permission(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    await fake.say(anna, general, "x")
    fake.forbid(general, "READ_MESSAGE_HISTORY")

    assert [message async for message in bot.text_channel(general).history()] == []


async def test_forbidden_post_says_so_until_it_is_allowed(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    fake.forbid(general, "SEND_MESSAGES")
    channel = bot.text_channel(general)
    with pytest.raises(discord.Forbidden) as caught:
        await channel.send("x")
    await fake.quiet()
    told = channel.permissions_for(channel.guild.me).send_messages
    fake.allow(general)

    await channel.send("y")

    assert caught.value.code == 50013
    assert told is False
    assert fake.posted_by_bot(general) == ["y"]


async def test_unknown_permission_cannot_be_forbidden(fake: FakeDiscord, general: Channel) -> None:
    with pytest.raises(ValueError, match="SEND_MESAGES"):
        fake.forbid(general, "SEND_MESAGES")


async def test_thread_has_its_own_permission(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    thread = await fake.start_thread(anna, general, "x")
    fake.forbid(general, "SEND_MESSAGES_IN_THREADS")
    await fake.quiet()

    await bot.text_channel(general).send("here")
    with pytest.raises(discord.Forbidden):
        await bot.text_channel(thread).send("there")


async def test_closed_direct_messages_refuse_the_bot(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    await (await bot.fetch_user(int(anna.id))).send("one")
    anna.accepts_dms = False

    with pytest.raises(discord.Forbidden) as caught:
        await (await bot.fetch_user(int(anna.id))).send("two")

    assert caught.value.code == 50007
    assert fake.posted_by_bot(fake.open_dm(anna)) == ["one"]


async def test_typing_is_counted(fake: FakeDiscord, bot: Bot, general: Channel) -> None:
    async with bot.text_channel(general).typing():
        pass

    assert fake.typing_in(general) == 1
