"""What is kept and what is answered: each occasion under each setting."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.bot import manager
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.bot.turn import Turn
from backscroll.errors import StorageUnavailableError
from backscroll.storage.keys import ChannelMove, ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Part
from tests.unit.bot.stage import Recorder, answering

KEY = ThreadKey("slack", "T1", "C1", "1.0")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALL = ("mentions", "direct_messages", "joined_threads")


def posted(number: int = 1, *, key: ThreadKey = KEY, text: str = "hello", author: str = "U1") -> MessagePosted:
    return MessagePosted(key, key.message(f"1.{number}"), author, text, NOW, "Anna")


def mention(number: int = 1, *, key: ThreadKey = KEY, text: str = "hello", author: str = "U1") -> MessagePosted:
    return replace(posted(number, key=key, text=text, author=author), mentions_bot=True)


class Desk:
    """A manager with its policy, and what it was asked."""

    def __init__(self, provider: StorageProvider, policy: Policy | None = None) -> None:
        self.provider = provider
        self.calls = 0
        self.files_changed = 0
        self.manager = ConversationManager(provider, policy, self._asked, files_changed=self._files_changed)

    def _asked(self) -> None:
        self.calls += 1

    def _files_changed(self) -> None:
        self.files_changed += 1

    async def record(self, *events: Event) -> None:
        for event in events:
            await self.manager.record(event)

    async def messages(self, key: ThreadKey = KEY) -> list[Message]:
        thread = await self.manager.thread_at(key)
        return [] if thread is None else thread.messages

    async def texts(self) -> list[str]:
        return [message.text for message in await self.messages()]

    async def asked(self) -> int:
        return len(await self.provider.list_answers(limit=None))


@pytest.mark.parametrize(
    ("occasion", "answer", "asks"),
    [
        ({"is_direct": True}, ALL, "yes"),
        ({"is_direct": True}, ("direct_messages",), "yes"),
        ({"is_direct": True}, ("mentions",), "no"),
        ({"is_direct": True}, ("joined_threads",), "if_joined"),
        ({"is_direct": True}, (), "no"),
        ({"mentions_bot": True}, ALL, "yes"),
        ({"mentions_bot": True}, ("mentions",), "yes"),
        ({"mentions_bot": True}, ("direct_messages",), "no"),
        ({"mentions_bot": True}, ("joined_threads",), "if_joined"),
        ({"mentions_bot": True}, (), "no"),
        ({"mentions_bot": True, "is_direct": True}, ("mentions",), "yes"),
        ({"mentions_bot": True, "is_direct": True}, ("direct_messages",), "yes"),
        ({}, ALL, "if_joined"),
        ({}, ("joined_threads",), "if_joined"),
        ({}, ("mentions", "direct_messages"), "no"),
        ({}, (), "no"),
    ],
)
def test_policy_answers_each_occasion_as_set(
    occasion: dict[str, Any], answer: tuple[str, ...], asks: Literal["yes", "no", "if_joined"]
) -> None:
    assert Policy(answer=answer).asks(replace(posted(), **occasion)) == asks


@pytest.mark.parametrize(
    ("users", "channels", "asks"),
    [
        (None, None, "yes"),
        ({"U1"}, None, "yes"),
        ({"U2"}, None, "no"),
        (set(), None, "no"),
        (None, {"C1"}, "yes"),
        (None, {"C2"}, "no"),
        (None, set(), "no"),
        ({"U1"}, {"C1"}, "yes"),
        ({"U1"}, {"C2"}, "no"),
        ({"U2"}, {"C1"}, "no"),
    ],
)
def test_policy_answers_whom_and_where_it_is_allowed(
    users: set[str] | None, channels: set[str] | None, asks: Literal["yes", "no"]
) -> None:
    assert Policy(users=users, channels=channels).asks(mention()) == asks


def test_policy_shows_no_id_in_its_repr() -> None:
    assert "U1" not in repr(Policy(users={"U1"}, channels={"C1"}))
    assert "C1" not in repr(Policy(users={"U1"}, channels={"C1"}))


async def test_record_keeps_a_question_with_all_that_is_known_of_it(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(text="hello\nthere"))
    thread = await desk.manager.thread_at(KEY)
    assert thread is not None
    assert (thread.title, thread.user_id) == ("hello", "U1")
    assert thread.platforms == {"slack": {"team": "T1", "channel": "C1", "thread_ts": "1.0"}}
    (message,) = thread.messages
    assert message.platforms == {"slack": {"team": "T1", "channel": "C1", "ts": "1.1"}}
    assert (message.role, message.text, message.created_at) == ("user", "hello\nthere", NOW)
    assert message.source == {"type": "user", "id": "U1", "name": "Anna"}
    assert (await desk.asked(), desk.calls) == (1, 1)


async def test_record_of_a_repeat_changes_nothing(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(), mention(), replace(mention(), text="other", mentions_bot=False))
    assert await desk.texts() == ["hello"]
    assert await desk.asked() == 1


async def test_record_asks_when_a_repeat_turns_out_to_be_a_mention(provider: StorageProvider) -> None:
    desk = Desk(provider, Policy(record="all"))
    await desk.record(posted(), mention())
    assert await desk.texts() == ["hello"]
    assert await desk.asked() == 1


async def test_record_joined_passes_over_what_nobody_asked(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(posted())
    assert await desk.manager.thread_at(KEY) is None
    assert (await desk.asked(), desk.calls) == (0, 0)


async def test_record_joined_keeps_and_answers_all_of_a_thread_it_is_in(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1), posted(2))
    assert len(await desk.messages()) == 2
    assert (await desk.asked(), desk.calls) == (2, 2)


async def test_record_joined_keeps_what_strangers_say_in_its_thread_and_does_not_answer(
    provider: StorageProvider,
) -> None:
    desk = Desk(provider, Policy(users={"U1"}))
    await desk.record(mention(1), mention(2, author="U2"))
    assert len(await desk.messages()) == 2
    assert await desk.asked() == 1


async def test_record_all_keeps_what_nobody_asked_and_does_not_answer(provider: StorageProvider) -> None:
    desk = Desk(provider, Policy(record="all"))
    await desk.record(posted(1), posted(2))
    assert len(await desk.messages()) == 2
    assert (await desk.asked(), desk.calls) == (0, 0)


async def test_record_all_joins_a_thread_at_its_first_mention(provider: StorageProvider) -> None:
    desk = Desk(provider, Policy(record="all"))
    await desk.record(posted(1), mention(2), posted(3))
    assert await desk.asked() == 2


async def test_record_with_no_occasion_keeps_and_answers_nothing(provider: StorageProvider) -> None:
    desk = Desk(provider, Policy(answer=()))
    await desk.record(mention(1), replace(posted(2), is_direct=True))
    assert await desk.manager.thread_at(KEY) is None


async def test_record_edits_a_message(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(), MessageEdited(KEY, KEY.message("1.1"), "he\x00llo", NOW + timedelta(1)))
    (message,) = await desk.messages()
    assert (message.text, message.edited_at) == ("he�llo", NOW + timedelta(1))


async def test_record_keeps_an_edit_that_comes_before_its_message_of_a_known_thread(
    provider: StorageProvider,
) -> None:
    desk = Desk(provider)
    await desk.record(mention(1), MessageEdited(KEY, KEY.message("1.2"), "better", NOW + timedelta(1)), posted(2))
    assert await desk.texts() == ["hello", "better"]


async def test_record_joined_keeps_no_edited_text_of_an_unknown_thread(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(MessageEdited(KEY, KEY.message("1.1"), "better", NOW + timedelta(1)), mention())
    assert await desk.texts() == ["hello"]


async def test_record_all_keeps_an_edit_before_its_thread(provider: StorageProvider) -> None:
    desk = Desk(provider, Policy(record="all"))
    await desk.record(MessageEdited(KEY, KEY.message("1.1"), "better", NOW + timedelta(1)), posted())
    assert await desk.texts() == ["better"]


async def test_record_deletes_a_message_before_or_after_it_came(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(
        mention(1),
        MessageDeleted(KEY.message("1.1"), NOW + timedelta(1)),
        MessageDeleted(KEY.message("1.2"), NOW + timedelta(1)),
        mention(2),
    )
    assert [(message.text, message.deleted_at is not None) for message in await desk.messages()] == [("", True)] * 2


async def test_record_does_not_answer_what_was_deleted_before_it_came(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(MessageDeleted(KEY.message("1.1"), NOW + timedelta(1)), mention())
    assert (await desk.asked(), desk.calls) == (0, 0)


async def test_record_keeps_reactions_in_the_platforms_order(provider: StorageProvider) -> None:
    desk = Desk(provider)
    external = KEY.message("1.1")
    await desk.record(
        ReactionAdded(external, "eyes", "U1", NOW + timedelta(1)),
        mention(),
        ReactionRemoved(external, "tada", "U1", NOW + timedelta(2)),
        ReactionAdded(external, "tada", "U1", NOW + timedelta(1)),
    )
    (message,) = await desk.messages()
    assert message.reactions == {"eyes": ["U1"]}


async def test_reject_puts_an_event_aside(provider: StorageProvider) -> None:
    await Desk(provider).manager.reject("slack", "no channel", {"type": "message"})
    (rejected,) = await provider.list_rejected_events()
    assert (rejected.platform, rejected.reason, rejected.payload) == ("slack", "no channel", {"type": "message"})


async def test_start_thread_lets_the_next_message_begin_another(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1))
    await desk.manager.start_thread(KEY)
    assert await desk.manager.thread_at(KEY) is None
    await desk.record(mention(2))
    assert len(await desk.manager.recent_threads(10)) == 2


async def test_open_thread_lets_an_older_one_go_on(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1))
    old = await desk.manager.thread_at(KEY)
    assert old is not None
    await desk.manager.start_thread(KEY)
    await desk.record(mention(2))
    opened = await desk.manager.open_thread(KEY, old.id)
    assert opened is not None
    await desk.record(mention(3))
    assert [message.platforms["slack"]["ts"] for message in await desk.messages()] == ["1.1", "1.3"]


async def test_open_thread_of_an_unknown_id_changes_nothing(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1))
    assert await desk.manager.open_thread(KEY, "nothing") is None
    assert len(await desk.messages()) == 1


async def test_recent_threads_come_newest_first_without_their_messages(provider: StorageProvider) -> None:
    desk = Desk(provider)
    for number in range(3):
        await desk.record(mention(number, key=ThreadKey("slack", "T1", "C1", str(number)), text=str(number)))
    threads = await desk.manager.recent_threads(2)
    assert [(thread.title, thread.messages) for thread in threads] == [("2", []), ("1", [])]


# Files


def with_files(event: MessagePosted) -> MessagePosted:
    return replace(event, files=(Attachment(name="a", location="https://files.example.com/a"),))


async def test_record_wants_the_files_of_a_person(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(with_files(mention()))
    (wanted,) = await provider.list_wanted_files(["slack"])
    assert (wanted.workspace, wanted.attachment.location) == ("T1", "https://files.example.com/a")
    assert desk.files_changed == 1


async def test_record_leaves_the_events_own_files_as_they_are(provider: StorageProvider) -> None:
    desk, event = Desk(provider), with_files(mention())
    await desk.record(event)
    (message,) = await desk.messages()
    assert message.attachments[0] == event.files[0]
    assert message.attachments[0] is not event.files[0]


async def test_record_wants_no_files_that_are_not_kept_or_are_ours(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(with_files(posted(1)), mention(2), with_files(own(3)))
    assert await provider.list_wanted_files(["slack"]) == []
    assert desk.files_changed == 0


async def test_record_of_a_deletion_tells_that_files_may_be_gone(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(with_files(mention()), *[MessageDeleted(KEY.message("1.1"), NOW + timedelta(1))] * 2)
    assert desk.files_changed == 2


# Posts of ours


def own(number: int = 1, text: str = "by another program", token: str | None = None) -> MessagePosted:
    return replace(posted(number, text=text, author="UBOT"), author_kind="self", token=token)


async def sending(desk: Desk) -> Part:
    """Let the answer to a question be on its way out."""
    await desk.record(mention(1))
    answer = await desk.provider.take_answer("one", ["slack"], 30)
    assert answer is not None
    message = Message(role="assistant", content="an answer")
    (part,) = await desk.provider.begin_sending(answer.id, "one", message, ["an answer"])
    return part


async def test_record_keeps_a_post_of_ours_in_a_known_thread_and_asks_nothing(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1), replace(own(2), mentions_bot=True, is_direct=True))
    assert [message.role for message in await desk.messages()] == ["user", "assistant"]
    assert await desk.asked() == 1


async def test_record_opens_no_thread_for_a_post_of_ours(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(replace(own(), mentions_bot=True, is_direct=True))
    assert await desk.manager.thread_at(KEY) is None


async def test_record_meets_an_echo_by_its_token(provider: StorageProvider) -> None:
    desk = Desk(provider)
    part = await sending(desk)
    await desk.record(own(2, token=part.token))
    assert [message.text for message in await desk.messages()] == ["hello", "an answer"]
    assert (await provider.find_external(KEY.message("1.2"))) is not None


async def test_record_waits_with_an_echo_for_its_mark(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await sending(desk)
    (answer,) = await provider.list_answers()
    recording = asyncio.create_task(desk.record(own(2, "an answer")))
    await asyncio.wait([recording], timeout=0.1)
    assert not recording.done()
    await provider.mark_sent(answer.id, "one", 1, KEY.message("1.2"))
    await recording
    assert await desk.texts() == ["hello", "an answer"]


async def test_record_gives_an_echo_back_that_waits_too_long(
    provider: StorageProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "ECHO_WAIT_S", 0.1)
    desk = Desk(provider)
    await sending(desk)
    with pytest.raises(StorageUnavailableError):
        await desk.record(own(2))
    assert len(await desk.messages()) == 2


# What an adapter tells besides


async def test_record_of_a_moved_channel_moves_what_lives_there(provider: StorageProvider) -> None:
    desk, moved = Desk(provider), KEY.moved("C2")
    await desk.record(mention(1), ChannelMove("slack", "T1", "C1", "C2"), posted(2, key=moved))
    assert len(await desk.messages(moved)) == 2
    assert await desk.manager.thread_at(KEY) is None


async def test_context_reaches_the_turn_and_the_last_one_stands(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1))
    for channel in ("C7", "C8"):
        await desk.manager.keep_context(KEY, {"channel_id": channel})
    turns = []

    async def keeps(turn: Turn) -> None:
        turns.append(turn.context)

    async with answering(provider, Recorder(), keeps) as bot:
        await bot.drained()
    assert turns == [{"channel_id": "C8"}]


async def test_start_thread_asked_for_again_parts_nothing(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1))
    for event in (mention(2), posted(3)):
        await desk.manager.start_thread(KEY, asked_at=NOW + timedelta(seconds=5))
        await desk.record(replace(event, created_at=NOW + timedelta(seconds=10)))
    assert len(await desk.messages()) == 2
    assert await provider.count_threads() == 2


async def test_start_thread_parts_one_that_was_not_written_to_since(provider: StorageProvider) -> None:
    desk = Desk(provider)
    await desk.record(mention(1))
    await desk.manager.start_thread(KEY, asked_at=NOW)
    assert await desk.manager.thread_at(KEY) is None


async def test_start_thread_where_there_is_none_changes_nothing(provider: StorageProvider) -> None:
    await Desk(provider).manager.start_thread(KEY, asked_at=NOW)
    assert await provider.count_threads() == 0


@pytest.mark.parametrize(
    "event",
    [
        posted(text="canary"),
        replace(posted(), author_name="canary", thread_title="canary", reaction_counts={"canary": 1}),
        ThreadChanged(KEY, "canary", {"topic": "canary"}),
        ReactionsCleared(KEY.message("1"), "canary", NOW),
        MessageEdited(KEY, KEY.message("1"), "canary", NOW),
    ],
)
def test_event_shows_no_text_in_its_repr(event: Event) -> None:
    assert "canary" not in repr(event)
