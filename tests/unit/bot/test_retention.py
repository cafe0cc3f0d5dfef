"""Carrying out retention, on SQLite: what goes, what is not read again, and a storage that does not answer."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backscroll.bot import retention as module
from backscroll.bot.config import PlatformRetention, RetentionConfig
from backscroll.bot.retention import Retention
from backscroll.errors import StorageUnavailableError
from backscroll.storage.attachments import Attachments
from backscroll.storage.files import LocalFiles
from backscroll.storage.forgetting import ExpiredPage, Expiry
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, Message
from backscroll.storage.records import Arrival
from backscroll.storage.sql import Provider, traces
from backscroll.storage.values import utc_now

SLACK = ThreadKey("slack", "T1", "C1", "1.0")
SHORT = ThreadKey("slack", "T1", "C2", "1.0")
DISCORD = ThreadKey("discord", "G1", "7", "8")
CONFIG: RetentionConfig = {"slack": PlatformRetention(365, {"C2": 30})}


@pytest.fixture
async def provider(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Provider]:
    path = tmp_path / "kept.db"
    shutil.copy(sqlite_template, path)
    provider = Provider(str(path))
    await provider.initialize()
    yield provider
    await provider.close()


@pytest.fixture
async def attachments(provider: Provider, tmp_path: Path) -> AsyncIterator[Attachments]:
    attachments = Attachments(provider, LocalFiles(str(tmp_path / "files")))
    yield attachments
    await attachments.close()


async def said(provider: Provider, key: ThreadKey, days: float, *files: Attachment) -> str:
    """Keep what was said in a thread so many days ago, and give its id."""
    at = utc_now() - timedelta(days=days)
    message = Message(role="user", content="words", created_at=at, attachments=list(files))
    kept = await provider.record_message(Arrival(key, message, key.message(str(at.timestamp()))))
    assert kept is not None
    return kept.message.id


async def standing(provider: Provider, *ids: str) -> list[bool]:
    """Tell which of these messages stand."""
    found = [await provider.get_message(each) for each in ids]
    return [each is not None and each[1].deleted_at is None for each in found]


async def test_retention_goes_by_the_days_of_platform_and_channel(provider: Provider, attachments: Attachments) -> None:
    ids = [
        await said(provider, key, days)
        for key, days in [(SLACK, 366), (SLACK, 364), (SHORT, 31), (SHORT, 29), (DISCORD, 5_000)]
    ]
    await Retention(CONFIG, provider, attachments).carry_out()
    assert await standing(provider, *ids) == [False, True, False, True, True]


async def test_retention_removes_the_contents_of_files(provider: Provider, attachments: Attachments) -> None:
    file = Attachment(name="a", content=b"a content")
    at = utc_now() - timedelta(days=400)
    message = Message(role="user", created_at=at, attachments=[file])
    arrival = Arrival(SLACK, message, SLACK.message("1"))
    await attachments.write([message], lambda: provider.record_message(arrival))
    assert await attachments.read(message.attachments[0]) == b"a content"
    await Retention(CONFIG, provider, attachments).carry_out()
    assert await attachments.read(message.attachments[0]) is None


async def test_retention_leaves_no_word_in_a_file_that_is_written_anew(
    provider: Provider, attachments: Attachments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "_PAUSE_S", 0)
    for number in range(9):
        at = utc_now() - timedelta(days=400 - number)
        message = Message(role="user", content="canary4711", created_at=at)
        await provider.record_message(Arrival(SLACK, message, SLACK.message(str(number)), title="canary4711"))
    await Retention(CONFIG, provider, attachments).carry_out()
    with closing(sqlite3.connect(tmp_path / "kept.db", isolation_level=None)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"4711" not in (tmp_path / "kept.db").read_bytes()


async def test_retention_merges_indexes_at_most_once_a_day_when_it_cleared(
    provider: Provider, attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, merged = utc_now(), list[datetime]()

    async def merge() -> None:
        merged.append(clock)

    monkeypatch.setattr(provider, "merge_indexes", merge)
    monkeypatch.setattr(module, "utc_now", lambda: clock)
    start, retention = clock, Retention(CONFIG, provider, attachments)
    await said(provider, SLACK, 365 - 1 / 48)
    for hours in (0, 1, 24, 48):
        clock = start + timedelta(hours=hours)
        await retention.carry_out()
    assert merged == [start, start + timedelta(days=1)]


async def test_retention_merges_indexes_of_what_it_cleared_before_a_rule_failed(
    provider: Provider, attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, merged, find = utc_now(), list[datetime](), provider.find_expired

    async def merge() -> None:
        merged.append(clock)

    async def find_on_slack(expiry: Expiry, **options: Any) -> ExpiredPage:
        if expiry.platform == "discord":
            raise StorageUnavailableError("It is away.")
        return await find(expiry, **options)

    monkeypatch.setattr(provider, "merge_indexes", merge)
    monkeypatch.setattr(module, "utc_now", lambda: clock)
    both: RetentionConfig = {name: PlatformRetention(365, {}) for name in ("slack", "discord")}
    retention = Retention(both, provider, attachments)
    await retention.carry_out()
    await said(provider, SLACK, 366)
    clock += timedelta(days=1)
    with monkeypatch.context() as away:
        away.setattr(provider, "find_expired", find_on_slack)
        with pytest.raises(StorageUnavailableError):
            await retention.carry_out()
    await retention.carry_out()
    assert merged == [clock - timedelta(days=1), clock]


async def test_retention_deletes_rejected_events_of_the_platforms_days(
    provider: Provider, attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provider.reject_event("slack", "no channel", {})
    await provider.reject_event("discord", "no channel", {})
    later = utc_now() + timedelta(days=366)
    monkeypatch.setattr(module, "utc_now", lambda: later)
    await Retention(CONFIG, provider, attachments).carry_out()
    assert [event.platform for event in await provider.list_rejected_events()] == ["discord"]


async def test_retention_reads_what_is_kept_once_a_day_alone(
    provider: Provider, attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = utc_now()
    monkeypatch.setattr(module, "utc_now", lambda: clock)
    await said(provider, DISCORD, 5_000)  # exempt, and older than any rule
    retention = Retention(CONFIG, provider, attachments)
    await retention.carry_out()
    late = await said(provider, SLACK, 6_000)
    crossing = await said(provider, SLACK, 365 - 1 / 48)
    clock += timedelta(hours=1)
    await retention.carry_out()
    assert await standing(provider, late, crossing) == [True, False]
    clock += timedelta(hours=23)
    await retention.carry_out()
    assert await standing(provider, late) == [False]


async def test_retention_lets_two_processes_do_the_same_work(
    provider: Provider, attachments: Attachments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLEARED_COUNT", 2)
    ids = [await said(provider, SLACK, 366 + number) for number in range(9)]
    other = Provider(str(tmp_path / "kept.db"))
    both = (Retention(CONFIG, each, attachments) for each in (provider, other))
    await asyncio.gather(*(each.carry_out() for each in both))
    await other.close()
    assert await standing(provider, *ids) == [False] * len(ids)


async def test_retention_that_is_cancelled_is_completed_by_the_next_run(
    provider: Provider, attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLEARED_COUNT", 1)
    ids = [await said(provider, SLACK, 366 + number) for number in range(4)]
    began, retention = asyncio.Event(), Retention(CONFIG, provider, attachments)
    clear = provider.clear_messages

    async def clear_and_tell(message_ids: list[str]) -> object:
        began.set()
        return await clear(message_ids)

    monkeypatch.setattr(provider, "clear_messages", clear_and_tell)
    first = asyncio.create_task(retention.carry_out())
    await began.wait()
    first.cancel()
    await asyncio.wait([first])
    await retention.carry_out()
    assert await standing(provider, *ids) == [False] * len(ids)
