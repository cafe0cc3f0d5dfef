"""The ways in which a call to a stand-in goes wrong, as a test orders them.

Proved by `tests/unit/testing/test_faults.py` and `tests/unit/testing/discord/test_faults.py`.
"""

from dataclasses import dataclass
from typing import Literal, Self

Kind = Literal["rate_limited", "server_error", "error", "page", "hang", "cut_before", "cut_after", "cut_within"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a call goes wrong."""

    kind: Kind
    seconds: float = 0.0
    status: int = 200
    name: str = ""
    code: int = 0
    has_via: bool = True
    is_global: bool = False

    @classmethod
    def rate_limited(cls, retry_after_s: float = 1, *, with_via: bool = True, is_global: bool = False) -> Self:
        """Answer 429 with Retry-After; the call has no effect.

        On Discord `with_via` False is Cloudflare's limit, which discord.py does not wait for, and `is_global` the one
        for all routes.
        """
        return cls("rate_limited", seconds=retry_after_s, status=429, has_via=with_via, is_global=is_global)

    @classmethod
    def server_error(cls, status: int = 500) -> Self:
        """Answer a 5xx; the call has no effect."""
        return cls("server_error", status=status)

    @classmethod
    def error(cls, what: str | int, code: int = 0, message: str = "", /) -> Self:
        """Answer this error; the call has no effect.

        On Slack `error("is_archived")` answers `ok: false`; on Discord `error(403, 50013, "Missing Permissions")`
        gives the HTTP status, and the code and message of the JSON.
        """
        if isinstance(what, str):
            return cls("error", name=what)
        return cls("error", status=what, code=code, name=message)

    @classmethod
    def page(cls) -> Self:
        """Answer 200 with a web page, as the sign-in of a network that stands before; the call has no effect."""
        return cls("page")

    @classmethod
    def hang(cls, seconds: float) -> Self:
        """Hold the call for so long, then carry it out, even if the caller has gone."""
        return cls("hang", seconds=seconds)

    @classmethod
    def cut_before(cls) -> Self:
        """Cut the connection; the call has no effect."""
        return cls("cut_before")

    @classmethod
    def cut_after(cls) -> Self:
        """Carry the call out, then cut the connection without an answer."""
        return cls("cut_after")

    @classmethod
    def cut_within(cls) -> Self:
        """Carry the call out, then cut the connection in the middle of the answer."""
        return cls("cut_within")
