"""`backscroll health`: whether a bot lives, and its storage answers. For Docker, Kubernetes, and people.

Proved by `tests/scenario/test_health.py`.
"""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from backscroll.bot.watching.heartbeat import EVERY_S, PREFIX, heartbeat_name
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    STORAGE,
    ConfigFile,
    DatabaseUrl,
    Json,
    Storage,
    Verbose,
    log_to_stderr,
    with_storage,
)
from backscroll.cli.printing import print_json, print_text
from backscroll.errors import StorageError, StorageUnavailableError
from backscroll.storage.records import AnswerCount, AnswerState

ANSWER_S = 10.0
"""Seconds in which the storage has to tell."""

MaxAge = Annotated[
    float, typer.Option(min=EVERY_S, help="Seconds since the last heartbeat, at most.", metavar="SECONDS")
]
MaxWait = Annotated[
    float | None,
    typer.Option(min=0, help="Also fail when a question waits longer than this for its answer.", metavar="SECONDS"),
]
ThisHost = Annotated[bool, typer.Option("--this-host", help="Ask for a bot on this host, not for any on the storage.")]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `told` is for people, `figures` for programs."""

    name: str
    is_well: bool
    told: str
    figures: dict[str, Any]


def health(
    config: ConfigFile = DEFAULT_CONFIG,
    max_age: MaxAge = 60.0,
    max_wait: MaxWait = None,
    this_host: ThisHost = False,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Tell whether the storage answers and a bot lives on it; exit with 0 when all is well, else with 3.

    A running bot notes a heartbeat every 15 seconds; one whose loop hangs, or whose storage takes nothing, notes none.
    It is no sign that the platforms are connected: that is what /readyz of a bot with a `watch` section tells.
    """
    log_to_stderr(verbose)
    look = partial(_look, max_age=max_age, max_wait=max_wait, this_host=this_host)
    try:
        checks = with_storage(config, look, url=url)
    except StorageError as error:
        if not as_json:
            raise
        checks = [Check("storage", False, error.message, {"reason": error.message})]
    for check in checks:
        line = {"check": check.name, "ok": check.is_well} | check.figures
        if as_json:
            print_json(line)
        else:
            print_text(f"{'ok' if check.is_well else 'NOT OK'}  {check.told}")
    if not all(check.is_well for check in checks):
        raise typer.Exit(STORAGE)


async def _look(storage: Storage, *, max_age: float, max_wait: float | None, this_host: bool) -> list[Check]:
    try:
        async with asyncio.timeout(ANSWER_S):
            beats = await storage.provider.list_heartbeats()
            counts = await storage.provider.count_answers()
    except TimeoutError:
        raise StorageUnavailableError(f"The storage did not answer in {ANSWER_S:g} s.") from None
    ours = {name: at for name, at in beats.items() if name.startswith(PREFIX)}
    if this_host:
        ours = {name: at for name, at in ours.items() if name == heartbeat_name()}
    return [
        Check("storage", True, "The storage answers.", {}),
        _heartbeat(ours, max_age, "on this host" if this_host else "on this storage"),
        _answers(counts, max_wait),
    ]


def _heartbeat(beats: dict[str, float], max_age: float, where: str) -> Check:
    if not beats:
        return Check("heartbeat", False, f"No bot has noted a heartbeat {where}.", {"name": None, "age_s": None})
    name = max(beats, key=lambda name: beats[name])
    age_s = max(0.0, time.time() - beats[name])
    figures = {"name": name, "age_s": round(age_s, 1)}
    return Check("heartbeat", age_s <= max_age, f"The last heartbeat, of {name}, is {age_s:.0f} s old.", figures)


def _answers(counts: dict[AnswerState, AnswerCount], max_wait: float | None) -> Check:
    numbers = {str(state): found.count for state, found in counts.items()}
    oldest_s = max((found.oldest_s for found in counts.values() if found.oldest_s is not None), default=None)
    told = ", ".join(f"{count} {state}" for state, count in numbers.items())
    age = "" if oldest_s is None else f"; the oldest was asked for {oldest_s:.0f} s ago"
    is_well = max_wait is None or (oldest_s or 0.0) <= max_wait
    rounded = None if oldest_s is None else round(oldest_s, 1)
    return Check("answers", is_well, f"Answers: {told}{age}.", numbers | {"oldest_s": rounded})
