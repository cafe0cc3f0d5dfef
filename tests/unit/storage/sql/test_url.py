"""Database URLs, as people write them."""

import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL

from backscroll.errors import StorageRefusedError
from backscroll.storage.sql.url import is_memory, is_sqlite, parse_url, shown

PASSWORD = "hunter2-canary"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgresql_gets_its_driver(scheme: str) -> None:
    url = parse_url(f"{scheme}://bot:secret@db.example:5433/bot")
    assert url == URL.create("postgresql+asyncpg", "bot", "secret", "db.example", 5433, "bot")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("threads.db", "threads.db"),
        ("./data/threads.db", "./data/threads.db"),
        ("/data/threads.db", "/data/threads.db"),
        ("a name with ? and % and # in it.db", "a name with ? and % and # in it.db"),
        ("me@home.db", "me@home.db"),
        ("sqlite:///threads.db", "threads.db"),
        ("sqlite:////data/threads.db", "/data/threads.db"),
        ("sqlite+aiosqlite:///threads.db", "threads.db"),
    ],
)
def test_sqlite_gets_its_driver_and_path(text: str, path: str) -> None:
    assert parse_url(text) == URL.create("sqlite+aiosqlite", database=path)
    assert not is_memory(parse_url(text))


@pytest.mark.parametrize("text", [":memory:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+aiosqlite://"])
def test_sqlite_without_a_path_is_in_memory(text: str) -> None:
    assert is_memory(parse_url(text))


@given(st.text(min_size=1))
def test_password_of_any_characters_comes_through(password: str) -> None:
    url = parse_url(f"postgresql://bot:{quote(password, safe='')}@localhost/bot")
    assert url.password == password
    assert shown(url) == "postgresql+asyncpg://bot:***@localhost/bot"


@pytest.mark.parametrize("password", ["a/b", "a?b", "a#b", "a:b", "a b", "100%"])
def test_odd_characters_need_no_escape_where_they_are_clear(password: str) -> None:
    url = parse_url(f"postgresql://bot:{password}@localhost/bot")
    assert (url.password, url.host, url.database) == (password, "localhost", "bot")


@pytest.mark.parametrize("host", ["::1", "2001:db8::1"])
def test_ipv6_host_stands_in_brackets(host: str) -> None:
    assert parse_url(f"postgresql://bot@[{host}]:5432/bot").host == host


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
def test_sslmode_becomes_the_drivers_ssl(mode: str) -> None:
    assert dict(parse_url(f"postgresql://localhost/bot?sslmode={mode}").query) == {"ssl": mode}


def test_user_and_password_of_the_query_go_where_they_are_hidden() -> None:
    url = parse_url(f"postgresql:///bot?host=/var/run/postgresql&user=bot&password={PASSWORD}")
    assert (url.username, url.password, dict(url.query)) == ("bot", PASSWORD, {"host": "/var/run/postgresql"})
    assert PASSWORD not in shown(url)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "The storage's URL cannot be read."),
        ("://", "The storage's URL cannot be read."),
        ("postgresql://localhost:port/bot", "The storage's URL cannot be read."),
        (f"postgresql://localhost/bot?password=a&password={PASSWORD}", "The storage's URL cannot be read."),
        (f"postgresql:/bot:{PASSWORD}@localhost/bot", "The storage's URL cannot be read."),
        (f"postgres+asyncpg:bot:{PASSWORD}@localhost/bot", "The storage's URL cannot be read."),
        (f"bot:{PASSWORD}@localhost/bot", "The storage's URL cannot be read."),
        ("mysql://localhost/bot", "The driver mysql is not supported."),
        ("postgresql+psycopg://localhost/bot", "The driver postgresql+psycopg is not supported."),
        ("redis://localhost", "The driver redis is not supported."),
        ("postgresql://localhost", "The storage's URL names no database."),
        ("postgresql://localhost/", "The storage's URL names no database."),
        ("postgresql://localhost:0/bot", "The port of the storage's URL is 0, which is no port."),
        ("postgresql://localhost:65536/bot", "The port of the storage's URL is 65536, which is no port."),
        (f"postgresql://{'x' * 64}/bot", "The host of the storage's URL is no host's name."),
        (f"postgresql://bot:p@{PASSWORD}@localhost/bot", "The storage's URL has more than one @."),
        (f"postgresql://bot:p@a/{PASSWORD}@localhost/bot", "The storage's URL has more than one @."),
        ("postgresql://localhost/bot?sslmode=yes", "The sslmode of the storage's URL is not known."),
        ("postgresql://localhost/bot?pool_size=5", "The option pool_size of the storage's URL is not known."),
        (f"postgresql://bot:p@a?{PASSWORD}@localhost/bot=1", "The option in it of the storage's URL is not known."),
        ("sqlite://threads.db", "A SQLite URL has three slashes before a relative path, four before /."),
        (
            f"sqlite://bot:{PASSWORD}@localhost/x.db",
            "A SQLite URL has three slashes before a relative path, four before /.",
        ),
        ("sqlite:///threads.db?mode=ro", "A SQLite URL has a path and no options."),
        ("sqlite:///file:threads?mode=memory&uri=true", "A SQLite URL has a path and no options."),
        ("sqlite:///file:threads.db", "A SQLite URL has a path and no options."),
    ],
)
def test_url_that_cannot_be_used_is_refused_without_its_password(text: str, complaint: str) -> None:
    with pytest.raises(StorageRefusedError) as caught:
        parse_url(text)
    assert caught.value.message == complaint
    assert caught.value.hint
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@given(st.text())
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        url = parse_url(text)
    except StorageRefusedError:
        return
    assert is_sqlite(url)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("threads.db", "sqlite+aiosqlite:///threads.db"),
        ("/data/threads.db", "sqlite+aiosqlite:////data/threads.db"),
        (":memory:", "sqlite+aiosqlite:///:memory:"),
        ("postgresql://bot:x@localhost/bot?sslmode=require", "postgresql+asyncpg://bot:***@localhost/bot?ssl=require"),
    ],
)
def test_url_is_shown_as_people_write_it(text: str, expected: str) -> None:
    assert shown(parse_url(text)) == expected
