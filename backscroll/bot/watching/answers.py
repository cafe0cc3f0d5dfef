"""What becomes of handlers and answers: told to the observer, and logged with the answer's id.

Proved by `tests/unit/bot/watching/test_events.py` and `tests/scenario/test_watching.py`.
"""

import logging
import time
from collections.abc import Awaitable
from datetime import datetime

from backscroll.adapters.observing import HandlerOutcome, Observer
from backscroll.bot.ending import HandlerError, Suspended
from backscroll.storage.models import Message
from backscroll.storage.records import Answer, FinalState
from backscroll.storage.values import utc_now

log = logging.getLogger(__name__)


async def observed_run(observer: Observer, answer: Answer, running: Awaitable[Message | None]) -> Message | None:
    """Run a handler, and tell how that went. Errors as those of `running`; one that is cancelled tells nothing."""
    began_at = time.monotonic()
    outcome: HandlerOutcome
    try:
        message = await running
    except Suspended:
        observer.handler_ended(answer.key.platform, "suspended", time.monotonic() - began_at)
        raise
    except HandlerError:
        observer.handler_ended(answer.key.platform, "failed", time.monotonic() - began_at)
        raise
    outcome = "silent" if message is None else "answered"
    observer.handler_ended(answer.key.platform, outcome, time.monotonic() - began_at)
    return message


def tell_end(observer: Observer, answer: Answer, state: FinalState, asked_at: datetime | None = None) -> None:
    """Tell that an answer is finished. Args: asked_at: as `Observer.answer_ended` has it."""
    observer.answer_ended(answer, state, asked_at)
    took_s = max(0.0, (utc_now() - answer.created_at).total_seconds())
    extra = {"message_id": answer.message_id, "outcome": state, "duration_s": round(took_s, 3)}
    log.info("Answer %s is %s, %.3f s after it was asked for.", answer.id, state, took_s, extra=extra)
