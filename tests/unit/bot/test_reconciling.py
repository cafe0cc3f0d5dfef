"""What became, while nobody listened, of messages that were kept before."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from backscroll.adapters.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from backscroll.bot import reconciling
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.errors import AdapterError, AdapterUnavailableError
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.values import utc_now
from tests.unit.bot.stage import Recorder

GUILD, CHANNEL_ID, THREAD_ID = "G1", "100", "200"
KEY = ThreadKey("discord", GUILD, CHANNEL_ID, THREAD_ID)
CHANNEL = ThreadKey("discord", GUILD, CHANNEL_ID, CHANNEL_ID)
ROOT = ExternalId("discord", GUILD, CHANNEL_ID, THREAD_ID)
START = utc_now() - timedelta(hours=2)
LIVE = timedelta(hours=24)


def at(number: float) -> datetime:
    """Return the instant of the message of this number, a minute each."""
    return START + timedelta(minutes=number)


def place(number: int) -> ExternalId:
    """Name a message of the thread, which is a channel of its own."""
    return ExternalId("discord", GUILD, THREAD_ID, f"m{number}")


def said(number: int, text: str | None = None, **given: object) -> MessagePosted:
    """Make a message of the thread; number 0 is the one that it began with."""
    external = ROOT if number == 0 else place(number)
    told = MessagePosted(KEY, external, "U1", text or f"message {number}", at(number), mentions_bot=number == 0)
    return replace(told, is_reply=number > 0, **given)  # type: ignore[arg-type]  # mypy cannot tell replace's keywords


def listed(*events: MessagePosted) -> list[Event]:
    """Make a page of a history that tells how many reacted: nobody, unless it says so."""
    return [replace(each, is_late=True, reaction_counts=each.reaction_counts or {}) for each in events]


class Gap:
    """A thread of four messages that is kept, a watermark behind it, and a platform that tells of changes."""

    def __init__(self, provider: StorageProvider, adapter: Recorder, *, live_for: timedelta = LIVE) -> None:
        self.provider, self.adapter = provider, adapter
        self.files_changed = 0
        self.manager = ConversationManager(
            provider,
            Policy(answer=("mentions",)),
            files_changed=self._files_changed,
            adapters={adapter.platform: adapter},
            live_for={adapter.platform: live_for},
        )

    def _files_changed(self) -> None:
        self.files_changed += 1

    async def begin(self, *, watermark: float = 60) -> None:
        for number in range(4):
            await self.manager.record(said(number))
        await self.manager.keep_watermark("discord", GUILD, at(watermark))

    async def catch_up(self, *pages: Sequence[Event], key: ThreadKey = KEY) -> None:
        self.adapter.histories[key] = [list(page) for page in pages]
        await self.manager.catch_up("discord", GUILD)

    async def message(self, number: int) -> Message:
        found = await self.provider.find_external(ROOT if number == 0 else place(number))
        assert found is not None
        return found[1]

    async def gone(self) -> list[int]:
        """Name the messages that are tombstones."""
        return [number for number in range(4) if (await self.message(number)).deleted_at is not None]


@pytest.fixture
async def gap(provider: StorageProvider) -> Gap:
    begun = Gap(provider, Recorder(tells_changes=True, platform="discord"))
    await begun.begin()
    return begun


@asynccontextmanager
async def reading(gap: Gap, *told: MessagePosted) -> AsyncIterator[None]:
    """Catch up, and hold that up when the history has told of these and is not at its end."""
    begun, more = asyncio.Event(), asyncio.Event()

    class Page(list[Event]):
        """A page that tells when it is read."""

        def __iter__(self) -> Iterator[Event]:
            begun.set()
            return super().__iter__()

    gap.adapter.histories[KEY] = [Page(listed(*told)), more]
    catching_up = asyncio.create_task(gap.manager.catch_up("discord", GUILD))
    await begun.wait()
    yield
    more.set()
    await catching_up


# Deletions


async def test_message_that_the_history_does_not_list_is_deleted(gap: Gap) -> None:
    before = utc_now()
    await gap.catch_up(listed(said(0), said(1)), listed(said(3)))
    assert await gap.gone() == [2]
    deleted_at = (await gap.message(2)).deleted_at
    assert deleted_at is not None
    assert before <= deleted_at <= utc_now()
    assert gap.files_changed == 1


async def test_beginning_that_the_history_does_not_list_is_deleted(gap: Gap) -> None:
    await gap.catch_up(listed(said(1), said(2), said(3)))
    assert await gap.gone() == [0]


async def test_nothing_is_deleted_where_all_is_listed(gap: Gap) -> None:
    await gap.catch_up(listed(said(0), said(1), said(2), said(3)))
    assert await gap.gone() == []


async def test_history_is_read_from_the_oldest_message_that_is_compared(gap: Gap) -> None:
    await gap.catch_up(listed(said(0), said(1), said(2), said(3)))
    assert gap.adapter.read == [
        (KEY, at(0) - reconciling.MARGIN),
        (CHANNEL, at(60) - timedelta(minutes=15)),
    ]


async def test_message_that_stands_though_it_is_not_listed_is_left(gap: Gap) -> None:
    gap.adapter.hidden = {"m2"}
    await gap.catch_up(listed(said(0), said(1), said(3)))
    assert await gap.gone() == []


async def test_message_whose_end_nobody_tells_is_left_and_the_others_are_not(gap: Gap) -> None:
    gap.adapter.refusals.append(AdapterError("No access."))
    await gap.catch_up(listed(said(0), said(3)))
    assert await gap.gone() == [2]


@pytest.mark.parametrize("error", [AdapterError("No access."), AdapterUnavailableError("It is away.")])
async def test_nothing_is_deleted_when_the_history_is_not_read_to_its_end(gap: Gap, error: AdapterError) -> None:
    gap.adapter.histories[KEY] = [listed(said(0)), error]
    if isinstance(error, AdapterUnavailableError):
        with pytest.raises(AdapterUnavailableError):
            await gap.manager.catch_up("discord", GUILD)
    else:
        await gap.manager.catch_up("discord", GUILD)
    assert await gap.gone() == []


async def test_message_that_is_kept_while_the_history_is_read_is_left(gap: Gap) -> None:
    async with reading(gap, *(said(number) for number in range(4))):
        await gap.manager.record(said(50))
    assert (await gap.message(50)).deleted_at is None


async def test_message_that_is_younger_than_the_read_is_left(gap: Gap) -> None:
    young = replace(said(50), created_at=utc_now() + timedelta(minutes=1))
    await gap.manager.record(young)
    await gap.catch_up(listed(*(said(number) for number in range(4))))
    assert (await gap.message(50)).deleted_at is None


async def test_message_older_than_threads_live_is_left(provider: StorageProvider) -> None:
    gap = Gap(provider, Recorder(tells_changes=True, platform="discord"), live_for=utc_now() - at(2.5))
    await gap.begin()
    await gap.catch_up(listed())
    assert await gap.gone() == [3]


async def test_platform_that_tells_no_changes_is_not_compared(provider: StorageProvider) -> None:
    gap = Gap(provider, Recorder(platform="discord"))
    await gap.begin()
    await gap.catch_up(listed(said(0)))
    assert await gap.gone() == []
    assert gap.adapter.read[0] == (KEY, at(45))


async def test_thread_of_more_than_a_page_is_compared_to_its_beginning(
    gap: Gap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "PAGE_COUNT", 1)
    await gap.catch_up(listed(said(2)))
    assert await gap.gone() == [0, 1, 3]


async def test_replies_in_a_channel_are_compared_with_the_channel(provider: StorageProvider) -> None:
    """A chain of replies is a thread, and its messages stand in the channel beside each other."""
    gap = Gap(provider, Recorder(tells_changes=True, platform="discord"))
    here = [replace(said(number), external=replace(ROOT, id=f"c{number}")) for number in (1, 2)]
    for each in (said(0), *here):
        await gap.manager.record(each)
    await gap.manager.keep_watermark("discord", GUILD, at(60))
    gap.adapter.histories[CHANNEL] = [listed(said(0), here[1])]
    await gap.catch_up(listed(said(0)))
    found = [await provider.find_external(each.external) for each in here]
    assert [each is not None and each[1].deleted_at is not None for each in found] == [True, False]
    assert (CHANNEL, at(1) - reconciling.MARGIN) in gap.adapter.read


async def test_channel_is_compared_after_the_replies_in_it_also_where_it_is_live_itself(
    provider: StorageProvider,
) -> None:
    gap = Gap(provider, Recorder(tells_changes=True, platform="discord"))
    reply = replace(said(1), external=replace(ROOT, id="c1"))
    for each in (said(0), reply, replace(said(2, mentions_bot=True), key=CHANNEL)):
        await gap.manager.record(each)
    await gap.manager.keep_watermark("discord", GUILD, at(60))
    await gap.catch_up(listed(said(0)))
    found = await provider.find_external(reply.external)
    assert found is not None
    assert found[1].deleted_at is not None


async def test_catch_up_again_changes_nothing_more(gap: Gap) -> None:
    page = listed(said(0, reaction_counts={"👀": 1}), said(1, "better", edited_at=at(9)), said(3))
    gap.adapter.reacting = {(THREAD_ID, "👀"): ["U7"]}
    kept: list[object] = []
    for _ in range(2):
        await gap.catch_up(page)
        kept.append([await gap.message(number) for number in range(4)])
    assert kept[0] == kept[1]


# Our own posts


async def answered(gap: Gap, *texts: str, beside: int = 0) -> Message:
    """Let the question be answered in posts p1, p2 … of the thread.

    Args: beside: the number of one that stands in the channel.
    """
    answer = await gap.provider.take_answer("one", ["discord"], 30)
    assert answer is not None
    message = Message(role="assistant", content="\n\n".join(texts), created_at=at(5))
    parts = await gap.provider.begin_sending(answer.id, "one", message, list(texts))
    for part in parts:
        where = CHANNEL_ID if part.number == beside else THREAD_ID
        external = ExternalId("discord", GUILD, where, f"p{part.number}")
        await gap.provider.mark_sent(answer.id, "one", part.number, external)
    await gap.provider.finish_answer(answer.id, "one", "sent")
    return message


def ours(number: int, text: str, **given: object) -> MessagePosted:
    external = ExternalId("discord", GUILD, THREAD_ID, f"p{number}")
    return said(5, text, external=external, author_kind="self", author_id="UBOT", **given)


async def test_post_of_ours_that_is_not_listed_takes_its_text_along(gap: Gap) -> None:
    message = await answered(gap, "one", "two")
    await gap.catch_up(listed(*(said(number) for number in range(4)), ours(2, "two")))
    found = await gap.provider.get_message(message.id)
    assert found is not None
    assert (found[1].text, found[1].deleted_at) == ("two", None)


async def test_post_of_ours_that_stands_elsewhere_is_left(gap: Gap) -> None:
    message = await answered(gap, "one", "two", beside=2)
    await gap.catch_up(listed(*(said(number) for number in range(4)), ours(1, "one")))
    found = await gap.provider.get_message(message.id)
    assert found is not None
    assert found[1].text == "one\n\ntwo"


async def test_reactions_on_what_is_left_of_an_answer_are_the_answers(gap: Gap) -> None:
    message = await answered(gap, "one", "two")
    await gap.manager.record(MessageDeleted(ExternalId("discord", GUILD, THREAD_ID, "p2"), at(7)))
    gap.adapter.reacting = {("p1", "👍"): ["U1"]}
    await gap.catch_up(listed(*(said(number) for number in range(4)), ours(1, "one", reaction_counts={"👍": 1})))
    found = await gap.provider.get_message(message.id)
    assert found is not None
    assert found[1].reactions == {"👍": ["U1"]}


async def test_post_of_ours_that_we_edited_is_left(gap: Gap) -> None:
    message = await answered(gap, "one", "two")
    edited = [ours(number, text, edited_at=at(8)) for number, text in enumerate(("one", "two"), 1)]
    await gap.catch_up(listed(*(said(number) for number in range(4)), *edited))
    found = await gap.provider.get_message(message.id)
    assert found is not None
    assert (found[1].text, found[1].edited_at) == ("one\n\ntwo", None)


async def test_reactions_on_the_posts_of_one_answer_are_the_answers(gap: Gap) -> None:
    message = await answered(gap, "one", "two")
    gap.adapter.reacting = {("p1", "👍"): ["U1"], ("p2", "👍"): ["U2", "U1"]}
    counted = [ours(1, "one", reaction_counts={"👍": 1}), ours(2, "two", reaction_counts={"👍": 2})]
    await gap.catch_up(listed(*(said(number) for number in range(4)), *counted))
    found = await gap.provider.get_message(message.id)
    assert found is not None
    assert found[1].reactions == {"👍": ["U1", "U2"]}


# Edits


async def test_edit_that_nobody_heard_is_kept_with_what_was_said_before(gap: Gap) -> None:
    await gap.catch_up(listed(said(0), said(1, "better", edited_at=at(9)), said(2), said(3)))
    message = await gap.message(1)
    assert (message.text, message.edited_at) == ("better", at(9))
    assert [each.content for each in await gap.provider.get_message_versions(message.id)] == ["message 1"]


async def test_edit_that_is_older_than_the_one_that_stands_changes_nothing(gap: Gap) -> None:
    await gap.manager.record(MessageEdited(KEY, place(1), "best", at(10)))
    await gap.catch_up(listed(said(0), said(1, "better", edited_at=at(9)), said(2), said(3)))
    assert (await gap.message(1)).text == "best"


# Reactions


async def test_reaction_that_nobody_heard_is_kept(gap: Gap) -> None:
    gap.adapter.reacting = {("m1", "👀"): ["U7", "U8"]}
    await gap.manager.record(ReactionAdded(place(1), "👀", "U8", at(4)))
    await gap.catch_up(listed(said(0), said(1, reaction_counts={"👀": 2}), said(2), said(3)))
    assert (await gap.message(1)).reactions == {"👀": ["U8", "U7"]}


async def test_reaction_that_was_taken_off_is(gap: Gap) -> None:
    for emoji, user_id in (("👀", "U7"), ("👀", "U8"), ("👍", "U7")):
        await gap.manager.record(ReactionAdded(place(1), emoji, user_id, at(4)))
    gap.adapter.reacting = {("m1", "👀"): ["U8"]}
    await gap.catch_up(listed(said(0), said(1, reaction_counts={"👀": 1}), said(2), said(3)))
    assert (await gap.message(1)).reactions == {"👀": ["U8"]}
    assert gap.adapter.asked_for == [("m1", "👀")], "nobody can stand for what no one counts"


async def test_reactors_are_asked_for_only_where_the_counts_differ(gap: Gap) -> None:
    await gap.manager.record(ReactionAdded(place(1), "👀", "U7", at(4)))
    await gap.catch_up(listed(said(0), said(1, reaction_counts={"👀": 1}), said(2), said(3)))
    assert gap.adapter.asked_for == []


async def test_reaction_that_is_heard_meanwhile_stands(gap: Gap) -> None:
    await gap.manager.record(ReactionAdded(place(1), "👀", "U7", utc_now() + timedelta(minutes=1)))
    await gap.catch_up(listed(said(0), said(1), said(2), said(3)))
    assert (await gap.message(1)).reactions == {"👀": ["U7"]}


async def test_reaction_that_is_put_on_again_meanwhile_stands(gap: Gap) -> None:
    await gap.manager.record(ReactionAdded(place(1), "👀", "U7", at(4)))
    async with reading(gap, *(said(number) for number in range(4))):
        await gap.manager.record(ReactionRemoved(place(1), "👀", "U7", utc_now()))
        await gap.manager.record(ReactionAdded(place(1), "👀", "U7", utc_now()))
    assert (await gap.message(1)).reactions == {"👀": ["U7"]}


async def test_reactions_on_what_was_missed_are_kept_with_it(gap: Gap) -> None:
    gap.adapter.reacting = {("m70", "👀"): ["U7"]}
    missed = said(70, reaction_counts={"👀": 1})
    await gap.catch_up(listed(*(said(number) for number in range(4)), missed))
    assert (await gap.message(70)).reactions == {"👀": ["U7"]}


async def test_reactors_that_are_refused_are_passed_over(gap: Gap) -> None:
    gap.adapter.reacting = {("m2", "👀"): ["U7"]}
    counted = [said(number, reaction_counts={"👀": 1}) for number in (1, 2)]
    gap.adapter.refusals.append(AdapterError("Unknown emoji."))
    await gap.catch_up(listed(said(0), *counted, said(3)))
    assert [(await gap.message(number)).reactions for number in (1, 2)] == [{}, {"👀": ["U7"]}]


async def test_platform_that_is_away_while_it_is_asked_ends_the_catch_up(gap: Gap) -> None:
    gap.adapter.refusals.append(AdapterUnavailableError("It is away."))
    with pytest.raises(AdapterUnavailableError):
        await gap.catch_up(listed(said(0), said(1, reaction_counts={"👀": 1})))


# What is not kept


async def test_what_was_said_before_the_watermark_and_is_not_kept_stays_so(gap: Gap) -> None:
    thread = await gap.manager.thread_at(KEY)
    assert thread is not None
    strange = replace(said(2), external=place(20), key=replace(KEY, thread="300"), mentions_bot=True)
    await gap.catch_up(listed(said(0), said(1), strange, said(2), said(3)))
    assert await gap.provider.find_external(place(20)) is None


async def test_message_that_was_missed_is_kept_and_asks(gap: Gap) -> None:
    missed = said(70, mentions_bot=True)
    await gap.catch_up(listed(*(said(number) for number in range(4)), missed))
    assert [answer.message_id for answer in await gap.provider.list_answers()][1:] == [(await gap.message(70)).id]
