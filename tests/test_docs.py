"""The documents say what is there: calls, links, and code that runs."""

import asyncio
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from backscroll import ThreadStore

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def code_blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def test_storage_document_names_each_call() -> None:
    text = (ROOT / "docs/storage.md").read_text()
    calls = [name for name, _ in inspect.getmembers(ThreadStore) if not name.startswith("_")]

    assert [name for name in calls if not re.search(rf"`(\w+\.)?{name}[`(]", text)] == []


def test_storage_document_names_no_call_that_is_not_there() -> None:
    text = (ROOT / "docs/storage.md").read_text()
    named = set(re.findall(r"`([a-z_]+)\(", text))

    assert [name for name in named if not hasattr(ThreadStore, name)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())

    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_readme_code_for_the_store_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = (block for block in code_blocks("README.md") if "ThreadStore(" in block)
    imports, _, body = code.partition("\n\n")
    names: dict[str, object] = {}
    program = f"{imports}\nasync def main():\n{textwrap.indent(body, '    ')}\n    return found, page\n"
    exec(program, names)  # the README's own code
    main = names["main"]
    assert inspect.iscoroutinefunction(main)

    found, page = asyncio.run(main())

    assert [len(found), len(page)] == [1, 1]


def test_readme_handler_answers(tmp_path: Path) -> None:
    handler = next(block for block in code_blocks("README.md") if "async def answer" in block)
    names: dict[str, object] = {}
    exec(handler, names)  # the README's own code

    assert inspect.iscoroutinefunction(names["answer"])
