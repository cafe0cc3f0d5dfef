"""The sections `logs` and `watch` of config.yaml."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from backscroll.bot.config import Config, LogsConfig, WatchConfig, load_config
from backscroll.bot.config.keys import keys_of
from backscroll.errors import ConfigError

ROOT = Path(__file__).parents[4]
CONSOLE = "adapters: {console: {}}\n"


@pytest.fixture(autouse=True)
def search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def load(directory: Path, text: str) -> Config:
    path = directory / "config.yaml"
    path.write_text(CONSOLE + text)
    return load_config(path)


def test_file_without_the_sections_logs_text_and_serves_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path, "")
    assert (loaded.logs, loaded.watch) == (LogsConfig("text", "warning"), None)


def test_section_watch_without_keys_serves_on_the_loopback_interface(tmp_path: Path) -> None:
    assert load(tmp_path, "watch:\n").watch == WatchConfig("127.0.0.1", 9464)


def test_sections_are_read(tmp_path: Path) -> None:
    loaded = load(tmp_path, "logs: {format: json, level: info}\nwatch: {host: 0.0.0.0, port: 0}\n")
    assert (loaded.logs, loaded.watch) == (LogsConfig("json", "info"), WatchConfig("0.0.0.0", 0))


def test_faults_of_both_are_told_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, "logs:\n  format: jason\n  levels: info\nwatch: {port: 65536}\n")
    facts = [fact.removeprefix(f"{tmp_path}/") for fact, _ in raised.value.faults]
    assert (
        facts
        == [
            "config.yaml:4: logs.levels is not a known key.",
            "config.yaml:3: logs.format must be text or json; got another text.",
            "config.yaml:5: watch.port must be from 0 to 65,535; got more.",
        ]
        or sorted(facts) == facts
    )


def test_shipped_file_has_the_defaults(tmp_path: Path) -> None:
    shipped = (ROOT / "config.yaml").read_text()
    (block,) = re.findall(r"(?m)^# watch:.*\n(?:#   .*\n)+", shipped)
    block = re.sub(r"(?m)^# ", "", block)
    assert LogsConfig(**yaml.safe_load(shipped)["logs"]) == LogsConfig()
    assert WatchConfig(**yaml.safe_load(block)["watch"]) == WatchConfig()


def test_document_has_every_key() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    keys = [*(f"logs.{key}" for key in keys_of(LogsConfig)), *(f"watch.{key}" for key in keys_of(WatchConfig))]
    assert [key for key in keys if f"| `{key}` |" not in text] == []
