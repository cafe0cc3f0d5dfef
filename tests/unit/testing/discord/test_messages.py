"""What people say reaches a real client as Discord's payloads, and the history shows the same."""

import asyncio

import discord
import pytest

from backscroll.testing import FakeDiscord
from backscroll.testing.discord.models import Channel, User
from tests.unit.testing.discord.conftest import Begin, Bot, all_intents


async def heard(fake: FakeDiscord, bot: Bot) -> discord.Message:
    """Return the last message that the client got."""
    await fake.quiet()
    message: discord.Message = bot.of("message")[-1]
    return message


async def test_message_comes_with_author_and_guild(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "hello")

    message = await heard(fake, bot)

    assert (message.content, message.author.display_name) == ("hello", "Anna")
    assert message.guild is not None
    assert isinstance(message.author, discord.Member)


async def test_mention_of_the_bot_is_told(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "<@BOT> hello")

    message = await heard(fake, bot)

    assert bot.user in message.mentions
    assert message.content == f"<@{fake.bot_user_id}> hello"


async def test_mention_of_the_bots_role_is_told(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "<@&BOT> hello")

    (role,) = (await heard(fake, bot)).role_mentions

    assert role.is_bot_managed()
    assert role in bot.guilds[0].me.roles


async def test_direct_message_has_no_guild(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    await fake.say(anna, fake.open_dm(anna), "hello")

    message = await heard(fake, bot)

    assert message.guild is None
    assert isinstance(message.channel, discord.DMChannel)


@pytest.mark.parametrize("ping", [True, False])
async def test_reply_mentions_the_answered_if_it_pings(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel, ping: bool
) -> None:
    posted = await bot.text_channel(general).send("question")

    await fake.say(anna, general, "answer", reply_to=fake.message(posted.id), ping=ping)

    message = await heard(fake, bot)
    assert message.type is discord.MessageType.reply
    assert message.reference is not None
    assert message.reference.message_id == posted.id
    assert isinstance(message.reference.resolved, discord.Message)
    assert (bot.user in message.mentions) is ping


async def test_reply_to_a_deleted_message_says_so(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    first = await fake.say(anna, general, "gone")
    await fake.delete(first)
    await fake.say(anna, general, "answer", reply_to=first)

    message = await heard(fake, bot)

    assert message.reference is not None
    assert isinstance(message.reference.resolved, discord.DeletedReferencedMessage)


async def test_edit_has_a_time_and_a_preview_has_none(
    fake: FakeDiscord, bot: Bot, anna: User, general: Channel
) -> None:
    said = await fake.say(anna, general, "https://example.com")

    await fake.show_preview(said)
    await fake.edit(said, "changed")
    await fake.quiet()

    preview, edit = bot.of("raw_message_edit")
    assert (preview.message.edited_at, preview.message.content) == (None, "https://example.com")
    assert len(preview.message.embeds) == 1
    assert edit.message.edited_at is not None
    assert edit.message.content == "changed"


async def test_deletion_tells_the_id(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = await fake.say(anna, general, "x")

    await fake.delete(said)
    await fake.quiet()

    assert [event.message_id for event in bot.of("raw_message_delete")] == [int(said.id)]
    assert fake.messages(general) == []


async def test_bulk_deletion_is_one_event(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    said = [await fake.say(anna, general, str(number)) for number in range(3)]

    await fake.bulk_delete(said[:2])
    await fake.quiet()

    (event,) = bot.of("raw_bulk_message_delete")
    assert event.message_ids == {int(one.id) for one in said[:2]}


async def test_webhook_is_no_member(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "from a hook", webhook=True)

    message = await heard(fake, bot)

    assert message.webhook_id == message.author.id
    assert isinstance(message.author, discord.User)


async def test_forward_has_its_text_in_the_snapshot(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    first = await fake.say(anna, general, "the news")
    await fake.say(anna, general, "", forward_of=first)

    message = await heard(fake, bot)

    assert message.content == ""
    assert [snapshot.content for snapshot in message.message_snapshots] == ["the news"]


async def test_poll_and_sticker_have_no_text(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "", poll=("Lunch?", ["yes", "no"]))
    poll = (await heard(fake, bot)).poll
    await fake.say(anna, general, "", stickers=["wave"])
    stickers = (await heard(fake, bot)).stickers

    assert poll is not None
    assert [answer.text for answer in poll.answers] == ["yes", "no"]
    assert [sticker.name for sticker in stickers] == ["wave"]


async def test_everyone_is_told(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "@everyone look")
    loud = await heard(fake, bot)
    await fake.say(anna, general, "@everyone look", everyone=False)

    assert loud.mention_everyone
    assert not (await heard(fake, bot)).mention_everyone


async def test_notes_of_discord_are_system_messages(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.pin(anna, await fake.say(anna, general, "x"))
    await fake.boost(anna, general)
    await fake.quiet()

    assert [message.is_system() for message in bot.of("message")] == [False, True, True]


async def test_history_shows_what_was_told_live(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    file = fake.add_file(anna, "a.txt", b"abc")
    await fake.say(anna, general, "look <@BOT>", files=[file])
    live = await heard(fake, bot)

    read = await bot.text_channel(general).fetch_message(live.id)

    assert (read.content, read.author.id, read.mentions) == (live.content, live.author.id, live.mentions)
    assert [one.filename for one in read.attachments] == ["a.txt"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_contents_are_hidden_without_the_intent(
    fake: FakeDiscord, begin: Begin, anna: User, general: Channel, allowed: bool
) -> None:
    intents = all_intents()
    intents.message_content = False
    bot = await begin(intents)
    fake.message_content_allowed = allowed
    first = await fake.say(anna, general, "secret", files=[fake.add_file(anna, "a.txt", b"x")])
    await fake.say(anna, general, "for <@BOT>", reply_to=first)
    await fake.say(anna, fake.open_dm(anna), "direct")
    await bot.text_channel(general).send("own")
    await fake.quiet()

    texts = [text.replace(f"<@{fake.bot_user_id}>", "BOT") for text in bot.texts]
    assert texts == ["", "for BOT", "direct", "own"]
    assert bot.of("message")[0].attachments == []
    assert bot.of("message")[1].reference.resolved.content == ""
    # The history follows the portal, not what was asked at IDENTIFY.
    read = await bot.text_channel(general).fetch_message(int(first.id))
    assert read.content == ("secret" if allowed else "")


async def test_hidden_channel_is_silent(fake: FakeDiscord, bot: Bot, anna: User) -> None:
    hidden = fake.add_channel("hidden", bot_can_read=False)

    await fake.say(anna, hidden, "psst")
    await fake.quiet()

    assert bot.texts == []
    with pytest.raises(discord.Forbidden) as caught:
        await bot.fetch_channel(int(hidden.id))
    assert caught.value.code == 50001


async def test_lone_surrogate_arrives(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    await fake.say(anna, general, "a\ud800\x00b")

    if not discord.utils.HAS_ORJSON:
        assert (await heard(fake, bot)).content == "a\ud800\x00b"
        return
    assert bot.running is not None  # with orjson, where something brings it along, discord.py reads none of these
    with pytest.raises(ValueError, match="surrogate"):
        await bot.running


async def test_client_can_wait_for_a_message(fake: FakeDiscord, bot: Bot, anna: User, general: Channel) -> None:
    waiting = asyncio.create_task(bot.wait_for("message"))
    await asyncio.sleep(0)

    await fake.say(anna, general, "x")

    assert (await waiting).content == "x"
