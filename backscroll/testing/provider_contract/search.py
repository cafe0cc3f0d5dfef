"""Claims for searches in titles and contents: what is found, in which order, and the same on every backend."""

import random
from typing import Any

import pytest

from backscroll.storage.models import Message, Thread
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.clock import SetUpdatedAt
from backscroll.testing.provider_contract.corpus import PARTS, TEXTS, WORDS
from backscroll.testing.provider_contract.samples import at, said
from backscroll.testing.provider_contract.searching import anywhere, by_content, by_title, saying, titled


async def test_search_finds_the_words_of_the_corpus(store: ThreadStore) -> None:
    await keep_corpus(store)
    for query, names in WORDS.items():
        wanted = sorted(names.split())
        assert (query, sorted(await by_title(store, query))) == (query, wanted)
        assert (query, sorted(await by_content(store, query))) == (query, wanted)


async def test_search_finds_the_parts_of_the_corpus(store: ThreadStore) -> None:
    await keep_corpus(store)
    for query, names in PARTS.items():
        wanted = sorted(names.split())
        assert (query, sorted(await by_title(store, query, substring=True))) == (query, wanted)
        assert (query, sorted(await by_content(store, query, substring=True))) == (query, wanted)


async def keep_corpus(store: ThreadStore) -> None:
    for name, text in TEXTS.items():
        await store.save(Thread(id=name, title=text, messages=[said(text)]))


async def test_search_finds_each_text_of_the_corpus_by_itself(store: ThreadStore) -> None:
    await keep_corpus(store)
    for name, text in TEXTS.items():
        assert name in await by_content(store, text), name
        assert name in await by_content(store, text, substring=True), name


async def test_search_by_content_wants_all_words_in_any_order(store: ThreadStore) -> None:
    await saying(store, both="the lazy fox", one="the fox")
    assert await by_content(store, "FOX Lazy") == ["both"]


async def test_search_by_content_wants_whole_words(store: ThreadStore) -> None:
    await saying(store, whole="deploy", longer="deployment")
    assert await by_content(store, "deploy") == ["whole"]


async def test_search_by_content_wants_all_words_in_one_message(store: ThreadStore) -> None:
    await store.save(Thread(id="spread", messages=[said("fox"), said("lazy")]))
    await store.save(Thread(id="whole", messages=[said("other"), said("lazy fox")]))
    assert await by_content(store, "lazy fox") == ["whole"]


async def test_search_threads_wants_all_words_in_one_text(store: ThreadStore) -> None:
    await store.save(Thread(id="spread", title="fox", messages=[said("lazy")]))
    assert await anywhere(store, "lazy fox") == ([], 0)


async def test_search_by_content_wants_a_part_in_one_message(store: ThreadStore) -> None:
    await store.save(Thread(id="spread", messages=[said("lazy"), said("fox")]))
    assert await by_content(store, "yfo", substring=True) == []


async def test_search_by_title_looks_at_titles_alone(store: ThreadStore) -> None:
    await store.save(Thread(id="title", title="fox"))
    await store.save(Thread(id="content", messages=[said("fox")]))
    assert await by_title(store, "fox") == await by_title(store, "fo", substring=True) == ["title"]


async def test_search_by_content_looks_at_contents_alone(store: ThreadStore) -> None:
    await store.save(Thread(id="title", title="fox"))
    await store.save(Thread(id="content", messages=[said("fox")]))
    assert await by_content(store, "fox") == await by_content(store, "fo", substring=True) == ["content"]


async def test_search_looks_at_nothing_but_titles_and_contents(store: ThreadStore) -> None:
    beside = {"name": "fox", "attributes": {"fox": "fox"}, "metrics": {"fox": 1}, "source": {"fox": "fox"}}
    message = said("hello", platforms={"fox": {"fox": "fox"}}, tool_calls=[{"fox": 1}], **beside)
    await store.save(Thread(id="fox", user_id="fox", agent_name="fox", attributes={"a": "fox"}, messages=[message]))
    assert await anywhere(store, "fox") == await anywhere(store, "fox", substring=True) == ([], 0)


