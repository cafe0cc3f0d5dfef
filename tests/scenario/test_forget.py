"""`backscroll forget`: what it tells, what it leaves, and what the database's file still holds."""

import asyncio
import json
import os
import pty
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from backscroll.storage.attachments import Attachments
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.records import Arrival
from backscroll.storage.sql import Provider, traces
from tests.scenario.conftest import Call
from tests.scenario.program import Home

T = TypeVar("T")

CANARY = "canary-4711-words"
FILE = b"canary-4711-file"
KEY = ThreadKey("slack", "T1", "C1", "1.0")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
KILLING = """
import os, signal
from sqlalchemy import event
from backscroll.storage import sql


class Provider(sql.Provider):
    forgotten = 0

    def __init__(self, url: str) -> None:
        super().__init__(url)
        for engine in self.database.engines:
            event.listen(engine, "commit", self.before_commit)

    def before_commit(self, connection):
        if self.forgotten == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    async def forget_in_thread(self, *arguments, **options):
        done = await super().forget_in_thread(*arguments, **options)
        self.forgotten += 1
        return done
"""
FORGET = ("forget", "--user", "slack:T1:U1", "--yes")


async def keep(provider: Provider, files: Attachments, key: ThreadKey = KEY) -> None:
    """Keep a thread that Anna began with a file, edited, and in which Bo answered; Anna's thumb stands on that."""
    file = Attachment(name="canary.txt", content=FILE)
    for number, (user_id, text) in enumerate([("U1", CANARY), ("U2", "I see")], 1):
        message = Message(
            role="user",
            content=text,
            source={"type": "user", "id": user_id, "name": f"name of {user_id}"},
            created_at=NOW,
            attachments=[file] if user_id == "U1" else [],
        )
        arrival = Arrival(key, message, key.message(f"{number}.0"), title=text, user_id=user_id)
        await files.write([message], partial(provider.record_message, arrival))
    await provider.record_edit(key.message("1.0"), f"edited {CANARY}", NOW)
    await provider.record_reaction(key.message("2.0"), "eyes", "U1", added=True, event_at=NOW)
    await provider.reject_event("slack", "no channel", {"user": "U1", "text": CANARY})


def keep_them(url: str) -> None:
    """Keep the thread in a database."""
    kept(url, keep)


def kept(url: str, work: Callable[[Provider, Attachments], Awaitable[T]]) -> T:
    """Do something with what is kept."""

    async def do() -> T:
        provider = Provider(url)
        await provider.initialize()
        files = Attachments(provider)
        try:
            return await work(provider, files)
        finally:
            await files.close()
            await provider.close()

    return asyncio.run(do())


def texts(url: str) -> list[str]:
    """Read what all messages say."""

    async def read(provider: Provider, _files: Attachments) -> list[str]:
        return [message.text for thread in await provider.list_threads() for message in thread.messages]

    return kept(url, read)


@pytest.fixture
def told(home: Home, url: str) -> str:
    """Give the URL of a database in which Anna is, which the configuration names."""
    home.configure(url=url)
    keep_them(url)
    return url


def test_forget_reports_what_left_and_no_texts(told: str, call: Call) -> None:
    done = call(*FORGET, "--json")
    counts = {name: count for name, count in json.loads(done.out).items() if count}
    assert counts == {
        "user": "slack:T1:U1",
        "threads": 1,
        "messages": 1,
        "versions": 1,
        "files": 1,
        "reactions": 1,
        "titles": 1,
        "rejected_events": 1,
    } | ({"traces_erased": True} if "sqlite" in told else {})
    assert (done.code, CANARY in done.out + done.err) == (0, False)
    assert texts(told) == ["", "I see"]


def test_forget_removes_the_contents_of_files(home: Home, call: Call) -> None:
    keep_them(home.sqlite_url)
    assert call(*FORGET).code == 0
    left = [path for path in Path(home.directory).rglob("*") if path.is_file() and FILE in path.read_bytes()]
    assert left == []


