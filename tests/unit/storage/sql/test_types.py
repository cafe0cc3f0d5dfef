"""Types and functions that mean the same on both databases."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, literal, select

from backscroll.storage.sql import Provider
from backscroll.storage.sql.engine import Connection, Database
from backscroll.storage.sql.types import Instant, Json, Key, in_seconds, later_of, now
from backscroll.storage.values import canonical_json, utc_now

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

samples = Table(
    "samples",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", Instant),
    Column("json", Json),
    Column("key", Key),
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a database with the table of samples."""
    provider = Provider(database_url)
    await provider.database.write(lambda connection: connection.run_sync(samples.metadata.create_all))
    yield provider.database
    await provider.close()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put this machine into a zone that is never UTC's."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


async def kept(database: Database, **values: Any) -> Any:
    """Write one sample and read it back."""
    await database.write(lambda connection: connection.execute(samples.insert(), values))
    return await asked(database, samples.c[next(iter(values))])


async def asked(database: Database, expression: Any, **values: Any) -> Any:
    """Let the database work out one expression."""
    ((value,),) = await database.rows(select(expression), values)
    return value


@pytest.mark.parametrize(
    "instant",
    [
        T0,
        T0.replace(microsecond=0),
        datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    ids=str,
)
async def test_instant_comes_back_aware_to_the_microsecond(database: Database, instant: datetime) -> None:
    found = await kept(database, at=instant)
    assert found == instant
    assert found.tzinfo is UTC


async def test_instant_of_another_zone_comes_back_in_utc(database: Database) -> None:
    found = await kept(database, at=T0.astimezone(timezone(timedelta(hours=-7, minutes=-30))))
    assert found.isoformat() == T0.isoformat()


async def test_naive_instant_is_taken_as_utc(database: Database, elsewhere: None) -> None:
    assert await kept(database, at=T0.replace(tzinfo=None)) == T0


async def test_no_instant_comes_back_as_none(database: Database) -> None:
    assert await kept(database, at=None) is None


async def test_instants_sort_as_time_does(database: Database) -> None:
    instants = [T0 + timedelta(microseconds=n) for n in (5, -1, 0, 10**6, -(10**12), 10**15)]
    instants.append(datetime(1, 1, 1, tzinfo=UTC))
    await database.write(lambda connection: connection.execute(samples.insert(), [{"at": at} for at in instants]))
    found = await database.rows(select(samples.c.at).order_by(samples.c.at))
    assert [row.at for row in found] == sorted(instants)


@pytest.mark.parametrize(
    "value",
    [[1e23], [-0.0, 5e-324, 5.0, 5], {"b": 1, "a": [None, True, "ü👩"]}, [10**40], "", "null", "5.0", [], {}],
    ids=repr,
)
async def test_json_comes_back_as_it_was(database: Database, value: Any) -> None:
    assert canonical_json(await kept(database, json=value)) == canonical_json(value)


async def test_order_of_keys_comes_back_as_it_was(database: Database) -> None:
    assert list(await kept(database, json={"b": 1, "a": 2, "c": 3})) == ["b", "a", "c"]


async def test_keys_sort_by_code_point(database: Database) -> None:
    keys = ["a", "B", "ä", "Z", "z", "_", "1", "👩", "ﬀ", " "]
    await database.write(lambda connection: connection.execute(samples.insert(), [{"key": key} for key in keys]))
    found = await database.rows(select(samples.c.key).order_by(samples.c.key))
    assert [row.key for row in found] == sorted(keys)


async def test_now_is_the_present(database: Database) -> None:
    before = utc_now()
    found = await asked(database, now())
    assert before <= found <= utc_now()


async def test_now_goes_on_within_a_transaction(database: Database) -> None:
    async def work(connection: Connection) -> list[datetime]:
        return [(await connection.execute(select(now()))).scalar_one() for _ in range(2)]

    first, second = await database.write(work)
    assert first < second


@pytest.mark.parametrize("delay_s", [0, 0.5, 30, 1e-5, 1e7, -90.25])
async def test_in_seconds_is_so_much_later(database: Database, delay_s: float) -> None:
    before = utc_now()
    found = await asked(database, in_seconds(bindparam("delay_s")), delay_s=delay_s)
    # SQLite reckons in milliseconds, and leaves the rest out.
    early, late = timedelta(seconds=delay_s, milliseconds=-2), timedelta(seconds=delay_s)
    assert before + early <= found <= utc_now() + late


async def test_instant_in_no_seconds_does_not_lie_ahead(database: Database) -> None:
    for _ in range(50):
        assert await asked(database, in_seconds(bindparam("delay_s")), delay_s=0) <= await asked(database, now())


async def test_later_of_gives_the_later(database: Database) -> None:
    later = T0 + timedelta(microseconds=1)
    for one, other in ((T0, later), (later, T0)):
        found = await asked(database, later_of(literal(one, Instant()), literal(other, Instant())))
        assert found == later


async def test_written_now_compares_with_an_instant(database: Database) -> None:
    await database.write(lambda connection: connection.execute(samples.insert().values(at=now())))
    assert len(await database.rows(select(samples.c.id).where(samples.c.at <= now()))) == 1
