"""Claims for posts that are deleted, of answers that were sent in several."""

from backscroll.storage.models import Attachment, Message
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, at, begun, external, stored, taken

SHA256 = "a" * 64


async def posted(provider: StorageProvider, *texts: str) -> str:
    """Answer in posts 11, 12 …, and return the message's id."""
    await asked(provider)
    answer = await taken(provider)
    parts = await begun(provider, answer, *texts)
    for part in parts:
        await provider.mark_sent(answer.id, "one", part.number, external(10 + part.number))
    return parts[0].message_id


async def delete(provider: StorageProvider, *numbers: int) -> list[bool]:
    return [await provider.record_deletion(external(number), at(number)) for number in numbers]


async def test_deleted_post_takes_its_text_along(provider: StorageProvider) -> None:
    message_id = await posted(provider, "one", "two", "three")
    assert await delete(provider, 12) == [True]
    message = await stored(provider, message_id)
    assert (message.text, message.deleted_at) == ("one\n\nthree", None)


async def test_deleted_posts_leave_a_tombstone_when_none_stands(provider: StorageProvider) -> None:
    message_id = await posted(provider, "one", "two")
    assert await delete(provider, 11, 12) == [True, True]
    message = await stored(provider, message_id)
    assert (message.text, message.deleted_at) == ("", at(12))


async def test_deleted_post_that_is_told_of_twice_changes_nothing_more(provider: StorageProvider) -> None:
    message_id = await posted(provider, "one", "two")
    assert await delete(provider, 11, 11) == [True, False]
    assert (await stored(provider, message_id)).text == "two"


async def test_deleted_post_is_gone_from_the_parts(provider: StorageProvider) -> None:
    await posted(provider, "one", "two")
    await delete(provider, 12)
    (answer,) = await provider.list_answers()
    assert [part.text for part in await provider.get_parts(answer.id)] == ["one", ""]


async def test_deleted_post_is_not_found_by_its_words(provider: StorageProvider) -> None:
    await posted(provider, "apples", "pears")
    await delete(provider, 12)
    store = ThreadStore(provider=provider)
    assert len(await store.search_by_content("apples")) == 1
    assert len(await store.search_by_content("pears")) == 0


async def test_post_that_we_took_away_leaves_the_answer_alone(provider: StorageProvider) -> None:
    await asked(provider)
    answer = await taken(provider)
    (first,) = await begun(provider, answer, "one", is_growing=True)
    await provider.grow_answer(answer.id, "one", "one two", ["one", "two"], is_whole=False)
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, external(10 + number))
    await provider.grow_answer(answer.id, "one", "short", ["short"], is_whole=True)
    assert await delete(provider, 12) == [False]
    message = await stored(provider, first.message_id)
    assert (message.text, message.deleted_at) == ("short", None)


async def test_deletion_that_overtakes_the_mark_of_its_post_takes_its_text(provider: StorageProvider) -> None:
    await asked(provider)
    answer = await taken(provider)
    parts = await begun(provider, answer, "one", "two")
    await provider.mark_sent(answer.id, "one", 1, external(11))
    assert await delete(provider, 12) == [False]
    await provider.mark_sent(answer.id, "one", 2, external(12))
    assert (await stored(provider, parts[0].message_id)).text == "one"


async def test_deleted_upload_takes_the_files_content_along(provider: StorageProvider) -> None:
    await asked(provider)
    answer = await taken(provider)
    plan = Attachment(name="plan", sha256=SHA256, location=f"sha256:{SHA256}")
    message = Message(role="assistant", content="here", attachments=[plan])
    await provider.begin_sending(answer.id, "one", message, ["here"])
    for number in (1, 2):
        await provider.mark_sent(answer.id, "one", number, external(10 + number))
    assert await delete(provider, 12) == [True]
    kept = await stored(provider, message.id)
    assert (kept.text, kept.attachments[0].sha256, kept.attachments[0].name) == ("here", None, "plan")
    assert not await provider.is_file_needed(SHA256)
    assert [file.sha256 for file in await provider.list_dropped_files()] == [SHA256]


async def test_deleted_message_of_a_person_is_a_tombstone(provider: StorageProvider) -> None:
    answer = await asked(provider, 1)
    assert await delete(provider, 1) == [True]
    assert (await stored(provider, answer.message_id)).deleted_at == at(1)
