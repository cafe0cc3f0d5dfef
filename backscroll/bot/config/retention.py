"""What stands under `retention`: how many days of each platform and channel are kept.

Proved by `tests/unit/bot/test_config_retention.py`.
"""

from dataclasses import dataclass, field
from typing import Annotated

from backscroll.bot.config.faults import Faults, dotted
from backscroll.bot.config.keys import UNREADABLE, Between, as_section, check_names, read_value
from backscroll.bot.config.yaml_lines import Entry, Mapping

PLATFORMS = ("console", "slack", "discord")
LONGEST_DAYS = 36_500

Days = Annotated[int, Between(1, LONGEST_DAYS)]


@dataclass(frozen=True)
class PlatformRetention:
    """How long messages of one platform are kept, in days; `channels` have their own."""

    days: int | None = None
    """None: for ever."""
    channels: dict[str, int] = field(default_factory=dict)


RetentionConfig = dict[str, PlatformRetention]
"""By platform; one that is not named keeps for ever."""


def read_retention(entry: Entry | None, faults: Faults) -> RetentionConfig:
    """Read the section, adding a fault for each thing in it that is wrong."""
    section = None if entry is None else as_section(entry.node, "retention", faults)
    if section is None:
        return {}
    check_names(section, PLATFORMS, "retention", faults)
    found = {name: _read_platform(section.entries[name], f"retention.{name}", faults)
             for name in PLATFORMS if name in section.entries}  # fmt: skip
    return {name: kept for name, kept in found.items() if kept is not None}


def _read_platform(entry: Entry, where: str, faults: Faults) -> PlatformRetention | None:
    section = as_section(entry.node, where, faults)
    if section is None:
        return None
    check_names(section, ("days", "channels"), where, faults)
    if not section.entries:
        faults.add(entry.line, f"{where} says no days.", "Write for example days: 365, or remove it.")
    days = section.entries.get("days")
    channels = section.entries.get("channels")
    its = None if channels is None else as_section(channels.node, f"{where}.channels", faults)
    whole = UNREADABLE if days is None else read_value(days.node, Days, f"{where}.days", faults)
    return PlatformRetention(None if whole is UNREADABLE else whole, _read_channels(its, f"{where}.channels", faults))


def _read_channels(section: Mapping | None, where: str, faults: Faults) -> dict[str, int]:
    entries = {} if section is None else section.entries
    return {name: read_value(each.node, Days, dotted(where, name), faults) for name, each in entries.items()}
