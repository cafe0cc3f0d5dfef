"""What Redis refuses, told by our errors, with no password and no text in them."""

import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from backscroll.errors import SchemaTooNewError, StorageRefusedError, StorageUnavailableError, StoreClosedError
from backscroll.storage.models import Message, Thread
from backscroll.storage.provider.primitives import join_key
from backscroll.storage.redis import Provider
from backscroll.storage.redis.connection import ATTEMPTS
from backscroll.storage.store import ThreadStore
from tests.servers.redis import RedisServer
from tests.unit.storage.redis.wire import Wire

SECRET = "a text of a person"


async def order(server: RedisServer, *command: str) -> None:
    async with Redis.from_url(server.url) as client:
        await client.execute_command(*command)  # type: ignore[no-untyped-call]


async def test_wrong_password_is_refused_and_not_shown(own_server: RedisServer) -> None:
    url = own_server.url.replace(own_server.password, "guessed-canary")
    with pytest.raises(StorageRefusedError, match="user or password") as refused:
        await ThreadStore.create(url)
    assert "guessed-canary" not in str(refused.value)


async def test_missing_password_is_refused(own_server: RedisServer) -> None:
    with pytest.raises(StorageRefusedError, match="password"):
        await ThreadStore.create(f"redis://127.0.0.1:{own_server.port}/0")


async def test_database_that_is_not_there_is_refused(own_server: RedisServer) -> None:
    with pytest.raises(StorageRefusedError, match="no such database"):
        await ThreadStore.create(own_server.url.replace("/0", "/99"))


async def test_stopped_server_is_unavailable_and_found_again(own_server: RedisServer) -> None:
    async with ThreadStore(own_server.url) as store:
        await store.get_or_create("t")
        own_server.stop()
        with pytest.raises(StorageUnavailableError, match="does not answer"):
            await store.add_message("t", Message(role="user", content=SECRET))
        assert (await store.health_check())["status"] == "unhealthy"
        own_server.start()
        await store.add_message("t", Message(role="user", content=SECRET))
        assert [message.text for message in await store.get_messages("t")] == [SECRET]


async def test_version_of_a_schema_that_does_not_migrate_asks_nobody() -> None:
    provider = Provider("redis://127.0.0.1:1/0")
    assert await provider.schema_version() is None
    await provider.close()


