"""Claims for searches after what was said has changed: edits, deletions, titles, and what came from outside."""

import asyncio

from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import asked, at, begun, external, got, recorded, said, taken
from backscroll.testing.provider_contract.searching import anywhere, by_content, by_title, saying, titled


async def test_search_sees_an_edit_at_once(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("old fox", id="m")]))
    await store.edit_message("m", "new fox")
    assert [await by_content(store, word) for word in ("old", "new", "fox")] == [[], ["t"], ["t"]]
    assert [await by_content(store, word, substring=True) for word in ("ld", "old", "new f")] == [[], [], ["t"]]


async def test_search_sees_the_last_of_many_edits(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("word0", id="m")]))
    for number in range(1, 30):
        await store.edit_message("m", f"word{number % 7} turn{number}" if number % 3 else f"turn{number}")
    await store.edit_message("m", "word3 end")
    words = [f"word{number}" for number in range(7)] + ["turn29", "end"]
    wanted: list[list[str]] = [["t"] if word in ("word3", "end") else [] for word in words]
    assert [await by_content(store, word) for word in words] == wanted
    assert [await by_content(store, word, substring=True) for word in words] == wanted


async def test_search_sees_an_edit_to_blocks(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("old", id="m")]))
    await store.edit_message("m", [{"type": "text", "text": "new"}])
    assert [await by_content(store, word) for word in ("old", "new")] == [[], ["t"]]


async def test_search_sees_an_edit_by_save(store: ThreadStore) -> None:
    thread = await store.save(Thread(id="t", messages=[said("old")]))
    thread.messages[0].content = "new"
    await store.save(thread)
    assert [await by_content(store, word) for word in ("old", "new")] == [[], ["t"]]


async def test_search_finds_no_tombstone(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("fox", id="m"), said("stays")]))
    await store.delete_message("m")
    assert await by_content(store, "fox") == await by_content(store, "fox", substring=True) == []
    assert await by_content(store, "stays") == ["t"]


async def test_search_finds_no_deleted_thread(store: ThreadStore) -> None:
    await store.save(Thread(id="t", title="fox", messages=[said("wolf")]))
    await store.delete("t")
    assert [await anywhere(store, query) for query in ("fox", "wolf")] == [([], 0), ([], 0)]


async def test_search_finds_only_the_new_in_what_replaced_a_deleted_thread(store: ThreadStore) -> None:
    for _ in range(2):
        await store.save(Thread(id="t", title="old fox", messages=[said("old wolf", id="m")]))
        await store.delete("t")
        await store.save(Thread(id="t", title="new fox", messages=[said("new wolf", id="m")]))
        assert [(await anywhere(store, query))[1] for query in ("old", "new fox", "new wolf")] == [0, 1, 1]
        assert [(await anywhere(store, query, substring=True))[1] for query in ("old", "new f")] == [0, 1]
        await store.delete("t")


async def test_search_by_title_sees_a_new_title(store: ThreadStore) -> None:
    thread = await store.save(Thread(id="t", title="old fox"))
    thread.title = "new fox"
    await store.save(thread)
    assert [await by_title(store, word) for word in ("old", "new")] == [[], ["t"]]
    assert [await by_title(store, word, substring=True) for word in ("old", "w f")] == [[], ["t"]]


async def test_search_finds_a_title_after_messages_came(store: ThreadStore) -> None:
    await titled(store, t="fox")
    for _ in range(3):
        await store.add_message("t", said("hello"))
    assert await by_title(store, "fox") == await by_content(store, "hello") == ["t"]


async def test_search_finds_what_many_wrote_at_once(store: ThreadStore) -> None:
    await store.save(Thread(id="t"))
    await asyncio.gather(*(store.add_message("t", said(f"word{number}")) for number in range(20)))
    assert [await by_content(store, f"word{number}") for number in range(20)] == [["t"]] * 20


async def test_search_finds_a_recorded_message_and_its_title(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, "fox", title="wolf")
    assert await by_content(store, "fox") == await by_title(store, "wolf") == [kept.thread_id]


async def test_search_sees_a_recorded_edit(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, "old")
    await provider.record_edit(external(1), "new", at(9))
    assert [await by_content(store, word) for word in ("old", "new")] == [[], [kept.thread_id]]


async def test_search_keeps_to_the_later_edit(store: ThreadStore, provider: StorageProvider) -> None:
    kept = await recorded(provider, 1, "first")
    await provider.record_edit(external(1), "later", at(9))
    await provider.record_edit(external(1), "earlier", at(8))
    words = ("first", "earlier", "later")
    assert [await by_content(store, word) for word in words] == [[], [], [kept.thread_id]]


async def test_search_sees_an_edit_that_came_before_its_message(store: ThreadStore, provider: StorageProvider) -> None:
    await provider.record_edit(external(1), "new", at(9))
    kept = await recorded(provider, 1, "old")
    assert [await by_content(store, word) for word in ("old", "new")] == [[], [kept.thread_id]]
    assert [await by_content(store, word, substring=True) for word in ("old", "ew")] == [[], [kept.thread_id]]


async def test_search_sees_a_deletion_that_came_before_its_message(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await provider.record_deletion(external(1), at(9))
    await recorded(provider, 1, "fox")
    assert await by_content(store, "fox") == await by_content(store, "fo", substring=True) == []


async def test_search_sees_a_recorded_deletion(store: ThreadStore, provider: StorageProvider) -> None:
    await recorded(provider, 1, "fox")
    await provider.record_deletion(external(1), at(9))
    assert await by_content(store, "fox") == []


async def test_search_finds_an_answer_from_its_sending_on(store: ThreadStore, provider: StorageProvider) -> None:
    answer = await asked(provider)
    (part,) = await begun(provider, await taken(provider), "a lazy fox")
    assert await by_content(store, "lazy fox") == [answer.thread_id]
    await provider.mark_sent(answer.id, "one", part.number, external("sent"))
    assert await by_content(store, "lazy fox") == await by_content(store, "azy f", substring=True) == [answer.thread_id]


async def test_search_sees_an_edit_that_waited_for_an_answer(store: ThreadStore, provider: StorageProvider) -> None:
    answer = await asked(provider)
    (part,) = await begun(provider, await taken(provider), "old")
    await provider.record_edit(external("sent"), "new", at(10**9))
    await provider.mark_sent(answer.id, "one", part.number, external("sent"))
    assert [await by_content(store, word) for word in ("old", "new")] == [[], [answer.thread_id]]


async def test_search_leaves_updated_at_alone(store: ThreadStore, provider: StorageProvider) -> None:
    await saying(store, t="fox")
    before = await got(provider, "t")
    await store.search_threads("fox")
    assert await got(provider, "t") == before
