"""Claims for searches by regex: tried on what was written, message by message, and never for long."""

import asyncio
import traceback
from typing import Any

import pytest

from backscroll.errors import SearchTimeoutError
from backscroll.storage import search
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.clock import SetUpdatedAt
from backscroll.testing.provider_contract.samples import asked, at, begun, recorded, said, taken
from backscroll.testing.provider_contract.searching import saying

SECRET = "sec" + "ret"


async def matching(store: ThreadStore, pattern: str, **options: Any) -> list[str]:
    return [thread.id for thread in await store.search_by_content(pattern, regex=True, **options)]


async def test_search_pattern_finds_what_it_fits(store: ThreadStore) -> None:
    await saying(store, high="Priority: very HIGH", low="priority: low", swapped="high priority")
    assert await matching(store, r"priority.*high") == ["high"]


async def test_search_pattern_is_tried_anywhere_in_a_text(store: ThreadStore) -> None:
    await saying(store, start="fox here", middle="a foxtrot", end="the fox", none="f o x")
    assert await matching(store, "fox") == ["end", "middle", "start"]


async def test_search_pattern_anchors_to_the_whole_text(store: ThreadStore) -> None:
    await saying(store, first="fox\nwolf", second="wolf\nfox")
    assert [await matching(store, each) for each in ("^fox", "fox$", "(?m)^fox")] == [
        ["first"],
        ["second"],
        ["second", "first"],
    ]


async def test_search_pattern_keeps_a_dot_to_one_line(store: ThreadStore) -> None:
    await saying(store, one="lazy fox", two="lazy\nfox")
    assert await matching(store, "lazy.fox") == ["one"]
    assert await matching(store, "(?s)lazy.fox") == ["two", "one"]


async def test_search_pattern_is_tried_on_the_text_as_it_was_written(store: ThreadStore) -> None:
    await saying(store, accent="Crème", decomposed="Cre\u0300me", plain="creme", sign="a_b %")
    assert [await matching(store, each) for each in ("^CRÈME$", "^creme$", "a_b %$")] == [
        ["accent"],
        ["plain"],
        ["sign"],
    ]


async def test_search_pattern_speaks_the_language_of_re2(store: ThreadStore) -> None:
    await saying(store, han="東京 42", lines="one\ntwo", other="none")
    patterns = [r"\p{Han}+\s\d\d", r"(?m)^two$", r"^two$", r"(?-i)NONE", r"\bno\pL{2}\b"]
    found = [await matching(store, each) for each in patterns]
    assert found == [["han"], ["lines"], [], [], ["other"]]


@pytest.mark.parametrize("pattern", [r"(a)\1", "no(?=ne)", "(?<!a)b"])
async def test_search_pattern_refuses_what_re2_cannot(store: ThreadStore, pattern: str) -> None:
    with pytest.raises(ValueError, match="the pattern cannot be read"):
        await matching(store, pattern)


async def test_search_pattern_takes_signs_of_databases_as_they_stand(store: ThreadStore) -> None:
    await saying(store, t="100% a_b 'q' \"d\" \\ : ;--")
    for pattern in ("100%", "a_b", "'q'", '"d"', r"\\", ":", ";--$"):
        assert await matching(store, pattern) == ["t"], pattern
    assert await matching(store, "1_0%") == []


async def test_search_pattern_takes_what_cannot_be_stored_as_it_is_stored(store: ThreadStore) -> None:
    await saying(store, t="a\x00b\ud83dc")
    assert await matching(store, "a\x00b\ud83dc") == ["t"]


async def test_search_pattern_wants_its_match_in_one_message(store: ThreadStore) -> None:
    await store.save(Thread(id="spread", messages=[said("lazy"), said("fox")]))
    assert await matching(store, r"lazy[\s\S]*fox") == []


async def test_search_pattern_finds_texts_of_blocks(store: ThreadStore) -> None:
    blocks = [{"type": "text", "text": "lazy"}, {"type": "image", "url": "wolf"}, {"type": "text", "text": "fox"}]
    await store.save(Thread(id="t", messages=[Message(role="user", content=blocks)]))
    assert [await matching(store, each) for each in ("lazy\nfox", "wolf")] == [["t"], []]


async def test_search_pattern_looks_at_contents_alone(store: ThreadStore) -> None:
    await store.save(Thread(id="t", title="fox", messages=[said("wolf", name="fox")]))
    assert await matching(store, "fox") == []


async def test_search_pattern_looks_at_the_first_100000_characters(store: ThreadStore) -> None:
    await saying(store, t="🚀" * 99_996 + "last after")
    assert [await matching(store, each) for each in ("last$", "last", "after")] == [["t"], ["t"], []]


async def test_search_pattern_finds_no_tombstone(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("fox", id="m")]))
    await store.delete_message("m")
    assert await matching(store, "fox") == await matching(store, "^$") == []


async def test_search_pattern_sees_an_edit(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("old", id="m")]))
    await store.edit_message("m", "new")
    assert [await matching(store, each) for each in ("old", "new")] == [[], ["t"]]


async def test_search_pattern_finds_what_came_from_outside_and_answers(
    store: ThreadStore, provider: StorageProvider
) -> None:
    await asked(provider)
    kept = await recorded(provider, 2, "question")
    await begun(provider, await taken(provider), "a lazy answer")
    assert await matching(store, "^quest") == await matching(store, "lazy answer$") == [kept.thread_id]


async def test_search_pattern_gives_the_newest_thread_first(store: ThreadStore) -> None:
    await saying(store, a="fox", c="fox", b="fox")
    await store.add_message("a", said("no more of it"))
    assert await matching(store, "fox") == ["a", "b", "c"]


