"""Log lines: their forms, the ids in them, and what is never in them."""

import json
import logging
from typing import Any

import pytest

from backscroll.bot.config import LogsConfig
from backscroll.bot.watching.logs import JsonFormatter, TextFormatter, about, set_up

CANARY = "xyzzy4711"


def record(message: str, *arguments: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("backscroll.bot", logging.WARNING, "file.py", 1, message, arguments, info)
    made.__dict__.update(extra)
    return made


def raised() -> BaseException:
    try:
        return dict[str, BaseException]()[CANARY]
    except KeyError as error:
        return error


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(JsonFormatter().format(made))
    return line


def test_json_line_has_the_instant_in_utc_and_the_ids_that_are_given() -> None:
    made = record("Answer %s waits.", "A1", answer_id="A1", duration_s=0.5, taskName="t", secret=CANARY)
    made.created = 1_700_000_000.25
    assert as_json(made) == {
        "timestamp": "2023-11-14T22:13:20.250+00:00",
        "level": "warning",
        "logger": "backscroll.bot",
        "message": "Answer A1 waits.",
        "answer_id": "A1",
        "duration_s": 0.5,
    }


def test_json_line_has_what_it_is_logged_about() -> None:
    with about(platform="slack", answer_id="A1"), about(thread_id="T1"):
        line = as_json(record("x", answer_id="A2"))
    assert (line["platform"], line["thread_id"], line["answer_id"]) == ("slack", "T1", "A2")
    assert "platform" not in as_json(record("x"))


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_line_of_an_exception_has_its_type_and_place_and_no_text(formatter: logging.Formatter) -> None:
    line = formatter.format(record("Error handling request", error=raised()))
    assert "KeyError at test_logs.py:" in line
    assert CANARY not in line
    assert "Traceback" not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_line_stays_one_line_whatever_is_in_it(formatter: logging.Formatter) -> None:
    line = formatter.format(record("a %s", "b\nc\x1b[2J\x9b"))
    assert line.isprintable()


@pytest.mark.parametrize(("verbose", "level"), [(True, logging.INFO), (False, logging.ERROR)])
def test_set_up_leaves_what_others_set_up_and_verbose_is_info(
    monkeypatch: pytest.MonkeyPatch, *, verbose: bool, level: int
) -> None:
    root, others = logging.getLogger(), logging.NullHandler()
    monkeypatch.setattr(root, "handlers", [others])
    before, alembic = root.level, logging.getLogger("alembic").level
    try:
        set_up(LogsConfig("json", "error"), verbose=verbose)
        assert (root.handlers, others.formatter, root.level) == ([others], None, level)
    finally:
        root.setLevel(before)
        logging.getLogger("alembic").setLevel(alembic)