async def test_search_by_content_finds_texts_of_blocks(store: ThreadStore) -> None:
    blocks = [{"type": "text", "text": "lazy"}, {"type": "image", "url": "wolf"}, {"type": "text", "text": "fox"}]
    await store.save(Thread(id="t", messages=[Message(role="user", content=blocks)]))
    queries = ["lazy", "fox", "lazy fox", "wolf", "text"]
    assert [await by_content(store, query) for query in queries] == [["t"], ["t"], ["t"], [], []]
    assert [await by_content(store, query, substring=True) for query in ("az", "wolf")] == [["t"], []]


async def test_search_finds_messages_of_every_role(store: ThreadStore) -> None:
    for role in ("user", "assistant", "tool"):
        await store.save(Thread.model_validate({"id": role, "messages": [{"role": role, "content": "fox"}]}))
    assert await by_content(store, "fox") == ["tool", "assistant", "user"]


async def test_search_finds_words_up_to_their_64th_character(store: ThreadStore) -> None:
    await saying(store, long="x" * 64 + "abc", short="x" * 63)
    assert await by_content(store, "x" * 64) == await by_content(store, "x" * 64 + "other") == ["long"]
    assert await by_content(store, "x" * 63) == ["short"]
    assert await by_content(store, "x" * 65, substring=True) == []


async def test_search_looks_at_the_first_100000_characters(store: ThreadStore) -> None:
    await saying(store, t="before" + " " * 99_988 + "last after")
    for query, found in (("before", ["t"]), ("last", ["t"]), ("after", [])):
        assert await by_content(store, query) == await by_content(store, query, substring=True) == found


async def test_search_by_title_looks_at_the_first_100000_characters(store: ThreadStore) -> None:
    await titled(store, t="before" + " " * 99_994 + "after")
    assert [await by_title(store, "before"), await by_title(store, "after")] == [["t"], []]


async def test_search_takes_texts_full_of_different_words(store: ThreadStore) -> None:
    words = [f"word{number}" for number in range(9_000)]
    await saying(store, t=" ".join(words))
    assert await by_content(store, " ".join(words[::9])) == ["t"]
    assert await by_content(store, " ".join([*words[::9], "absent"])) == []


async def test_search_takes_a_query_as_long_as_any_text(store: ThreadStore) -> None:
    text = " ".join(f"{number:x}" for number in range(1, 20_000))
    await saying(store, t=text, other="1")
    assert await by_content(store, text) == await by_content(store, text, substring=True) == ["t"]


