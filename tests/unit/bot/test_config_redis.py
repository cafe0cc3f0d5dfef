"""`storage.type: redis` in config.yaml: its keys, and what is said where its package is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from backscroll.bot.config import load_config
from backscroll.bot.opening import make_provider
from backscroll.errors import ConfigError
from backscroll.storage.redis import Provider


def written(folder: Path, storage: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(f"storage: {{type: redis, {storage}}}\nadapters: {{console: {{}}}}\n")
    return path


def test_redis_is_made_with_its_keys(tmp_path: Path) -> None:
    provider = make_provider(
        load_config(written(tmp_path, 'url: "redis://:pw@db/2", prefix: bot, timeout_s: 5')).storage
    )
    assert isinstance(provider, Provider)
    assert provider.database_url == "redis://:***@db:6379/2"


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("prefix: bot", "storage.url is needed"),
        ('url: "redis://db", prefx: bot', "Did you mean storage.prefix?"),
        ('url: "redis://db", pool_size: many', "storage.pool_size"),
    ],
)
def test_wrong_keys_are_told(tmp_path: Path, storage: str, told: str) -> None:
    with pytest.raises(ConfigError, match="storage") as refused:
        load_config(written(tmp_path, storage))
    assert told in str(refused.value)


def test_wrong_url_is_told_with_its_line_and_without_its_password(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, 'url: "http://:hunter2-canary@db"'))
    with pytest.raises(ConfigError, match=r"config.yaml:1: storage: The storage's URL cannot be read") as refused:
        make_provider(config.storage)
    assert "hunter2" not in str(refused.value)


def test_settings_that_cannot_be_are_told_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "adapters: {console: {}}\nstorage:\n  type: redis\n  url: redis://db\n  pool_size: 0\n  prefix: é\n"
    )
    with pytest.raises(ConfigError) as refused:
        make_provider(load_config(path).storage)
    assert [fact for fact, _ in refused.value.faults] == [
        f"{path}:5: storage.pool_size is not a whole number from 1 up.",
        f"{path}:6: storage.prefix is not a text of 1 to 100 ASCII characters.",
    ]


def test_missing_package_is_told_with_what_brings_it(tmp_path: Path) -> None:
    program = "import sys; sys.modules['redis'] = None\nfrom backscroll.cli.main import main\nmain()"
    arguments = ["check", "--config", str(written(tmp_path, 'url: "redis://db"'))]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'backscroll[redis]' brings it." in done.stderr
    assert "config.yaml:1: storage.type" in done.stderr
