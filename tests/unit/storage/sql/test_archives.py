"""Archives on databases: what a page costs, what a bad piece does to its neighbours, and two who merge at once."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, event, func, select, text

from backscroll.storage.archive import (
    ArchivedBlock,
    ArchivedMessage,
    ArchivedPart,
    ArchivedReaction,
    ArchivedThread,
    ArchivedVersion,
    Merged,
    PieceRefusedError,
)
from backscroll.storage.models import Attachment, Message
from backscroll.storage.sql import Provider
from backscroll.storage.sql.archive_reading import read_at_once
from backscroll.storage.sql.tables import message_parts, messages

AT = datetime(2026, 1, 2, tzinfo=UTC)


def message(thread_id: str, sequence: int) -> ArchivedMessage:
    """Make a message with something of each kind."""
    its_id = f"{thread_id}.{sequence}"
    said = Message(
        id=its_id,
        role="assistant",
        content=f"Answer {sequence}",
        sequence=sequence,
        created_at=AT,
        updated_at=AT,
        attachments=[Attachment(name="a.txt", location="https://files.example/a")],
    )
    return ArchivedMessage(
        message=said,
        reactions=[ArchivedReaction(emoji="eyes", user_id="U1", created_at=AT, event_at=AT)],
        versions=[ArchivedVersion(content="before", written_at=AT)],
        parts=[ArchivedPart(number=1, token=its_id, text="a", state="sent", kind="text", external=place(its_id))],
        blocks=[
            ArchivedBlock(id=f"b{its_id}", position=1, block_type="file", content={"url": "https://x"}, created_at=AT)
        ],
        wanted=[1],
        wanted_from=("slack", "T1"),
    )


def place(its_id: str) -> tuple[str, str, str, str]:
    """Name where a message is posted."""
    return ("slack", "T1", "C1", its_id)


def thread(thread_id: str, count: int = 3) -> ArchivedThread:
    """Make a thread with an alias."""
    said = [message(thread_id, number) for number in range(1, count + 1)]
    return ArchivedThread(
        id=thread_id, title="A thread", created_at=AT, updated_at=AT, aliases=[f"alias {thread_id}"], messages=said
    )


@pytest.fixture
def statements(provider: Provider) -> Iterator[list[str]]:
    """Give a list that grows with each statement."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement)

    for engine in provider.database.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in provider.database.engines:
        event.remove(engine, "before_cursor_execute", note)


async def test_a_page_costs_as_many_statements_however_much_is_in_it(provider: Provider, statements: list[str]) -> None:
    await provider.merge_archive([thread(f"t{number}", 8) for number in range(12)])
    counts = []
    for limit in (8, 40, 96):
        statements.clear()
        assert sum(len(piece.messages) for piece in await provider.read_archive(limit=limit)) == limit
        counts.append(len(statements))
    assert len(set(counts)) == 1


async def test_reading_ends_where_messages_are_gone(provider: Provider) -> None:
    for name, count in (("all", 1), ("last", 4), ("none", 1)):
        await provider.create_thread(name, "U1", None)
        for _ in range(count):
            await provider.append_message(name, Message(role="user", content="hello"))
    gone = delete(messages).where((messages.c.thread_id == "all") | (messages.c.sequence > 2))
    await provider.database.change(lambda connection: connection.execute(gone))
    read, mark = list[tuple[str, int]](), None
    while page := await provider.read_archive(after=mark, limit=2):
        read += [(piece.id, len(piece.messages)) for piece in page]
        mark = page[-1].mark
    assert read == [("all", 0), ("last", 2), ("none", 1)]


async def test_merging_what_is_new_costs_as_many_statements_however_much_it_is(
    provider: Provider, statements: list[str]
) -> None:
    counts = []
    for name, count in (("few", 2), ("many", 40)):
        statements.clear()
        await provider.merge_archive([thread(f"{name}{number}") for number in range(count)])
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_merging_what_is_there_costs_as_many_statements_however_much_it_is(
    provider: Provider, statements: list[str]
) -> None:
    pieces = [thread(f"t{number}") for number in range(40)]
    await provider.merge_archive(pieces)
    counts = []
    for count in (2, 40):
        statements.clear()
        merged = await provider.merge_archive(pieces[:count])
        assert {(each.is_new, each.new_messages, each.changed_messages) for each in merged} == {(False, 0, 0)}
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_a_piece_that_the_database_refuses_does_not_take_those_before_it_along(provider: Provider) -> None:
    nobody = message("bad", 1)
    nobody = nobody.model_copy(update={"message": nobody.message.model_copy(update={"role": None})})
    bad = thread("bad").model_copy(update={"messages": [nobody]})
    with pytest.raises(PieceRefusedError, match=r"IntegrityError|NotNull") as refused:
        await provider.merge_archive([thread("before"), bad, thread("after")])
    assert [one.thread_id for one in refused.value.merged] == ["before"]
    assert [piece.id for piece in await provider.read_archive()] == ["before"]


async def test_a_new_piece_is_as_faithful_as_one_that_is_merged_alone(provider: Provider) -> None:
    """The many of one statement, and those that come again in parts, read the same."""
    whole = thread("whole", 6)
    halves = [
        whole.model_copy(update={"messages": whole.messages[:3]}),
        whole.model_copy(update={"messages": whole.messages[2:], "is_continuation": True}),
    ]
    await provider.merge_archive(halves)
    (read,) = await provider.read_archive()
    assert read.digest() == whole.digest()
    assert read.updated_at == AT


async def test_two_who_merge_the_same_at_once_keep_it_once(postgres: Provider, postgres_url: str) -> None:
    other = Provider(postgres_url)
    pieces = [thread(f"t{number:02}") for number in range(30)]
    try:
        both: Sequence[list[Merged]] = await asyncio.gather(
            *(each.merge_archive(order) for each in (postgres, other) for order in (pieces, pieces[::-1]))
        )
    finally:
        await other.close()
    assert sum(each.new_messages for merged in both for each in merged) == 90
    assert [piece.digest() for piece in await postgres.read_archive()] == [piece.digest() for piece in pieces]
    (counts,) = await postgres.database.rows(
        select(
            select(func.count()).select_from(messages).scalar_subquery(),
            select(func.count()).select_from(message_parts).scalar_subquery(),
        )
    )
    assert tuple(counts) == (90, 90)


async def test_a_page_is_one_state_of_the_database(postgres: Provider) -> None:
    async def read(connection: Any) -> list[int]:
        query = text("SELECT count(*) FROM threads")
        before = (await connection.execute(query)).scalar_one()
        await postgres.merge_archive([thread("meanwhile")])
        return [before, (await connection.execute(query)).scalar_one()]

    assert await read_at_once(postgres.database, read) == [0, 0]


async def test_what_a_tombstone_said_does_not_come_back_by_its_posts(provider: Provider) -> None:
    piece = thread("t")
    without = [each.model_copy(update={"parts": []}) for each in piece.messages]
    await provider.merge_archive([piece.model_copy(update={"messages": without})])
    await provider.delete_message("t.1")
    await provider.merge_archive([piece])
    (read,) = await provider.read_archive()
    assert [(part.external, part.text) for part in read.messages[0].parts] == [(place("t.1"), "")]
