"""What every adapter keeps, whatever its platform."""

from datetime import UTC, datetime

import pytest

from backscroll.adapters.base import Adapter
from backscroll.adapters.console import KEY, ConsoleAdapter
from backscroll.adapters.events import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.storage.keys import ExternalId, ThreadKey
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Part

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)
TEXTS = ["hello", "a\n\nb", "x" * 50_000, "👩‍👩‍👧‍👧" * 3_000, "```python\n" + "print(1)\n" * 5_000 + "```\nafter"]


@pytest.fixture(params=["console"])
def adapter(request: pytest.FixtureRequest) -> Adapter:
    adapters = {"console": ConsoleAdapter}
    return adapters[request.param]()


@pytest.fixture
def key(adapter: Adapter) -> ThreadKey:
    return {"console": KEY}[adapter.platform]


def test_key_comes_back_from_its_alias(key: ThreadKey) -> None:
    assert ThreadKey.from_alias(key.alias) == key


def test_external_id_comes_back_from_what_a_message_carries(key: ThreadKey) -> None:
    external = key.message("1.5")

    assert ExternalId.of_message(external.platforms, {}) == external


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{len(text)} characters")
def test_split_says_all_of_the_text(adapter: Adapter, text: str) -> None:
    said = "".join(adapter.split(text))

    assert [word for word in set(text.split()) if word not in said] == []
    assert said.replace("```python", "").count("print(1)") == text.count("print(1)")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{len(text)} characters")
def test_split_gives_no_blank_part(adapter: Adapter, text: str) -> None:
    assert [part for part in adapter.split(text) if not part.strip()] == []


async def test_post_gives_each_part_an_id_of_its_own(adapter: Adapter, key: ThreadKey) -> None:
    parts = [Part("m1", number, f"token.{number}", "text", "waiting") for number in (1, 2)]

    assert len({await adapter.post(key, part) for part in parts}) == 2


async def test_delivered_twice_is_kept_once(provider: StorageProvider, key: ThreadKey) -> None:
    manager = ConversationManager(provider)
    event = MessagePosted(key, "1.0", "U1", "hello", NOON, is_direct=True)
    for _ in range(2):
        await manager.record(event)
    thread = await manager.thread_at(key)

    assert thread is not None
    assert [message.text for message in thread.messages] == ["hello"]
    assert len(await provider.list_answers()) == 1


async def test_changes_before_their_message_are_kept(provider: StorageProvider, key: ThreadKey) -> None:
    manager = ConversationManager(provider, Policy(record="all"))
    external = key.message("1.0")
    await manager.record(MessageEdited(key, external, "changed", LATER))
    await manager.record(ReactionAdded(external, "👍", "U2", NOON))
    await manager.record(MessagePosted(key, "1.0", "U1", "hello", NOON))
    thread = await manager.thread_at(key)

    assert thread is not None
    assert [(message.text, message.reactions) for message in thread.messages] == [("changed", {"👍": ["U2"]})]


async def test_deletion_before_its_message_leaves_a_tombstone(provider: StorageProvider, key: ThreadKey) -> None:
    manager = ConversationManager(provider)
    await manager.record(MessageDeleted(key.message("1.0"), LATER))
    await manager.record(MessagePosted(key, "1.0", "U1", "hello", NOON, is_direct=True))
    thread = await manager.thread_at(key)

    assert thread is not None
    assert [(message.text, message.deleted_at) for message in thread.messages] == [("", LATER)]
    assert await provider.list_answers() == []


async def test_thread_is_found_by_where_it_lives(provider: StorageProvider, key: ThreadKey) -> None:
    manager = ConversationManager(provider)
    await manager.record(MessagePosted(key, "1.0", "U1", "hello", NOON, is_direct=True))
    found = await provider.find_by_platform(key.platform, key.platforms[key.platform])

    assert [thread.platforms for thread in found] == [key.platforms]
