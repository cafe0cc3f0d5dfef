"""`backscroll forget`: a person leaves what is kept.

Proved by `tests/scenario/test_forget.py`.
"""

import sys
from dataclasses import asdict, replace
from typing import Annotated

import typer

from backscroll.cli.options import (
    DEFAULT_CONFIG,
    ConfigFile,
    DatabaseUrl,
    Json,
    Storage,
    Verbose,
    log_to_stderr,
    with_storage,
)
from backscroll.cli.printing import counted, notice, print_facts
from backscroll.storage.forgetting import Forgotten, Person

User = Annotated[
    str,
    typer.Option(
        "--user",
        metavar="PLATFORM:WORKSPACE:ID",
        help="Whom: slack:T1:U123, discord:G1:456, console:local:you. A * stands for every platform or workspace.",
    ),
]
WithAnswers = Annotated[
    bool, typer.Option("--with-answers", help="The bot's answers to them too: these may quote what was asked.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell how much it would be, changing nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]


def forget(
    user: User,
    with_answers: WithAnswers = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Let everything leave that a person wrote, and what names them; a report of counts at the end.

    Their messages become empty places with their number, so threads stay readable, and nothing that is delivered again
    brings them back. Their reactions, feedback and files go too. It cannot be undone. The bot may run meanwhile; when
    this is cut off, run it again. Nobody found is no error. docs/forgetting.md says what is not looked into.
    """
    log_to_stderr(verbose)
    try:
        person = Person.parse(user)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="'--user'") from None

    async def count(storage: Storage) -> Forgotten:
        return await _in_threads(storage, person, with_answers, dry_run=True)

    async def carry_out(storage: Storage) -> tuple[Forgotten, bool]:
        done = await _in_threads(storage, person, with_answers)
        await storage.attachments.discard_dropped()
        return done, await storage.provider.erase_traces()

    if not (dry_run or yes):
        found = with_storage(config, count, url=url)
        if found:
            _must_be_sure(user, found)
    if dry_run:
        _report(user, with_storage(config, count, url=url), as_json, is_dry_run=True)
        return
    done, is_erased = with_storage(config, carry_out, writes=True, opens="ready", url=url)
    _report(user, done, as_json, is_erased=is_erased)


async def _in_threads(storage: Storage, person: Person, with_answers: bool, *, dry_run: bool = False) -> Forgotten:
    provider, done = storage.provider, Forgotten()
    for thread_id in await provider.list_threads_of(person):
        done += await provider.forget_in_thread(thread_id, person, with_answers=with_answers, dry_run=dry_run)
    return done + await provider.forget_waiting(person, dry_run=dry_run)


def _must_be_sure(user: str, found: Forgotten) -> None:
    """Ask whether it is meant.

    Raises: typer.BadParameter: there is nobody to ask. typer.Abort: it is not.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked whether it is meant; say so with it.", param_hint="'--yes'")
    its = f"{counted(found.messages, 'message')} of {user} in {counted(found.threads, 'thread')}"
    notice(f"{its}, and what belongs to them, would go.")
    typer.confirm("Forget them for good?", abort=True, err=True)


def _report(
    user: str, done: Forgotten, as_json: bool, *, is_dry_run: bool = False, is_erased: bool | None = None
) -> None:
    if as_json:
        told = {"user": user, "dry_run": is_dry_run, **asdict(done)}
        print_facts(told if is_dry_run else told | {"traces_erased": is_erased}, as_json=True)
        return
    if not done and not done.answers_left:
        notice(f"Nothing is kept of {user}.")
    elif done:
        notice(f"Of {user} {'would be' if is_dry_run else 'is'} forgotten:")
        print_facts({name: count or None for name, count in asdict(replace(done, answers_left=0)).items()})
    if done.answers_left:
        notice(f"Left with their questions, as they are not finished: {done.answers_left:,} answers. Run this again.")
    if is_erased is False:
        notice("Free space of the storage may still hold what went; docs/forgetting.md says what to do about it.")
