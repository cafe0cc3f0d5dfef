"""The configuration of a bot: `config.yaml` as a frozen `Config`, or every fault of it at once.

Owns the keys, their types, bounds and defaults. A key is one field of a dataclass below or in a platform's module, and
stands with its meaning in `config.yaml` and `docs/configuration.md`. Faults and representations show no value: any of
them may be a secret.

Must not know adapters or the handler beyond their names, nor of storage more than what a provider is. Proved by
`tests/unit/bot/test_config.py` and those beside it that begin with its name.
"""

import os
import re
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from backscroll.bot.config.adapters import (
    AdapterConfigs,
    ConsoleConfig,
    DiscordConfig,
    SlackAssistantConfig,
    SlackConfig,
    SlackHttpConfig,
    SlackOAuthConfig,
    SlackPrompt,
    check_together,
)
from backscroll.bot.config.faults import Faults
from backscroll.bot.config.keys import (
    UNREADABLE,
    Between,
    Id,
    Key,
    Text,
    as_section,
    check_names,
    keys_of,
    read_keys,
    read_value,
)
from backscroll.bot.config.operating import LogsConfig, WatchConfig, read_logs, read_watch
from backscroll.bot.config.placeholders import substitute
from backscroll.bot.config.provider_class import ProviderClass, keys_of_constructor
from backscroll.bot.config.retention import PlatformRetention, RetentionConfig, read_retention
from backscroll.bot.config.user_code import Handler, load_handler, load_provider, make_importable
from backscroll.bot.config.yaml_lines import MAX_BYTES, Entry, Mapping, Node, Scalar, read_yaml

__all__ = [
    "AdapterConfigs",
    "AllowConfig",
    "BotConfig",
    "Config",
    "ConsoleConfig",
    "DiscordConfig",
    "LogsConfig",
    "PlatformRetention",
    "RetentionConfig",
    "SlackAssistantConfig",
    "SlackConfig",
    "SlackHttpConfig",
    "SlackOAuthConfig",
    "SlackPrompt",
    "StorageConfig",
    "WatchConfig",
    "load_config",
    "load_storage",
    "resolve_sqlite_url",
]

DEFAULT_HANDLER = "backscroll.bot.handlers:echo"
DEFAULT_URL = "sqlite+aiosqlite:///backscroll.db"
_NO_FILE = re.compile(r"sqlite(\+\w+)?:/{2,3}(\?.*)?", re.DOTALL)  # SQLAlchemy takes it for a database in memory
Approvers = Literal["thread", "asker", "all"]
Occasion = Literal["mentions", "direct_messages", "joined_threads"]
_OCCASIONS: frozenset[Occasion] = frozenset({"mentions", "direct_messages", "joined_threads"})


@dataclass(frozen=True)
class AllowConfig:
    """Who may talk to the bot, and where. Users and channels are the platform's ids; an empty list lets nobody in."""

    users: Literal["all"] | frozenset[Id] = field(default="all", repr=False)
    channels: Literal["all"] | frozenset[Id] = field(default="all", repr=False)


@dataclass(frozen=True)
class BotConfig:
    """How the bot answers. Bounds are checked when a file is read, not when an object is made."""

    handler: Text = DEFAULT_HANDLER
    answer: frozenset[Occasion] = _OCCASIONS
    record: Literal["joined", "all"] = "joined"
    overlap: Literal["queue", "latest"] = "queue"
    history_limit: Annotated[int, Between(1, 10_000)] = 50
    handler_timeout_s: Annotated[float, Between(0.1, 86_400)] = 120.0
    max_parallel: Annotated[int, Between(1, 1_000)] = 16
    lease_s: Annotated[float, Between(1, 3_600)] = 30.0
    shutdown_grace_s: Annotated[float, Between(0, 3_600)] = 8.0
    failure_text: Annotated[str, Between(1, 2_000)] = field(
        default="Sorry, I could not answer this. The people who run me can see why.", repr=False
    )
    allow: AllowConfig = AllowConfig()
    approve: Approvers = "thread"


