"""`backscroll db`: what the database is and holds, and its schema brought up to date.

Proved by `tests/scenario/test_cli_db.py`.
"""

from typing import Any

import typer

from backscroll.cli.commands import Commands
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    NO_TABLES_HINT,
    STORAGE,
    ConfigFile,
    DatabaseUrl,
    Json,
    Storage,
    Verbose,
    log_to_stderr,
    with_storage,
)
from backscroll.cli.printing import as_size, notice, print_facts, print_json
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore

HEALTHY = "healthy"
_COUNTED = ("threads", "messages", "feedback", "unfinished_answers", "failed_answers")

app = Commands(help="The database that the threads are kept in.", no_args_is_help=True)


@app.command()
def status(
    config: ConfigFile = DEFAULT_CONFIG, url: DatabaseUrl = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Show the database's kind, address, schema and size, changing nothing.

    The password is hidden. The exit code is 3 when the database cannot be used: it does not answer, is not there, or a
    newer release wrote it.
    """
    log_to_stderr(verbose)
    facts = with_storage(config, _facts, opens="as_it_is", url=url)
    if not as_json:
        facts |= {"size": as_size(facts.pop("size_bytes")) or None}
    print_facts(facts, as_json=as_json)
    here, known = facts["schema_version"], facts["release_version"]
    if not as_json:
        _tell_of(here, known, facts["status"])
    if facts["status"] != HEALTHY:
        raise typer.Exit(STORAGE)


def _tell_of(here: int | None, known: int | None, status: str) -> None:
    """Say what to do about a schema that this release does not work on."""
    if here == known or here is None or known is None:
        return
    if here > known:
        notice("A newer release wrote it: upgrade Backscroll; going back is not supported.")
    elif here == 0:
        fact = "It is not there." if status == "not there" else "It has no tables of Backscroll's."
        notice(f"{fact} {NO_TABLES_HINT}")
    else:
        notice("`backscroll db upgrade` brings it up to date; so does the bot's next start.")


@app.command()
def upgrade(
    config: ConfigFile = DEFAULT_CONFIG, url: DatabaseUrl = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Make the database's tables, or bring them up to this release; harmless when they are.

    Make a backup before: going back is not supported. The bot does the same when it starts.
    """
    log_to_stderr(verbose)

    async def work(storage: Storage) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        before = await storage.provider.schema_version()
        await storage.provider.initialize()
        return before, await storage.provider.schema_version()

    before, after = with_storage(config, work, writes=True, opens="as_it_is", url=url)
    if as_json:
        print_json({"before": before and before[0], "after": after and after[0]})
    elif before is None or after is None:
        notice("This storage has no schema to bring up to date.")
    elif before[0] == after[0]:
        notice(f"The schema is of version {after[0]}, as this release wants it.")
    else:
        notice(f"The schema was of version {before[0]}, and is of version {after[0]} now.")


async def _facts(storage: Storage) -> dict[str, Any]:
    provider = storage.provider
    store = ThreadStore(provider=provider)  # not opened: it would migrate
    health, versions = await provider.health_check(), await provider.schema_version()
    here, known = versions or (None, None)
    facts = {
        "backend": health["backend"],
        "url": store.database_url,
        "status": health["status"],
        "reason": health.get("reason"),
        "schema_version": here,
        "release_version": known,
        "files": provider.files_directory,
    }
    counts: dict[str, int | None] = dict.fromkeys(_COUNTED)
    size_bytes = await provider.size_bytes()
    if here == 0:
        facts["status"] = "not there" if size_bytes == 0 else "empty"
    elif here == known:
        await provider.initialize()
        counts |= await _counts(provider)
    return facts | counts | {"size_bytes": size_bytes}


async def _counts(provider: StorageProvider) -> dict[str, int]:
    kept = await provider.get_stats()
    unfinished = await provider.count_answers()
    return {name: kept[name] for name in ("threads", "messages", "feedback")} | {
        "unfinished_answers": sum(each.count for each in unfinished.values()),
        "failed_answers": await provider.count_failed_answers(),
    }
