"""Claims for messages: appended, read by pages, edited, deleted."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import pytest_asyncio

from backscroll.errors import MessageExistsError, ThreadNotFoundError
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import ODD_TEXTS, at, external, said, stored

PLACE = {"slack": {"team": "T1", "channel": "C1", "ts": "1"}}


pytestmark = pytest.mark.usefixtures("threads_t_and_other")


@pytest_asyncio.fixture(loop_scope="function")
async def threads_t_and_other(store: ThreadStore) -> None:
    for name in ("t", "other"):
        await store.get_or_create(name)


async def texts(store: ThreadStore, **page: Any) -> list[Any]:
    return [message.content for message in await store.get_messages("t", **page)]


async def test_append_numbers_messages_from_one(store: ThreadStore) -> None:
    assert [(await store.add_message("t", said())).sequence for _ in range(3)] == [1, 2, 3]


async def test_append_numbers_messages_without_gaps_under_concurrency(store: ThreadStore) -> None:
    given = await asyncio.gather(*(store.add_message("t", said(str(number))) for number in range(50)))
    kept = await store.get_messages("t")
    assert [message.sequence for message in kept] == list(range(1, 51))
    assert sorted(given, key=lambda message: message.sequence or 0) == kept


async def test_append_numbers_each_thread_by_itself_under_concurrency(store: ThreadStore) -> None:
    await asyncio.gather(*(store.add_message(name, said()) for name in ("t", "other") * 20))
    for name in ("t", "other"):
        assert [message.sequence for message in await store.get_messages(name)] == list(range(1, 21))


async def test_append_leaves_no_gap_where_one_is_refused(store: ThreadStore) -> None:
    await store.add_message("other", said(id="theirs"))
    outcomes = await asyncio.gather(
        *(store.add_message("t", said(id="theirs" if number % 3 == 0 else f"m{number}")) for number in range(12)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[::3]] == [MessageExistsError] * 4
    assert [message.sequence for message in await store.get_messages("t")] == list(range(1, 9))


async def test_append_gives_back_what_is_stored(store: ThreadStore) -> None:
    given = await store.add_message("t", said("hello", reactions={"+1": ["U1"]}, attachments=[Attachment(name="a")]))
    assert await store.get_messages("t") == [given]


async def test_append_keeps_every_field(store: ThreadStore) -> None:
    message = Message(
        id="👍" * 500,
        role="tool",
        content=[{"type": "text", "text": "שלום"}, {"type": "usage", "big": 10**4000, "float": 1e23, "nested": [[{}]]}],
        name="a name",
        source={"type": "tool", "id": "T", "name": None},
        platforms={"slack": {"team": "T1", "channel": "C1", "ts": "1.5", "thread_ts": "1.0"}, "x": {}},
        attributes={"five": [5, 5.0, "5", True, None], "": {"a.b": {}}},
        attachments=[
            Attachment(name="a.png", type="image/png", size_bytes=2**40, sha256="0" * 64, location="file:///a"),
            Attachment(name="b"),
        ],
        reactions={"+1": ["U2", "U1"], "👍🏽": ["U1"]},
        tool_calls=[{"id": "call", "input": {"a": [1]}}],
        tool_call_id="call",
        metrics={"model": "m", "usage": {"total_tokens": 5}, "cost": 0.1},
        token_count=2**40,
        created_at=at(1.000001),
        edited_at=at(2),
    )
    await store.add_message("t", message)
    (kept,) = await store.get_messages("t")
    assert kept.model_dump(exclude={"sequence", "updated_at"}) == message.model_dump(exclude={"sequence", "updated_at"})
    assert repr(kept.attributes) == repr(message.attributes)
    assert list(kept.reactions) == list(message.reactions)


async def test_append_keeps_instants_in_utc_to_the_microsecond(store: ThreadStore) -> None:
    local = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    await store.add_message("t", said(created_at=local))
    (kept,) = await store.get_messages("t")
    assert kept.created_at == local
    assert (kept.created_at.utcoffset(), kept.created_at.microsecond) == (timedelta(0), 123456)


async def test_append_keeps_the_first_and_the_last_instant(store: ThreadStore) -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    await store.add_message("t", said(created_at=first, edited_at=last))
    (kept,) = await store.get_messages("t")
    assert (kept.created_at, kept.edited_at) == (first, last)


async def test_append_keeps_texts_of_any_size_and_script(store: ThreadStore) -> None:
    said_texts = [*ODD_TEXTS, "", "\t\r\n \u2028", "\u202e\u200b\ufeff\ufffe\uffff", "e\u0301 é", "\U0010ffff"]
    said_texts.append("👩‍👩‍👧x" * 200_000)
    for text in said_texts:
        await store.add_message("t", said(text))
    assert await texts(store) == said_texts


async def test_append_keeps_an_empty_list_of_blocks_apart_from_an_empty_text(store: ThreadStore) -> None:
    contents: list[Any] = ["", [], [{}]]
    for content in contents:
        await store.add_message("t", Message(role="user", content=content))
    assert await texts(store) == contents


async def test_append_keeps_each_reaction_once_and_no_empty_emoji(store: ThreadStore) -> None:
    given = await store.add_message("t", said(reactions={"+1": ["U1", "U2", "U1"], "eyes": []}))
    (kept,) = await store.get_messages("t")
    assert given.reactions == kept.reactions == {"+1": ["U1", "U2"]}


async def test_append_keeps_a_copy(store: ThreadStore) -> None:
    message = said(attributes={"list": [1]})
    given = await store.add_message("t", message)
    message.attributes["list"].append(2)
    given.attributes["list"].append(3)
    assert (await store.get_messages("t"))[0].attributes == {"list": [1]}


async def test_append_gives_no_sequence_to_the_object(store: ThreadStore) -> None:
    message = said()
    await store.add_message("t", message)
    assert message.sequence is None


async def test_append_gives_a_sequence_of_its_own_whatever_the_message_says(store: ThreadStore) -> None:
    assert (await store.add_message("t", said(sequence=77))).sequence == 1


async def test_append_refuses_an_unknown_thread(store: ThreadStore) -> None:
    with pytest.raises(ThreadNotFoundError):
        await store.add_message("unknown", said(id="m"))
    assert await store.get_thread_by_message_id("m") is None


async def test_append_returns_a_repeat_by_id_as_it_is_stored(store: ThreadStore) -> None:
    first = await store.add_message("t", said("first", id="m"))
    assert await store.add_message("t", said("second", id="m")) == first
    assert await texts(store) == ["first"]


async def test_append_returns_a_repeat_by_external_id_as_it_is_stored(store: ThreadStore) -> None:
    first = await store.add_message("t", said("first", platforms=PLACE))
    assert await store.add_message("t", said("second", platforms=PLACE)) == first
    assert await texts(store) == ["first"]


async def test_append_returns_repeats_as_they_are_stored_under_concurrency(store: ThreadStore) -> None:
    first = [store.add_message("t", said(str(number), platforms=PLACE)) for number in range(10)]
    second = [store.add_message("t", said(str(number), id="m")) for number in range(10)]
    given = await asyncio.gather(*first, *second)
    kept = await store.get_messages("t")
    assert len(kept) == 2
    assert all(message in kept for message in given)


async def test_append_gives_concurrent_repeats_copies_of_their_own(store: ThreadStore) -> None:
    given = await asyncio.gather(*(store.add_message("t", said(id="m", attributes={"l": []})) for _ in range(5)))
    given[0].attributes["l"].append(1)
    assert [message.attributes for message in given[1:]] == [{"l": []}] * 4


async def test_append_keeps_a_new_message_beside_a_concurrent_repeat_that_names_its_place(store: ThreadStore) -> None:
    await store.add_message("t", said("first", id="m"))
    await asyncio.gather(
        store.add_message("other", said("warm up")),
        store.add_message("t", said("repeat", id="m", platforms=PLACE)),
        store.add_message("t", said("new", platforms=PLACE)),
    )
    assert await texts(store) == ["first", "new"]


async def test_append_keeps_a_new_message_beside_a_concurrent_refusal_that_names_its_place(store: ThreadStore) -> None:
    await store.add_message("other", said("theirs", id="m"))
    await asyncio.gather(
        store.add_message("other", said("warm up")),
        store.add_message("t", said("refused", id="m", platforms=PLACE)),
        store.add_message("t", said("new", platforms=PLACE)),
        return_exceptions=True,
    )
    assert await texts(store) == ["new"]


async def test_append_takes_the_workspace_from_the_thread(store: ThreadStore) -> None:
    await store.save(Thread(id="t", platforms={"slack": {"team": "T1"}}))
    await store.add_message("t", said("first", platforms={"slack": {"channel": "C1", "ts": "1"}}))
    await store.add_message("t", said("second", platforms=PLACE))
    assert await texts(store) == ["first"]


async def test_append_tells_workspaces_and_channels_apart(store: ThreadStore) -> None:
    for team, channel, ts in (("T1", "C1", "1"), ("T2", "C1", "1"), ("T1", "C2", "1"), ("T1", "C1", "2")):
        await store.add_message("t", said(platforms={"slack": {"team": team, "channel": channel, "ts": ts}}))
    assert len(await store.get_messages("t")) == 4


async def test_append_keeps_a_copy_for_another_thread_without_its_external_id(provider: StorageProvider) -> None:
    first = await provider.append_message("t", said("first", platforms=PLACE))
    copy = await provider.append_message("other", said("copy", platforms=PLACE))
    assert (copy.id != first.id, copy.platforms, copy.sequence) == (True, PLACE, 1)
    assert await provider.find_external(external(1)) == ("t", first)


async def test_append_repeats_a_copy_by_its_id(store: ThreadStore) -> None:
    await store.add_message("t", said("first", platforms=PLACE))
    for _ in range(2):
        await store.add_message("other", said("copy", id="copy", platforms=PLACE))
    assert len(await store.get_messages("other")) == 1


async def test_append_keeps_one_holder_of_an_external_id_under_concurrency(provider: StorageProvider) -> None:
    await asyncio.gather(*(provider.append_message(name, said(platforms=PLACE)) for name in ("t", "other") * 5))
    holder = await provider.find_external(external(1))
    assert holder is not None
    assert len(await provider.read_messages(holder[0])) == 1
    assert holder[1].sequence == 1


async def test_append_refuses_an_id_of_another_thread(store: ThreadStore) -> None:
    await store.add_message("t", said("first", id="m"))
    with pytest.raises(MessageExistsError):
        await store.add_message("other", said("second", id="m"))
    assert await store.get_messages("other") == []


async def test_add_message_returns_a_system_message_unchanged_and_stores_none(store: ThreadStore) -> None:
    message = Message(role="system", content="be kind")
    assert await store.add_message("t", message) is message
    assert message.sequence is None
    assert await store.get_messages("t") == []


async def test_append_message_stores_any_role(provider: StorageProvider) -> None:
    await provider.append_message("t", Message(role="system", content="be kind"))
    assert [message.role for message in await provider.read_messages("t")] == ["system"]


async def test_append_outlives_a_caller_that_gives_up(store: ThreadStore) -> None:
    tasks = [asyncio.create_task(store.add_message("t", said(str(number)))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.add_message("t", said("last"))
    kept = await store.get_messages("t")
    assert [message.sequence for message in kept] == list(range(1, len(kept) + 1))
    assert {message.content for message in kept} >= {str(number) for number in range(1, 20, 2)}


async def test_get_messages_gives_the_newest_to_a_limit_oldest_first(store: ThreadStore) -> None:
    for text in "abcde":
        await store.add_message("t", said(text))
    pages = [await texts(store, limit=limit) for limit in (1, 2, 5, 2**63 - 1)]
    assert ["".join(page) for page in pages] == ["e", "de", "abcde", "abcde"]


async def test_get_messages_gives_what_came_before_a_sequence(store: ThreadStore) -> None:
    for text in "abcde":
        await store.add_message("t", said(text))
    pages = [await texts(store, limit=2, before=before) for before in (6, 4, 2, 1, 100, 2**63 - 1)]
    assert ["".join(page) for page in pages] == ["de", "bc", "a", "", "de", "de"]
    assert "".join(await texts(store, before=3)) == "ab"


async def test_get_messages_is_empty_for_an_unknown_thread(store: ThreadStore) -> None:
    assert await store.get_messages("unknown") == []


async def test_get_messages_refuses_what_is_no_page(store: ThreadStore) -> None:
    refused: list[dict[str, Any]] = [{"limit": 0}, {"limit": -1}, {"before": 0}, {"limit": True}, {"before": 1.5}]
    for page in refused:
        with pytest.raises(ValueError, match="whole number"):
            await store.get_messages("t", **page)


async def test_get_message_gives_it_with_the_id_of_its_thread(provider: StorageProvider) -> None:
    kept = await provider.append_message("t", said(id="m"))
    assert await provider.get_message("m") == ("t", kept)
    assert await provider.get_message("unknown") is None


async def test_find_external_gives_the_message_that_holds_it(provider: StorageProvider) -> None:
    kept = await provider.append_message("t", said(platforms=PLACE))
    assert await provider.find_external(external(1)) == ("t", kept)
    assert await provider.find_external(external(2)) is None


async def test_get_thread_by_message_id_gives_the_whole_thread(store: ThreadStore) -> None:
    for name in ("m1", "m2"):
        await store.add_message("t", said(id=name))
    thread = await store.get_thread_by_message_id("m1")
    assert thread is not None
    assert [message.id for message in thread.messages] == ["m1", "m2"]
    assert await store.get_thread_by_message_id("unknown") is None


async def test_edit_changes_the_content_and_tells_when(store: ThreadStore) -> None:
    kept = await store.add_message("t", said("first", id="m"))
    edited = await store.edit_message("m", "second")
    assert edited is not None
    assert (edited.content, edited.sequence, edited.created_at) == ("second", 1, kept.created_at)
    assert edited.edited_at is not None
    assert await store.get_messages("t") == [edited]


async def test_edit_takes_texts_and_blocks_in_turn(store: ThreadStore) -> None:
    await store.add_message("t", said("text", id="m"))
    for content in ([{"type": "text", "text": "block"}], "text again", []):
        await store.edit_message("m", content)
        assert await texts(store) == [content]
    versions = await store.provider.get_message_versions("m")
    assert [version.content for version in versions] == ["text", [{"type": "text", "text": "block"}], "text again"]


async def test_edit_keeps_what_was_said_before_and_since_when(provider: StorageProvider) -> None:
    await provider.append_message("t", said("first", id="m", created_at=at(0)))
    for number in (1, 2):
        await provider.edit_message("m", f"edit {number}", edited_at=at(number))
    versions = await provider.get_message_versions("m")
    assert [(version.content, version.written_at) for version in versions] == [("first", at(0)), ("edit 1", at(1))]


async def test_edit_to_the_same_content_keeps_no_version(provider: StorageProvider) -> None:
    await provider.append_message("t", said("same", id="m"))
    edited = await provider.edit_message("m", "same", edited_at=at(1))
    assert edited is not None
    assert edited.edited_at == at(1)
    assert await provider.get_message_versions("m") == []


async def test_edit_that_is_not_later_changes_nothing(provider: StorageProvider) -> None:
    await provider.append_message("t", said("first", id="m"))
    newer = await provider.edit_message("m", "newer", edited_at=at(2))
    for older in (1, 2):
        assert await provider.edit_message("m", "older", edited_at=at(older)) == newer
    assert [version.content for version in await provider.get_message_versions("m")] == ["first"]


async def test_edit_that_is_not_later_than_the_messages_own_changes_nothing(provider: StorageProvider) -> None:
    await provider.append_message("t", said("edited already", id="m", edited_at=at(2)))
    await provider.edit_message("m", "older", edited_at=at(1))
    assert (await stored(provider, "m")).content == "edited already"


async def test_edit_of_now_wins_and_is_not_undone_by_a_repeat(provider: StorageProvider) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await provider.append_message("t", said("first", id="m"))
    await provider.edit_message("m", "from a clock ahead", edited_at=ahead)
    await provider.edit_message("m", "of now")
    await provider.edit_message("m", "from a clock ahead", edited_at=ahead)
    assert (await stored(provider, "m")).content == "of now"


async def test_edits_all_leave_a_version_under_concurrency(provider: StorageProvider) -> None:
    await provider.append_message("t", said("first", id="m"))
    await asyncio.gather(*(provider.edit_message("m", f"edit {number}") for number in range(20)))
    versions = [version.content for version in await provider.get_message_versions("m")]
    last = (await stored(provider, "m")).content
    assert versions[0] == "first"
    assert sorted([*versions[1:], last], key=str) == sorted(f"edit {number}" for number in range(20))


async def test_edit_gives_none_for_an_unknown_message_and_a_tombstone(store: ThreadStore) -> None:
    await store.add_message("t", said(id="m"))
    await store.delete_message("m")
    assert [await store.edit_message(name, "new") for name in ("unknown", "m")] == [None, None]
    assert await texts(store) == [""]


async def test_edit_refuses_what_is_no_content(store: ThreadStore) -> None:
    refused: list[Any] = [5, None, ["text"], [{"a": {1}}], {"a": 1}]
    await store.add_message("t", said("first", id="m"))
    for content in refused:
        with pytest.raises(ValueError, match=r"."):
            await store.edit_message("m", content)
    assert await texts(store) == ["first"]


async def test_delete_leaves_a_tombstone_with_its_sequence(provider: StorageProvider) -> None:
    message = said(
        "secret",
        id="m",
        attributes={"a": "secret"},
        attachments=[Attachment(name="secret")],
        reactions={"+1": ["U1"]},
        tool_calls=[{"a": "secret"}],
        platforms=PLACE,
    )
    await provider.append_message("t", message)
    await provider.append_message("t", said("next"))
    await provider.edit_message("m", "secret too")
    assert await provider.delete_message("m", deleted_at=at(9))
    tombstone, _ = await provider.read_messages("t")
    assert (tombstone.sequence, tombstone.content, tombstone.deleted_at) == (1, "", at(9))
    assert (tombstone.attributes, tombstone.attachments, tombstone.reactions, tombstone.tool_calls) == ({}, [], {}, [])
    assert (tombstone.role, tombstone.platforms) == ("user", PLACE)
    assert await provider.get_message_versions("m") == []


async def test_delete_tells_whether_it_changed_anything(store: ThreadStore) -> None:
    await store.add_message("t", said(id="m"))
    assert [await store.delete_message(name) for name in ("m", "m", "unknown")] == [True, False, False]


async def test_delete_empties_a_list_of_blocks_too(store: ThreadStore) -> None:
    await store.add_message("t", Message(role="assistant", id="m", content=[{"text": "secret"}]))
    await store.delete_message("m")
    assert await texts(store) == [""]


async def test_delete_is_done_once_under_concurrency(store: ThreadStore) -> None:
    await store.add_message("t", said(id="m"))
    assert sum(await asyncio.gather(*(store.delete_message("m") for _ in range(10)))) == 1


async def test_delete_is_not_undone_by_a_repeat_of_the_message(store: ThreadStore) -> None:
    await store.add_message("t", said("secret", platforms=PLACE, id="m"))
    await store.delete_message("m")
    for again in (said("secret", id="m"), said("secret", platforms=PLACE)):
        assert (await store.add_message("t", again)).deleted_at is not None
    assert await texts(store) == [""]


async def test_get_message_versions_is_empty_for_an_unknown_message(provider: StorageProvider) -> None:
    assert await provider.get_message_versions("unknown") == []