@dataclass(frozen=True)
class StorageConfig:
    """Where threads are kept: `provider_class(**options)` makes the provider. The options may hold passwords."""

    type: str
    provider_class: ProviderClass
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    files: Path | None = None
    """The directory of the contents of attachments; None is the provider's own."""
    path: Path = field(default=Path("config.yaml"), compare=False)
    """The configuration file."""
    line: int = field(default=0, compare=False)
    """Where it says so."""
    lines: dict[str, int] = field(default_factory=dict, compare=False)
    """Where it has each of the options."""


@dataclass(frozen=True)
class Config:
    """What one configuration file says. `handler_function` is what `bot.handler` names, imported."""

    path: Path
    bot: BotConfig
    storage: StorageConfig
    adapters: AdapterConfigs
    handler_function: Handler
    logs: LogsConfig = field(default_factory=LogsConfig)
    watch: WatchConfig | None = None
    retention: RetentionConfig = field(default_factory=dict)


def load_config(path: Path) -> Config:
    """Read a configuration file, import what it names, and check all of it.

    The file's directory is put in front of `sys.path`, and stays there, so that a handler or provider beside the file
    can be imported. Placeholders come from the environment as it is now. Nothing is connected.

    Raises: ConfigError: with every fault; only what makes the file unreadable as YAML hides others.
    """
    faults = Faults(str(path))
    node = _read_tree(path, faults)
    root = None if node is None else as_section(substitute(node, os.environ, faults), "the file", faults)
    if root is None:
        raise faults.error()
    directory = path.absolute().parent.resolve()
    make_importable(directory)
    check_names(root, ("bot", "storage", "adapters", "logs", "watch", "retention"), "", faults)
    bot, handler = _read_bot(root, directory, faults)
    storage = _read_storage(root, path, faults)
    adapters = _read_adapters(root, faults)
    logs, watch = read_logs(root, faults), read_watch(root, faults)
    retention = read_retention(root.entries.get("retention"), faults)
    if faults.count or bot is None or handler is None or storage is None or adapters is None:
        raise faults.error()
    return Config(path, bot, storage, adapters, handler, logs=logs, watch=watch, retention=retention)


def load_storage(path: Path) -> StorageConfig:
    """Read where a configuration keeps its threads, and nothing else: the rest may lack its secrets.

    Raises: ConfigError: as `load_config`, for this section.
    """
    faults = Faults(str(path))
    node = _read_tree(path, faults)
    root = None if node is None else as_section(node, "the file", faults)
    if root is None:
        raise faults.error()
    make_importable(path.absolute().parent.resolve())
    its = {name: replace(entry, node=substitute(entry.node, os.environ, faults))
           for name, entry in root.entries.items() if name == "storage"}  # fmt: skip
    storage = _read_storage(replace(root, entries=its), path, faults)
    if faults.count or storage is None:
        raise faults.error()
    return storage


def resolve_sqlite_url(url: str, directory: Path) -> str:
    """Return the URL with a relative SQLite file made absolute in `directory`; anything else unchanged.

    Relative to the working directory, a bot that is started from elsewhere would begin with an empty database. A bare
    file name is SQLite too. `:memory:` and SQLite's own `file:` names are left alone.
    """
    match = re.fullmatch(r"(?:(sqlite(?:\+\w+)?://)/)?([^?]*)(\?.*)?", url, re.DOTALL)
    if match is None:
        return url
    scheme, file, query = match.groups()
    if not file or "://" in file or file.startswith((":memory:", "file:")) or Path(file).is_absolute():
        return url
    return f"{scheme}/{directory / file}{query or ''}" if scheme else f"{directory / file}{query or ''}"


def _read_tree(path: Path, faults: Faults) -> Node | None:
    """Return what the file says, placeholders and all, or None with a fault."""
    text = _read_text(path, faults)
    node = read_yaml(text, faults) if text is not None else None
    if isinstance(node, Scalar) and node.value is None:
        faults.add(0, "the file is empty.", "Begin with the two lines `adapters:` and `  console: {}`.")
        return None
    return node


