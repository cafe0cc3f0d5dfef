"""Searches find the same on every backend, whatever is searched; and what databases hold of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from backscroll.storage.models import Thread
from backscroll.storage.sql import Provider as SqlProvider
from backscroll.storage.sql.tables import messages
from backscroll.storage.store import ThreadStore
from backscroll.testing.provider_contract.samples import said
from backscroll.testing.provider_contract.searching import anywhere, by_content, by_title
from tests.contract.conftest import Opener

PIECES = ["fox", "Fox", "fo", "x", " ", "-", "_", "%", '"', "'", "\\", "*", "日本", "本", "語", "ー", "カ", "ｶﾞ", "が"]
PIECES += [
    "한국",
    "어",
    "ไทย",
    "หิน",
    "हिन्दी",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "İ",
    "i",
    "ς",
    "Σ",
    "👍",
    "🏽",
    "👩‍👩‍👧",
    "🇩🇪",
    "🇫",
]
PIECES += [
    "\x00",
    "\ud83d",
    "\u200d",
    "ﷺ",
    "ﬁ",
    "²",
    "２",
    "ѐ",
    "שָׁ",
    "قَ",
    "¤",
    "\uffff",
    "\ufeff",
    "\U0001f1e9",
    "a" * 70,
]
SAMPLES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.text(max_size=8))
COMPARED = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def stores(open_memory: Opener, open_sqlite_file: Opener, open_postgres: Opener) -> Iterator[Any]:
    """Give a call that does something with a store on each backend, and returns what all of them gave."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_all() -> dict[str, ThreadStore]:
            openers = {"memory": open_memory, "sqlite": open_sqlite_file, "postgres": open_postgres}
            return {
                name: ThreadStore(provider=await stack.enter_async_context(opener()))
                for name, opener in openers.items()
            }

        kept = runner.run(open_all())

        def do(call: Callable[[ThreadStore], Awaitable[Any]]) -> Any:
            async def compare() -> Any:
                outcomes = {name: await call(each) for name, each in kept.items()}
                wanted = outcomes["memory"]
                assert outcomes == dict.fromkeys(outcomes, wanted)
                return wanted

            return runner.run(compare())

        try:
            yield do
        finally:
            runner.run(stack.aclose())


@COMPARED
@given(texts=st.lists(SAMPLES, min_size=1, max_size=3), queries=st.lists(SAMPLES, min_size=1, max_size=4))
def test_search_finds_the_same_everywhere(stores: Any, texts: list[str], queries: list[str]) -> None:
    first = Thread().id

    async def search(store: ThreadStore) -> Any:
        for number, text in enumerate(texts):
            message = said(text, id=f"{first} m{number}")
            await store.save(Thread(id=f"{first} {number}", title=texts[-1 - number], messages=[message]))
        await store.edit_message(f"{first} m0", queries[0])
        found: list[Any] = []
        for query in [*queries, *texts]:
            for substring in (False, True):
                options: dict[str, Any] = {"limit": 9_999, "substring": substring, "with_messages": False}
                found.append(await by_title(store, query, **options))
                found.append(await by_content(store, query, **options))
                page, total = await anywhere(store, query, **options)
                assert len(page) == total
                found.append(page)
        return found

    stores(search)


@pytest.mark.parametrize("backend", ["sqlite_memory", "postgres"])
async def test_delete_message_leaves_no_text_to_search_in(request: pytest.FixtureRequest, backend: str) -> None:
    opener: Opener = request.getfixturevalue(f"open_{backend}")
    async with opener() as provider:
        assert isinstance(provider, SqlProvider)
        await ThreadStore(provider=provider).save(Thread(messages=[said("fox", id="m")]))
        columns = select(messages.c.search_text, messages.c.search_words)
        assert [tuple(row) for row in await provider.database.rows(columns)] == [("fox", "fox")]
        await provider.delete_message("m")
        assert [tuple(row) for row in await provider.database.rows(columns)] == [("", "")]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database that can be closed and opened again."""
    url: str = str(tmp_path / "threads.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return url


async def test_search_outlives_a_database_that_is_closed_and_opened(url: str) -> None:
    async with ThreadStore(url) as first:
        await first.save(Thread(id="t", title="fox", messages=[said("old", id="m")]))
    async with ThreadStore(url) as second:
        await second.edit_message("m", "wolf")
        assert [await by_title(second, "fox"), await by_content(second, "old")] == [["t"], []]
    async with ThreadStore(url) as third:
        assert await by_content(third, "wolf") == await by_content(third, "olf", substring=True) == ["t"]
