"""The structure that README and docs/architecture.md promise, proved from the syntax trees."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "backscroll"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

# Who may import whom, besides itself. The package's own front page shows all of it.
ARROWS = {
    "errors": set(),
    "storage": {"errors"},
    "adapters": {"errors", "storage"},
    "integrations": {"errors", "storage"},
    "testing": {"errors"},
    "provider_contract": {"errors", "storage"},  # backscroll.testing.provider_contract: claims about storage
    "transfer": {"errors", "storage"},
    "bot": {"errors", "storage", "adapters", "testing"},  # `backscroll demo` plays on the stand-ins
    "cli": {"errors", "storage", "adapters", "bot", "transfer"},
}
# Where a library may be named at all, and nowhere else.
LIBRARIES = {
    "alembic": ["storage/sql/"],
    # The store has a property `engine`, whose type is SQLAlchemy's.
    "sqlalchemy": ["storage/sql/", "storage/store/opening.py"],
    "aiosqlite": ["storage/sql/"],
    "asyncpg": ["storage/sql/"],
    "redis": ["storage/redis/"],
    "regex": ["storage/search.py"],
    "aiohttp": ["adapters/slack/", "adapters/discord/", "adapters/downloads.py", "bot/watching/", "testing/"],
    "prometheus_client": ["bot/watching/"],
    "cryptography": ["adapters/slack/"],
    "slack_bolt": ["adapters/slack/"],
    "slack_sdk": ["adapters/slack/"],
    "discord": ["adapters/discord/"],
    "langgraph": ["integrations/langgraph.py"],
    "langchain_core": ["integrations/langgraph.py"],
    "agents": ["integrations/openai_agents.py"],
    "pytest": ["testing/provider_contract/"],
    "pytest_asyncio": ["testing/provider_contract/"],
    "yaml": ["bot/config/"],
    "typer": ["cli/"],
    "rich": ["cli/", "bot/demo/"],
}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return every module that a file imports, also inside functions and under TYPE_CHECKING."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names if f"{module}.{alias.name}" in MODULES)


def part_of(module: str) -> str:
    part, inner = [*module.split("."), "", ""][1:3]
    return inner if inner == "provider_contract" else part


def test_imports_follow_the_arrows() -> None:
    wrong = []
    for module, path in MODULES.items():
        part = part_of(module)
        # `python -m backscroll.bot` is the command line.
        allowed = set(ARROWS) if module.endswith(".__main__") else ARROWS.get(part, set(ARROWS)) | {part}
        inner = {name for name in imports_of(path) if name.startswith("backscroll.")}
        wrong += [f"{module} imports {name}" for name in inner if part_of(name) not in allowed]

    assert wrong == []


def test_imports_make_no_circle() -> None:
    # A module also needs its packages' __init__; these import what they show, so only what they import counts.
    graph = {
        module: {name for name in imports_of(path) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join((*way, module))
        if module not in done:
            for name in sorted(graph[module]):
                visit(name, (*way, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_library_is_named_only_where_it_belongs(library: str) -> None:
    users = [path.relative_to(PACKAGE).as_posix() for path in FILES
             if any(name.split(".")[0] == library for name in imports_of(path))]  # fmt: skip

    assert [user for user in users if not user.startswith(tuple(LIBRARIES[library]))] == []


def test_no_room_is_crowded() -> None:
    assert [str(path) for path in FILES if len(path.read_text().splitlines()) > 450] == []


def test_modules_name_proofs_that_exist() -> None:
    missing = []
    for path in FILES:
        told = ast.get_docstring(tree_of(path)) or ""
        folder = ""
        for name in re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py|tests/[\w/]+/)`", told):
            # "`tests/contract/test_a.py` and `test_b.py`": the second stands beside the first.
            folder = name.rpartition("/")[0] if "/" in name else folder
            if not (ROOT / (name if "/" in name else f"{folder}/{name}")).exists():
                missing.append(f"{path}: {name}")

    assert missing == []


def test_every_module_has_a_docstring() -> None:
    assert [str(path) for path in FILES if not ast.get_docstring(tree_of(path))] == []
