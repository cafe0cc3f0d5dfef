"""Redis URLs: what is taken, what is refused, and that no password is shown."""

import pytest

from backscroll.errors import StorageRefusedError
from backscroll.storage.redis.url import parse_url

PASSWORD = "hunter2-canary"


@pytest.mark.parametrize(
    ("text", "shown", "database"),
    [
        ("redis://localhost", "redis://localhost:6379/0", 0),
        (f"redis://:{PASSWORD}@db:6380/3", "redis://:***@db:6380/3", 3),
        (f"rediss://bot:{PASSWORD}@[::1]/0", "rediss://bot:***@[::1]:6379/0", 0),
        (f"unix://:{PASSWORD}@/run/redis.sock?db=2", "unix://:***@/run/redis.sock?db=2", 2),
    ],
)
def test_parse_shows_where_and_no_password(text: str, shown: str, database: int) -> None:
    url = parse_url(text)
    assert (url.shown, url.database, url.text) == (shown, database, text)
    assert PASSWORD not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{PASSWORD}",
        f"http://:{PASSWORD}@db",
        f"redis://:{PASSWORD}@",
        f"redis://:{PASSWORD}@db:none/0",
        f"redis://:{PASSWORD}@db:0",
        f"redis://:p@{PASSWORD}@db/0",
        f"redis://:p/{PASSWORD}@db/0",
        f"redis://db/{PASSWORD}",
        f"redis://db?password={PASSWORD}",
        f"redis://db/0#{PASSWORD}",
        "unix://",
    ],
)
def test_parse_refuses_what_is_no_url_of_redis_and_shows_nothing_of_it(text: str) -> None:
    with pytest.raises(StorageRefusedError) as refused:
        parse_url(text)
    assert PASSWORD not in str(refused.value)
