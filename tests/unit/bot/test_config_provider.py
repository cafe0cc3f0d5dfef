"""`storage.type` names a module of somebody's own: what is wrong with it is told, all at once, each with its place."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from backscroll.bot.config import Config, load_config
from backscroll.bot.opening import make_provider
from backscroll.errors import ConfigError

Faults = list[tuple[str, str]]
CANARY = "hunter2"
GUIDE = "docs/writing-a-provider.md"

SIX = """
from backscroll.storage.provider import StorageProvider

class {name}(StorageProvider):
    async def get(self, namespace, key): ...
    async def set(self, namespace, key, value): ...
    async def delete(self, namespace, key): ...
    async def append(self, namespace, key, item): ...
    async def get_list(self, namespace, key): ...
    async def query(self, namespace, filters): ...
"""
GOOD = SIX.format(name="Provider")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a directory that is forgotten by Python afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        places = [getattr(sys.modules[name], "__file__", None), *getattr(sys.modules[name], "__path__", [])]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]


@pytest.fixture
def load(home: Path) -> Callable[..., Config]:
    """Load a configuration whose storage is of this type, and `my_storage/shelf.py` with this code."""

    def loaded(code: str = GOOD, *lines: str, kind: str = "my_storage.shelf", more: str = "") -> Config:
        (home / "my_storage").mkdir()
        (home / "my_storage" / "shelf.py").write_text(dedent(code))
        storage = "\n".join(["storage:", f"  type: {kind}", *(f"  {line}" for line in lines)])
        (home / "config.yaml").write_text(f"adapters: {{console: {{}}}}\n{storage}\n{more}")
        return load_config(Path("config.yaml"))

    return loaded


@pytest.fixture
def faults(load: Callable[..., Config]) -> Callable[..., Faults]:
    def loaded(*args: str, **options: str) -> Faults:
        with pytest.raises(ConfigError) as caught:
            load(*args, **options)
        return caught.value.faults

    return loaded


def test_provider_is_loaded_from_a_directory_beside_the_file(load: Callable[..., Config]) -> None:
    provider = make_provider(load(GOOD + "    def __init__(self, path: str): self.path = path", "path: here").storage)
    assert (type(provider).__module__, vars(provider)) == ("my_storage.shelf", {"path": "here"})


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("my_storage.shelv", "Did you mean my_storage.shelf?"),
        ("my_storge.shelf", "Did you mean my_storage.shelf?"),
        ("my_storage.other", "It is looked for beside the configuration file and among the installed packages."),
        (
            "my_storage.shelf.deep",
            "my_storage.shelf is a module, and no package; for a module inside, make it a directory.",
        ),
        ("nothing_alike", "It is looked for beside the configuration file and among the installed packages."),
        ("memry", "Did you mean memory?"),
    ],
)
def test_module_that_is_not_there_is_named_with_the_nearest(
    faults: Callable[..., Faults], kind: str, hint: str
) -> None:
    assert faults(kind=kind) == [(f"config.yaml:3: storage.type names {kind}, which is not there.", hint)]


@pytest.mark.parametrize("kind", ['"{SHELF}"', '"my_{SHELF}"'])
def test_module_whose_name_comes_from_the_environment_is_not_named(
    faults: Callable[..., Faults], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("SHELF", CANARY)
    ((fact, hint),) = faults(kind=kind)
    assert fact == "config.yaml:3: storage.type names a module that is not there."
    assert CANARY not in hint


@pytest.mark.parametrize("missing", ["backscroll_driver", "backscroll_driver.aio", "my_storage.other"])
def test_import_that_a_module_lacks_is_named_with_its_place(
    faults: Callable[..., Faults], home: Path, missing: str
) -> None:
    place = f"({home}/my_storage/shelf.py:2)"
    lacks = missing.removesuffix(".aio")
    fact = f"config.yaml:3: storage.type names a module that imports {lacks}, which is not there {place}."
    assert faults(f"\nimport {missing}") == [(fact, "Install it beside Backscroll, or correct the import.")]


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (f"raise ValueError('{CANARY}')", "ValueError"),
        (f"import json; json.loads('{CANARY}')", "JSONDecodeError"),
        (f"from json import {CANARY}", "ImportError"),
        (f"def {CANARY}", "SyntaxError"),
        (f"exit('{CANARY}')", "SystemExit"),
    ],
)
def test_module_that_raises_is_told_by_type_and_place(
    faults: Callable[..., Faults], home: Path, code: str, raised: str
) -> None:
    ((fact, _),) = faults(code)
    place = f"({home}/my_storage/shelf.py:1)"
    assert fact == f"config.yaml:3: storage.type names a module that raised {raised} {place} at import."


@pytest.mark.parametrize(
    ("code", "fact", "hint"),
    [
        (SIX.format(name="Shelf"), "which has no class Provider", "Rename Shelf there to Provider."),
        ("class Provder: ...", "which has no class Provider", "Rename Provder there to Provider."),
        ("", "which has no class Provider", "It must be "),
        ("def Provider(): ...", "whose Provider is of type function, and no class", "Make it a class."),
        ("class Provider: ...", "whose Provider is no StorageProvider", "Write class Provider(StorageProvider), "),
    ],
)
def test_module_without_the_class_is_a_fault(faults: Callable[..., Faults], code: str, fact: str, hint: str) -> None:
    ((message, advice),) = faults(code)
    assert message == f"config.yaml:3: storage.type names my_storage.shelf, {fact}."
    assert advice.startswith(hint)


def without(*names: str) -> str:
    return "\n".join(line for line in GOOD.splitlines() if not any(f"def {name}(" in line for name in names))


@pytest.mark.parametrize(
    ("code", "fact", "hint"),
    [
        (without("append", "set"), "lacks set, append.", f"Define each; {GUIDE} has all six."),
        (GOOD.replace("def get_list", "def getlist"), "lacks get_list.", "Rename getlist to get_list."),
        (GOOD.replace("async def q", "def q"), "has query without async.", "Define each with async def."),
        (GOOD + "    def close(self): ...", "has close without async.", "Define each with async def."),
        (GOOD + "    get = set = None", "has get, set without async.", "Define each with async def."),
        (
            GOOD + "    def _ask(self): ...\n    _parts = 1\n    __mine = _own = 2",
            "has _ask, _parts, which StorageProvider has for itself.",
            "Rename what is yours.",
        ),
        (
            GOOD.replace("namespace, filters", "filters"),
            "has a query that cannot be called as query(namespace, filters).",
            "Give it these parameters.",
        ),
    ],
)
def test_class_that_lacks_something_is_told_what(
    faults: Callable[..., Faults], code: str, fact: str, hint: str
) -> None:
    assert faults(code) == [(f"config.yaml:3: storage.type names my_storage.shelf, whose Provider {fact}", hint)]


def test_class_may_have_its_calls_wrapped(load: Callable[..., Config]) -> None:
    code = """
        from functools import wraps
        from backscroll.storage import memory

        def repeated(call):
            @wraps(call)
            def repeat(*args):
                return call(*args)
            return repeat

        class Provider(memory.Provider):
            @repeated
            async def get(self, namespace, key): ...
    """
    assert load(code).storage.type == "my_storage.shelf"


def test_keyword_that_is_needed_and_missing_is_a_fault(faults: Callable[..., Faults]) -> None:
    code = GOOD + "    def __init__(self, dsn): ..."
    assert faults(code) == [("config.yaml:3: storage.dsn is needed, and is missing.", "Add it under storage.")]


def test_keyword_that_no_key_can_give_is_a_fault(faults: Callable[..., Faults]) -> None:
    ((fact, _),) = faults(GOOD + "    def __init__(self, dsn, /): ...")
    assert fact == "config.yaml:3: my_storage.shelf:Provider needs dsn, which no key of storage can give."


def test_every_mistake_is_told_at_once(faults: Callable[..., Faults]) -> None:
    code = without("append").replace("async def q", "def q") + "\n    def __init__(self, dsn: str, depth: int = 1): ..."
    told = faults(code, "dns: x", "depth: deep", more="bot: {recrod: all}")
    assert [fact for fact, _ in told] == [
        "config.yaml:3: storage.type names my_storage.shelf, whose Provider lacks append.",
        "config.yaml:3: storage.type names my_storage.shelf, whose Provider has query without async.",
        "config.yaml:3: storage.dsn is needed, and is missing.",
        "config.yaml:4: storage.dns is not a known key.",
        "config.yaml:5: storage.depth must be a whole number; got text.",
        "config.yaml:6: bot.recrod is not a known key.",
    ]
    assert dict(told)["config.yaml:4: storage.dns is not a known key."] == "Did you mean storage.dsn?"


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        ("raise ValueError(dsn)", "ValueError"),
        ("int(dsn)", "ValueError"),
        ("dsn + 1", "TypeError"),
        ("__import__('json').loads(dsn)", "JSONDecodeError"),
    ],
)
def test_value_that_the_constructor_refuses_is_told_by_type_and_place(
    load: Callable[..., Config], home: Path, body: str, raised: str
) -> None:
    config = load(GOOD + f"    def __init__(self, dsn):\n        {body}", f"dsn: {CANARY}")
    with pytest.raises(ConfigError) as caught:
        make_provider(config.storage)
    place = f"({home}/my_storage/shelf.py:{len(GOOD.splitlines()) + 2})"
    fact = f"config.yaml:3: storage: my_storage.shelf's Provider raised {raised} {place}."
    assert caught.value.faults == [(fact, "Correct the keys of storage, or the provider.")]


def test_attribute_that_hides_a_call_of_the_contract_is_a_fault(load: Callable[..., Config]) -> None:
    config = load(GOOD + "    def __init__(self):\n        self._parts, self._own = {}, {}")
    with pytest.raises(ConfigError) as caught:
        make_provider(config.storage)
    fact = "config.yaml:3: storage: my_storage.shelf's Provider has _parts, which StorageProvider has for itself."
    assert caught.value.faults == [(fact, "Rename what is yours.")]


@pytest.mark.parametrize(("kind", "fact"), [("a-b", "got another text."), ("5", "must be text; got a whole number.")])
def test_type_that_is_no_name_of_a_module_is_a_fault(faults: Callable[..., Faults], kind: str, fact: str) -> None:
    ((message, _),) = faults(kind=kind)
    assert message.startswith("config.yaml:3: storage.type must be ")
    assert message.endswith(fact)


def test_storage_whose_extra_is_not_installed_tells_how(
    faults: Callable[..., Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("backscroll.storage.redis", "redis."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    ((fact, hint),) = faults(GOOD, "url: redis://localhost", kind="redis")
    assert fact.startswith("config.yaml:3: storage.type names a module that imports redis")
    assert hint == "pip install 'backscroll[redis]' brings it."
