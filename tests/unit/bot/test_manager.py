"""What the manager keeps and what it lets be answered, for each setting."""

from datetime import UTC, datetime

import pytest

from backscroll.adapters.events import (
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from backscroll.bot.manager import ConversationManager, Policy
from backscroll.storage.keys import ThreadKey
from backscroll.storage.memory import Provider
from backscroll.storage.models import Message

KEY = ThreadKey("slack", "T1", "C1", "1.0")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)


def posted(
    external_id: str = "1.0", *, mentions: bool = False, direct: bool = False, author: str = "U1"
) -> MessagePosted:
    return MessagePosted(KEY, external_id, author, f"text {external_id}", NOON, mentions_bot=mentions, is_direct=direct)


async def kept(manager: ConversationManager) -> list[Message]:
    thread = await manager.thread_at(KEY)
    return [] if thread is None else thread.messages


async def asked(manager: ConversationManager) -> int:
    return len(await manager.provider.list_answers())


@pytest.mark.parametrize(
    ("event", "occasion"),
    [(posted(mentions=True), "mentions"), (posted(direct=True), "direct_messages")],
    ids=["mention", "direct message"],
)
async def test_record_asks_on_its_occasion_only(event: MessagePosted, occasion: str) -> None:
    others = {"mentions", "direct_messages", "joined_threads"} - {occasion}
    counts = []
    for answer in ({occasion}, others):
        manager = ConversationManager(Provider(), Policy(answer=answer))
        await manager.record(event)
        counts.append(await asked(manager))

    assert counts == [1, 0]


@pytest.mark.parametrize(("answer", "count"), [(("mentions", "joined_threads"), 2), (("mentions",), 1)])
async def test_record_asks_in_joined_threads_when_told(answer: tuple[str, ...], count: int) -> None:
    manager = ConversationManager(Provider(), Policy(answer=answer))
    await manager.record(posted("1.0", mentions=True))
    await manager.record(posted("1.1"))

    assert await asked(manager) == count


@pytest.mark.parametrize(("record", "count"), [("joined", 0), ("all", 1)])
async def test_record_keeps_strangers_talk_only_when_told(record: str, count: int) -> None:
    manager = ConversationManager(Provider(), Policy(record=record))  # type: ignore[arg-type]  # a parameter is a text
    await manager.record(posted())

    assert len(await kept(manager)) == count
    assert await asked(manager) == 0


async def test_record_keeps_all_that_is_said_in_a_joined_thread() -> None:
    manager = ConversationManager(Provider(), Policy(answer=("mentions",)))
    await manager.record(posted("1.0", mentions=True))
    await manager.record(posted("1.1"))

    assert [message.text for message in await kept(manager)] == ["text 1.0", "text 1.1"]


@pytest.mark.parametrize(
    "policy", [Policy(users={"U2"}), Policy(channels={"C2"}), Policy(users=()), Policy(channels=())]
)
async def test_record_does_not_ask_for_who_or_where_is_not_allowed(policy: Policy) -> None:
    manager = ConversationManager(Provider(), policy)
    await manager.record(posted(direct=True))

    assert await asked(manager) == 0


async def test_record_keeps_but_does_not_ask_for_a_stranger_in_a_joined_thread() -> None:
    manager = ConversationManager(Provider(), Policy(users={"U1"}))
    await manager.record(posted("1.0", mentions=True))
    await manager.record(posted("1.1", author="U2"))

    assert (len(await kept(manager)), await asked(manager)) == (2, 1)


async def test_record_calls_once_for_each_message_that_asks() -> None:
    calls: list[None] = []
    manager = ConversationManager(Provider(), asked=lambda: calls.append(None))
    for event in (posted("1.0", direct=True), posted("1.0", direct=True), posted("1.1", direct=True)):
        await manager.record(event)

    assert len(calls) == 2


async def test_record_repeated_keeps_one() -> None:
    manager = ConversationManager(Provider())
    for _ in range(3):
        await manager.record(posted(direct=True))

    assert len(await kept(manager)) == 1


async def test_record_of_a_twin_that_mentions_asks_once() -> None:
    manager = ConversationManager(Provider(), Policy(record="all"))
    for event in (posted(), posted(mentions=True), posted()):
        await manager.record(event)

    assert (len(await kept(manager)), await asked(manager)) == (1, 1)


async def test_record_keeps_who_said_it_and_where() -> None:
    manager = ConversationManager(Provider())
    await manager.record(MessagePosted(KEY, "1.0", "U1", "hello", NOON, "Anna", is_direct=True))
    (message,) = await kept(manager)

    assert message.source == {"type": "user", "id": "U1", "name": "Anna"}
    assert message.platforms == {"slack": {"team": "T1", "channel": "C1", "ts": "1.0"}}
    assert message.created_at == NOON


async def test_record_titles_a_thread_by_its_first_line() -> None:
    manager = ConversationManager(Provider())
    await manager.record(MessagePosted(KEY, "1.0", "U1", "\n  Is it   out?\nnow", NOON, is_direct=True))
    thread = await manager.thread_at(KEY)

    assert thread is not None
    assert thread.title == "Is it out?"


async def test_record_changes_the_message_that_an_event_names() -> None:
    manager = ConversationManager(Provider())
    await manager.record(posted(direct=True))
    external = KEY.message("1.0")
    await manager.record(MessageEdited(KEY, external, "changed", LATER))
    await manager.record(ReactionAdded(external, "👍", "U2", NOON))
    await manager.record(ReactionAdded(external, "👎", "U2", NOON))
    await manager.record(ReactionRemoved(external, "👎", "U2", LATER))
    (message,) = await kept(manager)

    assert (message.text, message.edited_at, message.reactions) == ("changed", LATER, {"👍": ["U2"]})


async def test_record_makes_a_deleted_message_a_tombstone() -> None:
    manager = ConversationManager(Provider())
    await manager.record(posted(direct=True))
    await manager.record(MessageDeleted(KEY.message("1.0"), LATER))
    (message,) = await kept(manager)

    assert (message.text, message.deleted_at) == ("", LATER)


async def test_record_keeps_no_text_of_an_edit_where_the_bot_takes_no_part() -> None:
    manager = ConversationManager(Provider())
    await manager.record(MessageEdited(KEY, KEY.message("1.0"), "overheard", LATER))

    assert "overheard" not in str(await manager.provider.query("early_events", {}))


async def test_start_thread_lets_the_next_message_begin_another() -> None:
    manager = ConversationManager(Provider())
    await manager.record(posted("1.0", direct=True))
    first = await manager.thread_at(KEY)
    await manager.start_thread(KEY)
    await manager.record(posted("1.1", direct=True))
    second = await manager.thread_at(KEY)

    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert {thread.id for thread in await manager.recent_threads(5)} == {first.id, second.id}


async def test_open_thread_goes_on_with_an_old_one() -> None:
    manager = ConversationManager(Provider())
    await manager.record(posted("1.0", direct=True))
    first = await manager.thread_at(KEY)
    assert first is not None
    await manager.start_thread(KEY)
    await manager.record(posted("1.1", direct=True))
    await manager.open_thread(KEY, first.id)
    await manager.record(posted("1.2", direct=True))

    assert [message.text for message in await kept(manager)] == ["text 1.0", "text 1.2"]


async def test_open_thread_of_an_unknown_id_changes_nothing() -> None:
    manager = ConversationManager(Provider())
    await manager.record(posted(direct=True))

    assert await manager.open_thread(KEY, "none") is None
    assert len(await kept(manager)) == 1
