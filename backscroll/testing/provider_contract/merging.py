"""Claims for merging: an archive joins what is there, and nothing is lost."""

from datetime import timedelta

from backscroll.storage.archive import ArchivedBlock, ArchivedFeedback, ArchivedReaction, ArchivedThread
from backscroll.storage.keys import ThreadKey
from backscroll.storage.memory import Provider as Memory
from backscroll.storage.models import Message, file_location
from backscroll.storage.provider import StorageProvider
from backscroll.testing.provider_contract.archives import FILE, SHA256, WANTED, archive, merged, one_of
from backscroll.testing.provider_contract.samples import (
    KEY,
    OTHER_KEY,
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

DIRECT = ThreadKey("slack", "T1", "D1", "D1")
"""A direct message's: `/new` begins another thread at it."""
KEY_PARTS = (KEY.platform, KEY.workspace, KEY.channel)


async def copied(provider: StorageProvider, *messages: Message) -> Memory:
    """Keep messages from outside in a provider in memory, and copy them."""
    source = Memory()
    for number, message in enumerate(messages, 1):
        await recorded(source, number, message=message)
    await provider.merge_archive(await archive(source))
    return source


async def test_merge_archive_keeps_what_both_sides_said_since(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1"), said("two", id="m2"))
    await recorded(source, 3, message=said("theirs", id="m3"))
    await recorded(provider, 4, message=said("mine", id="m4"))

    assert await merged(provider, *await archive(source)) == (False, 1, 0)
    assert [(each.sequence, each.id) for each in (await got(provider, (await one_of(provider)).id)).messages] == [
        (1, "m1"),
        (2, "m2"),
        (3, "m4"),
        (4, "m3"),
    ]
    assert await merged(provider, *await archive(source)) == (False, 0, 0)


async def test_merge_archive_leaves_no_gap_without_end(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1"))
    await recorded(source, 2, message=said("two", id="m2"))
    (piece,) = await archive(source)
    first, second = piece.messages
    far = second.model_copy(update={"message": second.message.model_copy(update={"sequence": 2**62})})
    await provider.merge_archive([piece.model_copy(update={"messages": [first, far]})])

    assert [each.sequence for each in (await got(provider, piece.id)).messages] == [1, 2]


async def test_merge_archive_lets_the_later_edit_stand(provider: StorageProvider) -> None:
    source = await copied(provider, *(said(f"m{number}", id=f"m{number}", created_at=at(0)) for number in (1, 2)))
    await source.record_edit(external(1), "their later one", at(9))
    await provider.record_edit(external(1), "my earlier one", at(8))
    await source.record_edit(external(2), "their earlier one", at(8))
    await provider.record_edit(external(2), "my later one", at(9))

    for changed in (2, 0):
        assert await merged(provider, *await archive(source)) == (False, 0, changed)
        assert [(await stored(provider, name)).text for name in ("m1", "m2")] == ["their later one", "my later one"]
        versions = [await provider.get_message_versions(name) for name in ("m1", "m2")]
        assert [[version.content for version in each] for each in versions] == [
            ["m1", "my earlier one"],
            ["m2", "their earlier one"],
        ]


async def test_merge_archive_lets_what_grew_stand(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1"))
    await source.append_text_block("m1", "two")
    await provider.merge_archive(await archive(source))

    assert (await stored(provider, "m1")).text == "one\ntwo"
    assert await provider.get_message_versions("m1") == []
    assert (await one_of(provider)).digest() == (await one_of(source)).digest()


async def test_merge_archive_lets_a_deletion_by_either_side_stand(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1", attachments=[FILE]), said("two", id="m2"))
    await source.delete_message("m1", deleted_at=at(9))
    await provider.delete_message("m2")
    await source.edit_message("m2", "two and more")

    assert await merged(provider, *await archive(source)) == (False, 0, 1)
    assert [(await stored(provider, name)).text for name in ("m1", "m2")] == ["", ""]
    assert (await stored(provider, "m1")).deleted_at == at(9)
    assert [dropped.sha256 for dropped in await provider.list_dropped_files()] == [SHA256]


async def test_merge_archive_lets_of_each_reaction_the_later_event_stand(provider: StorageProvider) -> None:
    source = await copied(provider, Message(role="assistant", content="hi", id="m1"))
    events = [(source, "+1", "U1", 1), (provider, "+1", "U1", 2), (source, "-1", "U2", 4), (provider, "-1", "U2", 3)]
    for side, emoji, user_id, seconds in events:
        await side.record_reaction(external(1), emoji, user_id, added=True, event_at=at(seconds))
    await source.record_reaction(external(1), "+1", "U1", added=False, event_at=at(3))
    await provider.record_reaction(external(1), "-1", "U2", added=False, event_at=at(5))
    await source.record_reaction(external(1), "eyes", "U3", added=True, event_at=at(6))

    for _ in range(2):
        await provider.merge_archive(await archive(source))
        assert (await stored(provider, "m1")).reactions == {"eyes": ["U3"]}
        assert await provider.get_feedback() == []


async def test_merge_archive_lets_a_later_threads_fields_stand(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1"))
    thread_id = (await one_of(source)).id
    early = await archive(source)
    await source.update_thread(thread_id, title="Theirs", metadata={"a": 1})
    await provider.merge_archive(await archive(source))

    theirs = await got(provider, thread_id)
    assert (theirs.title, theirs.attributes) == ("Theirs", {"a": 1})
    await provider.update_thread(thread_id, title="Mine")
    await provider.merge_archive([*early, *await archive(source)])
    assert (await got(provider, thread_id)).title == "Mine"


async def test_merge_archive_adds_to_the_thread_that_has_its_alias(provider: StorageProvider) -> None:
    source = Memory()
    await recorded(source, 1, message=said("theirs", id="m1"))
    kept = await recorded(provider, 2, message=said("mine", id="m2"))
    (one,) = await provider.merge_archive(await archive(source))

    assert (one.thread_id, one.is_new, one.new_messages) == (kept.thread_id, False, 1)
    assert [each.id for each in (await got(provider, kept.thread_id)).messages] == ["m2", "m1"]
    assert await provider.count_threads() == 1


async def test_merge_archive_leaves_an_alias_to_the_thread_that_has_it(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1"))
    thread_id = (await one_of(source)).id
    await source.save_thread_alias(thread_id, "name")
    await source.save_thread_alias(thread_id, "free")
    await provider.create_thread("t", "U1", None)
    await provider.save_thread_alias("t", "name")
    await provider.merge_archive(await archive(source))

    assert await provider.get_thread_aliases("t") == ["name"]
    assert await provider.get_thread_aliases(thread_id) == ["free", KEY.alias]


async def test_merge_archive_adds_to_the_message_that_holds_the_external_id(provider: StorageProvider) -> None:
    source = Memory()
    await recorded(source, 1, message=said("one", id="theirs"), asks="yes")
    await source.record_edit(external(1), "edited", at(9))
    await source.append_usage_block("theirs", model="m", input_tokens=3)
    kept = await recorded(provider, 1, key=KEY, message=said("one", id="mine"))
    await provider.move_alias(KEY.alias, (await provider.create_thread("t", "U1", None)).id)
    await provider.merge_archive(await archive(source))

    assert (await stored(provider, "mine")).text == "edited"
    assert await provider.get_message("theirs") is None
    assert [(answer.message_id, answer.thread_id) for answer in await provider.list_answers()] == [
        ("mine", kept.thread_id)
    ]
    assert [block["block_type"] for _, blocks in await provider.get_message_blocks(kept.thread_id) for block in blocks][
        -1
    ] == "usage"


async def test_merge_archive_leaves_out_a_message_whose_id_another_thread_has(provider: StorageProvider) -> None:
    source = Memory()
    for name in ("m1", "m2"):
        await recorded(source, name, message=said(name, id=name), asks="yes")
    await recorded(provider, 9, key=OTHER_KEY, message=said("mine", id="m1"))

    assert await merged(provider, *await archive(source)) == (True, 1, 0)
    assert (await stored(provider, "m1")).text == "mine"
    assert [answer.message_id for answer in await provider.list_answers()] == ["m2"]


async def test_merge_archive_lets_an_answers_later_state_stand(provider: StorageProvider) -> None:
    source = Memory()
    await asked(source)
    await provider.merge_archive(await archive(source))
    mine = await taken(source)
    await begun(source, mine, "hi", "there")
    await source.mark_sent(mine.id, "one", 1, external("a1"))
    await provider.merge_archive(await archive(source))
    await source.mark_sent(mine.id, "one", 2, external("a2"))
    await source.finish_answer(mine.id, "one", "sent")
    await provider.merge_archive(await archive(source))

    assert [answer.state for answer in await provider.list_answers()] == ["sent"]
    assert [part.state for part in await provider.get_parts(mine.id)] == ["sent", "sent"]
    assert await provider.find_external(external("a2")) is not None
    assert (await one_of(provider)).digest() == (await one_of(source)).digest()


async def test_merge_archive_lets_an_answer_wait_behind_the_others_where_it_is_tried_again(
    provider: StorageProvider,
) -> None:
    source = Memory()
    for number in (1, 2):
        await asked(source, number)
    failed = await taken(source)
    await source.finish_answer(failed.id, "one", "failed", reason="no power")
    await provider.merge_archive(await archive(source))
    await source.retry_answer(failed.id)
    await provider.merge_archive(await archive(source))

    assert (await one_of(provider)).digest() == (await one_of(source)).digest()
    assert (await taken(provider, "two")).id != failed.id


async def test_merge_archive_leaves_an_answer_that_somebody_has_here(provider: StorageProvider) -> None:
    source = Memory()
    await asked(source)
    await provider.merge_archive(await archive(source))
    mine = await taken(provider, "two")
    await source.drop_answer(mine.id)
    await provider.merge_archive(await archive(source))

    assert await provider.renew_leases("two", 30) == [mine.id]


async def test_merge_archive_applies_what_waited_for_its_messages(provider: StorageProvider) -> None:
    await provider.record_reaction(external(1), "eyes", "U1", added=True, event_at=at(1))
    await provider.record_edit(external(1), "edited", at(2))
    await copied(provider, said("one", id="m1"))

    assert (await stored(provider, "m1")).text == "edited"
    assert (await stored(provider, "m1")).reactions == {"eyes": ["U1"]}
    assert await provider.read_loose() == []


async def test_merge_archive_takes_fetched_files_over(provider: StorageProvider) -> None:
    source = Memory()
    message = said("file", id="m1", attachments=[WANTED])
    await recorded(source, 1, message=message, fetches=True)
    await provider.merge_archive(await archive(source))
    kept = WANTED.model_copy(update={"sha256": SHA256, "location": file_location(SHA256), "size_bytes": 3})
    await source.settle_file("m1", 1, kept)

    assert await merged(provider, *await archive(source)) == (False, 0, 1)
    assert (await stored(provider, "m1")).attachments == [kept]
    assert await provider.list_wanted_files(["slack"]) == []
    assert await provider.is_file_needed(SHA256)


async def test_merge_archive_tells_values_apart_that_only_python_takes_for_the_same(provider: StorageProvider) -> None:
    source = Memory()
    await source.create_thread("t", "U1", None)
    await source.update_thread("t", metadata={"n": 1})
    await source.append_message("t", Message(role="user", id="m1", content=[{"type": "x", "n": 1}]))
    piece = await one_of(source)
    (told,) = piece.messages
    later = piece.updated_at + timedelta(days=1)
    message = told.message.model_copy(update={"content": [{"type": "x", "n": True}], "updated_at": later})
    changed = {"attributes": {"n": True}, "updated_at": later}
    await provider.merge_archive([piece])

    changed |= {"messages": [told.model_copy(update={"message": message})]}
    assert await merged(provider, piece.model_copy(update=changed)) == (False, 0, 1)
    kept = await one_of(provider)
    assert kept.attributes["n"] is True
    assert str(kept.messages[0].message.content) == str(message.content)
    assert [thread.id for thread in await provider.find_by_attributes({"n": True})] == ["t"]


async def test_merge_archive_makes_no_feedback_of_a_thumb_that_stood_without(provider: StorageProvider) -> None:
    """A fork's copies have such thumbs."""
    source = Memory()
    await source.create_thread("t", "U1", None)
    await source.append_message("t", Message(role="assistant", id="m1", content="hi"))
    piece = await one_of(source)
    log: list[ArchivedReaction] = []
    for emoji, user_id in (("+1", "U1"), ("eyes", "U2"), ("-1", "U2")):
        log.append(ArchivedReaction(emoji=emoji, user_id=user_id))
        messages = [piece.messages[0].model_copy(update={"reactions": list(log)})]
        await provider.merge_archive([piece.model_copy(update={"messages": messages})])

    assert (await stored(provider, "m1")).reactions == {"+1": ["U1"], "eyes": ["U2"], "-1": ["U2"]}
    assert [(told.user_id, told.thumb) for told in await provider.get_feedback()] == [("U2", "down")]


async def test_merge_archive_adds_no_feedback_whose_id_is_taken(provider: StorageProvider) -> None:
    source = await copied(provider, said("one", id="m1"), said("two", id="m2"))
    (piece,) = await archive(source)
    told = ArchivedFeedback(id="f", user_id="U1", rating=4, created_at=at(1))
    for number, changed in ((0, 1), (1, 0)):
        messages = [piece.messages[number].model_copy(update={"feedback": [told]})]
        again = piece.model_copy(update={"messages": messages})
        assert await merged(provider, again) == (False, 0, changed)


async def test_merge_archive_takes_pieces_that_share_a_name_in_their_order(provider: StorageProvider) -> None:
    source = Memory()
    for name in ("a", "b"):
        await source.create_thread(name, "U1", None)
    pieces = [piece.model_copy(update={"aliases": ["lions"]}) for piece in (await archive(source))[::-1]]

    for _ in range(2):
        await provider.merge_archive(pieces, mirror=True)
        holder = await provider.get_by_alias("lions")
        assert holder is not None
        assert holder.id == "a"


async def test_mirrored_aliases_are_where_the_source_has_them(provider: StorageProvider) -> None:
    source = Memory()
    old = await recorded(source, 1, key=DIRECT, message=said("old", id="m1"))
    await provider.merge_archive(await archive(source), mirror=True)
    new = await source.create_thread("new", "U1", None)
    await source.move_alias(DIRECT.alias, new.id)
    await recorded(source, 2, key=DIRECT, message=said("new", id="m2"))
    await recorded(provider, 3, key=DIRECT, message=said("meanwhile", id="m3"))
    await provider.delete_message("m3")
    pieces = await archive(source)
    await provider.merge_archive(pieces, mirror=True)

    mine = {piece.id: piece for piece in await archive(provider)}
    assert mine["new"].digest() == next(piece.digest() for piece in pieces if piece.id == "new")
    assert [await provider.get_thread_aliases(each) for each in (old.thread_id, "new")] == [[], [DIRECT.alias]]
    assert await merged(provider, *pieces) == (False, 0, 0)


async def test_mirrored_thread_takes_the_names_of_one_that_is_gone_at_the_source(provider: StorageProvider) -> None:
    source = Memory()
    gone = await recorded(source, 1, message=said("hello", id="m1"))
    sent = await asked(source, 2)
    await begun(source, await taken(source), "hi")
    await source.mark_sent(sent.id, "one", 1, external("a1"))
    await provider.merge_archive(await archive(source), mirror=True)
    await source.delete_thread(gone.thread_id)
    anew = await recorded(source, 1, message=said("hello again", id="m3"))
    await recorded(source, "a1", message=said("hi", id="m4"))
    pieces = await archive(source)

    for new, changed in ((2, 0), (0, 0)):
        (told,) = await provider.merge_archive(pieces, mirror=True)
        assert (told.new_messages, told.changed_messages) == (new, changed)
        mine = {piece.id: piece for piece in await archive(provider)}
        assert mine[anew.thread_id].digest() == pieces[0].digest()
    (left,) = await provider.read_archive(thread_ids=[gone.thread_id])
    assert [each.external for each in left.messages] == [None, (*KEY_PARTS, "2"), None]
    assert [part.external for each in left.messages for part in each.parts] == [None]
    found = [await provider.find_external(external(name)) for name in (1, "a1")]
    assert [one and one[1].id for one in found] == ["m3", "m4"]


async def test_merge_archive_keeps_a_direct_messages_thread_beside_the_one_that_is_there(
    provider: StorageProvider,
) -> None:
    early, late = Memory(), Memory()
    before = await recorded(early, 1, key=DIRECT, message=said("before", id="m1"))
    mine = await recorded(provider, 2, key=DIRECT, message=said("mine", id="m2"))
    after = await recorded(late, 3, key=DIRECT, message=said("after", id="m3"))
    (one,) = await provider.merge_archive(await archive(early))

    assert (one.thread_id, one.is_new) == (before.thread_id, True)
    assert await provider.get_thread_aliases(mine.thread_id) == [DIRECT.alias]
    await provider.merge_archive(await archive(late))
    assert await provider.get_thread_aliases(after.thread_id) == [DIRECT.alias]
    assert [len((await got(provider, each.thread_id)).messages) for each in (before, mine, after)] == [1, 1, 1]


async def test_merged_numbers_can_be_counted_on(provider: StorageProvider) -> None:
    source = Memory()
    for number in (1, 2):
        await asked(source, number)
    piece = (await one_of(source)).model_dump(mode="json")
    for each in piece["messages"]:
        each["answer"] |= {"position": 2**31 - 1, "tries": 2**31 - 1, "takeovers": 2**31 - 1}
    told = ArchivedBlock(id="b", position=2**31 - 1, block_type="file", content={"url": "x"}, created_at=at(1))
    piece["messages"][0]["blocks"] = [told.model_dump(mode="json")]
    await provider.merge_archive([ArchivedThread.model_validate(piece)])

    await asked(provider, 3)
    for _ in range(3):
        await provider.finish_answer((await taken(provider)).id, "one", "sent")
    await provider.append_text_block(piece["messages"][0]["message"]["id"], "more")
    kept = await one_of(provider)
    read = ArchivedThread.model_validate_json(kept.model_dump_json())
    again = Memory()
    await again.merge_archive([read])
    assert (await one_of(again)).digest() == kept.digest()
