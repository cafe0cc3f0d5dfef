"""What is told of besides messages: places that change or go, cleared reactions, edits that come with a repeat."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from backscroll.adapters.events import (
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PlaceDeleted,
    ReactionAdded,
    ReactionsCleared,
    ThreadChanged,
)
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import utc_now

KEY = ThreadKey("discord", "G1", "100", "200")
OTHER = ThreadKey("discord", "G1", "100", "300")
ELSEWHERE = ThreadKey("discord", "G1", "101", "201")
START = utc_now() - timedelta(hours=1)


def at(number: float) -> datetime:
    return START + timedelta(minutes=number)


def said(number: int = 1, text: str = "hello", *, key: ThreadKey = KEY) -> MessagePosted:
    """Make a message that asks, in the channel that its thread is."""
    external = ExternalId(key.platform, key.workspace, key.thread, f"{key.thread}.{number}")
    return MessagePosted(key, external, "U1", text, at(number), mentions_bot=True)


class Desk:
    """A manager that records everything, and how often it told that files came or went."""

    def __init__(self, provider: StorageProvider) -> None:
        self.provider = provider
        self.files_changed = 0
        self.manager = ConversationManager(provider, files_changed=self._files_changed)
        self.record = self.manager.record

    def _files_changed(self) -> None:
        self.files_changed += 1

    async def thread(self, key: ThreadKey = KEY) -> Thread:
        found = await self.manager.thread_at(key)
        assert found is not None
        return found

    async def message(self, number: int = 1) -> Message:
        found = await self.provider.find_external(said(number).external)
        assert found is not None
        return found[1]

    async def versions(self, number: int = 1) -> list[object]:
        return [each.content for each in await self.provider.get_message_versions((await self.message(number)).id)]


@pytest.fixture
def desk(provider: StorageProvider) -> Desk:
    return Desk(provider)


# Reactions cleared


async def reacted(desk: Desk) -> None:
    await desk.record(said())
    for minute, (emoji, user_id) in enumerate((("👀", "U1"), ("👀", "U2"), ("👍", "U1")), 2):
        await desk.record(ReactionAdded(said().external, emoji, user_id, at(minute)))


async def test_cleared_reactions_are_taken_off(desk: Desk) -> None:
    await reacted(desk)
    await desk.record(ReactionsCleared(said().external, None, at(9)))
    assert (await desk.message()).reactions == {}


async def test_cleared_emoji_is_taken_off_alone(desk: Desk) -> None:
    await reacted(desk)
    await desk.record(ReactionsCleared(said().external, "👀", at(9)))
    assert (await desk.message()).reactions == {"👍": ["U1"]}


async def test_reaction_that_is_later_than_the_clearing_stands(desk: Desk) -> None:
    await reacted(desk)
    await desk.record(ReactionsCleared(said().external, None, at(3.5)))
    assert (await desk.message()).reactions == {"👍": ["U1"]}


async def test_clearing_of_an_unknown_message_changes_nothing(desk: Desk) -> None:
    await desk.record(ReactionsCleared(said().external, None, at(9)))
    await desk.record(said())
    assert (await desk.message()).reactions == {}


# Places


async def test_changed_thread_is_called_otherwise_and_its_place_says_more(desk: Desk) -> None:
    await desk.record(replace(said(), channel_name="general"))
    await desk.record(ThreadChanged(KEY, "Launch", {"archived": True}))
    thread = await desk.thread()
    assert thread.title == "Launch"
    assert thread.platforms["discord"] == {
        "guild": "G1",
        "channel": "100",
        "thread": "200",
        "channel_name": "general",
        "archived": True,
    }


async def test_changed_thread_that_is_told_of_twice_is_not_touched_again(desk: Desk) -> None:
    await desk.record(said())
    await desk.record(ThreadChanged(KEY, "Launch", {"archived": True}))
    before = await desk.thread()
    await desk.record(ThreadChanged(KEY, "Launch", {"archived": True}))
    await desk.record(ThreadChanged(KEY))
    assert await desk.thread() == before


async def test_change_of_an_unknown_thread_makes_none(desk: Desk) -> None:
    await desk.record(ThreadChanged(KEY, "Launch"))
    assert await desk.manager.thread_at(KEY) is None


async def test_thread_that_is_gone_takes_its_own_along(desk: Desk) -> None:
    for key in (KEY, OTHER, ELSEWHERE):
        await desk.record(said(key=key))
    await desk.record(PlaceDeleted("discord", "G1", "100", "200"))
    there = [await desk.manager.thread_at(key) is not None for key in (KEY, OTHER, ELSEWHERE)]
    assert there == [False, True, True]
    assert await desk.provider.find_external(said().external) is None
    assert len(await desk.provider.list_answers()) == 2


async def test_channel_that_is_gone_takes_all_its_threads_along(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.bot.manager.DELETED_COUNT", 1)
    for key in (KEY, OTHER, ELSEWHERE, replace(KEY, workspace="G2")):
        await desk.record(said(key=key))
    await desk.record(PlaceDeleted("discord", "G1", "100"))
    assert [thread.platforms["discord"]["guild"] for thread in await desk.provider.list_threads()] == ["G2", "G1"]


async def test_thread_that_left_its_key_goes_with_its_place(desk: Desk) -> None:
    await desk.record(said())
    await desk.manager.start_thread(KEY)
    await desk.record(PlaceDeleted("discord", "G1", "100", "200"))
    assert await desk.provider.list_threads() == []


async def test_place_that_is_gone_tells_that_files_may_be_gone(desk: Desk) -> None:
    await desk.record(PlaceDeleted("discord", "G1", "100", "200"))
    assert desk.files_changed == 0
    await desk.record(said())
    await desk.record(PlaceDeleted("discord", "G1", "100", "200"))
    assert desk.files_changed == 1


# Titles


async def test_thread_is_called_as_the_platform_calls_it(desk: Desk) -> None:
    await desk.record(replace(said(text="what of it?"), thread_title="Launch"))
    assert (await desk.thread()).title == "Launch"


async def test_title_of_the_platform_comes_with_the_message_that_makes_the_thread_alone(desk: Desk) -> None:
    await desk.record(said(text="what of it?"))
    await desk.record(replace(said(2), thread_title="Launch"))
    assert (await desk.thread()).title == "what of it?"


# Edits that come with a message


async def test_message_that_comes_edited_says_when(desk: Desk) -> None:
    await desk.record(replace(said(text="better"), edited_at=at(5)))
    message = await desk.message()
    assert (message.text, message.edited_at, await desk.versions()) == ("better", at(5), [])


@pytest.mark.parametrize("is_late", [False, True])
async def test_repeat_brings_an_edit_that_nobody_heard(desk: Desk, is_late: bool) -> None:
    await desk.record(said(text="good"))
    for _ in range(2):
        await desk.record(replace(said(text="better"), edited_at=at(5), is_late=is_late))
    message = await desk.message()
    assert (message.text, message.edited_at, await desk.versions()) == ("better", at(5), ["good"])


async def test_repeat_of_an_older_edit_changes_nothing(desk: Desk) -> None:
    await desk.record(said(text="good"))
    await desk.record(MessageEdited(KEY, said().external, "best", at(6)))
    await desk.record(replace(said(text="better"), edited_at=at(5)))
    assert ((await desk.message()).text, await desk.versions()) == ("best", ["good"])


async def test_edit_that_is_heard_besides_makes_no_version_of_the_same_text(desk: Desk) -> None:
    await desk.record(replace(said(text="better"), edited_at=at(5)))
    await desk.record(MessageEdited(KEY, said().external, "better", at(5)))
    await desk.record(MessageEdited(KEY, said().external, "better", at(6)))
    assert await desk.versions() == []


async def test_repeat_of_what_was_deleted_leaves_it_so(desk: Desk) -> None:
    await desk.record(said(text="good"))
    await desk.record(MessageDeleted(said().external, at(4)))
    await desk.record(replace(said(text="better"), edited_at=at(5)))
    assert (await desk.message()).text == ""


async def test_edit_of_a_message_that_is_not_kept_is_not_kept(provider: StorageProvider) -> None:
    manager = ConversationManager(provider)
    await manager.record(replace(said(text="better"), edited_at=at(5), mentions_bot=False))
    await manager.record(said(2))
    await manager.record(replace(said(text="good"), mentions_bot=False))
    found = await provider.find_external(said().external)
    assert found is not None
    assert found[1].text == "good"


async def test_post_of_ours_is_changed_by_nobody_but_us(desk: Desk) -> None:
    await desk.record(said())
    ours = replace(said(2, "so far"), author_kind="self", mentions_bot=False)
    await desk.record(ours)
    await desk.record(replace(ours, text="so far and further", edited_at=at(5)))
    message = await desk.message(2)
    assert (message.text, message.edited_at) == ("so far", None)


# What an adapter may ask


async def test_key_of_a_message_is_the_one_of_its_thread(desk: Desk) -> None:
    await desk.record(said())
    assert await desk.manager.key_of(said().external) == KEY


async def test_key_of_what_is_not_kept_is_none(desk: Desk) -> None:
    assert await desk.manager.key_of(said().external) is None


async def test_key_of_a_thread_that_left_it_is_none(desk: Desk) -> None:
    await desk.record(said())
    thread = await desk.thread()
    await desk.provider.save_thread_alias(thread.id, "a name of its own")
    await desk.provider.save_thread_alias(thread.id, ThreadKey("slack", "T1", "C1", "1.0").alias)
    await desk.manager.start_thread(KEY)
    assert await desk.manager.key_of(said().external) is None


async def test_key_of_a_thread_with_several_is_where_the_message_stands(desk: Desk) -> None:
    await desk.record(said())
    thread = await desk.thread()
    for channel in ("001", "999"):
        key = ThreadKey("discord", "G1", channel, channel)
        await desk.provider.save_thread_alias(thread.id, key.alias)
    assert await desk.manager.key_of(said().external) == KEY


def test_manager_tells_whether_a_message_would_be_answered(provider: StorageProvider) -> None:
    manager = ConversationManager(provider, Policy(users=("U1",)))
    assert manager.answers(said())
    assert not manager.answers(replace(said(), author_id="U2"))


async def test_watermark_is_kept_at_the_instant_that_is_told(desk: Desk) -> None:
    await desk.manager.keep_watermark("discord", "G1", at(7))
    (kept,) = await desk.provider.query("watermarks", {})
    assert datetime.fromisoformat(kept["at"]) == at(7)


async def test_files_of_an_edited_repeat_are_left_as_they_are(desk: Desk) -> None:
    file = Attachment(name="a", location="https://cdn.example.com/a")
    await desk.record(replace(said(), files=(file,)))
    await desk.record(replace(said(text="better"), edited_at=at(5)))
    assert [each.name for each in (await desk.message()).attachments] == ["a"]
