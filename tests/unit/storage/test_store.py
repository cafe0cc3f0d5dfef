"""The life of a store: when it connects, what it refuses, what it leaves behind."""

import asyncio
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from backscroll.errors import StorageError, StorageRefusedError, StorageUnavailableError, StoreClosedError
from backscroll.storage import memory
from backscroll.storage.files import LocalFiles
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore

PASSWORD = "hunter2-canary"  # looked for in everything that is shown
NEVER_CLOSED = """
import asyncio, sys
from sqlalchemy import text
from backscroll.storage.models import Thread
from backscroll.storage.store import ThreadStore

async def main():
    global store  # kept to the end of the process
    store = ThreadStore(sys.argv[1])
    await store.save(Thread(id="t"))
    assert await store.get("t") is not None
    if sys.argv[2] == "engine":
        async with store.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    print("used", flush=True)

asyncio.run(main())
"""


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Give the URL of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://bot:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/bot"


def pooled(store: ThreadStore, count: str) -> int:
    """Add up what the pools of all the store's engines count."""
    assert isinstance(store.provider, Provider)
    return sum(getattr(engine.pool, count)() for engine in store.provider.database.engines)


async def ids_in(store: ThreadStore) -> list[str]:
    """Ask the store's engine for the threads."""
    assert store.engine is not None
    async with store.engine.connect() as connection:
        return list((await connection.execute(text("SELECT id FROM threads"))).scalars())


