"""Claims for archives: what is kept comes out whole, goes in whole anywhere, and joins what is there."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backscroll.storage.archive import ArchivedThread, ArchiveMark, Merged, PieceRefusedError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.memory import Provider as Memory
from backscroll.storage.models import Attachment, Message, file_location
from backscroll.storage.provider import StorageProvider
from backscroll.storage.search import Search
from backscroll.testing.provider_contract.samples import (
    asked,
    at,
    begun,
    external,
    got,
    recorded,
    said,
    stored,
    taken,
)

OUTPUT = b"a lion and another lion"
SHA256 = hashlib.sha256(OUTPUT).hexdigest()
FILE = Attachment(name="plan.txt", sha256=SHA256, location=file_location(SHA256), size_bytes=len(OUTPUT))
WANTED = Attachment(name="more.txt", location="https://files.example.com/more.txt")


async def make_rich(provider: StorageProvider) -> str:
    """Keep a thread that has everything a thread can have, and give its id."""
    await provider.record_reaction(external(1), "wave", "U2", added=True, event_at=at(1))
    first = said("one", id="m1", created_at=at(1), attributes={"n": 1.0}, attachments=[FILE, WANTED])
    kept = await recorded(provider, 1, message=first, asks="yes", fetches=True, title="Lions", user_id="U1")
    await provider.update_thread(
        kept.thread_id, metadata={"b": 1, "a": {"z": None, "y": [1, "x"]}}, agent_name="helper"
    )
    await provider.record_edit(external(1), [{"type": "text", "text": "ONE"}], at(3))
    await provider.record_edit(external(1), "won", at(4))
    for seconds, emoji, added in ((5, "eyes", True), (6, "wave", False), (7, "rocket", True), (8, "eyes", False)):
        await provider.record_reaction(external(1), emoji, "U2", added=added, event_at=at(seconds))
    await make_answers(provider)
    await provider.save_thread_alias(kept.thread_id, "lions")
    await recorded(provider, 5, message=said("gone", id="m5", attachments=[FILE]))
    await provider.delete_message("m5", deleted_at=at(60))
    await provider.append_usage_block("a1", model="m", input_tokens=5, output_tokens=2, estimated_cost_usd=0.25)
    return kept.thread_id


async def make_answers(provider: StorageProvider) -> None:
    """Let one be sent with all that goes with it, one fail, one ask for an approval, one grow and one wait."""
    sent = await taken(provider)
    content: list[dict[str, Any]] = [{"type": "text", "text": "grr"}, {"type": "text", "text": "roar"}]
    answer = Message(role="assistant", id="a1", content=content, created_at=at(2), metrics={"model": "m"})
    await provider.begin_sending(sent.id, "one", answer, ["grr", "roar"])
    for number in (1, 2):
        await provider.mark_sent(sent.id, "one", number, external(f"a1.{number}"))
    await provider.finish_answer(sent.id, "one", "sent")
    await provider.append_text_block("a1", "and again")
    output_file = {"sha256": SHA256, "size_bytes": len(OUTPUT)}
    tool = await provider.append_tool_block(
        "a1", tool_call_id="c1", tool_name="look", tool_input={"q": 1}, tool_output="a li", output_file=output_file
    )
    await provider.append_file_block(
        "a1", {"url": "x"}, is_user=False, filename="a", mimetype=None, size_bytes=1, tool_block_id=tool
    )
    for emoji, user_id in (("+1", "U1"), ("-1", "U2")):
        await provider.record_reaction(external("a1.2"), emoji, user_id, added=True, event_at=at(9))
    thread_id = sent.thread_id
    await provider.add_feedback(thread_id, "U3", message_id="a1", rating=4, comment="fine", metadata={"by": "web"})
    await asked(provider, 2)
    await provider.finish_answer((await taken(provider)).id, "one", "failed", reason="no power")
    asking = await asked(provider, 3)
    await taken(provider)
    question = Message(role="assistant", id="q1", content="sure?", created_at=at(30))
    await provider.begin_approval(asking.id, "one", 1, question, ["sure?"], 3600)
    await provider.suspend_answer(asking.id, "one", "q1")
    await asked(provider, 4)
    growing = await taken(provider)
    await begun(provider, growing, "it gr", is_growing=True)
    await asked(provider, "last")


async def archive(provider: StorageProvider, *, limit: int = 500) -> list[ArchivedThread]:
    """Read all pages, and look whether each keeps to the limit."""
    pieces: list[ArchivedThread] = []
    mark: ArchiveMark | None = None
    while page := await provider.read_archive(after=mark, limit=limit):
        assert sum(len(piece.messages) for piece in page) <= limit
        pieces += page
        mark = page[-1].mark
    return pieces


async def merged(provider: StorageProvider, *pieces: ArchivedThread) -> tuple[bool, int, int]:
    """Merge pieces, and say what became of them: whether a thread is new, and how many messages are new or changed."""
    told = await provider.merge_archive(pieces)
    assert len(told) == len(pieces)
    new, changed = sum(one.new_messages for one in told), sum(one.changed_messages for one in told)
    return any(one.is_new for one in told), new, changed


async def one_of(provider: StorageProvider) -> ArchivedThread:
    """Read the archive of a provider with one thread."""
    (piece,) = await archive(provider)
    return piece


async def test_read_archive_tells_all_of_a_thread(provider: StorageProvider) -> None:
    await make_rich(provider)
    piece = await one_of(provider)
    copy = Memory()

    assert await merged(copy, piece) == (True, 9, 0)
    assert (await one_of(copy)).digest() == piece.digest()
    assert piece.files == [SHA256]
    first, answer, gone = piece.messages[0], piece.messages[1], piece.messages[-1]
    assert [(one.emoji, one.removed_at is not None) for one in first.reactions if one.emoji == "rocket"] == [
        ("rocket", False)
    ]
    assert sorted(one.emoji for one in first.reactions if one.removed_at) == ["eyes", "wave"]
    assert [(version.content, version.written_at) for version in first.versions] == [
        ("one", at(1)),
        ([{"type": "text", "text": "ONE"}], at(3)),
    ]
    assert (first.wanted, first.wanted_from) == ([2], ("slack", "T1"))
    assert [part.text for part in answer.parts] == ["grr", "roar"]
    assert [block.block_type for block in answer.blocks] == ["text", "text", "text", "tool_use", "file", "usage"]
    assert sorted(told.user_id or "" for told in answer.feedback) == ["U1", "U2", "U3"]
    assert gone.message.deleted_at == at(60)
    states = [each.answer.state for each in piece.messages if each.answer is not None]
    assert states == ["sent", "failed", "suspended", "sending", "waiting"]


async def test_merge_archive_takes_a_thread_in_whole(provider: StorageProvider) -> None:
    source = Memory()
    thread_id = await make_rich(source)
    piece = await one_of(source)

    assert await merged(provider, piece) == (True, 9, 0)
    assert (await one_of(provider)).digest() == piece.digest()
    assert (await got(provider, thread_id)).model_dump() == (await got(source, thread_id)).model_dump()


async def test_merged_thread_goes_on_as_the_one_it_comes_from(provider: StorageProvider) -> None:
    source = Memory()
    thread_id = await make_rich(source)
    await provider.merge_archive(await archive(source))

    def shown(threads: list[Any]) -> list[str]:
        return [thread.id for thread in threads]

    for each in (source, provider):
        found = [await each.find_external(external(name)) for name in (1, "a1.1", "a1.2")]
        assert [one and one[1].id for one in found] == ["m1", "a1", "a1"]
        by_alias = await each.get_by_alias("lions")
        assert by_alias is not None
        assert by_alias.id == thread_id
        for words in ("won", "again", "look"):
            assert shown(await each.search(Search.of(words, substring=False), titles=False, contents=True)) == [
                thread_id
            ], words
    assert shown(await provider.find_by_attributes({"b": 1})) == [thread_id]
    assert await provider.get_message_blocks(thread_id) == await source.get_message_blocks(thread_id)
    assert await provider.get_tool_call("c1") == await source.get_tool_call("c1")
    assert await provider.get_feedback() == await source.get_feedback()
    assert (await provider.get_usage_stats()).as_dict() == (await source.get_usage_stats()).as_dict()
    assert await provider.list_wanted_files(["slack"]) == await source.list_wanted_files(["slack"])
    assert await provider.is_file_needed(SHA256)
    again = await recorded(provider, 1, message=said("again"))
    assert (again.is_new, again.message.id) == (False, "m1")
    assert (await provider.append_message(thread_id, said("next"))).sequence == 10
    assert await provider.remove_reaction(thread_id, "a1", "+1", "U1")
    assert [told.user_id for told in await provider.get_feedback(thumb="up")] == []


async def test_merged_answers_are_taken_over_in_their_order(provider: StorageProvider) -> None:
    source = Memory()
    thread_id = await make_rich(source)
    await provider.merge_archive(await archive(source))

    sending = await taken(provider, "two")
    assert (sending.state, sending.takeovers, sending.is_certain, sending.is_growing) == ("sending", 0, False, True)
    assert [part.text for part in await provider.get_parts(sending.id)] == ["it gr"]
    await provider.finish_answer(sending.id, "two", "sent")
    last = await taken(provider, "two")
    assert (await stored(provider, last.message_id)).platforms == {}
    decided = await provider.decide_approval("q1", "approved", "U1")
    assert decided is not None
    assert decided.stands
    await provider.finish_answer(last.id, "two", "skipped")
    assert (await taken(provider, "two")).position > last.position
    assert len(await provider.list_answers(thread_id=thread_id, state="failed")) == 1


async def test_merged_answer_that_was_made_is_made_anew_at_once(provider: StorageProvider) -> None:
    source = Memory()
    await asked(source)
    await taken(source, lease_s=3600)
    await provider.merge_archive(await archive(source))

    assert (await taken(provider, "two")).state == "running"


async def test_merged_forks_keep_their_lineage_and_cost_nothing_again(provider: StorageProvider) -> None:
    source = Memory()
    thread_id = await make_rich(source)
    await source.fork_thread(thread_id, 4, "f1")
    await source.fork_thread("f1", 2, "f2")
    await source.delete_thread("f1")
    for thing in await source.read_loose():
        await provider.merge_loose([thing])
    pieces = await archive(source)
    await provider.merge_archive(pieces)

    assert [piece.digest() for piece in await archive(provider)] == [
        piece.digest() for piece in sorted(pieces, key=lambda piece: piece.id)
    ]
    assert await provider.get_thread_lineage("f2") == await source.get_thread_lineage("f2")
    assert (await provider.get_usage_stats()).as_dict() == (await source.get_usage_stats()).as_dict()
    back = Memory()
    await back.merge_archive(await archive(provider))
    assert (await back.get_usage_stats()).as_dict() == (await source.get_usage_stats()).as_dict()


async def test_read_archive_gives_pages_in_order_and_long_threads_in_pieces(provider: StorageProvider) -> None:
    for name, count in (("a", 2), ("b", 7), ("c", 0), ("d", 1)):
        await provider.create_thread(name, "U1", None)
        for number in range(count):
            await provider.append_message(name, said(f"{name}{number}"))
    pieces = await archive(provider, limit=3)

    ids = [piece.id for piece in pieces]
    assert list(dict.fromkeys(ids)) == ["a", "b", "c", "d"]
    of_b = [piece for piece in pieces if piece.id == "b"]
    assert [piece.is_continuation for piece in of_b] == [False, *([True] * (len(of_b) - 1))]
    assert [each.message.text for piece in of_b for each in piece.messages] == [f"b{number}" for number in range(7)]
    target = Memory()
    await target.merge_archive(pieces)
    assert [piece.digest() for piece in await archive(target)] == [piece.digest() for piece in await archive(provider)]


async def test_read_archive_steps_over_gaps(provider: StorageProvider) -> None:
    source = Memory()
    for name in ("a", "b"):
        await source.create_thread(name, "U1", None)
        for number in range(3):
            await source.append_message(name, said(f"{name}{number}"))
    for piece, sequences in zip(await archive(source), ((9, 10, 1200), (2, 8, 9)), strict=True):
        far = [
            each.model_copy(update={"message": each.message.model_copy(update={"sequence": sequence})})
            for each, sequence in zip(piece.messages, sequences, strict=True)
        ]
        await provider.merge_archive([piece.model_copy(update={"messages": far})])

    pieces = await archive(provider, limit=2)
    read = [(piece.id, [each.message.sequence for each in piece.messages]) for piece in pieces]
    assert read == [("a", [9, 10]), ("a", [1200]), ("b", [2, 8]), ("b", [9])]
    assert await provider.read_archive(after=ArchiveMark("a", 1200), thread_ids=["a", "b"], limit=2) == [pieces[2]]


async def test_read_archive_gives_the_threads_that_are_named(provider: StorageProvider) -> None:
    for name in ("a", "b", "c"):
        await provider.create_thread(name, "U1", None)

    named = await provider.read_archive(thread_ids=["c", "unknown", "a"])
    assert [piece.id for piece in named] == ["a", "c"]
    rest = await provider.read_archive(after=named[0].mark, limit=1, thread_ids=["c", "b1", "b2", "b3", "a"])
    assert [piece.id for piece in rest] == ["c"]


async def test_read_archive_sees_a_thread_whole_while_it_is_written_to(provider: StorageProvider) -> None:
    await provider.create_thread("t", "U1", None)

    async def write() -> None:
        for number in range(10):
            message = await provider.append_message("t", said(f"{number}"))
            await provider.append_text_block(message.id, "more")

    writing = asyncio.ensure_future(write())
    while not writing.done():
        (piece,) = await provider.read_archive()
        for each in piece.messages:
            texts = [block.content["text"] for block in each.blocks]
            assert each.message.text == "\n".join(texts or [each.message.text])
        await asyncio.sleep(0)
    await writing
    assert [each.message.sequence for each in (await one_of(provider)).messages] == list(range(1, 11))


async def test_merge_archive_again_changes_nothing(provider: StorageProvider) -> None:
    source = Memory()
    thread_id = await make_rich(source)
    pieces = await archive(source)
    await provider.merge_archive(pieces)
    before = await one_of(provider), await provider.list_dropped_files()

    assert await merged(provider, *pieces) == (False, 0, 0)
    assert (await one_of(provider), await provider.list_dropped_files()) == before
    assert (await got(provider, thread_id)).updated_at == pieces[0].updated_at


async def test_merge_archive_keeps_what_is_before_a_piece_that_it_refuses(
    provider: StorageProvider, tmp_path: Path
) -> None:
    source, attachments = Memory(), Attachments(provider, LocalFiles(tmp_path / "files"))
    for name in ("a", "b", "c"):
        await source.create_thread(name, "U1", None)
        await source.append_message(name, said(name))
    a, b, c = await archive(source)
    pieces = [a, b.model_copy(update={"aliases": None}), c]

    async def nothing(sha256: str) -> None:
        return None

    for is_new in (True, False):
        with pytest.raises(PieceRefusedError, match="Thread b is not to be kept") as refused:
            await attachments.write_archive([a], nothing, lambda: provider.merge_archive(pieces))
        assert refused.value.index == 1
        assert refused.value.merged == [Merged("a", is_new, int(is_new), 0)]
        assert isinstance(refused.value.__cause__, TypeError)
        assert [piece.id for piece in await archive(provider)] == ["a"]
    await attachments.close()


async def test_write_archive_stores_the_contents_that_are_missing(provider: StorageProvider, tmp_path: Path) -> None:
    source, files = Memory(), LocalFiles(tmp_path / "files", max_file_bytes=3)
    await recorded(source, 1, message=said("file", attachments=[FILE]))
    pieces = await archive(source)
    attachments = Attachments(provider, files)

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        yield content[:5]
        yield content[5:]

    async def other(sha256: str) -> AsyncIterator[bytes] | None:
        return chunks(b"another one")

    async def right(sha256: str) -> AsyncIterator[bytes] | None:
        return chunks(OUTPUT) if sha256 == SHA256 else None

    async def commit() -> None:
        await provider.merge_archive(pieces)

    with pytest.raises(ValueError, match=SHA256):
        await attachments.write_archive(pieces, other, commit)
    assert await archive(provider) == []
    assert await attachments.open_content(SHA256) is None
    await attachments.write_archive(pieces, right, commit)
    await attachments.write_archive(pieces, other, commit)  # it is here
    content = await attachments.open_content(SHA256)
    assert content is not None
    assert b"".join([chunk async for chunk in content]) == OUTPUT
    await attachments.close()


async def test_write_archive_ends_when_it_is_cancelled(provider: StorageProvider, tmp_path: Path) -> None:
    source, attachments = Memory(), Attachments(provider, LocalFiles(tmp_path / "files"))
    await recorded(source, 1, message=said("file", attachments=[FILE]))
    pieces, begins = await archive(source), asyncio.Event()

    async def nothing(sha256: str) -> AsyncIterator[bytes] | None:
        begins.set()
        return None

    writing = asyncio.ensure_future(attachments.write_archive(pieces, nothing, lambda: provider.merge_archive(pieces)))
    await begins.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await attachments.close()
    assert len(await archive(provider)) == 1
