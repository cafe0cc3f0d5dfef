"""The parts know of each other what the design allows, read from the syntax tree."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "backscroll"
FILES = sorted(PACKAGE.rglob("*.py"))

# Which parts a part may import, beside itself and `errors`.
ALLOWED = {
    "storage": set(),
    "adapters": {"storage"},
    "bot": {"storage", "adapters"},
    "testing": {"storage", "adapters", "bot"},
}
# Where a vendor's library may be imported.
VENDORS = {
    "sqlalchemy": "backscroll.storage.sql",
    "alembic": "backscroll.storage.sql",
    "asyncpg": "backscroll.storage.sql",
    "aiosqlite": "backscroll.storage.sql",
    "sqlite3": "backscroll.storage.sql",
    "slack_bolt": "backscroll.adapters.slack",
    "slack_sdk": "backscroll.adapters.slack",
    "discord": "backscroll.adapters.discord",
}
# The documented property `ThreadStore.engine` is SQLAlchemy's engine, so its type is named there, and nothing else is.
EXCEPTIONS = {("backscroll.storage.store", "sqlalchemy.ext.asyncio.AsyncEngine")}


def module_of(path: Path) -> str:
    """Name the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}
TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


def imports_of(module: str) -> Iterator[str]:
    """Name everything that a module imports anywhere, as `package.module.name`."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(module: str) -> set[str]:
    """Name our modules that a module imports, those whose name it takes from a package too."""
    found = set()
    for name in imports_of(module):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        if name:
            found.add(name)
    return found - {module}


def part_of(module: str) -> str:
    """Name the part of the package that a module is in; the package itself is the part ''."""
    return (module.split(".") + [""])[1]


def test_there_are_modules_to_look_at() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_run_one_way(part: str) -> None:
    known = ALLOWED[part] | {part, "errors"}
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if part_of(module) == part
        for name in imported_modules(module)
        if part_of(name) not in known
    ]
    assert wrong == []


def test_errors_know_nothing_of_the_package() -> None:
    assert imported_modules("backscroll.errors") == set()


def test_modules_import_in_no_circle() -> None:
    graph = {module: imported_modules(module) for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_library_stays_in_its_room(vendor: str) -> None:
    room = VENDORS[vendor]
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if module != room and not module.startswith(room + ".")
        for name in imports_of(module)
        if name.split(".")[0] == vendor and (module, name) not in EXCEPTIONS
    ]
    assert wrong == []


def test_every_exception_is_in_use() -> None:
    assert {(module, name) for module, name in EXCEPTIONS if name in imports_of(module)} == EXCEPTIONS


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_within_450_lines(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 450


def proofs_of(module: str) -> list[str]:
    """Name the test files that a module's docstring calls its proof."""
    _, _, proof = (ast.get_docstring(TREES[module]) or "").partition("Proved by")
    folder, found = "tests", []
    for name in re.findall(r"`((?:tests/)?[\w/]+(?:\.py|/))`", proof):
        if name.startswith("tests/"):
            folder = name.rpartition("/")[0]
            found.append(name)
        else:  # a neighbour of the one before
            found.append(f"{folder}/{name}")
    return found


@pytest.mark.parametrize("module", [module for module in MODULES if proofs_of(module)])
def test_module_is_proved_by_tests_that_exist(module: str) -> None:
    assert [name for name in proofs_of(module) if not (ROOT / name).exists()] == []
