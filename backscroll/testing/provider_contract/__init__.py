"""The contract of storage, as tests for a provider of your own. Needs the extra `testing`.

    from backscroll.testing.provider_contract import *

    @pytest.fixture
    def new_provider(tmp_path):
        return Provider(tmp_path / "kept.db")

Each claim gets what `new_provider` gives, which must be empty; it is initialized before the claim and closed after it.
Every module here has the claims for one noun. They run under any mode of pytest-asyncio. They are proved by
`tests/contract/`, where they run on every provider of ours, and by `tests/test_writing_a_provider.py`.
"""

import importlib
import inspect
from typing import Any

import pytest

NOUNS = (
    "primitives",  # first: whoever stops at the first claim that does not hold begins with these
    "agent_threads",
    "aliases",
    "answers",
    "approvals",
    "archives",
    "arrivals",
    "blocks",
    "by_platform",
    "changed_places",
    "checkpoints",
    "conversations",
    "delete_many",
    "deleted_posts",
    "early",
    "echoes",
    "export",
    "feedback",
    "fetched_files",
    "files",
    "find",
    "find_messages",
    "forgetting",
    "forks",
    "growing",
    "lineage",
    "loose",
    "merged_answers",
    "merging",
    "messages",
    "permalinks",
    "places",
    "posts",
    "reactions",
    "record",
    "rejected",
    "retrying",
    "save",
    "search",
    "search_changes",
    "search_pattern",
    "sending",
    "states",
    "stats",
    "threads",
    "tool_calls",
)
FIXTURES = ("clock", "opening")
HELPERS = ("corpus", "samples", "searching")

_FIXTURE = type(pytest.fixture(lambda: None))

# So that a claim that does not hold shows the values, as a test of one's own does.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in (*NOUNS, *FIXTURES, *HELPERS)))

__all__: list[str] = []  # the claims, and the fixtures that they need


def _show(module: Any) -> None:
    """Make what a module has for pytest visible here, each claim with the marks that it needs anywhere."""
    marks = getattr(module, "pytestmark", [])
    marks = marks if isinstance(marks, list) else [marks]
    for name, found in list(vars(module).items()):
        is_claim = name.startswith("test_") and getattr(found, "__module__", None) == module.__name__
        if not is_claim and not isinstance(found, _FIXTURE):
            continue
        if globals().get(name, found) is not found:
            raise RuntimeError(f"{module.__name__}.{name} has the name of another one.")
        for mark in marks if is_claim else ():
            mark(found)
        if is_claim and inspect.iscoroutinefunction(found):
            pytest.mark.asyncio(loop_scope="function")(found)
        globals()[name] = found
        __all__.append(name)  # noqa: PYI056  # they are found, not written down


for _name in (*FIXTURES, *NOUNS):
    _show(importlib.import_module(f"{__name__}.{_name}"))
