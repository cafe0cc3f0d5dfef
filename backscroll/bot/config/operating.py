"""What stands under `logs` and `watch`: how the running bot tells of itself.

Must not know what logs or listens. Proved by `tests/unit/bot/watching/test_config.py`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from backscroll.bot.config.faults import Faults
from backscroll.bot.config.keys import UNREADABLE, Between, Text, read_value
from backscroll.bot.config.yaml_lines import Mapping


@dataclass(frozen=True)
class LogsConfig:
    """What the program writes to stderr. `json` is one object a line."""

    format: Literal["text", "json"] = "text"
    level: Literal["error", "warning", "info"] = "warning"


@dataclass(frozen=True)
class WatchConfig:
    """Where `/healthz`, `/readyz` and `/metrics` are served. Port 0 is any that is free."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Between(0, 65_535)] = 9464


def read_logs(root: Mapping, faults: Faults) -> LogsConfig:
    """Return the section `logs`; where it has faults, they are added."""
    found = _read(root, "logs", LogsConfig, faults)
    return found if isinstance(found, LogsConfig) else LogsConfig()


def read_watch(root: Mapping, faults: Faults) -> WatchConfig | None:
    """Return the section `watch`, None when there is none: nothing is served then. Faults are added."""
    found = _read(root, "watch", WatchConfig, faults)
    return found if isinstance(found, WatchConfig) else None


def _read(root: Mapping, name: str, model: type[Any], faults: Faults) -> Any:
    entry = root.entries.get(name)
    return UNREADABLE if entry is None else read_value(entry.node, model, name, faults)
