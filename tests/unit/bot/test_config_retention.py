"""The section `retention`: what it says, and each fault that it can have."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from backscroll.bot.config import PlatformRetention, RetentionConfig, load_config
from backscroll.errors import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the path of a configuration to be written."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path / "config.yaml"


def read(path: Path, section: str) -> RetentionConfig:
    path.write_text(f"adapters: {{console: {{}}}}\n{section}\n")
    return load_config(path).retention


def test_retention_gives_days_by_platform_and_channel(path: Path) -> None:
    section = "retention: {slack: {days: 365, channels: {C0123: 30}}, discord: {channels: {123456789012345678: 7}}}"
    assert read(path, section) == {
        "slack": PlatformRetention(365, {"C0123": 30}),
        "discord": PlatformRetention(None, {"123456789012345678": 7}),
    }


@pytest.mark.parametrize("section", ["", "retention:", "retention: {}"])
def test_retention_that_says_nothing_keeps_everything(path: Path, section: str) -> None:
    assert read(path, section) == {}


def test_retention_takes_days_from_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYS", "30")
    assert read(path, 'retention: {slack: {days: "{DAYS}"}}') == {"slack": PlatformRetention(30)}


@pytest.mark.parametrize(
    ("section", "fact"),
    [
        ("{slak: {days: 1}}", "retention.slak is not a known key."),
        ("{slack: {day: 1}}", "retention.slack.day is not a known key."),
        ("{slack: {}}", "retention.slack says no days."),
        ("{slack: 30}", "retention.slack must be a mapping; got a whole number."),
        ("{slack: {days: 0}}", "retention.slack.days must be from 1 to 36,500; got less."),
        ("{slack: {days: 1.5}}", "retention.slack.days must be a whole number; got a number with a fraction."),
        ("{slack: {channels: {C1: soon}}}", "retention.slack.channels.C1 must be a whole number; got text."),
        ("{slack: {channels: [C1]}}", "retention.slack.channels must be a mapping; got a list."),
        ("[slack]", "retention must be a mapping; got a list."),
    ],
)
def test_retention_tells_what_is_wrong(path: Path, section: str, fact: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(path, f"retention: {section}")
    assert [told.partition(": ")[2] for told, _ in refused.value.faults] == [fact]


def test_shipped_example_can_be_read(path: Path) -> None:
    shipped = (ROOT / "config.yaml").read_text()
    example = re.sub(r"(?m)^# ?", "", shipped[shipped.index("# retention:") :])
    found = read(path, example)
    assert found == {"slack": PlatformRetention(365, {"C0123": 30}), "discord": PlatformRetention(90)}
    assert set(yaml.safe_load(example)) == {"retention"}