class CountingProvider(memory.Provider):
    """A provider that counts how often it is made ready and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.initialized = self.closed = 0

    async def initialize(self) -> None:
        self.initialized += 1
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.closed += 1


async def test_create_connects_now(url: str) -> None:
    store = await ThreadStore.create(url)
    assert pooled(store, "checkedin") > 0
    await store.close()


async def test_store_connects_at_first_use(url: str) -> None:
    store = ThreadStore(url)
    await store.save(Thread(id="t"))
    assert await store.get("t") is not None
    await store.close()


async def test_entering_connects_and_leaving_closes(url: str) -> None:
    async with ThreadStore(url) as store:
        await store.save(Thread(id="t"))
    with pytest.raises(StoreClosedError):
        await store.get("t")


async def test_concurrent_first_uses_make_ready_once() -> None:
    provider = CountingProvider()
    store = ThreadStore(provider=provider)
    await asyncio.gather(*(store.get("t") for _ in range(20)))
    assert provider.initialized == 1


async def test_concurrent_first_uses_all_succeed(url: str) -> None:
    async with ThreadStore(url) as store:
        await asyncio.gather(*(store.get_or_create(f"t{number}") for number in range(20)))
        assert (await store.list_threads(limit=100))[1] == 20


async def test_stores_of_one_process_may_start_at_once(url: str) -> None:
    stores = await asyncio.gather(*(ThreadStore.create(url) for _ in range(8)))
    for store in stores:
        await store.get_or_create("t")
    for store in stores:
        await store.close()


async def test_first_use_that_failed_is_tried_again(tmp_path: Path) -> None:
    store = ThreadStore(str(tmp_path / "missing" / "threads.db"))
    with pytest.raises(StorageRefusedError):
        await store.get("t")
    (tmp_path / "missing").mkdir()
    assert await store.get("t") is None
    await store.close()


@pytest.mark.parametrize(
    "wrong",
    [
        f"mysql://bot:{PASSWORD}@localhost/bot",
        f"postgresql+psycopg2://bot:{PASSWORD}@localhost/bot",
        f"postgresql://bot:{PASSWORD}@localhost",
        f"postgresql://bot:{PASSWORD}@localhost:port/bot",
        f"postgresql://bot:{PASSWORD}@localhost:99999/bot",
        f"postgresql://bot:p@{PASSWORD}@localhost/bot",
        f"postgresql://bot:{PASSWORD}@localhost/bot?no={PASSWORD}",
        f"postgresql:/bot:{PASSWORD}@localhost/bot",
        f"bot:{PASSWORD}@localhost/bot",
        f"sqlite://bot:{PASSWORD}@localhost/bot",
        f"://bot:{PASSWORD}@localhost/bot",
        f"postgresql://bot:{PASSWORD}@127.0.0.1:1/bot",
        f"postgresql://127.0.0.1:1/bot?user=bot&password={PASSWORD}",
        f"postgresql://bot:{PASSWORD}@no-such-host.invalid/bot",
        f"postgresql://bot:{PASSWORD}@{'x' * 300}/bot",
    ],
)
async def test_wrong_url_is_a_runtime_error_that_never_shows_the_password(wrong: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        await ThreadStore.create(wrong)
    assert isinstance(caught.value, StorageError)
    assert PASSWORD not in repr(caught.value) + "".join(traceback.format_exception(caught.value))
    assert caught.value.hint


async def test_shown_url_hides_the_password() -> None:
    store = ThreadStore(f"postgresql://bot:{PASSWORD}@localhost/bot")
    assert PASSWORD not in repr(store)
    assert store.database_url == "postgresql+asyncpg://bot:***@localhost/bot"
    await store.close()


async def test_engine_is_there_before_the_first_connection(url: str) -> None:
    store = ThreadStore(url)
    assert store.engine is not None
    assert pooled(store, "checkedin") == 0
    await store.close()


async def test_store_on_another_provider_has_no_engine_and_no_url() -> None:
    store = ThreadStore(provider=memory.Provider())
    assert (store.engine, store.database_url) == (None, None)


async def test_memory_stores_are_separate() -> None:
    async with ThreadStore(":memory:") as one, ThreadStore(":memory:") as other, ThreadStore() as third:
        await one.save(Thread(id="t"))
        assert await other.get("t") is None
        assert await third.get("t") is None


async def test_engine_sees_what_its_store_wrote_and_no_other(url: str) -> None:
    async with ThreadStore(url) as store, ThreadStore(":memory:") as other:
        await store.save(Thread(id="t"))
        await other.save(Thread(id="other's"))
        assert await ids_in(store) == ["t"]
        assert await ids_in(other) == ["other's"]


async def test_store_sees_what_its_engine_wrote(url: str) -> None:
    async with ThreadStore(url) as store:
        await store.save(Thread(id="t", title="before"))
        assert store.engine is not None
        async with store.engine.begin() as connection:
            await connection.execute(text("UPDATE threads SET title = 'after'"))
        thread = await store.get("t")
    assert thread is not None
    assert thread.title == "after"


async def test_file_outlives_its_store(tmp_path: Path) -> None:
    for path in (tmp_path / "a.db", tmp_path / "b c.db"):
        async with ThreadStore(str(path)) as store:
            await store.save(Thread(id="t"))
        async with ThreadStore(f"sqlite:///{path}") as store:
            assert await store.get("t") is not None


@pytest.mark.parametrize("options", [{"url": ":memory:"}, {"url": ""}, {"pool_size": 3}])
def test_url_or_options_together_with_a_provider_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a URL with its options, or a provider"):
        ThreadStore(provider=memory.Provider(), **options)


def test_empty_url_is_refused() -> None:
    with pytest.raises(StorageRefusedError):
        ThreadStore("")


async def test_close_twice_is_harmless(url: str) -> None:
    store = await ThreadStore.create(url)
    await store.close()
    await store.close()


async def test_close_twice_at_once_is_harmless(url: str) -> None:
    store = await ThreadStore.create(url)
    await asyncio.gather(store.close(), store.close())


async def test_close_before_first_use_is_harmless(url: str) -> None:
    await ThreadStore(url).close()


async def test_call_after_close_is_refused(url: str) -> None:
    store = await ThreadStore.create(url)
    await store.close()
    calls = (
        store.get("t"),
        store.save(Thread(id="t")),
        store.add_message("t", Message(role="user")),
        store.list_threads(),
        store.initialize(),
    )
    for call in calls:
        with pytest.raises(StoreClosedError):
            await call


async def test_close_waits_for_what_is_under_way(url: str) -> None:
    store = await ThreadStore.create(url)
    await store.save(Thread(id="t"))
    writes = [asyncio.create_task(store.add_message("t", Message(role="user", content=str(n)))) for n in range(20)]
    reads = [asyncio.create_task(store.get("t")) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    outcomes = await asyncio.gather(*writes, *reads, return_exceptions=True)
    assert all(isinstance(outcome, Message | Thread | StoreClosedError) for outcome in outcomes), outcomes


@pytest.mark.parametrize("uses", ["get", "engine"])
async def test_process_that_never_closes_its_store_ends(url: str, uses: str) -> None:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", NEVER_CLOSED, url, uses)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, output) == (0, b"used\n"), errors


async def test_cancelled_start_leaves_nothing_behind(url: str) -> None:
    # asyncpg itself leaves an exception unread when it is cancelled in its first few steps.
    for steps in range(10, 200, 5):
        starting = asyncio.create_task(ThreadStore.create(url))
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        outcome = (await asyncio.gather(starting, return_exceptions=True))[0]
        if isinstance(outcome, ThreadStore):
            await outcome.close()
        else:
            assert isinstance(outcome, asyncio.CancelledError)


async def test_start_can_be_cancelled_while_the_server_is_silent(silent_server: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ThreadStore.create(silent_server), 0.2)
    assert time.monotonic() - began < 3


async def test_silent_server_is_given_up(silent_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.storage.sql.postgresql.CONNECT_TIMEOUT_S", 0.2)
    with pytest.raises(StorageUnavailableError, match=r"^postgresql\+asyncpg://bot:\*\*\*@.* did not answer in time"):
        await ThreadStore.create(silent_server)


async def test_cancelled_close_leaves_nothing_behind(url: str) -> None:
    for steps in range(8):
        store = await ThreadStore.create(url)
        await store.save(Thread(id="t"))
        writing = asyncio.create_task(store.add_message("t", Message(role="user")))
        closing = asyncio.create_task(store.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, writing, return_exceptions=True)
        await store.close()


async def test_cancelled_calls_give_their_connections_back(url: str) -> None:
    async with ThreadStore(url) as store:
        await store.save(Thread(id="t", messages=[Message(role="user")]))
        for steps in range(40):
            calls = [asyncio.create_task(store.get("t")), asyncio.create_task(store.get_or_create(f"t{steps}"))]
            for _ in range(steps):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert await store.get("t") is not None
    assert pooled(store, "checkedout") == 0


@pytest.mark.parametrize("steps", range(0, 40, 5))
async def test_close_lets_calls_of_several_steps_end(prepared_url: str, tmp_path: Path, steps: int) -> None:
    store = ThreadStore(prepared_url, files=LocalFiles(tmp_path / "files"))
    attachment = Attachment(name="a", content=b"content")
    await store.save(Thread(id="t", messages=[Message(id="m", role="user", attachments=[attachment])]))
    calls = [
        asyncio.create_task(store.delete_message("m")),
        asyncio.create_task(store.list_threads()),
        asyncio.create_task(store.search_threads("nothing")),
    ]
    for _ in range(steps):
        await asyncio.sleep(0)
    await store.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    if steps == 0:  # none had begun
        assert [type(outcome) for outcome in outcomes] == [StoreClosedError] * 3
    else:
        assert [type(outcome) for outcome in outcomes] == [bool, tuple, tuple]
        assert not [path for path in (tmp_path / "files").rglob("*/*") if path.is_file()]


async def test_closed_store_is_unhealthy_on_any_provider() -> None:
    store = ThreadStore(provider=memory.Provider())
    assert await store.health_check() == {"status": "healthy", "backend": "memory"}
    await store.close()
    assert (await store.health_check())["status"] == "unhealthy"
