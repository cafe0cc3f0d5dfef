"""The log lines of the running bot: as text or as JSON, with the ids at hand, and never with an exception's text.

An exception's text, and the lines of its traceback, may hold what people wrote; so of an exception only its type and
place are written, whoever logs it. Proved by `tests/unit/bot/watching/test_logs.py` and
`tests/scenario/test_watching.py`.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from backscroll.bot.config.operating import LogsConfig
from backscroll.errors import named

FIELDS = (
    "platform",
    "thread_key",
    "thread_id",
    "message_id",
    "external_id",
    "event_id",
    "answer_id",
    "attempt",
    "kind",
    "outcome",
    "duration_s",
)
"""What a log call may give as `extra`, or `about` say of all that is logged inside it; JSON has each in a field."""

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

_ABOUT: ContextVar[dict[str, object] | None] = ContextVar("backscroll_about", default=None)
# What could move a terminal's cursor, or begin a line that nobody logged.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Give these ids to each line that is logged inside, a handler's own too."""
    token = _ABOUT.set((_ABOUT.get() or {}) | ids)
    try:
        yield
    finally:
        _ABOUT.reset(token)


class TextFormatter(logging.Formatter):
    """One line for each record, an exception's type and place at its end."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """Lay a record out."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        told = _exception_of(record)
        line = self.formatMessage(record) + (f" ({told})" if told else "")
        return line.translate(_CONTROLS)


class JsonFormatter(logging.Formatter):
    """One JSON object for each record: `timestamp` in UTC, `level`, `logger`, `message`, and the ids that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Lay a record out."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        known = (_ABOUT.get() or {}) | {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        line |= {name: known[name] for name in FIELDS if known.get(name) is not None}
        if told := _exception_of(record):
            line["exception"] = told
        return json.dumps(line, default=str)


def set_up(config: LogsConfig, *, verbose: bool) -> None:
    """Let the program log to stderr as the configuration says.

    Handlers that others have set up stay as they are. Args: verbose: at least at level info, whatever is configured.
    """
    root = logging.getLogger()
    ours = [each for each in root.handlers if type(each) is logging.StreamHandler and each.stream is sys.stderr]
    if not ours and not root.handlers:
        ours = [logging.StreamHandler()]
        root.addHandler(ours[0])
    for handler in ours:
        handler.setFormatter(JsonFormatter() if config.format == "json" else TextFormatter())
    logging.getLogger("alembic").setLevel(logging.WARNING)  # nine lines at a start that migrates, of no use
    root.setLevel(min(LEVELS[config.level], logging.INFO) if verbose else LEVELS[config.level])


def _exception_of(record: logging.LogRecord) -> str:
    info: _ExceptionInfo | None = record.exc_info
    return named(info[1]) if info is not None and info[1] is not None else ""
