"""The pool's settings and where they are taken from."""

from typing import Any

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage.sql import Provider
from backscroll.storage.sql.settings import PoolSettings

SETTINGS = {"pool_size": 7, "max_overflow": 3, "pool_timeout": 1.5, "pool_recycle": 60.0, "echo": True}


def test_defaults_are_those_of_the_docs() -> None:
    assert PoolSettings.choose() == PoolSettings(5, 10, 30.0, 300.0, False)


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_environment_gives_a_setting(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BACKSCROLL_DB_{name.upper()}", str(value))
    assert PoolSettings.choose() == PoolSettings(**{name: value})


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_argument_wins_over_the_environment(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BACKSCROLL_DB_{name.upper()}", "0" if name == "echo" else "99")
    assert PoolSettings.choose(**{name: value}) == PoolSettings(**{name: value})


@pytest.mark.parametrize("name", SETTINGS)
def test_empty_variable_counts_as_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BACKSCROLL_DB_{name.upper()}", "")
    assert PoolSettings.choose() == PoolSettings()


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "yes", "on"])
def test_switch_is_on(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSCROLL_DB_ECHO", text)
    assert PoolSettings.choose().echo is True


@pytest.mark.parametrize("text", ["0", "false", "no", "OFF"])
def test_switch_is_off(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSCROLL_DB_ECHO", text)
    assert PoolSettings.choose().echo is False


WRONG = [
    ("pool_size", "0", "is not a whole number from 1 up."),
    ("pool_size", "-3", "is not a whole number from 1 up."),
    ("pool_size", "5.5", "is not a whole number from 1 up."),
    ("pool_size", "many", "is not a whole number from 1 up."),
    ("pool_size", "nan", "is not a whole number from 1 up."),
    ("pool_size", "inf", "is not a whole number from 1 up."),
    ("max_overflow", "-1", "is not a whole number from 0 up."),
    ("pool_timeout", "-1", "is not a number from 0 up."),
    ("pool_timeout", "30s", "is not a number from 0 up."),
    ("pool_recycle", "-2", "is not a number from -1 up."),
    ("echo", "loud", "is neither true nor false."),
]


@pytest.mark.parametrize(("name", "value", "complaint"), WRONG)
def test_wrong_variable_is_refused_by_name(
    name: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"BACKSCROLL_DB_{name.upper()}", value)
    with pytest.raises(StorageRefusedError) as caught:
        PoolSettings.choose()
    assert caught.value.message == f"BACKSCROLL_DB_{name.upper()} {complaint}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_size", 0),
        ("pool_size", True),
        ("pool_size", 2.5),
        ("max_overflow", -1),
        ("pool_timeout", "soon"),
        ("echo", "x"),
    ],
)
def test_wrong_argument_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(StorageRefusedError, match=rf"^{name} is "):
        Provider(":memory:", **{name: value})


async def test_settings_reach_the_pool_of_postgresql() -> None:
    provider = Provider("postgresql://localhost/bot", pool_size=2, max_overflow=1, pool_timeout=3, pool_recycle=60)
    pool = provider.database.engine.pool
    assert (pool.size(), pool._max_overflow, pool._timeout, pool._recycle) == (2, 1, 3, 60)  # type: ignore[attr-defined]  # the pool's class
    await provider.close()


@pytest.mark.parametrize("value", ["ful", "off", "FULL", 1, None])
def test_unknown_synchronous_is_refused(value: Any) -> None:
    with pytest.raises(StorageRefusedError, match="synchronous is neither full nor normal"):
        Provider("threads.db", synchronous=value)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_pgbouncer_is_a_switch(value: Any) -> None:
    with pytest.raises(StorageRefusedError, match="pgbouncer is neither true nor false"):
        Provider("postgresql://localhost/bot", pgbouncer=value)
