import pytest

from backscroll.adapters.http import is_near, retry_after_s


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8080/api/", True),
        ("http://localhost/api", True),
        ("http://[::1]:80/", True),
        ("https://slack.com/api/", False),
        ("https://127.0.0.1.example.com/", False),
    ],
)
def test_url_is_near_when_it_leads_to_this_computer(url: str, near: bool) -> None:
    assert is_near(url) is near


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 1.0), ("", 1.0), ("30", 30.0), ("0.5", 0.5), ("0", 0.05), ("-3", 0.05), ("1e9", 3_600.0), ("soon", 1.0)],
)
def test_wait_is_read_within_its_bounds(header: str | None, seconds: float) -> None:
    assert retry_after_s(header) == seconds