async def test_search_takes_a_text_that_no_index_can_shorten(store: ThreadStore) -> None:
    odd = random.Random(5)
    text = "".join(chr(odd.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    await saying(store, t=text)
    assert await by_content(store, text[9_000:9_050]) == await by_content(store, text[9_000], substring=True) == ["t"]


SYNTAX = ['"', '""', "*", "%", "_", "\\", "\\\\", "'", "''", ":", "-", "(", ")", "()", "^", "+", "{", "}", "[", "]"]
SYNTAX += [".", "?", "$", "|", "&", "!", "~", "@", "/", "//", ";", "--", ",", "<->", "#", "=", "\n", "\t", "&&", "||"]


async def test_search_without_a_word_finds_nothing(store: ThreadStore) -> None:
    await saying(store, t="".join(SYNTAX) + " word")
    for query in ["", " ", "\n", "¤", "\u200d", *SYNTAX]:
        assert await by_content(store, query) == [], query
        assert await by_title(store, query) == [], query
        assert await anywhere(store, query) == ([], 0), query


async def test_search_for_an_empty_part_finds_nothing(store: ThreadStore) -> None:
    await saying(store, t="word")
    for query in ["", "\u200d", "\u0301"]:
        assert await by_content(store, query, substring=True) == []
        assert await anywhere(store, query, substring=True) == ([], 0)


async def test_search_takes_signs_in_a_part_as_they_stand(store: ThreadStore) -> None:
    for number, sign in enumerate(SYNTAX):
        await store.save(Thread(id=str(number), messages=[said(f"a {sign} b")]))
    await saying(store, plain="a x b")
    for number, sign in enumerate(SYNTAX):
        assert await by_content(store, f"a {sign} b", substring=True, limit=99) == [str(number)], sign
        found = [str(other) for other, text in enumerate(SYNTAX) if sign in f"a {text} b"]
        assert await by_content(store, sign, substring=True, limit=99) == found[::-1], sign


async def test_search_takes_signs_between_words_for_spaces(store: ThreadStore) -> None:
    await saying(store, both="alpha beta", alpha="alpha", beta="beta")
    for sign in SYNTAX:
        assert await by_content(store, f"{sign}alpha{sign}beta{sign}") == ["both"], sign


async def test_search_takes_operators_for_words(store: ThreadStore) -> None:
    await saying(store, alpha="alpha", beta="beta", both="alpha beta", near="alpha near beta", column="search words")
    wanted: dict[str, list[str]] = {
        "alpha OR beta": [],
        "alpha NOT beta": [],
        "alpha AND beta": [],
        "NEAR(alpha beta)": ["near"],
        "alp*": [],
        "^alpha": ["near", "both", "alpha"],
        '"beta alpha"': ["near", "both"],
        "search_words:alpha": [],
        "{search_words}: alpha": [],
        "-beta alpha": ["near", "both"],
        "alpha | beta": ["near", "both"],
        "alpha & !beta": ["near", "both"],
    }
    assert {query: await by_content(store, query) for query in wanted} == wanted


async def test_search_finds_operators_that_were_written(store: ThreadStore) -> None:
    await saying(store, t="this AND that OR NOT near")
    assert [await by_content(store, word) for word in ("and", "OR", "not", "NEAR")] == [["t"]] * 4


@pytest.mark.parametrize("odd", ["\x00", "\ud83d", "a\x00b", "\udc00\ud800"])
async def test_search_takes_what_cannot_be_stored_as_it_is_stored(store: ThreadStore, odd: str) -> None:
    await saying(store, t=f"left{odd}right", other="left right")
    assert await by_content(store, f"left{odd}right", substring=True) == ["t"]
    assert "t" in await by_content(store, f"left{odd}right")


async def test_search_refuses_what_is_no_text(store: ThreadStore) -> None:
    refused: list[Any] = [None, 5, b"word", ["word"]]
    for query in refused:
        for find in (store.search_by_title, store.search_by_content, store.search_threads):
            with pytest.raises(ValueError, match="a query is a text"):
                await find(query)
            with pytest.raises(ValueError, match="a query is a text"):
                await find(query, substring=True)


async def test_search_gives_the_newest_first(store: ThreadStore) -> None:
    await titled(store, a="fox", c="fox", b="fox")
    await store.add_message("c", said("fox"))
    assert await by_title(store, "fox") == ["c", "b", "a"]


async def test_search_by_content_gives_the_newest_thread_first(store: ThreadStore) -> None:
    await saying(store, a="fox", c="fox", b="fox")
    await store.add_message("a", said("no more of it"))
    assert await by_content(store, "fox") == await by_content(store, "fo", substring=True) == ["a", "b", "c"]


async def test_search_orders_threads_of_one_instant_by_id(store: ThreadStore, set_updated_at: SetUpdatedAt) -> None:
    for name in ("b", "a", "C", "ä"):
        await store.save(Thread(id=name, title="fox", messages=[said("fox")]))
        await set_updated_at(name, at(0))
    assert await by_title(store, "fox") == await by_content(store, "fox") == ["ä", "b", "a", "C"]
    assert await anywhere(store, "fox") == (["ä", "b", "a", "C"], 4)


async def test_search_threads_gives_titles_before_contents(store: ThreadStore) -> None:
    await titled(store, title1="fox", title2="fox")
    await saying(store, content1="fox", content2="fox")
    assert await anywhere(store, "fox") == (["title2", "title1", "content2", "content1"], 4)
    assert await anywhere(store, "fo", substring=True) == (["title2", "title1", "content2", "content1"], 4)


async def test_search_threads_gives_a_thread_once(store: ThreadStore) -> None:
    await store.save(Thread(id="both", title="fox", messages=[said("fox"), said("a fox")]))
    await store.save(Thread(id="content", messages=[said("fox"), said("a fox")]))
    assert await anywhere(store, "fox") == (["both", "content"], 2)


async def test_search_threads_gives_pages_that_make_up_the_whole(store: ThreadStore) -> None:
    for number in range(7):
        await store.save(Thread(id=str(number), title="fox" if number % 2 else "", messages=[said("fox")]))
    pages = [await anywhere(store, "fox", 3, offset) for offset in (0, 3, 6)]
    assert [name for page, _ in pages for name in page] == ["5", "3", "1", "6", "4", "2", "0"]
    assert [len(page) for page, _ in pages] == [3, 3, 1]


async def test_search_threads_counts_all_that_fit_whatever_the_page(store: ThreadStore) -> None:
    for number in range(4):
        await store.save(Thread(title="fox" if number % 2 else "other", messages=[said("fox")]))
    pages = [(1, 0), (2, 2), (4, 0), (4, 4), (20, 3), (20, 4), (1, 99), (2**63 - 1, 0), (2**63 - 1, 2**63 - 1)]
    assert [(await anywhere(store, "fox", *page))[1] for page in pages] == [4] * len(pages)


async def test_search_gives_20_without_a_limit(store: ThreadStore) -> None:
    for _ in range(21):
        await store.save(Thread(title="fox", messages=[said("fox")]))
    assert len(await by_title(store, "fox")) == len(await by_content(store, "fox")) == 20
    found, total = await anywhere(store, "fox")
    assert (len(found), total) == (20, 21)


async def test_search_gives_no_more_than_the_limit(store: ThreadStore) -> None:
    await saying(store, a="fox", b="fox", c="fox")
    assert (
        await by_content(store, "fox", limit=2) == await by_content(store, "f", limit=2, substring=True) == ["c", "b"]
    )


@pytest.mark.parametrize("query", ["fox", ""])
async def test_search_refuses_what_is_no_limit(store: ThreadStore, query: str) -> None:
    refused: list[Any] = [0, -1, True, 2**63, 1.5, "1", None]
    for limit in refused:
        for find in (store.search_by_title, store.search_by_content, store.search_threads):
            with pytest.raises(ValueError, match="limit is a whole number"):
                await find(query, limit)


async def test_search_threads_refuses_what_is_no_offset(store: ThreadStore) -> None:
    refused: list[Any] = [-1, True, 2**63, 1.5, "1", None]
    for offset in refused:
        with pytest.raises(ValueError, match="offset is a whole number"):
            await store.search_threads("fox", 1, offset)


async def test_search_of_an_empty_store_finds_nothing(store: ThreadStore) -> None:
    assert [await by_title(store, "a"), await by_content(store, "a")] == [[], []]
    assert await anywhere(store, "a", 1, 1, substring=True) == ([], 0)


async def test_search_gives_threads_as_get_does(store: ThreadStore) -> None:
    first = said("one", reactions={"+1": ["U1"]}, attachments=[{"name": "a.txt"}])
    await store.save(Thread(id="t", title="fox", attributes={"a": 1}, messages=[first, said("fox")]))
    thread = await store.get("t")
    assert await store.search_by_title("fox") == await store.search_by_content("fox") == [thread]
    assert await store.search_threads("fox") == ([thread], 1)


async def test_search_leaves_messages_out_when_told(store: ThreadStore) -> None:
    await store.save(Thread(id="t", title="fox", messages=[said("fox")]))
    found = await store.search_by_title("fox", with_messages=False)
    found += await store.search_by_content("fox", with_messages=False)
    found += (await store.search_threads("fo", substring=True, with_messages=False))[0]
    assert [(thread.id, thread.messages) for thread in found] == [("t", [])] * 3


async def test_save_of_a_thread_found_without_messages_keeps_them(store: ThreadStore) -> None:
    await store.save(Thread(id="t", messages=[said("fox")]))
    (found,) = await store.search_by_content("fox", with_messages=False)
    found.title = "New"
    await store.save(found)
    assert await by_content(store, "fox") == await by_title(store, "new") == ["t"]