def test_forget_leaves_no_word_in_the_file_of_sqlite(home: Home, call: Call) -> None:
    keep_them(home.sqlite_url)

    def holds() -> list[str]:
        files = [path for path in home.directory.glob("backscroll.db*") if path.is_file()]
        return [path.name for path in files if any(word in path.read_bytes() for word in (b"4711", b"name of U1"))]

    assert holds() != []
    assert call(*FORGET).code == 0
    assert holds() == []


def test_forget_says_when_the_file_is_in_use(home: Home, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "BUSY_TIMEOUT_S", 0.05)
    keep_them(home.sqlite_url)
    with closing(sqlite3.connect(home.directory / "backscroll.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        done = call(*FORGET)
    assert done.code == 0
    assert "Free space of the storage may still hold what went" in done.err
    assert texts(home.sqlite_url) == ["", "I see"]


def test_forget_that_is_killed_is_completed_by_a_repeat(home: Home, url: str, call: Call) -> None:
    home.write("killing.py", KILLING)
    home.configure(storage={"type": "killing", "url": url})
    for channel in ("C1", "C2"):
        kept(url, partial(keep, key=ThreadKey("slack", "T1", channel, "1.0")))
    with home.start(*FORGET, KILL_AT="the second thread") as program:
        assert program.ended() == -signal.SIGKILL, program.err
    assert sorted(texts(url)) == ["", "I see", "I see", f"edited {CANARY}"]
    home.configure(url=url)
    assert call(*FORGET).code == 0
    assert sorted(texts(url)) == ["", "", "I see", "I see"]
    assert "Nothing is kept of slack:T1:U1.\n" in call(*FORGET).err


def test_forget_in_a_dry_run_tells_and_changes_nothing(home: Home, call: Call) -> None:
    keep_them(home.sqlite_url)
    done = call("forget", "--user", "slack:*:U1", "--dry-run")
    assert done.err == "Of slack:*:U1 would be forgotten:\n"
    counts = "threads 1 messages 1 versions 1 files 1 reactions 1 titles 1 rejected events 1"
    assert " ".join(done.out.split()) == counts
    assert texts(home.sqlite_url) == [f"edited {CANARY}", "I see"]


def test_forget_of_somebody_unknown_says_so_and_is_no_error(home: Home, call: Call) -> None:
    done = call("forget", "--user", "slack:T1:U9", "--yes")
    assert (done.code, done.out, done.err) == (0, "", "Nothing is kept of slack:T1:U9.\n")


def test_forget_wants_to_be_told_yes_where_nobody_can_be_asked(home: Home, call: Call) -> None:
    keep_them(home.sqlite_url)
    done = call("forget", "--user", "slack:T1:U1")
    assert (done.code, "--yes" in done.err) == (2, True)
    assert texts(home.sqlite_url) == [f"edited {CANARY}", "I see"]


@pytest.mark.parametrize(("answer", "left"), [("y", ""), ("n", f"edited {CANARY}")])
def test_forget_asks_first(home: Home, call: Call, monkeypatch: pytest.MonkeyPatch, answer: str, left: str) -> None:
    keep_them(home.sqlite_url)
    person, ours = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    with os.fdopen(ours, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        done = call("forget", "--user", "slack:T1:U1")
    os.close(person)
    assert "1 message of slack:T1:U1 in 1 thread" in done.err
    assert texts(home.sqlite_url)[0] == left


@pytest.mark.parametrize("user", ["U1", "slack:U1", "slack:T1:*", "slack::U1"])
def test_forget_of_what_is_no_person_is_wrong_usage(home: Home, call: Call, user: str) -> None:
    done = call("forget", "--user", user, "--yes")
    assert (done.code, "PLATFORM:WORKSPACE:USER" in done.err) == (2, True)


def test_bot_carries_out_retention_while_it_runs(home: Home) -> None:
    keep_them(home.sqlite_url)
    home.write("config.yaml", "adapters: {console: {}}\nretention: {slack: {days: 1}}")
    with home.start() as program:
        program.wait_until(lambda: texts(home.sqlite_url) == ["", ""], "the retention")
        program.end_input()
        assert program.ended() == 0
