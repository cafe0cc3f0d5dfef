"""What a platform's history says of threads that were begun without the bot, or went on while nobody listened."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from backscroll.adapters.events import Event, MessageEdited, MessagePosted
from backscroll.bot import backfill
from backscroll.bot.background import in_background
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.bot.turn import Turn
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import utc_now
from tests.unit.bot.stage import Flaky, Recorder, answering, away, until

pytestmark = pytest.mark.usefixtures("short_waits")

KEY = ThreadKey("slack", "T1", "C1", "1.0")
OTHER_KEY = ThreadKey("slack", "T1", "C2", "2.0")
CHANNEL = ThreadKey("slack", "T1", "C1", "C1")
START = utc_now() - timedelta(hours=1)
LIVE = timedelta(hours=24)


def at(number: float) -> datetime:
    """Return the instant of the message of this number, a minute each."""
    return START + timedelta(minutes=number)


def posted(number: float, text: str | None = None, *, key: ThreadKey = KEY) -> MessagePosted:
    """Make a reply as it is delivered."""
    external = key.message(f"m{number}")
    return MessagePosted(key, external, "U1", text or f"message {number}", at(number), is_reply=True)


def mention(number: float, text: str | None = None, *, key: ThreadKey = KEY) -> MessagePosted:
    return replace(posted(number, text, key=key), mentions_bot=True)


def late(*events: MessagePosted) -> list[Event]:
    """Make a page of a history."""
    return [replace(event, is_late=True) for event in events]


class Talk:
    """A manager that reads an adapter's history."""

    def __init__(
        self,
        provider: StorageProvider,
        adapter: Recorder,
        policy: Policy | None = None,
        *,
        live_for: timedelta = LIVE,
    ) -> None:
        self.provider, self.adapter = provider, adapter
        self.files_changed = 0
        self.manager = ConversationManager(
            provider,
            policy,
            files_changed=self._files_changed,
            adapters={adapter.platform: adapter},
            live_for={adapter.platform: live_for},
        )

    def _files_changed(self) -> None:
        self.files_changed += 1

    async def messages(self, key: ThreadKey = KEY) -> list[Message]:
        thread = await self.manager.thread_at(key)
        return [] if thread is None else thread.messages

    async def texts(self, key: ThreadKey = KEY) -> list[str]:
        return [message.text for message in await self.messages(key)]

    async def asked(self) -> list[str]:
        """Return what was asked, in order."""
        found = [await self.provider.get_message(each.message_id) for each in await self.provider.list_answers()]
        return [each[1].text for each in found if each]

    async def was_up_to(self, instant: datetime) -> None:
        """Let the watermark stand at an instant."""
        await self.manager.keep_watermark("slack", "T1")
        (kept,) = await self.provider.query("watermarks", {})
        await self.provider.set("watermarks", kept["key"], {"at": instant.isoformat()})

    async def catch_up(self) -> None:
        await self.manager.catch_up("slack", "T1")


@pytest.fixture
def talk(provider: StorageProvider, adapter: Recorder) -> Talk:
    return Talk(provider, adapter)


# The first mention in a thread of others


async def test_first_mention_brings_what_stands_before_it(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(posted(1), posted(2)), late(posted(3), mention(4))]
    await talk.manager.record(mention(4))
    assert await talk.texts() == ["message 1", "message 2", "message 3", "message 4"]
    assert [message.attributes for message in await talk.messages()] == [{}] * 4
    assert await talk.asked() == ["message 4"]


async def test_first_mention_gives_the_thread_the_title_of_its_beginning(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(posted(1, "how it began"), mention(4))]
    await talk.manager.record(mention(4))
    thread = await talk.manager.thread_at(KEY)
    assert thread is not None
    assert thread.title == "how it began"


async def test_first_mention_leaves_what_stands_after_it(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(posted(1), mention(2), posted(3))]
    await talk.manager.record(mention(2))
    assert await talk.texts() == ["message 1", "message 2"]


async def test_first_mention_that_the_history_does_not_have_yet_stands_last(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(posted(1), posted(2))]
    await talk.manager.record(mention(3))
    assert await talk.texts() == ["message 1", "message 2", "message 3"]


