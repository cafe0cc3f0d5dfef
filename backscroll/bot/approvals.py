"""Approvals in the bot: what a handler is told of a decision, how it waits for one, and who may decide.

Proved by `tests/unit/bot/test_approvals.py` and `tests/scenario/test_approvals.py`.
"""

from collections.abc import Awaitable, Collection, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

from backscroll.adapters.base import Verdict
from backscroll.bot.ending import HandlerError
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, Outcome
from backscroll.storage.values import check_id, check_type

Approvers = Literal["thread", "asker", "all"]
"""Who may decide: whoever wrote in the thread, the one who asked alone, or everybody who sees the question."""

QUESTION_LENGTH = 1_000
"""Characters of a question, at most: with its buttons it has to stand in one post."""

NAME_LENGTH = 80
"""Characters of the name of whoever decided, at most."""

LONGEST = timedelta(days=3_650)
"""How long a question may wait, at most."""

_TOLD: dict[Outcome, str] = {"approved": "✅ Approved", "rejected": "❌ Rejected", "expired": "⌛ Expired"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an approval; true when it was given.

    `by` is the platform's id of the person who decided, None when nobody did in time. `question` is what was asked,
    whatever the handler would ask now.
    """

    outcome: Outcome
    by: str | None
    at: datetime
    question: str = field(repr=False)

    @property
    def approved(self) -> bool:
        """Whether somebody approved."""
        return self.outcome == "approved"

    def __bool__(self) -> bool:
        return self.approved


class Asking(Awaitable[Decision]):
    """A question that is asked when this is awaited. It is neither true nor false: a forgotten `await` is an error."""

    def __init__(self, asking: Coroutine[Any, Any, Decision]) -> None:
        self._asking = asking

    def __await__(self) -> Generator[Any, Any, Decision]:
        return self._asking.__await__()

    def __bool__(self) -> NoReturn:
        self._asking.close()
        raise HandlerError("The handler did not wait for a decision: write await turn.ask_approval(…).")


@dataclass(frozen=True, slots=True)
class Deciding:
    """Who may decide, as `bot` in config.yaml says; None for users means all."""

    provider: StorageProvider
    approvers: Approvers = "thread"
    users: Collection[str] | None = field(default=None, repr=False)

    async def decide(self, approval_id: str, user_id: str, *, approved: bool) -> Verdict:
        """Keep what somebody decided, where they may; a question that is open no more is told first.

        Raises: StorageUnavailableError: it is not kept, or nobody knows.
        """
        try:
            approval_id, user_id = check_id(approval_id), check_id(user_id)
        except ValueError:  # no id of ours
            return "unknown"
        approval = await self.provider.get_approval(approval_id)
        answer = None if approval is None else await self.provider.get_answer(approval.answer_id)
        if answer is None:
            return "unknown"
        if not await self._may_decide(answer, user_id):
            return "not_allowed"
        decided = await self.provider.decide_approval(approval_id, "approved" if approved else "rejected", user_id)
        if decided is None:
            return "unknown"
        if decided.stands:
            return "decided"
        return "expired" if decided.approval.outcome == "expired" else "decided_before"

    async def _may_decide(self, answer: Answer, user_id: str) -> bool:
        if self.users is not None and user_id not in self.users:
            return False
        author = await self.provider.get_author(answer.thread_id, answer.key.platform, user_id)
        if author is not None and author.get("type") == "agent":
            return False
        if self.approvers == "all" or (self.approvers == "thread" and author is not None):
            return True
        question = await self.provider.get_message(answer.message_id)
        return question is not None and (question[1].source or {}).get("id") == user_id


def check_question(question: str, expires_in: timedelta) -> None:
    """Return for what can be asked.

    Raises: ValueError: no text of 1 to 1,000 characters, or no time until 10 years from now.
    """
    length = len(check_type(question, str, "question").strip())
    if not 0 < length <= QUESTION_LENGTH:
        raise ValueError(f"question is a text of 1 to {QUESTION_LENGTH} characters, got {length} characters")
    if not timedelta(0) < check_type(expires_in, timedelta, "expires_in") <= LONGEST:
        raise ValueError(f"expires_in is a timedelta of more than 0 and at most {LONGEST.days} days")


def told(question: str, outcome: Outcome, by: str | None) -> str:
    """Say what became of a question, as its post does when it is decided."""
    name = "" if by is None else f" by @{' '.join(by.split())[:NAME_LENGTH]}"
    return f"{question}\n\n{_TOLD[outcome]}{name}"
