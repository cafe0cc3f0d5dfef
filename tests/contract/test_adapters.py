"""What every adapter keeps, whatever its platform: keys, own posts, splitting, repeats, changes that come too early.

An adapter joins by a stand in `stands.py` and one entry in `ADAPTERS`.
"""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.adapters.base import Adapter
from backscroll.storage import memory
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message, Thread
from backscroll.storage.records import Part
from backscroll.testing import FakeDiscord, FakeSlack
from tests.contract.conftest import Opener
from tests.contract.stands import STANDS, ConsoleStand, DiscordStand, SlackStand, Stand

ADAPTERS = STANDS
"""How the stand of each is opened."""

WORDS = "word " * 2_500 + "👩‍👩‍👧" * 200


@pytest.fixture(params=ADAPTERS)
async def stand(
    request: pytest.FixtureRequest, open_memory: Opener, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[Stand]:
    async with open_memory() as provider, ADAPTERS[request.param](provider) as opened:
        if isinstance(opened, ConsoleStand):
            opened.read_screen = lambda: capfd.readouterr().out
        yield opened


def adapters() -> list[Adapter]:
    """Make each adapter, connected to nothing."""
    provider = memory.Provider()
    stands = [ConsoleStand(provider), SlackStand(provider, FakeSlack()), DiscordStand(provider, FakeDiscord())]
    return [each.adapter for each in stands]


MADE = {adapter.platform: adapter for adapter in adapters()}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return MADE[request.param]


def part(text: str = "an answer", number: int = 1) -> Part:
    return Part("m1", number, f"m1.{number}", text, "waiting")


async def thread_of(stand: Stand) -> Thread:
    await stand.settled()
    thread = await stand.manager.thread_at(stand.key)
    assert thread is not None
    return thread


async def only_message(stand: Stand) -> Message:
    (message,) = (await thread_of(stand)).messages
    return message


async def is_not_kept(_external: ExternalId) -> bool:
    return False


# Keys


def test_every_adapter_has_its_entry() -> None:
    assert set(MADE) == set(ADAPTERS)


async def test_message_is_kept_at_the_key_of_its_place(stand: Stand) -> None:
    await stand.tell(await stand.write("hello"))
    thread = await thread_of(stand)
    assert stand.key.platform == stand.adapter.platform
    aliases = await stand.provider.get_thread_aliases(thread.id)
    assert [ThreadKey.from_alias(alias) for alias in aliases] == [stand.key]


async def test_thread_is_found_by_what_it_says_of_its_place(stand: Stand) -> None:
    await stand.tell(await stand.write("hello"))
    thread = await thread_of(stand)
    place = stand.key.platforms[stand.adapter.platform]
    found = await stand.provider.find_by_platform(stand.adapter.platform, place, limit=2, with_messages=False)
    assert [each.id for each in found] == [thread.id]


async def test_message_is_found_by_where_it_stands(stand: Stand) -> None:
    written = await stand.write("hello")
    await stand.tell(written)
    thread = await thread_of(stand)
    (message,) = thread.messages
    assert ExternalId.of_message(message.platforms, thread.platforms) == written.external
    assert await stand.manager.key_of(written.external) == stand.key


async def test_message_is_a_question_of_who_wrote_it(stand: Stand) -> None:
    await stand.tell(await stand.write("hello"))
    message = await only_message(stand)
    assert (message.role, message.text) == ("user", "hello")
    assert (message.source or {})["id"] == stand.user_id
    assert len(await stand.provider.list_answers()) == 1


# Splitting


@given(text=st.text(min_size=1))
def test_split_says_all_of_the_text(text: str) -> None:
    for made in MADE.values():
        parts = made.split(text)
        assert parts
        assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 20_000, "line\n" * 20_000, "👩‍👩‍👧" * 10_000])
def test_split_says_all_of_a_long_text(adapter: Adapter, text: str) -> None:
    assert "".join("".join(adapter.split(text)).split()) == "".join(text.split())


def test_split_gives_no_blank_part(adapter: Adapter) -> None:
    assert all(each.strip() for each in adapter.split("a\n\n\n\n" * 20_000))


async def test_platform_takes_every_part_as_it_is(stand: Stand) -> None:
    texts = stand.adapter.split(WORDS)
    for number, text in enumerate(texts, 1):
        await stand.adapter.post(stand.question(), part(text, number))
    assert "".join("".join(stand.shown()).split()) == "".join(WORDS.split())


# Repeats and what comes too early


async def test_message_told_twice_is_kept_once(stand: Stand) -> None:
    written = await stand.write("hello")
    await stand.tell(written)
    await stand.tell(written)
    assert (await only_message(stand)).text == "hello"
    await stand.tell(written)
    assert (await only_message(stand)).text == "hello"
    assert len(await stand.provider.list_answers()) == 1


async def test_edit_that_overtakes_its_message_holds(stand: Stand) -> None:
    await stand.tell(await stand.write("first"))
    late = await stand.write("good")
    await stand.settled()
    await stand.edit(late, "better")
    await stand.settled()
    await stand.tell(late)
    assert [message.text for message in (await thread_of(stand)).messages] == ["first", "better"]


async def test_deletion_that_overtakes_its_message_leaves_a_tombstone(stand: Stand) -> None:
    late = await stand.write("hello")
    await stand.delete(late)
    await stand.settled()
    await stand.tell(late)
    message = await only_message(stand)
    assert message.text == ""
    assert message.deleted_at is not None
    assert await stand.provider.list_answers() == []


async def test_reaction_that_overtakes_its_message_stands(stand: Stand) -> None:
    late = await stand.write("hello")
    await stand.react(late)
    await stand.settled()
    await stand.tell(late)
    assert (await only_message(stand)).reactions == {stand.kept_emoji: [stand.user_id]}


# Posting


async def test_post_returns_where_it_stands(stand: Stand) -> None:
    external = await stand.adapter.post(stand.question(), part())
    assert ExternalId.of_message(external.platforms, {}) == external
    assert (external.platform, external.workspace) == (stand.key.platform, stand.key.workspace)
    assert stand.shown() == ["an answer"]


async def test_own_post_asks_for_nothing(stand: Stand) -> None:
    written = await stand.write("hello")
    await stand.tell(written)
    await stand.settled()
    await stand.adapter.post(stand.question(written.external), part())
    thread = await thread_of(stand)
    assert [message.text for message in thread.messages if message.role == "user"] == ["hello"]
    assert len(await stand.provider.list_answers()) == 1


async def test_find_posted_finds_nothing_that_was_not_posted(stand: Stand) -> None:
    assert await stand.adapter.find_posted(stand.question(), [part()], is_not_kept) == {}


async def test_find_posted_finds_each_part_that_stands_there(stand: Stand) -> None:
    written = await stand.write("hello")
    question = stand.question(written.external)
    posted = {number: await stand.adapter.post(question, part(f"part {number}", number)) for number in (1, 2)}
    parts = [part(f"part {number}", number) for number in (1, 2, 3)]
    found = await stand.adapter.find_posted(question, parts, is_not_kept)
    assert found == (posted if stand.can_look else {})
