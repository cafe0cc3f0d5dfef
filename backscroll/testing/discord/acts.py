"""What people do in this Discord: every deed of theirs that the bot hears of.

Proved by `tests/unit/testing/discord/test_messages.py`, `test_reactions.py` and `test_threads.py`.
"""

import asyncio
from collections.abc import Sequence

from backscroll.testing.discord import asking, mentions
from backscroll.testing.discord.emoji import read_emoji
from backscroll.testing.discord.gateway import Gateway
from backscroll.testing.discord.interactions import Interaction
from backscroll.testing.discord.models import (
    BOOST,
    BOOST_TIER,
    CROSSPOSTED,
    PINS,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    REPLY,
    SPOKEN,
    Channel,
    File,
    Json,
    Message,
    Role,
    Thread,
    User,
)
from backscroll.testing.discord.places import Places
from backscroll.testing.discord.routes import drafts
from backscroll.testing.discord.sessions import Sessions
from backscroll.testing.discord.switches import Switches
from backscroll.testing.discord.talk import Talk
from backscroll.testing.discord.views import Views, written
from backscroll.testing.discord.world import World

PREVIEW: Json = {"type": "link", "url": "https://example.com/", "title": "Example"}


class Acts(Switches):
    """The deeds. Each returns when its frames are in the line, not when a client has read them."""

    def __post_init__(self) -> None:
        self._world = World(self)
        self._views = Views(self._world)
        self._sessions = Sessions(self._world, self._views)
        self._gateway = Gateway(self._world, self._views, self._sessions)
        self._talk = Talk(self._world, self._views, self._sessions.emit)
        self._places = Places(self._world, self._views, self._talk, self._sessions.emit)

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: Message | None = None,
        ping: bool = True,
        files: Sequence[File] = (),
        webhook: bool = False,
        everyone: bool = True,
        mentions_roles: Sequence[Role] = (),
        stickers: Sequence[str] = (),
        embeds: Sequence[Json] = (),
        components: Sequence[Json] = (),
        poll: tuple[str, Sequence[str]] | None = None,
        forward_of: Message | None = None,
        type: int | None = None,  # noqa: A002 - what Discord calls it
        flags: int = 0,
    ) -> Message:
        """Let someone say something; into an archived thread it brings the thread back.

        `<@BOT>` in the text is the bot's mention and `<@&BOT>` that of its role in this guild. Who else the text names
        is mentioned too.

        Args:
            reply_to: the message it answers; a deleted one is shown as such.
            ping: whether the reply notifies the author of that message, who then is among the mentions.
            webhook: whether a webhook of this user's name says it.
            everyone: whether `@everyone` in the text counts, as it does for who may say it.
            mentions_roles: roles that are mentioned beside those in the text.
            stickers: their names.
            poll: the question and its answers.
            forward_of: the message that is forwarded; give an empty text.
            type: another type than the one that is found from what is said.
        """
        text = text.replace("<@BOT>", self._world.bot.mention)
        if channel.guild is not None:
            text = text.replace("<@&BOT>", channel.guild.bot_role.mention)
        message = Message(self._world.new_id(), channel, self._webhook(user) if webhook else user, text, flags=flags)
        message.webhook_id = message.author.id if webhook else None
        named = mentions.named(self._world, channel, text)
        message.mentions = named.users
        message.mention_roles = [*named.roles, *(role for role in mentions_roles if role not in named.roles)]
        message.mention_everyone = named.everyone and everyone
        message.files = list(files)
        message.embeds, message.components = list(embeds), list(components)
        message.stickers = [{"id": self._world.new_id(), "name": name, "format_type": 1} for name in stickers]
        message.poll = self._poll(*poll) if poll else None
        if reply_to is not None:
            message.type, message.referenced = REPLY, reply_to
            message.reference = drafts.reference_to(reply_to)
            if ping and reply_to.author not in message.mentions:
                message.mentions.append(reply_to.author)
        if forward_of is not None:
            drafts.forward(self._views.message(forward_of), message)
            message.reference = drafts.reference_to(forward_of, kind=1)
        message.type = message.type if type is None else type
        self._talk.post(message)
        await asyncio.sleep(0)
        return message

    async def edit(self, message: Message, text: str) -> None:
        """Let the author change a message's text."""

        def change() -> None:
            message.content = text.replace("<@BOT>", self._world.bot.mention)
            named = mentions.named(self._world, message.channel, message.content)
            answered = [user for user in message.mentions if message.referenced and user is message.referenced.author]
            message.mentions = [*named.users, *(user for user in answered if user not in named.users)]
            message.mention_roles, message.mention_everyone = named.roles, named.everyone

        self._talk.change(message, change, is_edit=True)
        await asyncio.sleep(0)

    async def delete(self, message: Message) -> None:
        """Let someone delete a message.

        Raises: ValueError: it is deleted already.
        """
        if message.is_deleted:
            raise ValueError(f"Message {message.id} of channel {message.channel.id} is deleted already.")
        self._talk.remove(message)
        await asyncio.sleep(0)

    async def bulk_delete(self, messages: Sequence[Message]) -> None:
        """Let a moderator delete several messages of one channel, told as one event."""
        self._talk.remove_all(messages[0].channel, messages)
        await asyncio.sleep(0)

    async def react(self, user: User, message: Message, emoji: str) -> None:
        """Let someone react, with a character or `<:name:id>`; twice is once.

        Raises: ValueError: the text is no emoji.
        """
        self._talk.react(user, message, _emoji(emoji))
        await asyncio.sleep(0)

    async def unreact(self, user: User, message: Message, emoji: str) -> None:
        """Let someone take a reaction back."""
        self._talk.unreact(user, message, _emoji(emoji))
        await asyncio.sleep(0)

    async def clear_reactions(self, message: Message, emoji: str | None = None) -> None:
        """Let a moderator take all reactions away, or all of one emoji."""
        self._talk.clear_reactions(message, None if emoji is None else _emoji(emoji))
        await asyncio.sleep(0)

    async def show_preview(self, message: Message, embed: Json | None = None) -> None:
        """Let Discord add a link's preview: a MESSAGE_UPDATE with the same text, and no edited_timestamp."""
        self._talk.change(message, lambda: message.embeds.append(embed or PREVIEW))
        await asyncio.sleep(0)

    async def pin(self, user: User, message: Message) -> Message:
        """Let someone pin a message; return the note that says so (type 6)."""
        self._talk.change(message, lambda: setattr(message, "is_pinned", True))
        note = Message(self._world.new_id(), message.channel, user, "", type=PINS)
        note.reference = drafts.reference_to(message)
        self._talk.post(note)
        await asyncio.sleep(0)
        return note

    async def boost(self, user: User, channel: Channel, *, tier: bool = False) -> Message:
        """Let someone boost the guild; return the note that says so (type 8, or 9 when it reaches a tier)."""
        note = Message(self._world.new_id(), channel, user, "", type=BOOST_TIER if tier else BOOST)
        self._talk.post(note)
        await asyncio.sleep(0)
        return note

    async def publish(self, message: Message) -> None:
        """Let someone publish a message of a news channel: a MESSAGE_UPDATE with another flag."""

        def change() -> None:
            message.flags |= CROSSPOSTED

        self._talk.change(message, change)
        await asyncio.sleep(0)

    async def start_thread(
        self, user: User, channel: Channel, name: str, message: Message | None = None, *, private: bool = False
    ) -> Thread:
        """Let someone begin a thread: on a message, whose id it gets, or without one.

        On a message three events tell of it: THREAD_CREATE, a MESSAGE_UPDATE of the message, and a message of type 21
        in the thread. Without one a note of type 18 stands in the channel.

        Raises: ValueError: the message has a thread already.
        """
        if message is None:
            kind = PRIVATE_THREAD if private else PUBLIC_THREAD
            thread = self._places.start_thread(channel, user, name, kind)
        elif message.thread is not None or message.type not in SPOKEN:
            raise ValueError(f"Message {message.id} has a thread already, or can have none.")
        else:
            thread = self._places.start_thread_from(message, user, name)
        await asyncio.sleep(0)
        return thread

    async def post_in_forum(
        self, user: User, forum: Channel, title: str, text: str, *, files: Sequence[File] = ()
    ) -> Thread:
        """Let someone post in a forum; the thread and its first message have one id."""
        thread = self._places.start_post(forum, user, title)
        text = text.replace("<@BOT>", self._world.bot.mention)
        message = Message(thread.id, thread, user, text, files=list(files))
        named = mentions.named(self._world, thread, text)
        message.mentions, message.mention_roles, message.mention_everyone = named
        self._talk.post(message)
        await asyncio.sleep(0)
        return thread

    async def add_to_thread(self, thread: Thread, user: User | None = None) -> None:
        """Let someone be added to a thread, by default the bot."""
        self._places.join(thread, user or self._world.bot)
        await asyncio.sleep(0)

    async def use_command(self, user: User, channel: Channel, name: str, **options: str | float) -> Interaction:
        """Let someone use a slash command, registered or not; what becomes of it stands in what is returned.

        An option's type is that of its value: text, whole number, truth value or number.
        """
        interaction = asking.ask(self._world, user, channel, name, options)
        self._sessions.emit(asking.told(self._world, self._views, interaction))
        await asyncio.sleep(0)
        return interaction

    async def press(self, user: User, message: Message, label: str) -> Interaction:
        """Let someone press a button of a message, named by what stands on it; also one whom it is not for.

        Raises: ValueError: the message is deleted, or has no such button to press.
        """
        interaction = asking.press(self._world, user, message, label)
        self._sessions.emit(asking.told(self._world, self._views, interaction))
        await asyncio.sleep(0)
        return interaction

    def _webhook(self, user: User) -> User:
        return User(self._world.new_id(), user.name, is_bot=True, discriminator="0000")

    def _poll(self, question: str, answers: Sequence[str]) -> Json:
        return {
            "question": {"text": question},
            "answers": [{"answer_id": n, "poll_media": {"text": text}} for n, text in enumerate(answers, 1)],
            "expiry": written(self._world.now()),
            "allow_multiselect": False,
            "layout_type": 1,
            "results": {"is_finalized": False, "answer_counts": []},
        }


def _emoji(text: str) -> Json:
    emoji = read_emoji(text)
    if emoji is None:
        raise ValueError(f"{text!r} is no emoji.")
    return emoji