async def test_mentions_in_a_threads_beginning_are_not_answered(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(mention(1), posted(2), mention(3))]
    await talk.manager.record(mention(3))
    assert await talk.asked() == ["message 3"]


async def test_mention_that_nobody_heard_is_answered_with_the_next_one_and_what_followed_it(talk: Talk) -> None:
    await talk.was_up_to(at(20))
    before = late(mention(1), posted(2), posted(22), mention(23, "missed"), posted(24, "and more"))
    talk.adapter.histories[KEY] = [before, late(mention(30))]
    await talk.manager.record(mention(30))
    assert await talk.asked() == ["missed", "and more", "message 30"]


async def test_mention_that_nobody_heard_is_answered_when_the_beginning_comes_late(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk.was_up_to(at(20))
    monkeypatch.setattr(backfill, "EARLIER_S", 0.02)
    talk.adapter.histories[KEY] = [late(posted(1)), asyncio.Event()]
    await talk.manager.record(mention(30))
    talk.adapter.histories[KEY] = [late(mention(1), posted(22), mention(23, "missed"), posted(24, "and more"))]
    await talk.manager.fill(KEY)
    assert await talk.asked() == ["message 30", "missed", "and more"]


async def test_two_first_mentions_at_once_are_both_answered(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(posted(1), mention(2), mention(3))]
    await asyncio.gather(talk.manager.record(mention(2)), talk.manager.record(mention(3)))
    assert await talk.texts() == ["message 1", "message 2", "message 3"]
    assert sorted(await talk.asked()) == ["message 2", "message 3"]


@pytest.mark.parametrize("case", ["joined", "first message", "not asked", "late"])
async def test_nothing_is_read_where_nothing_can_be_missing(talk: Talk, case: str) -> None:
    if case == "joined":
        await talk.manager.record(replace(mention(1), is_reply=False))
    event = posted(2) if case == "not asked" else mention(2)
    await talk.manager.record(replace(event, is_reply=case != "first message", is_late=case == "late"))
    assert talk.adapter.read == []


async def test_history_that_takes_too_long_is_left_for_later(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "EARLIER_S", 0.02)
    talk.adapter.histories[KEY] = [late(posted(1)), asyncio.Event()]
    await talk.manager.record(mention(2))
    (answer,) = await talk.provider.list_answers()
    assert (await talk.texts(), answer.is_partial) == (["message 2"], True)


async def test_platform_that_is_away_leaves_the_beginning_for_later(talk: Talk) -> None:
    talk.adapter.histories[KEY] = [late(posted(1)), AdapterUnavailableError("It is away.")]
    await talk.manager.record(mention(2))
    (answer,) = await talk.provider.list_answers()
    assert (await talk.texts(), answer.is_partial) == (["message 2"], True)


async def test_platform_that_refuses_its_history_is_answered_without(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    talk.adapter.histories[KEY] = [AdapterError("The scope channels:history is missing.")]
    await talk.manager.record(mention(2))
    (answer,) = await talk.provider.list_answers()
    assert (await talk.texts(), answer.is_partial) == (["message 2"], False)
    assert "channels:history" in caplog.text


async def test_files_of_a_threads_beginning_are_wanted(talk: Talk) -> None:
    file = Attachment(name="a", location="https://files.example.com/a")
    talk.adapter.histories[KEY] = [late(replace(posted(1), files=(file,)), mention(2))]
    await talk.manager.record(mention(2))
    assert len(await talk.provider.list_wanted_files(["slack"])) == 1
    assert talk.files_changed == 1


async def test_manager_without_adapters_reads_nothing(provider: StorageProvider) -> None:
    await ConversationManager(provider).record(mention(2))
    assert len(await provider.list_answers()) == 1


# What was left for later


async def test_beginning_that_was_left_is_kept_before_the_handler_runs(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def handler(turn: Turn) -> None:
        seen.extend(message.text for message in turn.thread.messages)

    monkeypatch.setattr(backfill, "EARLIER_S", 0.02)
    slow = asyncio.Event()
    talk.adapter.histories[KEY] = [late(posted(1)), slow, late(mention(2), posted(3))]
    await talk.manager.record(mention(2))
    slow.set()
    async with answering(talk.provider, talk.adapter, handler, fill=talk.manager.fill) as bot:
        await bot.drained()
    assert seen[:2] == ["message 1", "message 2"]
    assert await talk.texts() == ["message 2", "message 1", "message 3"]
    assert await talk.asked() == ["message 2", "message 3"]


async def test_beginning_that_cannot_be_read_holds_the_answer_up(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "EARLIER_S", 0.02)
    slow = asyncio.Event()
    talk.adapter.histories[KEY] = [slow]
    await talk.manager.record(mention(2))
    slow.set()
    talk.adapter.histories[KEY] = [AdapterUnavailableError("It is away."), late(posted(1), mention(2))]

    async def handler(turn: Turn) -> str:
        return f"{len(turn.thread.messages)} messages"

    async with answering(talk.provider, talk.adapter, handler, fill=talk.manager.fill) as bot:
        await bot.drained()
    assert talk.adapter.texts == ["2 messages"]


async def test_fill_asks_for_what_was_said_since_the_first_question_alone(talk: Talk) -> None:
    await talk.manager.record(replace(mention(2), is_reply=False))
    talk.adapter.histories[KEY] = [late(mention(1), mention(2), mention(3))]
    await talk.manager.fill(KEY)
    assert await talk.asked() == ["message 2", "message 3"]
    assert [message.attributes for message in await talk.messages()] == [{}, {"backfilled": True}, {"backfilled": True}]


async def test_fill_that_is_refused_is_told_and_passed_over(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    talk.adapter.histories[KEY] = [AdapterError("Not in the channel.")]
    await talk.manager.fill(KEY)
    assert "Not in the channel." in caplog.text


# What was said while nobody listened


async def joined(talk: Talk, number: float = 10, key: ThreadKey = KEY) -> None:
    """Let the bot be asked in a thread, and forget what it read for that."""
    await talk.manager.record(replace(mention(number, key=key), is_reply=False))


async def test_catch_up_without_a_watermark_reads_nothing_and_begins_one(talk: Talk) -> None:
    await joined(talk)
    await talk.catch_up()
    assert talk.adapter.read == []
    assert len(await talk.provider.query("watermarks", {})) == 1


async def test_catch_up_reads_the_live_threads_and_their_channels_since_the_watermark(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    await talk.catch_up()
    since = at(20) - timedelta(minutes=15)
    assert sorted(talk.adapter.read, key=str) == sorted([(KEY, since), (CHANNEL, since)], key=str)


async def test_catch_up_reads_each_channel_once(talk: Talk) -> None:
    for number, name in enumerate(("1.0", "2.0", "C1")):
        await joined(talk, number, key=ThreadKey("slack", "T1", "C1", name))
    await talk.was_up_to(at(20))
    await talk.catch_up()
    assert len(talk.adapter.read) == len(set(talk.adapter.read)) == 3


async def test_catch_up_reads_no_further_back_than_threads_live(provider: StorageProvider, adapter: Recorder) -> None:
    talk = Talk(provider, adapter, live_for=timedelta(minutes=30))
    await joined(talk)
    await talk.was_up_to(at(-600))
    await talk.catch_up()
    assert {since is not None and since > utc_now() - timedelta(minutes=31) for _, since in adapter.read} == {True}


async def test_catch_up_of_a_bot_that_reads_nothing_back_reads_nothing(
    provider: StorageProvider, adapter: Recorder
) -> None:
    talk = Talk(provider, adapter, live_for=timedelta(0))
    await joined(talk)
    await talk.was_up_to(at(20))
    await talk.catch_up()
    assert adapter.read == []


async def test_catch_up_leaves_other_workspaces_alone(talk: Talk) -> None:
    await joined(talk, key=ThreadKey("slack", "T2", "C1", "1.0"))
    await talk.was_up_to(at(20))
    await talk.catch_up()
    assert talk.adapter.read == []


async def test_catch_up_asks_once_for_a_question_that_was_missed(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    talk.adapter.histories[KEY] = [late(posted(25, "missed"))]
    for _ in range(2):
        await talk.catch_up()
    await talk.manager.record(posted(25, "missed"))
    assert await talk.texts() == ["message 10", "missed"]
    assert await talk.asked() == ["message 10", "missed"]


async def test_catch_up_opens_a_thread_for_a_mention_that_was_missed(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    new = ThreadKey("slack", "T1", "C1", "m25")
    talk.adapter.histories[CHANNEL] = [late(replace(mention(25, "missed", key=new), is_reply=False))]
    await talk.catch_up()
    assert (await talk.texts(new), await talk.asked()) == (["missed"], ["message 10", "missed"])


async def test_catch_up_keeps_no_channel_talk_that_nobody_asked(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    new = ThreadKey("slack", "T1", "C1", "m25")
    talk.adapter.histories[CHANNEL] = [late(replace(posted(25, key=new), is_reply=False))]
    await talk.catch_up()
    assert await talk.manager.thread_at(new) is None


async def test_catch_up_asks_nothing_for_repeats(talk: Talk) -> None:
    talk.manager._policy = Policy(answer=())
    await talk.provider.record_message(talk.manager._arrival(posted(10), "yes"))
    await talk.provider.record_message(talk.manager._arrival(posted(12), "no"))
    talk.manager._policy = Policy()
    await talk.was_up_to(at(20))
    talk.adapter.histories[KEY] = [late(posted(10), posted(12))]
    await talk.catch_up()
    assert await talk.asked() == ["message 10"]


async def test_catch_up_asks_before_the_first_question_for_mentions_alone_and_what_follows_them(talk: Talk) -> None:
    await joined(talk, 10)
    await talk.was_up_to(at(12))
    talk.adapter.histories[KEY] = [late(posted(7), mention(8), posted(9), posted(11))]
    await talk.catch_up()
    assert await talk.asked() == ["message 10", "message 8", "message 9", "message 11"]
    assert len(await talk.messages()) == 5


async def test_catch_up_puts_aside_what_cannot_be_kept_and_goes_on(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    before_all = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    talk.adapter.histories[KEY] = [late(replace(posted(25, "odd"), edited_at=before_all), posted(26))]
    await talk.catch_up()
    assert await talk.texts() == ["message 10", "message 26"]
    (rejected,) = await talk.provider.list_rejected_events()
    assert "cannot be kept: ValidationError at" in rejected.reason
    assert "odd" not in str(rejected.payload)


async def test_catch_up_reads_as_many_places_at_once_as_the_platform_takes(talk: Talk) -> None:
    talk.adapter.readers = 2
    await joined(talk, 10)
    await joined(talk, 11, key=OTHER_KEY)
    await talk.was_up_to(at(20))
    talk.adapter.histories[OTHER_KEY] = [asyncio.Event()]
    talk.adapter.histories[KEY] = [late(posted(25))]

    async def is_kept() -> bool:
        return await talk.texts() == ["message 10", "message 25"]

    async with in_background(talk.catch_up()):
        await until(is_kept)


async def test_catch_up_takes_edits(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    talk.adapter.histories[KEY] = [[MessageEdited(KEY, KEY.message("m10"), "edited", at(22))]]
    await talk.catch_up()
    assert await talk.texts() == ["edited"]


async def test_catch_up_passes_over_a_thread_that_is_refused(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    await joined(talk, 10)
    await joined(talk, 11, key=OTHER_KEY)
    await talk.was_up_to(at(20))
    talk.adapter.histories[OTHER_KEY] = [AdapterError("Not in the channel.")]
    talk.adapter.histories[KEY] = [late(posted(25, "missed"))]
    await talk.catch_up()
    assert await talk.texts() == ["message 10", "missed"]
    assert "Not in the channel." in caplog.text


async def test_catch_up_raises_when_the_platform_is_away_and_goes_on_the_next_time(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    talk.adapter.histories[KEY] = [late(posted(25)), AdapterUnavailableError("It is away."), late(posted(26))]
    with pytest.raises(AdapterUnavailableError):
        await talk.catch_up()
    assert await talk.texts() == ["message 10", "message 25"]
    await talk.catch_up()
    assert await talk.asked() == ["message 10", "message 25", "message 26"]


async def test_catch_up_passes_over_a_post_that_may_be_an_answers(talk: Talk) -> None:
    await joined(talk)
    answer = await talk.provider.take_answer("one", ["slack"], 30)
    assert answer is not None
    await talk.provider.begin_sending(answer.id, "one", Message(role="assistant", content="x"), ["x"])
    await talk.was_up_to(at(20))
    own = replace(posted(25, "x"), author_kind="self")
    talk.adapter.histories[KEY] = [late(own, posted(26))]
    await talk.catch_up()
    assert await talk.texts() == ["message 10", "x", "message 26"]


async def test_watermark_is_kept_for_each_workspace(talk: Talk) -> None:
    await joined(talk, key=ThreadKey("slack", "T2", "C1", "1.0"))
    await talk.manager.keep_watermark("slack", "T1")
    await talk.manager.catch_up("slack", "T2")
    assert talk.adapter.read == []


async def test_watermark_is_the_instant_of_its_call(talk: Talk) -> None:
    await joined(talk)
    before = datetime.now(UTC)
    await talk.manager.keep_watermark("slack", "T1")
    await talk.catch_up()
    since = talk.adapter.read[0][1]
    assert since is not None
    assert before <= since + backfill.OVERLAP <= datetime.now(UTC)


async def test_fill_waits_for_the_storage_within_an_answer(flaky: Flaky, adapter: Recorder) -> None:
    talk = Talk(flaky, adapter)
    adapter.histories[KEY] = [AdapterUnavailableError("It is away.")]
    await talk.manager.record(mention(2))
    adapter.histories[KEY] = [late(posted(1), mention(2))]
    flaky.faults["get_thread"] = away(1)

    async def handler(turn: Turn) -> str:
        return f"{len(turn.thread.messages)} messages"

    async with answering(flaky, adapter, handler, fill=talk.manager.fill) as bot:
        await bot.drained()
        await until(lambda: not bot._running)
    assert adapter.texts == ["2 messages"]


# Places that the platform names


async def test_catch_up_reads_what_spoke_first_and_each_place_once(talk: Talk) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    talk.adapter.spoke = [OTHER_KEY, CHANNEL, KEY]
    await talk.catch_up()
    since = at(20) - timedelta(minutes=15)
    assert talk.adapter.read == [(OTHER_KEY, since), (KEY, since), (CHANNEL, since)]
    assert talk.adapter.spoke_since == [since]


async def test_catch_up_keeps_a_first_mention_where_nothing_was_live(talk: Talk) -> None:
    await talk.was_up_to(at(20))
    talk.adapter.spoke = [OTHER_KEY]
    talk.adapter.histories[OTHER_KEY] = [late(posted(22, key=OTHER_KEY), mention(25, "missed", key=OTHER_KEY))]
    await talk.catch_up()
    (answer,) = await talk.provider.list_answers()
    assert (await talk.texts(OTHER_KEY), await talk.asked()) == (["missed"], ["missed"])
    assert answer.is_partial, "what stands before it is read when it is answered"


async def test_catch_up_goes_on_when_the_platform_names_nothing(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    await joined(talk)
    await talk.was_up_to(at(20))
    talk.adapter.spoke = AdapterError("It is not shown to this bot.")
    talk.adapter.histories[KEY] = [late(posted(25, "missed"))]
    await talk.catch_up()
    assert await talk.texts() == ["message 10", "missed"]
    assert "It is not shown to this bot." in caplog.text


async def test_catch_up_raises_when_the_platform_is_away_for_its_places(talk: Talk) -> None:
    await talk.was_up_to(at(20))
    talk.adapter.spoke = AdapterUnavailableError("It is away.")
    with pytest.raises(AdapterUnavailableError):
        await talk.catch_up()


async def test_catch_up_without_a_watermark_asks_for_no_places(talk: Talk) -> None:
    await talk.catch_up()
    assert talk.adapter.spoke_since == []


async def test_each_platform_is_live_for_as_long_as_it_is_told(provider: StorageProvider, adapter: Recorder) -> None:
    talk = Talk(provider, adapter)
    talk.manager = ConversationManager(
        provider, adapters={"slack": adapter}, live_for={"slack": timedelta(0), "discord": LIVE}
    )
    await joined(talk)
    await talk.was_up_to(at(20))
    await talk.catch_up()
    assert adapter.read == []
