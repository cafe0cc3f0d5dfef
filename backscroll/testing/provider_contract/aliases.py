"""Claims for aliases."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from backscroll.errors import AliasInUseError, ThreadNotFoundError
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import KEY, ODD_TEXTS, recorded, said

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest_asyncio.fixture(loop_scope="function")
async def two_threads(store: ThreadStore) -> None:
    for name in ("one", "two"):
        await store.get_or_create(name)


async def test_get_by_alias_gives_the_thread_with_its_messages(store: ThreadStore) -> None:
    await store.save_thread_alias("one", "alias")
    await store.add_message("one", said("hello"))
    thread = await store.get_by_alias("alias")
    assert thread is not None
    assert thread == await store.get("one")
    assert [message.content for message in thread.messages] == ["hello"]


async def test_get_by_alias_gives_none_for_an_unknown_alias(store: ThreadStore) -> None:
    assert await store.get_by_alias("alias") is None


async def test_get_by_alias_gives_the_newest_messages_to_a_limit(provider: StorageProvider) -> None:
    await provider.save_thread_alias("one", "alias")
    for text in "abc":
        await provider.append_message("one", said(text))
    thread = await provider.get_by_alias("alias", limit=2)
    assert thread is not None
    assert [message.content for message in thread.messages] == ["b", "c"]


async def test_save_thread_alias_is_harmless_when_repeated(store: ThreadStore) -> None:
    for _ in range(2):
        await store.save_thread_alias("one", "alias")
    assert await store.get_thread_aliases("one") == ["alias"]


async def test_save_thread_alias_takes_any_text(store: ThreadStore) -> None:
    for text in (*ODD_TEXTS, "👍" * 500):
        await store.save_thread_alias("one", text)
        thread = await store.get_by_alias(text)
        assert thread is not None
        assert thread.id == "one"


async def test_save_thread_alias_refuses_one_of_another_thread(store: ThreadStore) -> None:
    await store.save_thread_alias("one", "alias")
    with pytest.raises(AliasInUseError):
        await store.save_thread_alias("two", "alias")
    assert await store.get_thread_aliases("one") == ["alias"]


async def test_save_thread_alias_refuses_an_unknown_thread(store: ThreadStore) -> None:
    with pytest.raises(ThreadNotFoundError):
        await store.save_thread_alias("unknown", "alias")
    assert await store.get_by_alias("alias") is None


async def test_save_thread_alias_lets_one_of_many_have_it(store: ThreadStore) -> None:
    outcomes = await asyncio.gather(
        *(store.save_thread_alias(name, "alias") for name in ("one", "two") * 5), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AliasInUseError"] * 5 + ["NoneType"] * 5


async def test_save_thread_alias_refuses_what_is_no_alias(store: ThreadStore) -> None:
    refused: list[Any] = ["", "x" * 501, None]
    for alias in refused:
        with pytest.raises(ValueError, match="1 to 500 characters"):
            await store.save_thread_alias("one", alias)


async def test_get_thread_aliases_orders_by_code_point(store: ThreadStore) -> None:
    aliases = ["b", "B", "a", "é", "👍", "Z", "_", "\uffee"]
    for alias in aliases:
        await store.save_thread_alias("one", alias)
    assert await store.get_thread_aliases("one") == sorted(aliases)


async def test_get_thread_aliases_is_empty_for_an_unknown_thread(store: ThreadStore) -> None:
    assert await store.get_thread_aliases("unknown") == []


async def test_delete_thread_alias_tells_whether_there_was_one(store: ThreadStore) -> None:
    await store.save_thread_alias("one", "alias")
    assert [await store.delete_thread_alias("alias"), await store.delete_thread_alias("alias")] == [True, False]


async def test_delete_thread_alias_takes_the_name_away_alone(store: ThreadStore) -> None:
    await store.save_thread_alias("one", "alias")
    await store.save_thread_alias("one", "other")
    await store.delete_thread_alias("alias")
    assert await store.get_by_alias("alias") is None
    assert await store.get_thread_aliases("one") == ["other"]


async def test_delete_thread_alias_frees_it_for_another_thread(store: ThreadStore) -> None:
    await store.save_thread_alias("one", "alias")
    await store.delete_thread_alias("alias")
    await store.save_thread_alias("two", "alias")
    assert await store.get_thread_aliases("two") == ["alias"]


async def test_move_alias_takes_it_from_the_thread_that_has_it(provider: StorageProvider) -> None:
    for name in ("one", "two", "two"):
        await provider.move_alias("alias", name)
    assert [await provider.get_thread_aliases(name) for name in ("one", "two")] == [[], ["alias"]]


async def test_move_alias_refuses_an_unknown_thread(provider: StorageProvider) -> None:
    await provider.move_alias("alias", "one")
    with pytest.raises(ThreadNotFoundError):
        await provider.move_alias("alias", "unknown")
    assert await provider.get_thread_aliases("one") == ["alias"]


async def test_aliases_outlive_moves_and_deletions_beside_each_other(provider: StorageProvider) -> None:
    moves = [provider.move_alias("alias", name) for name in ("one", "two") * 10]
    deletions = [provider.delete_thread_alias("alias") for _ in range(10)]
    claims = [provider.save_thread_alias("one", "alias") for _ in range(5)]
    outcomes = await asyncio.gather(*moves, *deletions, *claims, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {AliasInUseError}


async def test_record_after_the_alias_was_moved_goes_to_the_new_thread(provider: StorageProvider) -> None:
    await recorded(provider, 1)
    await provider.move_alias(KEY.alias, "two")
    assert (await recorded(provider, 2)).thread_id == "two"
