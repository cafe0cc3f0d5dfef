"""config.yaml: what is read, what is refused with which words, and that no value is ever shown."""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backscroll.bot.config import (
    AdapterConfigs,
    AllowConfig,
    BotConfig,
    Config,
    ConsoleConfig,
    DiscordConfig,
    SlackConfig,
    StorageConfig,
    load_config,
    resolve_sqlite_url,
)
from backscroll.bot.config.faults import Faults
from backscroll.bot.config.keys import Text, keys_of, read_value
from backscroll.bot.config.yaml_lines import MAX_DEPTH, MAX_NODES, Mapping, Node, read_yaml
from backscroll.errors import ConfigError

ROOT = Path(__file__).parents[3]

HANDLERS = """
async def answer(turn):
    return None

def two(turn, other): ...
def none(): ...
class Answer: ...
FIGURE = 5
"""

PROVIDER = """
from __future__ import annotations
from typing import Any, Literal
from backscroll.storage import memory

class Provider(memory.Provider):
    def __init__(self, url: str = "", *, pool_size: int | None = None, timeout: float | None = None, echo: bool = False,
                 mode: Literal["full", "normal"] = "full", extra: Any = None, names: list[str] = []) -> None: ...
"""

GOOD = """
bot: {handler: "threadbot:answer"}
storage: {type: shelf}
adapters: {console: {}}
"""

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load a text as `config.yaml` of a directory that has a handler, `threadbot`, and a provider, `shelf`."""
    (tmp_path / "threadbot.py").write_text(HANDLERS)
    (tmp_path / "shelf.py").write_text(PROVIDER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def loaded(text: str | bytes, **modules: str) -> Config:
        for name, code in modules.items():
            Path(f"{name}.py").write_text(dedent(code))
        Path("config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(Path("config.yaml"))

    yield loaded
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def faults_of(load: Load, text: str | bytes, **modules: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(text, **modules)
    return caught.value.faults


def bot(*lines: str) -> str:
    """Return a configuration that is right but for these lines of `bot`, the first of which is line 5."""
    head = ["storage: {type: shelf}", "adapters: {console: {}}", "bot:", "  handler: threadbot:answer"]
    return "\n".join(head + [f"  {line}" for line in lines])


def storage(*lines: str, kind: str = "shelf") -> str:
    """Return a configuration that is right but for these lines of `storage`, the first of which is line 5."""
    head = ["bot: {handler: threadbot:answer}", "adapters: {console: {}}", "storage:", f"  type: {kind}"]
    return "\n".join(head + [f"  {line}" for line in lines])


# What is read


def test_load_gives_every_default_when_a_file_names_only_what_it_must(load: Load) -> None:
    config = load(GOOD)
    assert config.bot == BotConfig(handler="threadbot:answer")


def test_load_gives_what_the_file_says(load: Load) -> None:
    text = bot(
        "answer: [mentions]",
        "record: all",
        "overlap: latest",
        "history_limit: 7",
        "handler_timeout_s: 1.5",
        "max_parallel: 2",
        "lease_s: 9",
        "shutdown_grace_s: 0",
        "failure_text: Later.",
        "allow: {users: [U1, 0123], channels: []}",
        "approve: asker",
    )
    assert load(text).bot == BotConfig(
        handler="threadbot:answer",
        answer=frozenset({"mentions"}),
        record="all",
        overlap="latest",
        history_limit=7,
        handler_timeout_s=1.5,
        max_parallel=2,
        lease_s=9.0,
        shutdown_grace_s=0.0,
        failure_text="Later.",
        allow=AllowConfig(users=frozenset({"U1", "0123"}), channels=frozenset()),
        approve="asker",
    )


def test_load_imports_the_handler_from_beside_the_file(load: Load) -> None:
    assert load(GOOD).handler_function is sys.modules["threadbot"].answer


def test_load_puts_the_directory_on_the_path_once_and_in_front(load: Load, tmp_path: Path) -> None:
    load(GOOD)
    load(GOOD)
    assert (sys.path[0], sys.path.count(str(tmp_path))) == (str(tmp_path), 1)


def test_load_gives_the_providers_class_and_its_keywords(load: Load) -> None:
    text = storage("pool_size: 5", "timeout: 3", "echo: true", "mode: normal", "extra: {a: [1, b]}", "names: [x]")
    options = {"pool_size": 5, "timeout": 3.0, "echo": True, "mode": "normal", "extra": {"a": [1, "b"]}, "names": ["x"]}
    config = load(text)
    assert config.storage == StorageConfig("shelf", sys.modules["shelf"].Provider, options)


def test_load_takes_null_where_a_keyword_may_be_none(load: Load) -> None:
    assert load(storage("pool_size:")).storage.options == {"pool_size": None}


def test_load_gives_any_keyword_to_a_constructor_that_takes_all(load: Load) -> None:
    code = "from backscroll.storage import memory\nclass Provider(memory.Provider):\n    def __init__(self, **all): ..."
    assert load(storage("depth: 5", kind="open_shelf"), open_shelf=code).storage.options == {"depth": 5}


def test_load_leaves_keywords_unchecked_whose_annotations_cannot_be_evaluated(load: Load) -> None:
    code = """
        from __future__ import annotations
        from backscroll.storage import memory
        class Provider(memory.Provider):
            def __init__(self, depth: Missing = 1) -> None: ...
    """
    assert load(storage("depth: five", kind="late_shelf"), late_shelf=code).storage.options == {"depth": "five"}


def test_load_reads_a_section_without_keys_as_empty(load: Load) -> None:
    config = load("bot: {handler: threadbot:answer}\nstorage: {type: shelf}\nadapters:\n  console:\n")
    assert config.adapters == AdapterConfigs(console=ConsoleConfig())


def test_load_reads_a_byte_order_mark_and_windows_line_ends(load: Load) -> None:
    text = "\N{BYTE ORDER MARK}" + bot("record: all").replace("\n", "\r\n")
    assert load(text).bot.record == "all"


def test_config_is_frozen(load: Load) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(GOOD).bot.record = "all"  # type: ignore[misc]


# YAML as version 1.2 has it


def test_load_reads_no_as_a_text(load: Load) -> None:
    fact = "config.yaml:5: bot.record must be joined or all; got another text."
    assert faults_of(load, bot("record: no"))[0][0] == fact


@pytest.mark.parametrize("number", ["1_000", "12:30", "1,5", "five", '"5"'])
def test_load_reads_as_a_number_only_what_yaml_1_2_does(load: Load, number: str) -> None:
    fact = "config.yaml:5: bot.history_limit must be a whole number; got text."
    assert faults_of(load, bot(f"history_limit: {number}")) == [(fact, "Write it in digits, without quotes.")]


@pytest.mark.parametrize(("written", "number"), [("010", 10), ("+7", 7), ("0x10", 16), ("0o10", 8)])
def test_load_reads_whole_numbers_of_the_core_schema(load: Load, written: str, number: int) -> None:
    assert load(bot(f"history_limit: {written}")).bot.history_limit == number


# Placeholders


def test_placeholder_is_replaced_inside_a_text(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "p")
    text = storage("url: postgresql://bot:{DB_PASSWORD}@{DB_HOST:-db}/bot")
    assert load(text).storage.options == {"url": "postgresql://bot:p@db/bot"}


@pytest.mark.parametrize(
    ("key", "variable", "value"),
    [
        ("pool_size", "5", 5),
        ("timeout", "5", 5.0),
        ("timeout", "0.5", 0.5),
        ("echo", "true", True),
        ("url", "5", "5"),
        ("pool_size", "", None),
        ("mode", "normal", "normal"),
    ],
)
def test_placeholder_that_is_the_whole_value_takes_the_keys_type(
    load: Load, monkeypatch: pytest.MonkeyPatch, key: str, variable: str, value: Any
) -> None:
    monkeypatch.setenv("POOL", variable)
    options = load(storage(f'{key}: "{{POOL}}"')).storage.options
    assert (options[key], type(options[key])) == (value, type(value))


def test_placeholder_of_another_type_is_a_fault(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOL", "five")
    fact = "config.yaml:5: storage.pool_size must be a whole number; got text."
    assert faults_of(load, storage('pool_size: "{POOL}"'))[0][0] == fact


@pytest.mark.parametrize("value", ["a\nbot: {}", "a: b # c", '"', "{POOL}", "[1", "*a", "{{", "\\1"])
def test_placeholder_stays_inside_its_value(load: Load, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("POOL", value)
    assert load(storage('url: "<{POOL}>"')).storage.options == {"url": f"<{value}>"}


@pytest.mark.parametrize("variable", [None, ""])
def test_placeholder_gives_its_default_when_unset_or_empty(
    load: Load, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.delenv("POOL", raising=False)
    if variable is not None:
        monkeypatch.setenv("POOL", variable)
    assert load(storage('pool_size: "{POOL:-7}"')).storage.options == {"pool_size": 7}


@pytest.mark.parametrize("text", ['{"a": {"B": 1}}', "{name}", "{}", "{ POOL }", "{1A}", "{POOL", "{POOL-x}"])
def test_placeholder_is_only_capitals_in_braces(load: Load, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("POOL", "5")
    assert load(storage(f"url: '{text}'")).storage.options == {"url": text}


def test_placeholder_in_two_pairs_of_braces_is_literal(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOL", raising=False)
    assert load(storage("url: 'a {{POOL}} {{POOL:-x}}'")).storage.options == {"url": "a {POOL} {POOL:-x}"}


def test_placeholder_in_a_comment_is_a_comment(load: Load) -> None:
    assert load(GOOD + "# {BACKSCROLL_UNSET}\n").storage.type == "shelf"


def test_missing_variable_is_a_fault_with_its_name(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    fact = "config.yaml:5: storage.url needs DB_PASSWORD, which is not set."
    hint = 'Set it, or give a default: "{NAME:-default}".'
    assert faults_of(load, storage("url: x{DB_PASSWORD}")) == [(fact, hint)]


def test_missing_variable_of_an_adapter_may_be_mended_by_removing_the_adapter(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_APP_TOKEN", raising=False)
    text = 'adapters:\n  console: {}\n  slack:\n    app_token: "{SLACK_APP_TOKEN}"\n'
    fault = (
        "config.yaml:4: adapters.slack.app_token needs SLACK_APP_TOKEN, which is not set.",
        "Set it, or remove adapters.slack.",
    )
    assert fault in faults_of(load, text)


def test_variable_that_is_not_utf_8_is_a_fault(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"POOL", b"\xff")
    fact = "config.yaml:5: storage.url needs POOL, whose value is not UTF-8."
    assert faults_of(load, storage("url: '{POOL}'"))[0][0] == fact


def test_placeholder_without_quotes_is_told_to_be_quoted(load: Load) -> None:
    fact = "config.yaml:5: storage.pool_size must be a whole number; got a mapping."
    assert faults_of(load, storage("pool_size: {POOL:-5}")) == [(fact, 'Put the placeholder in quotes: "{NAME}".')]


# Faults of keys


def test_load_tells_ten_mistakes_at_once_in_the_order_of_lines(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKSCROLL_UNSET", raising=False)
    text = """\
        bot:
          handler: threadbot:anser
          recrod: all
          overlap: later
          history_limit: 0
          max_parallel: many
          overlap: queue
          allow: {users: everybody}
        storage:
          type: shelf
          pool_sise: 5
          url: "{BACKSCROLL_UNSET}"
        adapter: {}
        adapters: {}
        """
    assert [fact for fact, _ in faults_of(load, dedent(text))] == [
        "config.yaml:2: bot.handler names a function that the module threadbot does not have.",
        "config.yaml:3: bot.recrod is not a known key.",
        "config.yaml:4: bot.overlap must be queue or latest; got another text.",
        "config.yaml:5: bot.history_limit must be from 1 to 10,000; got less.",
        "config.yaml:6: bot.max_parallel must be a whole number; got text.",
        "config.yaml:7: bot.overlap is there twice; the first is on line 4.",
        "config.yaml:8: bot.allow.users must be all or a list; got another text.",
        "config.yaml:11: storage.pool_sise is not a known key.",
        "config.yaml:12: storage.url needs BACKSCROLL_UNSET, which is not set.",
        "config.yaml:13: adapter is not a known key.",
        "config.yaml:14: adapters names no chat platform.",
    ]


def test_unknown_key_is_told_the_nearest_right_one(load: Load) -> None:
    fault = ("config.yaml:5: storage.pool_sise is not a known key.", "Did you mean storage.pool_size?")
    assert faults_of(load, storage("pool_sise: 5")) == [fault]


def test_unknown_key_that_is_near_to_none_is_told_all(load: Load) -> None:
    fault = ("config.yaml:1: adapters.irc is not a known key.", "Known here: console, slack, discord.")
    assert fault in faults_of(load, "adapters: {console: {}, irc: {}}")


def test_unknown_key_where_there_are_none_is_told_so(load: Load) -> None:
    fault = ("config.yaml:1: adapters.console.port is not a known key.", "adapters.console has no keys; remove it.")
    assert fault in faults_of(load, "adapters: {console: {port: 1}}")


def test_duplicate_key_is_a_fault_with_both_lines(load: Load) -> None:
    fault = ("config.yaml:6: bot.record is there twice; the first is on line 5.", "Keep one of them.")
    assert faults_of(load, bot("record: all", "record: joined")) == [fault]


@pytest.mark.parametrize(
    ("line", "fact", "hint"),
    [
        ("answer: mentions", "bot.answer must be a list; got text.", "Write a list in brackets: [first, second]."),
        (
            "answer: [mention]",
            "bot.answer must be mentions, direct_messages or joined_threads; got another text.",
            "Did you mean mentions?",
        ),
        ("record: 5", "bot.record must be joined or all; got a whole number.", "Write joined or all."),
        ("failure_text: 5", "bot.failure_text must be text; got a whole number.", "Put it in quotes."),
        ("failure_text: ''", "bot.failure_text must be from 1 to 2,000 characters long; got less.", None),
        ("history_limit: 1.5", "bot.history_limit must be a whole number; got a number with a fraction.", None),
        ("history_limit: true", "bot.history_limit must be a whole number; got true or false.", None),
        ("history_limit: -1", "bot.history_limit must be from 1 to 10,000; got less.", None),
        ("history_limit: 10001", "bot.history_limit must be from 1 to 10,000; got more.", None),
        ("history_limit:", "bot.history_limit must be a whole number; got nothing.", None),
        ("lease_s: .inf", "bot.lease_s must be a number; got a number with a fraction.", None),
        ("lease_s: .nan", "bot.lease_s must be a number; got a number with a fraction.", None),
        (f"lease_s: 1{'0' * 400}", "bot.lease_s must be a number; got a whole number.", None),
        (f"lease_s: 1{'0' * 5000}", "bot.lease_s must be a number; got text.", None),
        ("lease_s: 0", "bot.lease_s must be from 1 to 3,600; got less.", "Choose one in this range."),
        ("allow: all", "bot.allow must be a mapping; got text.", "Indent its keys under it."),
        ("allow: {users: [[U1]]}", "bot.allow.users must be text; got a list.", None),
    ],
)
def test_wrong_value_is_told_what_was_expected_and_which_type_came(
    load: Load, line: str, fact: str, hint: str | None
) -> None:
    ((message, advice),) = faults_of(load, bot(line))
    assert (message, advice) == (f"config.yaml:5: {fact}", hint or advice)


@pytest.mark.parametrize("text", ["adapters: {}", "adapters:", "bot:"])
def test_load_refuses_a_file_without_an_adapter(load: Load, text: str) -> None:
    fault = ("config.yaml:1: adapters names no chat platform.", "Add `console: {}` under adapters.")
    assert fault in faults_of(load, text)


@dataclass(frozen=True)
class HttpConfig:
    host: Text = "127.0.0.1"
    port: int = 3000


@dataclass(frozen=True)
class ChatConfig:
    """An adapter as those that come later will have it: a secret, and keys within keys."""

    token: Text = field(repr=False)
    http: HttpConfig | None = None


def read_chat(text: str, faults: Faults) -> Any:
    node: Node | None = read_yaml(text, faults)
    assert node is not None
    return read_value(node, ChatConfig | None, "adapters.chat", faults)


def test_section_reads_keys_within_keys() -> None:
    chat = read_chat("token: t\nhttp: {port: 80}", Faults("config.yaml"))
    assert chat == ChatConfig("t", HttpConfig(port=80))


def test_section_tells_faults_of_keys_within_keys() -> None:
    faults = Faults("config.yaml")
    read_chat("http:\n  port: eighty", faults)
    assert [fact for fact, _ in faults.error().faults] == [
        "config.yaml:1: adapters.chat.token is needed, and is missing.",
        "config.yaml:2: adapters.chat.http.port must be a whole number; got text.",
    ]


def test_missing_key_is_told_with_the_line_of_its_section() -> None:
    faults = Faults("config.yaml")
    tree = read_yaml("a: 1\nchat:\n\n  http: {}", faults)
    assert isinstance(tree, Mapping)
    read_value(tree.entries["chat"].node, ChatConfig, "chat", faults)
    assert faults.error().faults == [("config.yaml:2: chat.token is needed, and is missing.", "Add it under chat.")]


# Faults of the file


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "config.yaml: the file is empty."),
        ("# only a comment\n", "config.yaml: the file is empty."),
        ("- a\n- b\n", "config.yaml:1: the file must be a mapping; got a list."),
        ("bot", "config.yaml:1: the file must be a mapping; got text."),
        ("bot:\n  a: [1\n", "config.yaml:3: the YAML cannot be read from column 1 on."),
        ("bot:\n\thandler: x", "config.yaml:2: the YAML cannot be read from column 1 on."),
        ('a: "\\UFFFFFFFF"', "config.yaml:1: the YAML cannot be read from column 7 on."),
        ("a: 1\nb: \x01", "config.yaml:2: a control character stands here."),
        (b"a: 1\nb: \xff", "config.yaml:2: the file is not UTF-8 from here on."),
        ("a: 1".encode("utf-16"), "config.yaml:1: the file is not UTF-8 from here on."),
        (" " * 300_000, "config.yaml: the file is longer than 256 KiB."),
    ],
)
def test_load_refuses_a_file_that_is_no_configuration(load: Load, text: str | bytes, fact: str) -> None:
    assert [message for message, _ in faults_of(load, text)] == [fact]


def test_load_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file\."):
        load_config(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("name", [".", "a\0b", "x" * 5000])
def test_load_refuses_a_path_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="the file cannot be read: "):
        load_config(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a: &x 1", "a has an anchor (&), which is not read here."),
        ("a: *x", "a is an alias (*), which is not read here."),
        ("a: !!python/object/apply:os.system [x]", "a has a tag (!), which is not read here."),
        ("a: !!str 5", "a has a tag (!), which is not read here."),
        ("a: ! 5", "a has a tag (!), which is not read here."),
        ("<<: {a: 1}", "… is not a known key."),
        ("[a, b]: 1", "the file has a list or a mapping as a key."),
        ("? {a: 1}\n: 1", "the file has a list or a mapping as a key."),
        (r'a: "\0"', "a holds NUL or half a character."),
        (r'a: "\ud800"', "a holds NUL or half a character."),
        ("a: 1\n---\nb: 1", "a second document begins here."),
    ],
)
def test_load_refuses_yaml_that_a_configuration_does_not_need(load: Load, text: str, fact: str) -> None:
    line = 2 if "---" in text else 1
    assert f"config.yaml:{line}: {fact}" in [message for message, _ in faults_of(load, text)]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[" * 200_000, f"the file has more than {MAX_DEPTH} levels."),
        ("{a: " * 50_000, f"the file has more than {MAX_DEPTH} levels."),
        ("- " * 100_000, f"the file has more than {MAX_DEPTH} levels."),
        ("a: [" + "1," * 100_000 + "]", f"the file has more than {MAX_NODES:,} values."),
    ],
)
def test_load_refuses_a_huge_tree_soon(load: Load, text: str, fact: str) -> None:
    assert fact in faults_of(load, text)[0][0]


@pytest.mark.timeout(10)
def test_load_refuses_a_billion_laughs_soon(load: Load) -> None:
    rows = ["a0: &a0 [lol]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert any("alias" in fact for fact, _ in faults_of(load, "\n".join(rows)))


# Faults of the handler


@pytest.mark.parametrize(
    ("name", "fact", "hint"),
    [
        ("threadbot", "must be module:function; got another text.", "Write for example mybot:answer."),
        ("threadbot.answer", "must be module:function; got another text.", None),
        ("../threadbot:answer", "must be module:function; got another text.", None),
        ("'a:b:c'", "must be module:function; got another text.", None),
        ("threadbat:answer", "names a module that is not there.", "Did you mean threadbot?"),
        ("threadbot.more:answer", "names a module that is not there.", None),
        (f"{'x' * 3000}:answer", "names a module that is not there.", None),
        (
            "threadbot:anser",
            "names a function that the module threadbot does not have.",
            "Did you mean threadbot:answer?",
        ),
        ("threadbot:FIGURE", "must name a function; got a value of type int.", None),
        ("threadbot:Answer", "must name a function; got a class.", None),
        (
            "threadbot:two",
            "names a function that cannot be called with one argument, the turn (threadbot).",
            "Define it with one parameter: async def answer(turn) -> str.",
        ),
        ("threadbot:none", "names a function that cannot be called with one argument, the turn (threadbot).", None),
    ],
)
def test_handler_that_cannot_be_used_is_a_fault(load: Load, name: str, fact: str, hint: str | None) -> None:
    text = f"storage: {{type: shelf}}\nadapters: {{console: {{}}}}\nbot:\n  handler: {name}\n"
    ((message, advice),) = faults_of(load, text)
    assert (message, advice) == (f"config.yaml:4: bot.handler {fact}", hint or advice)


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("x = 1\nraise ValueError('CANARY')", "ValueError ({file}:2)"),
        ("from json import backscroll_is_not_there", "ImportError ({file}:1)"),
        ("import json\njson.loads('CANARY')", "JSONDecodeError ({file}:2)"),
        ("x = 1\ndef (", "SyntaxError ({file}:2)"),
        ("import sys\nsys.exit('CANARY')", "SystemExit ({file}:2)"),
        ("def __getattr__(name):\n    raise KeyError('CANARY')", "KeyError ({file}:2)"),
    ],
)
def test_handler_whose_module_raises_is_told_type_and_place(load: Load, tmp_path: Path, code: str, raised: str) -> None:
    text = "storage: {type: shelf}\nadapters: {console: {}}\nbot: {handler: brokenbot:answer}"
    ((message, _),) = faults_of(load, text, brokenbot=code)
    place = raised.format(file=tmp_path / "brokenbot.py")
    assert message == f"config.yaml:3: bot.handler names a module that raised {place} at import."


def test_handler_whose_module_cannot_be_compiled_is_not_blamed_on_our_files(load: Load) -> None:
    text = "storage: {type: shelf}\nadapters: {console: {}}\nbot: {handler: brokenbot:answer}"
    ((message, _),) = faults_of(load, text, brokenbot="\0")
    assert "user_code.py" not in message
    assert "importlib" not in message


# Faults of the storage


@pytest.mark.parametrize(
    ("line", "fact", "hint"),
    [
        ('pool_size: "five"', "pool_size must be a whole number; got text.", "Write it in digits, without quotes."),
        ("timeout: fast", "timeout must be a number; got text.", "Write it in digits, without quotes."),
        ("echo: yes", "echo must be true or false; got text.", "Write true or false, without quotes."),
        ("url: 5", "url must be text; got a whole number.", "Put it in quotes."),
        ("url: [a]", "url must be text; got a list.", "Write a single value in place of a list."),
        ("files: [a]", "files must be text; got a list.", "Write a single value in place of a list."),
        ("fils: a", "fils is not a known key.", "Did you mean storage.files?"),
        ("mode: ful", "mode must be full or normal; got another text.", "Did you mean full?"),
        ("names: [1]", "names must be text; got a whole number.", None),
    ],
)
def test_storage_keyword_is_checked_against_the_constructor(load: Load, line: str, fact: str, hint: str | None) -> None:
    ((message, advice),) = faults_of(load, storage(line))
    assert (message, advice) == (f"config.yaml:5: storage.{fact}", hint or advice)


def test_storage_memory_takes_no_keywords(load: Load) -> None:
    fault = ("config.yaml:5: storage.url is not a known key.", "Known here: files, type.")
    assert faults_of(load, storage("url: x", kind="memory")) == [fault]


def test_sqlite_url_that_names_no_file_is_a_fault_and_no_database_in_memory(load: Load) -> None:
    ((message, _),) = faults_of(load, storage("url: sqlite:///", kind="sql"))
    assert message == "config.yaml:5: storage.url names no file."


@pytest.mark.parametrize("kind", ["memory", "shelf"])
def test_storage_files_lie_beside_the_file_and_reach_no_constructor(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("FILES", "shared")
    config = load(storage('files: "{FILES}/bot"', kind=kind))
    assert (config.storage.files, config.storage.options) == (tmp_path / "shared" / "bot", {})


def test_storage_is_sql_beside_the_file_when_nothing_is_said(load: Load, tmp_path: Path) -> None:
    config = load("bot: {handler: threadbot:answer}\nadapters: {console: {}}")
    assert config.storage.options == {"url": f"sqlite+aiosqlite:///{tmp_path}/backscroll.db"}


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("sqlite:///a.db", "sqlite:////home/bot/a.db"),
        ("sqlite+aiosqlite:///data/a.db?x=1", "sqlite+aiosqlite:////home/bot/data/a.db?x=1"),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),
        ("a.db", "/home/bot/a.db"),
        ("/srv/a.db", "/srv/a.db"),
        (":memory:", ":memory:"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///file:a.db?uri=true", "sqlite:///file:a.db?uri=true"),
        ("postgresql://bot:p%40ss@db:5432/bot?x=y", "postgresql://bot:p%40ss@db:5432/bot?x=y"),
        ("", ""),
    ],
)
def test_resolve_makes_only_relative_sqlite_files_absolute(url: str, resolved: str) -> None:
    assert resolve_sqlite_url(url, Path("/home/bot")) == resolved


# Secrets

CANARIES = ["xoxb-5ecret-CANARY", "CANARY5ecret9000", "p@ss:CANARY 5ecret"]
PLACES = [
    *(f"bot: {{{key}: @}}" for key in keys_of(BotConfig)),
    *(f"bot: {{{key}: [@]}}" for key in keys_of(BotConfig)),
    *(f"bot: {{{key}: {{a: @}}}}" for key in keys_of(BotConfig)),
    "bot: {handler: 'a:@'}",
    "bot: {handler: '@:a'}",
    "bot: {handler: 'threadbot:@'}",
    "bot: {allow: {users: @, channels: {a: @}}}",
    "bot: @",
    "storage: @",
    "storage: {type: @}",
    "storage: {type: 'threadbot.@'}",
    "storage: {type: shelf, pool_size: @, timeout: @, echo: @, mode: @}",
    "storage: {type: shelf, url: [@], names: @, other: @, other: @}",
    "storage: {type: sql, url: 'postgresql://bot:@@db/bot', pool_size: @}",
    "adapters: @",
    "adapters: {console: @}",
    "adapters: {console: {token: @}, slack: {bot_token: @}, discord: {token: @}, @: 1}",
    "@: 1",
    "? @\n: @\n? @\n: &a @",
    "? [@]\n: @",
    "a: !<@> @\nb: *b",
    "a: [@",
    "a: @\n b: @",
    "- @",
    "@",
    "a: @\n---\n@",
]


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("place", PLACES)
def test_no_value_is_shown_by_an_error(load: Load, place: str, canary: str) -> None:
    for written in (canary, f"'{canary}'", f'"{canary}"'):
        with pytest.raises(ConfigError) as caught:
            load(place.replace("@", written if "'" not in place else canary))
        error = caught.value
        assert "CANARY" not in f"{error}{error!r}{error.faults}{error.__cause__!r}{error.__context__!r}"


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("@", "@: 1", "- @")])
def test_no_value_from_the_environment_is_shown_by_an_error(
    load: Load, monkeypatch: pytest.MonkeyPatch, place: str, canary: str
) -> None:
    monkeypatch.setenv("TOKEN", canary)
    with pytest.raises(ConfigError) as caught:
        load(place.replace("@", "{TOKEN}" if "'" in place else '"{TOKEN}"'))
    assert "CANARY" not in f"{caught.value}{caught.value!r}{caught.value.faults}"


def test_no_secret_is_shown_by_a_config(load: Load) -> None:
    text = storage("url: postgresql://bot:CANARY@db/bot", "extra: {password: CANARY}", "names: [CANARY]")
    text = text.replace("answer}", "answer, failure_text: CANARY, allow: {users: [CANARY], channels: [CANARY]}}")
    config = load(text)
    assert "CANARY" not in f"{config}{config!r}{config.storage!r}{config.bot!r}"


def test_no_secret_is_shown_by_an_adapters_section() -> None:
    chat = read_chat("token: CANARY", Faults("config.yaml"))
    assert chat.token == "CANARY"
    assert "CANARY" not in repr(chat)


def test_no_value_is_shown_by_a_tree() -> None:
    assert "CANARY" not in repr(read_yaml("a: CANARY\nCANARY: [CANARY]", Faults("config.yaml")))


# Whatever the file holds

KEYS = sorted({*keys_of(BotConfig), *keys_of(AllowConfig), *keys_of(AdapterConfigs), "bot", "storage", "adapters"})
WORDS = ["type", "url", "pool_size", "sql", "memory", "shelf", "threadbot:answer", "{X}", "{PATH}", "{PATH:-5}", "all"]
WORDS += ["mentions", "queue", "<<", "&a", "*a", "!!str", "---", "no", "~", ".nan", "1e400", "-0", "0x1F", "12:30"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS + KEYS)
NAMES = st.sampled_from(KEYS + WORDS) | st.text(max_size=10) | st.integers() | st.none()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)
PLATFORMS = {"slack": SlackConfig, "discord": DiscordConfig}


def keys_with_anything(model: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(list(keys_of(model))), TREES)


FILES: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "bot": TREES | keys_with_anything(BotConfig),
        "storage": TREES | st.dictionaries(st.sampled_from(WORDS), TREES),
        "adapters": TREES
        | st.just({"console": {}})
        | st.fixed_dictionaries({}, optional={name: keys_with_anything(model) for name, model in PLATFORMS.items()}),
    },
)


def give_a_config_or_a_config_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        path = Path(directory, "config.yaml")
        path.write_bytes(content)
        try:
            outcome: Config | list[tuple[str, str]] = load_config(path)
        except ConfigError as error:
            outcome = error.faults
        assert outcome


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES | TREES)
def test_load_gives_a_config_or_a_config_error_for_every_tree(tree: Any) -> None:
    give_a_config_or_a_config_error(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"%@`#?, \t\n\\Ux0", max_size=80).map(str.encode))
def test_load_gives_a_config_or_a_config_error_for_every_text(content: bytes) -> None:
    give_a_config_or_a_config_error(content)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_load_gives_a_config_or_a_config_error_for_every_damaged_file(data: st.DataObject) -> None:
    text = (ROOT / "config.yaml").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    content = text[:start] + data.draw(st.text(max_size=5) | st.sampled_from(WORDS)) + text[end:]
    give_a_config_or_a_config_error(content.encode())


# The shipped file and the document


def test_shipped_file_has_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    config = load_config(ROOT / "config.yaml")
    assert config.bot == BotConfig()
    assert (config.storage.type, config.storage.options) == (
        "sql",
        {"url": f"sqlite+aiosqlite:///{ROOT / 'backscroll.db'}"},
    )
    assert config.adapters == AdapterConfigs(console=ConsoleConfig())


def test_shipped_file_has_every_key() -> None:
    tree = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert set(tree["bot"]) == set(keys_of(BotConfig))
    assert set(tree["bot"]["allow"]) == set(keys_of(AllowConfig))
    assert set(tree["storage"]) == {"type", "url"}
    assert set(tree["adapters"]) == {"console"}  # test_config_shipped.py reads the rest, which stands in comments


@pytest.mark.parametrize(
    "key",
    [
        *(key for key in keys_of(BotConfig) if key != "allow"),
        *(f"allow.{key}" for key in keys_of(AllowConfig)),
        *keys_of(AdapterConfigs),
        "type",
        "url",
    ],
)
def test_document_has_every_key(key: str) -> None:
    assert f"| `{key}` |" in (ROOT / "docs/configuration.md").read_text()