def _read_text(path: Path, faults: Faults) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        faults.add(
            0, "there is no such file.", "Check the path; where none is given it is config.yaml of this directory."
        )
        return None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no name of a file"
        faults.add(0, f"the file cannot be read: {reason}.", "Check its path and permissions.")
        return None
    if len(content) > MAX_BYTES:
        faults.add(0, f"the file is longer than {MAX_BYTES // 1024} KiB.", "Remove what is no configuration.")
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        faults.add(line, "the file is not UTF-8 from here on.", "Save it with the encoding UTF-8.")
        return None


def _section(root: Mapping, name: str, faults: Faults) -> tuple[Mapping | None, int]:
    """Return a section and its line; an absent one is empty, and one that is no mapping is None, with a fault."""
    entry = root.entries.get(name, Entry(root.line, Mapping(root.line)))
    return as_section(entry.node, name, faults), entry.line


def _read_bot(root: Mapping, directory: Path, faults: Faults) -> tuple[BotConfig | None, Handler | None]:
    section, line = _section(root, "bot", faults)
    if section is None:
        return None, None
    before = faults.count
    values = read_keys(section, keys_of(BotConfig), "bot", line, faults)
    bot = BotConfig(**values) if faults.count == before else None
    if "handler" in section.entries and "handler" not in values:
        return bot, None
    line = section.entries["handler"].node.line if "handler" in values else line
    return bot, load_handler(values.get("handler", DEFAULT_HANDLER), directory, partial(faults.add, line))


def _read_storage(root: Mapping, path: Path, faults: Faults) -> StorageConfig | None:
    section, line = _section(root, "storage", faults)
    if section is None:
        return None
    before, directory = faults.count, path.absolute().parent.resolve()
    name, is_shown = "sql", True
    if "type" in section.entries:
        node = section.entries["type"].node
        name, line = read_value(node, Text, "storage.type", faults), node.line
        is_shown = isinstance(node, Scalar) and not node.replaced
    report = partial(faults.add, line)
    provider = None if name is UNREADABLE else load_provider(name, directory, report, is_shown=is_shown)
    if provider is None:
        return None
    keys, takes_any = keys_of_constructor(provider, report)
    keys |= {"files": Key(Text), "type": Key(Text)}  # ours, whatever the storage
    given = Mapping(line, {key: entry for key, entry in section.entries.items() if key != "type"})
    if takes_any:
        keys = {**{key: Key(Any) for key in given.entries}, **keys}
    if name == "sql" and "url" not in given.entries:
        given.entries["url"] = Entry(line, Scalar(line, DEFAULT_URL, DEFAULT_URL))
    options = read_keys(given, keys, "storage", line, faults)
    lines = {key: entry.node.line for key, entry in given.entries.items()}
    if faults.count > before or not given.entries.keys() <= options.keys():  # the rest was found while substituting
        return None
    if name == "sql":
        if _NO_FILE.fullmatch(options["url"]):
            hint = "Write sqlite:///bot.db; a bot that may forget all at its end has sqlite:///:memory:."
            faults.add(lines["url"], "storage.url names no file.", hint)
            return None
        options["url"] = resolve_sqlite_url(options["url"], directory)
    files = options.pop("files", None)
    return StorageConfig(name, provider, options, None if files is None else directory / files, path, line, lines)


def _read_adapters(root: Mapping, faults: Faults) -> AdapterConfigs | None:
    section, line = _section(root, "adapters", faults)
    if section is None:
        return None
    if not section.entries:
        faults.add(line, "adapters names no chat platform.", "Add `console: {}` under adapters.")
        return None
    before = faults.count
    values = read_keys(section, keys_of(AdapterConfigs), "adapters", line, faults)
    check_together(section, faults)
    return AdapterConfigs(**values) if faults.count == before else None