async def test_full_memory_is_refused_and_keeps_nothing_half(own_server: RedisServer) -> None:
    async with ThreadStore(own_server.url) as store:
        await store.get_or_create("t")
        await order(own_server, "CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StorageRefusedError, match="no memory left") as refused:
            await store.add_message("t", Message(role="user", content=SECRET))
        assert SECRET not in str(refused.value)
        await order(own_server, "CONFIG", "SET", "maxmemory", "0")
        assert (await store.add_message("t", Message(role="user", content="next"))).sequence == 1


async def test_replica_is_unavailable_for_writes(own_server: RedisServer) -> None:
    async with ThreadStore(own_server.url) as store:
        await store.get_or_create("t")
        await order(own_server, "REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StorageUnavailableError, match="replica"):
            await store.get_or_create("another")


async def test_user_without_rights_is_refused(own_server: RedisServer) -> None:
    await order(own_server, "ACL", "SETUSER", "weak", "on", ">pw", "~*", "+get", "+time", "+config")
    with pytest.raises(StorageRefusedError, match="does not let this user"):
        await ThreadStore.create(f"redis://weak:pw@127.0.0.1:{own_server.port}/0")


async def test_newer_schema_is_refused(own_server: RedisServer) -> None:
    await order(own_server, "SET", "backscroll:schema", "99")
    with pytest.raises(SchemaTooNewError, match="99"):
        await ThreadStore.create(own_server.url)


@pytest.mark.parametrize(
    ("setting", "told"),
    [(("appendfsync", "everysec"), "may lose its last writes"), (("maxmemory-policy", "allkeys-lru"), "may drop")],
)
async def test_initialize_warns_of_settings_that_may_lose_writes(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture, setting: tuple[str, str], told: str
) -> None:
    await order(own_server, "CONFIG", "SET", *setting)
    with caplog.at_level(logging.WARNING):
        await (await ThreadStore.create(own_server.url)).close()
    assert [told in record.getMessage() for record in caplog.records] == [True]
    assert own_server.password not in caplog.text


async def test_initialize_says_nothing_of_a_server_that_keeps_every_write(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await (await ThreadStore.create(own_server.url)).close()
    assert caplog.records == []


async def test_connection_that_is_lost_while_opening_is_no_setting(
    wire: Wire, wired: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    wire.lose(b"CONFIG", times=ATTEMPTS)
    with pytest.raises(StorageUnavailableError):
        await wired.initialize()
    assert (wire.to_lose, caplog.records) == (0, [])


async def test_opening_ends_in_time_and_thinks_of_tls(redis_url: str, prefix: str) -> None:
    provider = Provider(f"rediss://127.0.0.1:{urlsplit(redis_url).port}", prefix=prefix, timeout_s=2)
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="TLS"):
        await provider.initialize()
    assert time.monotonic() - began < 6  # less than it takes to try four times
    await provider.close()


async def test_message_that_was_removed_by_hand_is_left_out_of_a_fork_and_gone_with_the_thread(
    redis_url: str, providers: list[Provider], prefix: str
) -> None:
    provider, _ = providers
    messages = [Message(id=f"m{number}", role="user", content=SECRET) for number in range(3)]
    await ThreadStore(provider=provider).save(Thread(id="t", messages=messages))
    async with Redis.from_url(redis_url) as client:
        await client.hdel(f"{prefix}:v:messages", join_key("t", 2))
    fork = await provider.fork_thread("t", 2, "fork")
    assert fork is not None
    assert [message.sequence for message in fork.messages] == [1, 3]
    await provider.delete_thread("t")
    assert await provider.query("message_places", {"thread_id": "t"}) == []


async def test_killed_server_has_kept_what_it_acknowledged(own_server: RedisServer) -> None:
    async with ThreadStore(own_server.url) as store:
        await store.get_or_create("t")
        for number in range(10):
            await store.add_message("t", Message(role="user", content=str(number)))
        own_server.stop()
        own_server.start()
        assert len(await store.get_messages("t")) == 10


async def test_call_after_close_is_refused_and_close_is_harmless_when_repeated(redis_url: str, prefix: str) -> None:
    provider = Provider(redis_url, prefix=prefix)
    await provider.initialize()
    await provider.close()
    await provider.close()
    with pytest.raises(StoreClosedError):
        await provider.get_thread("t")
    with pytest.raises(StoreClosedError):
        await provider.initialize()


@pytest.mark.parametrize("wrong", [{"prefix": ""}, {"prefix": "é"}, {"pool_size": 0}, {"timeout_s": -1}])
def test_setting_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(StorageRefusedError, match=next(iter(wrong))):
        ThreadStore("redis://localhost", **wrong)


def test_settings_that_cannot_be_are_told_at_once() -> None:
    with pytest.raises(StorageRefusedError, match=r"prefix.*pool_size.*timeout_s"):
        Provider("redis://localhost", prefix="é", pool_size=0, timeout_s=-1)


def test_database_url_hides_the_password() -> None:
    store = ThreadStore("redis://:hunter2-canary@localhost/1")
    assert store.database_url == "redis://:***@localhost:6379/1"
    assert "hunter2" not in repr(store)


def test_files_of_two_bots_in_one_redis_lie_apart() -> None:
    one, other = (Provider("redis://localhost", prefix=name) for name in ("one", "other"))
    assert Path(str(one.files_directory)) != Path(str(other.files_directory))


def test_missing_package_is_told_with_what_brings_it() -> None:
    program = "import sys; sys.modules['redis'] = None\nfrom backscroll import ThreadStore\nThreadStore('redis://db')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    told = "The storage's URL is one of Redis, whose package redis is not installed. pip install 'backscroll[redis]'"
    assert told in done.stderr
