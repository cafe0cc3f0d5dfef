"""`backscroll html` writes what it is asked for as one page, and nothing where there is nothing."""

import asyncio
import stat
from pathlib import Path

import pytest

from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.store import ThreadStore
from tests.scenario.conftest import Call
from tests.scenario.program import Home

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def threads(home: Home) -> list[str]:
    """Keep two threads, and give their ids."""

    async def keep() -> list[str]:
        async with ThreadStore(home.sqlite_url) as store:
            kept = []
            for title, text in (("Launch", "is the <b>rocket</b> ready?"), ("Lunch", "pizza")):
                thread = Thread(title=title)
                file = Attachment(name="plan.png", type="image/png", content=PNG)
                thread.add_message(Message(role="user", content=text, source={"name": "anna"}, attachments=[file]))
                thread.add_message(Message(role="assistant", content=f"about {text}"))
                kept.append((await store.save(thread)).id)
            await store.save_thread_alias(kept[0], "launch")
            return kept

    return asyncio.run(keep())


def test_page_of_threads_is_written_for_its_owner_alone(threads: list[str], call: Call, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    told = call("html", "launch", threads[1], "-o", str(out))
    assert (told.code, told.out, told.err) == (0, "", "")
    page = out.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "is the &lt;b&gt;rocket&lt;/b&gt; ready?" in page
    assert page.index("rocket") < page.index("pizza")
    assert "<img" not in page
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_page_of_a_search_marks_what_was_looked_for(threads: list[str], call: Call) -> None:
    told = call("html", "--search", "ROCKET")
    assert told.code == 0
    assert told.out.count("<mark>rocket</mark>") == 2
    assert "pizza" not in told.out
    assert "Search: ROCKET" in told.out


def test_images_stand_in_the_page_where_they_are_wanted(threads: list[str], call: Call) -> None:
    assert 'src="data:image/png;base64,' in call("html", "launch", "--images").out


def test_file_that_is_there_is_replaced_by_force_alone(threads: list[str], call: Call, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert call("html", "launch", "-o", str(out)).code == 3
    assert out.read_text() == "mine"
    assert call("html", "launch", "-o", str(out), "--force").code == 0
    assert out.read_text("utf-8").startswith("<!doctype")


def test_what_is_not_found_writes_no_page(threads: list[str], call: Call, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    unknown, nothing = call("html", "nowhere", "-o", str(out)), call("html", "--search", "moon", "-o", str(out))
    assert (unknown.code, nothing.code) == (3, 3)
    assert nothing.err.startswith("Nothing that is kept fits; no page is written.\n")
    assert not out.exists()


@pytest.mark.parametrize("arguments", [[], ["launch", "--search", "rocket"], ["--search", "…"]])
def test_page_is_of_threads_or_of_a_search(home: Home, call: Call, arguments: list[str]) -> None:
    assert call("html", *arguments).code == 2