async def test_search_pattern_orders_threads_of_one_instant_by_id(
    store: ThreadStore, set_updated_at: SetUpdatedAt
) -> None:
    await saying(store, b="fox", a="fox", C="fox")
    for name in ("b", "a", "C"):
        await set_updated_at(name, at(0))
    assert await matching(store, "fox") == ["b", "a", "C"]


async def test_search_pattern_gives_no_more_than_the_limit(store: ThreadStore) -> None:
    for _ in range(21):
        await store.save(Thread(messages=[said("fox"), said("fox")]))
    assert len(await matching(store, "fox")) == 20
    assert len(await matching(store, "fox", limit=2)) == 2
    assert len(await matching(store, "fox", limit=99)) == 21


async def test_search_pattern_reads_on_until_the_last_thread(store: ThreadStore) -> None:
    await saying(store, oldest="a fox")
    await asyncio.gather(*(store.save(Thread(messages=[said("wolf")])) for _ in range(205)))
    assert await matching(store, "fox") == ["oldest"]
    assert len(set(await matching(store, "o", limit=999))) == 206


async def test_search_pattern_reads_on_until_the_last_message(store: ThreadStore) -> None:
    long = [said(f"wolf {number}") for number in range(450)]
    await store.save(Thread(id="long", messages=[*long, said("a fox")]))
    await store.save(Thread(id="longer", messages=[said(f"wolf {number}") for number in range(450)]))
    assert await matching(store, "fox") == ["long"]


async def test_search_pattern_gives_threads_as_get_does(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("one", reactions={"+1": ["U1"]}), said("fox")]))
    assert await store.search_by_content("fox", regex=True) == [await store.get("t")]


async def test_search_pattern_leaves_messages_out_when_told(store: ThreadStore) -> None:
    await saying(store, t="fox")
    (found,) = await store.search_by_content("fox", regex=True, with_messages=False)
    assert (found.id, found.messages) == ("t", [])


async def test_search_pattern_that_is_empty_finds_nothing(store: ThreadStore) -> None:
    await saying(store, t="fox", empty="")
    assert await matching(store, "") == []


BAD = ["(", ")", "[", "*", "a{2,1}", "\\", "(?P<a", r"\k<none>", r"\p{NoSuchThing}", "(?<=", "(?V0)(?V1)", "(?L)(?a)"]


@pytest.mark.parametrize("pattern", BAD)
async def test_search_pattern_refuses_what_cannot_be_read(pattern: str) -> None:
    async with ThreadStore() as store:
        with pytest.raises(ValueError, match=r"^the pattern cannot be read|mutually incompatible$"):
            await store.search_by_content(pattern, regex=True)


async def test_search_pattern_keeps_a_bad_pattern_out_of_its_error(store: ThreadStore) -> None:
    bad = "secret("
    with pytest.raises(ValueError, match="cannot be read") as caught:
        await store.search_by_content(bad, regex=True)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_search_pattern_takes_1000_characters(store: ThreadStore) -> None:
    await saying(store, t="x" * 1_000)
    assert await matching(store, "x" * 1_000) == ["t"]
    with pytest.raises(ValueError, match="1000 characters at most, got 1001"):
        await matching(store, "x" * 1_001)


async def test_search_pattern_refuses_a_part_beside_it(store: ThreadStore) -> None:
    for query in ("fox", ""):
        with pytest.raises(ValueError, match="regex or by substring"):
            await store.search_by_content(query, regex=True, substring=True)


async def test_search_pattern_refuses_what_is_no_text(store: ThreadStore) -> None:
    refused: list[Any] = [None, 5, b"fox"]
    for query in refused:
        with pytest.raises(ValueError, match="a query is a text"):
            await store.search_by_content(query, regex=True)


@pytest.mark.parametrize("pattern", ["fox", ""])
async def test_search_pattern_refuses_what_is_no_limit(store: ThreadStore, pattern: str) -> None:
    refused: list[Any] = [0, -1, True, 2**63, 1.5, "1", None]
    for limit in refused:
        with pytest.raises(ValueError, match="limit is a whole number"):
            await store.search_by_content(pattern, limit, regex=True)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+$b", "(x+x+)+y", "(((a*)*)*)*b", "(.*)(.*)(.*)(.*)[^a]"])
async def test_search_pattern_that_explodes_elsewhere_is_done_while_all_goes_on(
    store: ThreadStore, pattern: str
) -> None:
    await saying(store, t="a" * 50_000)
    searching = asyncio.create_task(store.search_by_content(pattern, regex=True))
    async with asyncio.timeout(10):
        while not searching.done():
            assert await store.get("unknown") is None
            await asyncio.sleep(0)
    assert [thread.id for thread in await searching] == []


async def test_search_pattern_tells_neither_pattern_nor_text(
    store: ThreadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "time", Clock(step_s=20))
    await saying(store, t="aaa")
    with pytest.raises(SearchTimeoutError, match="after 5 s") as caught:
        await matching(store, SECRET + "|a+")
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value)
    assert SECRET not in told
    assert "aaa" not in told
    with pytest.raises(ValueError, match="the pattern cannot be read") as refused:
        await matching(store, SECRET + "(")
    assert SECRET not in repr(refused.value)


async def test_search_pattern_is_stopped_by_one_clock_for_all_texts(
    store: ThreadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await saying(store, a="a", b="a", c="a")
    monkeypatch.setattr(search, "time", Clock(step_s=2))
    with pytest.raises(SearchTimeoutError):
        await matching(store, "b")


class Clock:
    """A clock on which every look takes so many seconds."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._now_s = 0.0

    def monotonic(self) -> float:
        self._now_s += self._step_s
        return self._now_s
