"""Claims for files whose contents are still to be fetched: wanted with their message, until had or given up."""

import hashlib
from typing import Any

import pytest

from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, file_location
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Recorded, WantedFile
from backscroll.testing.provider_contract.samples import KEY, arriving, at, external, recorded, said, stored

SHA256 = hashlib.sha256(b"a content").hexdigest()


def lying(name: str = "a.txt") -> Attachment:
    """Describe a file that lies on the platform."""
    return Attachment(name=name, type="text/plain", location=f"https://files.example.com/{name}")


def fetched(name: str = "a.txt") -> Attachment:
    """Describe the same file, fetched."""
    sizes: dict[str, Any] = {"sha256": SHA256, "size_bytes": 9, "location": file_location(SHA256)}
    return lying(name).model_copy(update=sizes)


async def bringing(
    provider: StorageProvider, *files: Attachment, number: int = 1, key: ThreadKey = KEY, fetches: bool = True
) -> Recorded:
    """Record a message with files."""
    message = said("look", id=f"m{number}", attachments=list(files))
    return await recorded(provider, number, key=key, message=message, fetches=fetches)


async def wanted(provider: StorageProvider, **options: Any) -> list[WantedFile]:
    return await provider.list_wanted_files(["slack"], **options)


async def test_file_is_wanted_with_all_that_is_known_of_it(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    assert await wanted(provider) == [WantedFile("m1", 1, "slack", "T1", lying())]


async def test_file_is_not_wanted_unless_its_arrival_fetches(provider: StorageProvider) -> None:
    await bringing(provider, lying(), fetches=False)
    assert await wanted(provider) == []


async def test_file_that_is_kept_or_lies_nowhere_is_not_wanted(provider: StorageProvider) -> None:
    await bringing(provider, fetched(), Attachment(name="nowhere"), lying("b.txt"))
    assert [(each.position, each.attachment.name) for each in await wanted(provider)] == [(3, "b.txt")]


async def test_files_are_wanted_in_order(provider: StorageProvider) -> None:
    for number in (2, 1):
        await bringing(provider, lying("a"), lying("b"), number=number)
    places = [(each.message_id, each.position) for each in await wanted(provider)]
    assert places == [("m1", 1), ("m1", 2), ("m2", 1), ("m2", 2)]
    assert await wanted(provider, limit=3) == (await wanted(provider))[:3]


async def test_files_are_wanted_of_the_given_platforms(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    await bringing(provider, lying(), number=2, key=ThreadKey("discord", "G1", "C1", "1"))
    found = await provider.list_wanted_files(["discord", "other"])
    assert [(each.message_id, each.platform, each.workspace) for each in found] == [("m2", "discord", "G1")]
    assert await provider.list_wanted_files([]) == []


async def test_limit_counts_the_files_of_the_given_platforms(provider: StorageProvider) -> None:
    await bringing(provider, lying(), key=ThreadKey("discord", "G1", "C1", "1"))
    await bringing(provider, lying(), number=2)
    assert [each.message_id for each in await wanted(provider, limit=1)] == ["m2"]


async def test_file_of_an_earlier_message_is_wanted(provider: StorageProvider) -> None:
    before = arriving(1, message=said(id="m1", attachments=[lying()]), fetches=True)
    await provider.record_message(arriving(2), earlier=[before])
    assert [each.message_id for each in await wanted(provider)] == ["m1"]


async def test_repeat_wants_no_file_anew(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    await provider.settle_file("m1", 1, None)
    await recorded(provider, 1, message=said("look", attachments=[lying()]), fetches=True)
    assert await wanted(provider) == []


async def test_settled_file_stands_in_its_message(provider: StorageProvider) -> None:
    await bringing(provider, lying("a"), lying("b"))
    assert await provider.settle_file("m1", 2, fetched("b"))
    assert (await stored(provider, "m1")).attachments == [lying("a"), fetched("b")]
    assert [each.position for each in await wanted(provider)] == [1]


async def test_settled_file_is_needed_until_its_message_goes(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    assert not await provider.is_file_needed(SHA256)
    await provider.settle_file("m1", 1, fetched())
    assert await provider.is_file_needed(SHA256)
    await provider.delete_message("m1")
    assert not await provider.is_file_needed(SHA256)
    assert [each.sha256 for each in await provider.list_dropped_files()] == [SHA256]


async def test_settle_repeated_changes_nothing(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    assert [await provider.settle_file("m1", 1, fetched()) for _ in range(2)] == [True, True]
    assert (await stored(provider, "m1")).attachments == [fetched()]


async def test_file_that_is_given_up_stays_where_it_lies(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    assert await provider.settle_file("m1", 1, None)
    assert (await stored(provider, "m1")).attachments == [lying()]
    assert await wanted(provider) == []


@pytest.mark.parametrize("content", [None, fetched()], ids=["given up", "fetched"])
async def test_settle_passes_over_what_is_not_there(provider: StorageProvider, content: Attachment | None) -> None:
    await bringing(provider, lying())
    assert not await provider.settle_file("m1", 2, content)
    assert not await provider.settle_file("unknown", 1, content)
    assert not await provider.is_file_needed(SHA256)
    assert len(await wanted(provider)) == 1


async def test_tombstone_wants_no_files(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    await provider.record_deletion(external(1), at(5))
    assert await wanted(provider) == []
    assert not await provider.settle_file("m1", 1, fetched())
    assert not await provider.is_file_needed(SHA256)
    assert (await stored(provider, "m1")).attachments == []


async def test_message_deleted_before_it_came_wants_no_files(provider: StorageProvider) -> None:
    await provider.record_deletion(external(1), at(5))
    await bringing(provider, lying())
    assert await wanted(provider) == []


async def test_deleted_thread_wants_no_files(provider: StorageProvider) -> None:
    kept = await bringing(provider, lying())
    await provider.delete_thread(kept.thread_id)
    assert await wanted(provider) == []
    assert not await provider.settle_file("m1", 1, fetched())
    assert not await provider.is_file_needed(SHA256)


async def test_settled_file_changes_nothing_else_of_its_message(provider: StorageProvider) -> None:
    await bringing(provider, lying())
    await provider.edit_message("m1", "edited")
    await provider.record_reaction(external(1), "+1", "U1", added=True, event_at=at(1))
    before = await stored(provider, "m1")
    await provider.settle_file("m1", 1, fetched())
    after = await stored(provider, "m1")
    ignored = {"attachments", "updated_at"}
    assert after.model_dump(exclude=ignored) == before.model_dump(exclude=ignored)
