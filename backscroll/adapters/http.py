"""What the platforms' calls over HTTP have alike.

Knows no platform and no library. Proved by `tests/unit/adapters/test_http.py`.
"""

from urllib.parse import urlsplit

WAIT_S = (0.05, 3_600.0)
"""Seconds that a platform may ask to wait, at least and at most."""


def is_near(url: str) -> bool:
    """Tell whether a URL leads to this computer, as a stand-in's does: no proxy is asked for it."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def retry_after_s(header: str | None) -> float:
    """Read how many seconds a platform asks to wait; one, where it does not say, or says something else."""
    try:
        return min(max(float(header or 1), WAIT_S[0]), WAIT_S[1])
    except ValueError:
        return 1.0
