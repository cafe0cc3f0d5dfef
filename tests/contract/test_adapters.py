"""What every adapter keeps, whatever its platform: keys, splitting, repeats, changes that overtake their message.

An adapter joins by one entry in `ADAPTERS`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.adapters import console
from backscroll.adapters.base import Adapter, Question
from backscroll.adapters.events import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded
from backscroll.bot.manager import ConversationManager
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.models import Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Part
from tests.contract.conftest import Opener

ADAPTERS: dict[str, tuple[Callable[[], Adapter], ThreadKey]] = {
    "console": (console.ConsoleAdapter, console.KEY),
}
"""How each is made, and a key of its platform."""

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(params=ADAPTERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def adapter(name: str) -> Adapter:
    return ADAPTERS[name][0]()


@pytest.fixture
def key(name: str) -> ThreadKey:
    return ADAPTERS[name][1]


def posted(key: ThreadKey, text: str = "hello") -> MessagePosted:
    return MessagePosted(key, key.message("1.1"), "U1", text, NOW, is_direct=True)


async def only_message(provider: StorageProvider, key: ThreadKey) -> Message:
    thread = await ConversationManager(provider).thread_at(key)
    assert thread is not None
    (message,) = thread.messages
    return message


# Keys


def test_adapter_names_its_platform_in_its_keys(adapter: Adapter, key: ThreadKey) -> None:
    assert key.platform == adapter.platform


def test_adapter_key_is_read_back_from_its_alias(key: ThreadKey) -> None:
    assert ThreadKey.from_alias(key.alias) == key


def test_adapter_message_is_read_back_from_its_platforms(key: ThreadKey) -> None:
    external = key.message("1.1")
    assert ExternalId.of_message(external.platforms, key.platforms) == external


# Splitting


@given(text=st.text(min_size=1))
def test_split_says_all_of_the_text(text: str) -> None:
    for make, _ in ADAPTERS.values():
        parts = make().split(text)
        assert parts
        assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 20_000, "line\n" * 20_000, "👩‍👩‍👧" * 10_000])
def test_split_says_all_of_a_long_text(adapter: Adapter, text: str) -> None:
    assert "".join("".join(adapter.split(text)).split()) == "".join(text.split())


def test_split_gives_no_blank_part(adapter: Adapter) -> None:
    assert all(part.strip() for part in adapter.split("a\n\n\n\n" * 20_000))


# Repeats and what overtakes


async def test_message_delivered_twice_is_kept_once(open_provider: Opener, key: ThreadKey) -> None:
    async with open_provider() as provider:
        manager = ConversationManager(provider)
        await manager.record(posted(key))
        await manager.record(posted(key))
        assert (await only_message(provider, key)).text == "hello"
        assert len(await provider.list_answers()) == 1


async def test_edit_that_overtakes_its_message_holds(open_provider: Opener, key: ThreadKey) -> None:
    async with open_provider() as provider:
        manager = ConversationManager(provider)
        await manager.record(MessagePosted(key, key.message("1.0"), "U1", "first", NOW, is_direct=True))
        await manager.record(MessageEdited(key, key.message("1.1"), "better", NOW + timedelta(seconds=1)))
        await manager.record(posted(key))
        thread = await manager.thread_at(key)
        assert thread is not None
        assert [message.text for message in thread.messages] == ["first", "better"]


async def test_deletion_that_overtakes_its_message_leaves_a_tombstone(open_provider: Opener, key: ThreadKey) -> None:
    async with open_provider() as provider:
        manager = ConversationManager(provider)
        await manager.record(MessageDeleted(key.message("1.1"), NOW + timedelta(seconds=1)))
        await manager.record(posted(key))
        message = await only_message(provider, key)
        assert (message.text, message.deleted_at) == ("", NOW + timedelta(seconds=1))
        assert await provider.list_answers() == []


async def test_reaction_that_overtakes_its_message_stands(open_provider: Opener, key: ThreadKey) -> None:
    async with open_provider() as provider:
        manager = ConversationManager(provider)
        await manager.record(ReactionAdded(key.message("1.1"), "eyes", "U1", NOW))
        await manager.record(posted(key))
        assert (await only_message(provider, key)).reactions == {"eyes": ["U1"]}


# Posting


async def test_post_returns_where_it_stands(
    adapter: Adapter, key: ThreadKey, capfd: pytest.CaptureFixture[str]
) -> None:
    part = Part("m1", 1, "m1.1", "an answer", "waiting")
    async with adapter:
        external = await adapter.post(Question(key, key.message("1.0"), "U1", "hello"), part)
    assert ExternalId.of_message(external.platforms, {}) == external
    assert (external.platform, external.workspace) == (key.platform, key.workspace)
    assert "an answer" in capfd.readouterr().out


async def test_find_posted_finds_nothing_that_was_not_posted(adapter: Adapter, key: ThreadKey) -> None:
    async def is_kept(_external: ExternalId) -> bool:
        return False

    async with adapter:
        part = Part("m1", 1, "m1.1", "an answer", "waiting")
        assert await adapter.find_posted(Question(key, key.message("1.0"), "U1"), [part], is_kept) == {}
