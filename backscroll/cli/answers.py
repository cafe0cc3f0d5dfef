"""`backscroll answers`: which questions are answered, which are not and why; try one again, or give it up.

Proved by `tests/scenario/test_cli_answers.py`.
"""

from typing import Annotated, Any, Literal

import typer

from backscroll.cli.commands import Commands
from backscroll.cli.naming import find_thread
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    ConfigFile,
    DatabaseUrl,
    Json,
    Limit,
    Storage,
    Verbose,
    log_to_stderr,
    told_each,
    with_storage,
)
from backscroll.cli.printing import Column, as_age, print_first
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import Answer, AnswerState

app = Commands(help="The questions that were asked, and what became of their answers.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(help="Ids, as `answers list` shows them.", metavar="ID")]
State = Literal["waiting", "running", "suspended", "sending", "sent", "failed", "skipped"]
Step = Literal["retried", "dropped"]

_COLUMNS = (
    Column("id"),
    Column("state"),
    Column("thread_id", "thread"),
    Column("created_at", "age", show=as_age),
    Column("retries", is_number=True),
    Column("reason", is_cut=True),
)
_NOT: dict[Step, str] = {
    "retried": "it is no failed answer; `answers list --state failed` has those.",
    "dropped": "it does not wait and has not failed; what is being answered goes on.",
}


@app.command("list")
def list_answers(
    state: Annotated[State | None, typer.Option("--state", help="In this state.", metavar="STATE")] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="In this thread, named as for `show`.")] = None,
    limit: Limit = 100,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List answers in the order in which they were asked for.

    States: waiting, running, suspended (for an approval), sending, sent, failed (it was tried and given up), skipped.
    """
    log_to_stderr(verbose)

    async def work(storage: Storage) -> list[Answer]:
        provider = storage.provider
        thread_id = None if thread is None else (await find_thread(provider, thread)).thread.id
        return await provider.list_answers(state=state, thread_id=thread_id, limit=limit + 1)

    found = with_storage(config, work, url=url)
    rows = [_row(answer) for answer in found]
    print_first(_COLUMNS, rows, limit, as_json=as_json, empty="There is no such answer.")


@app.command()
def retry(
    ids: Ids = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="All that failed.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Let failed answers be tried again, behind what else waits in their threads.

    A running bot takes them by itself; without one they wait for its next start.
    """
    log_to_stderr(verbose)
    if bool(ids) == all_failed:
        raise typer.BadParameter("name answers, or --all-failed", param_hint="ID")

    async def work(storage: Storage) -> list[tuple[str, bool]]:
        provider = storage.provider
        named = await _failed(provider) if all_failed else dict.fromkeys(ids or ())
        return [(each, await provider.retry_answer(each)) for each in named]

    _told("retried", with_storage(config, work, writes=True, opens="ready", url=url), as_json=as_json)


@app.command()
def drop(
    ids: Annotated[list[str], typer.Argument(help="Ids, as `answers list` shows them.", metavar="ID")],
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Give answers up that wait, for an approval too, or failed; the questions stay, and nobody is told."""
    log_to_stderr(verbose)

    async def work(storage: Storage) -> list[tuple[str, bool]]:
        return [(each, await storage.provider.drop_answer(each)) for each in dict.fromkeys(ids)]

    _told("dropped", with_storage(config, work, writes=True, opens="ready", url=url), as_json=as_json)


async def _failed(provider: StorageProvider) -> list[str]:
    state: AnswerState = "failed"
    return [answer.id for answer in await provider.list_answers(state=state, limit=None)]


def _told(step: Step, done: list[tuple[str, bool]], *, as_json: bool) -> None:
    def refused(answer_id: str) -> tuple[str, str]:
        return f"Answer {answer_id[:100]!a} was not {step}.", _NOT[step]

    told_each(step, done, count_as=(f"answer was {step}", f"answers were {step}"), refused=refused, as_json=as_json)


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "state": answer.state,
        "thread_id": answer.thread_id,
        "message_id": answer.message_id,
        "where": answer.key.alias,
        "position": answer.position,
        "retries": answer.tries,  # how often it was given back after a try that went wrong
        "takeovers": answer.takeovers,
        "reason": answer.reason,
        "answer_message_id": answer.answer_message_id,
        "ready_at": answer.ready_at,
        "created_at": answer.created_at,
        "updated_at": answer.updated_at,
    }
