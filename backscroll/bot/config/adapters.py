"""The chat platforms' sections: what stands under `adapters`, one field and one module for each.

A further platform is a dataclass in a module of its own, a field of `AdapterConfigs`, and, where its keys depend on one
another, an entry of `_CHECKS`. Must not know the adapters themselves. Proved by `tests/unit/bot/test_config_slack.py`,
`test_config_discord.py` and `test_config_shipped.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from backscroll.bot.config.discord import DiscordConfig, check_discord
from backscroll.bot.config.faults import Faults
from backscroll.bot.config.keys import as_section
from backscroll.bot.config.slack import (
    SCOPES,
    SlackAssistantConfig,
    SlackConfig,
    SlackHttpConfig,
    SlackOAuthConfig,
    SlackPrompt,
    check_slack,
)
from backscroll.bot.config.yaml_lines import Mapping

__all__ = [
    "SCOPES",
    "AdapterConfigs",
    "ConsoleConfig",
    "DiscordConfig",
    "SlackAssistantConfig",
    "SlackConfig",
    "SlackHttpConfig",
    "SlackOAuthConfig",
    "SlackPrompt",
    "check_together",
]


@dataclass(frozen=True)
class ConsoleConfig:
    """The terminal. It has no keys."""


@dataclass(frozen=True)
class AdapterConfigs:
    """The chat platforms, one field each; None: the file does not name it."""

    console: ConsoleConfig | None = None
    slack: SlackConfig | None = None
    discord: DiscordConfig | None = None


_CHECKS: dict[str, Callable[[Mapping, Faults], None]] = {"slack": check_slack, "discord": check_discord}


def check_together(adapters: Mapping, faults: Faults) -> None:
    """Add a fault for each key of a platform that lacks another, or does not go with it.

    A platform's section that is no mapping is passed over, having a fault of its own.
    """
    for platform, check in _CHECKS.items():
        entry = adapters.entries.get(platform)
        section = as_section(entry.node, platform, Faults(faults.file)) if entry is not None else None
        if entry is not None and section is not None:
            check(Mapping(entry.line, section.entries), faults)
