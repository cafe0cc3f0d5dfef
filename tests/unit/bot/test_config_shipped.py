"""What config.yaml has of the platforms, in comments, is right; it and docs/configuration.md have every key of them."""

import base64
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backscroll.bot.config import (
    AdapterConfigs,
    ConsoleConfig,
    DiscordConfig,
    SlackAssistantConfig,
    SlackConfig,
    SlackHttpConfig,
    SlackOAuthConfig,
    load_config,
)
from backscroll.bot.config.keys import keys_of

ROOT = Path(__file__).parents[3]
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
PLATFORMS = {"slack": SlackConfig, "discord": DiscordConfig}
SECTIONS = {"http": SlackHttpConfig, "assistant": SlackAssistantConfig, "oauth": SlackOAuthConfig}
VARIABLES = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "SLACK_SIGNING_SECRET": "abc",
    "SLACK_CLIENT_ID": "123.456",
    "SLACK_CLIENT_SECRET": "def",
    "SLACK_ENCRYPTION_KEY": KEY,
    "DISCORD_TOKEN": "MTIz.abc.def",
}


def shipped(*, alternatives: bool = False) -> str:
    """Return the shipped file with its commented blocks of adapters made live, and those within them too."""
    text = re.sub(r"(?m)^  # ", "  ", (ROOT / "config.yaml").read_text())
    return re.sub(r"(?m)^(    (?:# )?)# (?=\w|  )", lambda match: "    ", text) if alternatives else text


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the path of a configuration to be written, with every variable set that the shipped file names."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "config.yaml"


def test_shipped_file_without_comment_marks_has_the_defaults(written: Path) -> None:
    written.write_text(shipped())
    assert load_config(written).adapters == AdapterConfigs(
        console=ConsoleConfig(),
        slack=SlackConfig(bot_token="xoxb-1", app_token="xapp-1"),
        discord=DiscordConfig("MTIz.abc.def"),
    )


def test_shipped_file_with_the_other_way_has_the_defaults(written: Path) -> None:
    written.write_text(re.sub(r"(?m)^    (bot_token|app_token):.*\n", "", shipped(alternatives=True)))
    assert load_config(written).adapters == AdapterConfigs(
        console=ConsoleConfig(),
        slack=SlackConfig(signing_secret="abc", oauth=SlackOAuthConfig("123.456", "def", KEY)),
        discord=DiscordConfig("MTIz.abc.def", "https://discord.com/api/v10", shards=4, shard_ids=(0, 1)),
    )


def test_shipped_file_has_every_key_of_the_platforms() -> None:
    tree: dict[str, Any] = yaml.safe_load(shipped(alternatives=True))["adapters"]
    assert {name: set(tree[name]) for name in PLATFORMS} == {
        name: set(keys_of(model)) for name, model in PLATFORMS.items()
    }
    assert {name: set(tree["slack"][name]) for name in SECTIONS} == {
        name: set(keys_of(model)) for name, model in SECTIONS.items()
    }


@pytest.mark.parametrize(
    ("platform", "key"),
    [
        *(("slack", key) for key in keys_of(SlackConfig) if key not in ("http", "assistant")),
        *(("slack", f"{section}.{key}") for section, model in SECTIONS.items() for key in keys_of(model)),
        *(("discord", key) for key in keys_of(DiscordConfig)),
    ],
)
def test_document_has_every_key_of_a_platform_in_its_section(platform: str, key: str) -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    (section,) = re.findall(rf"(?ms)^### `{platform}`\n(.*?)(?=^##)", text)
    assert f"| `{key}` |" in section
