"""How a handler's run ends without an answer: it made none, or waits for people.

Proved by `tests/unit/bot/test_handling.py` and `test_approvals.py`.
"""

from backscroll.errors import BackscrollError


class HandlerError(BackscrollError):
    """The handler made no answer."""


class Suspended(BaseException):  # it is no error: it ends a handler that waits, past its `except Exception`
    """Ends a handler whose answer waits for an approval; it runs again when that is decided."""

    def __init__(self, approval_id: str) -> None:
        super().__init__(approval_id)
        self.approval_id = approval_id
