"""`backscroll events rejected`: what could not be kept, looked at, played again, or thrown away.

Proved by `tests/scenario/test_cli_events.py`.
"""

from typing import Annotated, Any

import typer

from backscroll.bot.config import load_config
from backscroll.bot.replaying import Replayed, replay_events
from backscroll.cli.commands import Commands
from backscroll.cli.options import (
    ADAPTER,
    DEFAULT_CONFIG,
    ConfigFile,
    DatabaseUrl,
    Json,
    Limit,
    Storage,
    Verbose,
    log_to_stderr,
    tell,
    told_each,
    with_storage,
)
from backscroll.cli.printing import Column, as_age, notice, print_facts, print_first, print_json
from backscroll.errors import StorageRefusedError
from backscroll.storage.provider import StorageProvider
from backscroll.storage.records import RejectedEvent
from backscroll.storage.values import to_json

app = Commands(help="What the platforms told, and could not be kept.", no_args_is_help=True)
rejected = Commands(
    help="Events that were put aside with a reason, as they could not be understood or kept.", no_args_is_help=True
)
app.add_typer(rejected, name="rejected")

_COLUMNS = (
    Column("id"),
    Column("platform"),
    Column("created_at", "age", show=as_age),
    Column("reason", is_cut=True),
)


@rejected.command("list")
def list_rejected(
    limit: Limit = 100,
    payload: Annotated[
        bool, typer.Option("--payload", help="With --json: also what came, which may hold people's texts.")
    ] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the events that were put aside, the newest first."""
    log_to_stderr(verbose)
    if payload and not as_json:
        raise typer.BadParameter("it goes with --json; `show ID` has one event's", param_hint="--payload")

    async def work(storage: Storage) -> list[RejectedEvent]:
        return await storage.provider.list_rejected_events(limit=limit + 1)

    found = with_storage(config, work, url=url)
    rows = [_row(event, with_payload=payload) for event in found]
    print_first(_COLUMNS, rows, limit, as_json=as_json, empty="Nothing is put aside.")


@rejected.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `list` shows it.")],
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show one event with what came, which may hold people's texts."""
    log_to_stderr(verbose)

    async def work(storage: Storage) -> RejectedEvent:
        return (await _named(storage.provider, [event_id]))[0]

    event = with_storage(config, work, url=url)
    row = _row(event, with_payload=True)
    print_facts(row if as_json else row | {"payload": to_json(event.payload)}, as_json=as_json)


@rejected.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids, as `list` shows them.", metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are put aside, the oldest first.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Play events again: after an upgrade that understands them, or when the database takes them again.

    An event that is kept now is put aside no more; a running bot answers what it asks. One that fails again stays, with
    its new reason. Messages, edits, deletions, reactions and places can be played again; commands and buttons cannot,
    nor what was no event at all, or could not be kept when a history was read back. The platforms are asked for names,
    so the whole configuration is read.
    """
    log_to_stderr(verbose)
    if bool(ids) == every:
        raise typer.BadParameter("name events, or --all", param_hint="ID")
    loaded = load_config(config)

    async def work(storage: Storage) -> int:
        provider, failed = storage.provider, 0
        events = await (provider.list_rejected_events(limit=None) if every else _named(provider, ids or []))
        events.sort(key=lambda event: (event.created_at, event.id))
        async for replayed in replay_events(loaded, provider, events, storage.attachments.files):
            failed += replayed.reason is not None
            _print_replayed(replayed, as_json=as_json)
        if not as_json:
            notice(f"{len(events) - failed:,} of {len(events):,} played again.")
        return failed

    if with_storage(config, work, writes=True, opens="ready"):
        raise typer.Exit(ADAPTER)


@rejected.command()
def drop(
    ids: Annotated[list[str], typer.Argument(help="Ids, as `list` shows them.", metavar="ID")],
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Throw events away that were put aside, with what came."""
    log_to_stderr(verbose)

    async def work(storage: Storage) -> list[tuple[str, bool]]:
        return [(each, await storage.provider.delete_rejected_event(each)) for each in dict.fromkeys(ids)]

    dropped = with_storage(config, work, writes=True, opens="ready", url=url)
    count_as = "event was thrown away", "events were thrown away"
    told_each("dropped", dropped, count_as=count_as, refused=_not_there, as_json=as_json)


async def _named(provider: StorageProvider, ids: list[str]) -> list[RejectedEvent]:
    """Read events. Raises: StorageRefusedError: one is not put aside; nothing is done then."""
    found = []
    for event_id in dict.fromkeys(ids):
        event = await provider.get_rejected_event(event_id)
        if event is None:
            raise StorageRefusedError(*_not_there(event_id))
        found.append(event)
    return found


def _not_there(event_id: str) -> tuple[str, str]:
    return f"Event {event_id[:100]!a} is not put aside.", "`backscroll events rejected list` shows those that are."


def _print_replayed(replayed: Replayed, *, as_json: bool) -> None:
    event, reason = replayed.event, replayed.reason
    if as_json:
        print_json({"id": event.id, "platform": event.platform, "kept": reason is None, "reason": reason})
    elif reason is not None:
        tell(f"Event {event.id} stays put aside: {reason}", "")


def _row(event: RejectedEvent, *, with_payload: bool) -> dict[str, Any]:
    row = {"id": event.id, "platform": event.platform, "reason": event.reason, "created_at": event.created_at}
    return row | {"payload": event.payload} if with_payload else row
