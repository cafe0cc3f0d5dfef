"""`backscroll threads`, `search` and `stats`: which conversations are kept, and what was said.

Proved by `tests/scenario/test_cli_find.py`.
"""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

import typer

from backscroll.cli.moments import Since, Until, moment
from backscroll.cli.naming import PLATFORMS, place_of
from backscroll.cli.options import (
    DEFAULT_CONFIG,
    MOST,
    ConfigFile,
    DatabaseUrl,
    Json,
    Limit,
    Storage,
    Verbose,
    log_to_stderr,
    with_storage,
)
from backscroll.cli.printing import Column, counted, notice, one_line, print_facts, print_json, print_rows, print_text
from backscroll.cli.snippets import Looking, Snippet, find_hit
from backscroll.storage.filters import ThreadFilter
from backscroll.storage.keys import place_fields
from backscroll.storage.models import Thread
from backscroll.storage.provider import StorageProvider
from backscroll.storage.store import ThreadStore
from backscroll.storage.values import utc_now

PAGE = 100
"""Threads whose newest messages are read at once."""

DAYS = 30
"""Days of the chart."""

_BARS = "▁▂▃▄▅▆▇█"
_LISTED = (
    Column("id"),
    Column("where"),
    Column("title", is_cut=True),
    Column("last_sequence", is_number=True),
    Column("updated_at", "last change (UTC)"),
)


def threads(
    limit: Limit = 20,
    offset: Annotated[int, typer.Option("--offset", min=0, max=MOST, help="Pass over so many of the newest.")] = 0,
    every: Annotated[bool, typer.Option("--all", help="List all of them.")] = False,
    platform: Annotated[
        str | None, typer.Option("--platform", help="That live there, such as slack or discord.")
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option("--channel", help="That live in this channel: of Slack, or of Discord where it is a number."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", help="In which this person wrote: slack:T1:U1, discord:GUILD:USER, the id alone, or the name."
        ),
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Of this agent.")] = None,
    since: Since = None,
    until: Until = None,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the threads that are kept, the newest first.

    All conditions that are given have to be met. `--since` and `--until` compare the last change of a thread.
    """
    log_to_stderr(verbose)
    where = _filter(platform, channel, user, since, until)

    async def work(storage: Storage) -> tuple[list[dict[str, Any]], int]:
        count = await storage.provider.count_threads(agent_name=agent, where=where)
        # In one read: of several, a thread that a bot writes in between would be in two pages, or in none.
        found = await storage.provider.list_threads(
            limit=None if every else limit, offset=offset, agent_name=agent, where=where, with_messages=False
        )
        return await _rows(storage.provider, found), count

    rows, count = with_storage(config, work, url=url)
    print_rows(_LISTED, rows, as_json=as_json, empty="No thread is kept that fits.")
    if rows and len(rows) < count and not as_json:
        notice(f"{len(rows):,} of {counted(count, 'thread')}; --limit, --offset and --all show more.")


def search(
    words: Annotated[
        list[str], typer.Argument(help="What is looked for; all words stand in one message or title.", metavar="WORDS")
    ],
    regex: Annotated[
        bool, typer.Option("--regex", help="It is a regular expression (RE2), tried on messages.")
    ] = False,
    part: Annotated[bool, typer.Option("--part", help="It is a part of a text, as it stands.")] = False,
    titles: Annotated[bool, typer.Option("--titles", help="Look at titles alone.")] = False,
    limit: Limit = 20,
    config: ConfigFile = DEFAULT_CONFIG,
    url: DatabaseUrl = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find threads by what was said in them, or by their titles.

    Threads whose title fits come first, then the newest. Case and accents do not count, but with --regex. Of each
    thread the newest message that fits is shown.
    """
    log_to_stderr(verbose)
    if regex and (part or titles):
        raise typer.BadParameter("it goes with neither --part nor --titles", param_hint="--regex")
    try:
        looking = Looking.of(" ".join(words), regex=regex, part=part)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="WORDS") from None

    async def work(storage: Storage) -> list[tuple[Thread, Snippet | None]]:
        found = await _search(storage, looking, limit, titles)
        return [(each, None if titles else await find_hit(storage.provider, each, looking)) for each in found]

    found = with_storage(config, work, url=url)
    for thread, hit in found:
        _print_hit(thread, hit, looking, as_json=as_json)
    if not found and not as_json:
        notice("Nothing that is kept fits.")


def stats(
    config: ConfigFile = DEFAULT_CONFIG, url: DatabaseUrl = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Show figures of all that is kept, and how many messages each of the last 30 days had.

    Reads every thread's row, and when every message was written.
    """
    log_to_stderr(verbose)
    figures = with_storage(config, _figures, url=url)
    if as_json:
        return print_json(figures)
    totals = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    cost, tokens = figures["total_cost_usd"], figures["total_tokens"]
    print_facts(totals | {"total_tokens": tokens["total"], "total_cost_usd": cost["total"]})
    models = sorted(tokens["by_model"].keys() | cost["by_model"].keys())
    rows = [
        {"model": model, "tokens": tokens["by_model"].get(model), "cost_usd": cost["by_model"].get(model)}
        for model in models
    ]
    if rows:
        print_text()
        print_rows([Column("model"), Column("tokens", is_number=True), Column("cost_usd", is_number=True)], rows)
    print_text()
    _print_chart(figures["messages_by_day"])
    return None


def _filter(
    platform: str | None, channel: str | None, user: str | None, since: str | None, until: str | None
) -> ThreadFilter:
    place: dict[str, Any] = {}
    if user is not None and user.count(":") == 1 and user.partition(":")[0] in PLATFORMS:
        example = "slack:T1:U1" if user.startswith("slack:") else "discord:GUILD:USER"
        raise typer.BadParameter(f"it has three parts, such as {example}; or give the id alone", param_hint="--user")
    if user is not None and user.count(":") == 2:
        named, workspace, user = user.split(":")
        if platform not in (None, named):
            raise typer.BadParameter(f"it is a user of {named}, and --platform is {platform}", param_hint="--user")
        platform = named
        place = {name: value for name, value in place_fields(named, workspace, "").items() if value}
    if channel is not None:
        platform = platform or ("discord" if channel.isdecimal() else "slack")
        place["channel"] = channel
    start, end = moment(since, "--since"), moment(until, "--until", is_end=True)
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter("it is after --until, so nothing fits both", param_hint="--since")
    try:
        return ThreadFilter(platform=platform, place=place, author=user, since=start, until=end)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def _rows(provider: StorageProvider, threads: list[Thread]) -> list[dict[str, Any]]:
    rows = []
    for start in range(0, len(threads), PAGE):
        page = threads[start : start + PAGE]
        last = await asyncio.gather(*(provider.read_messages(thread.id, limit=1) for thread in page))
        for thread, newest in zip(page, last, strict=True):
            told = thread.model_dump(exclude={"messages", "reactions"})
            rows.append(
                told | {"where": place_of(thread.platforms), "last_sequence": newest[-1].sequence if newest else 0}
            )
    return rows


async def _search(storage: Storage, looking: Looking, limit: int, titles: bool) -> list[Thread]:
    async with ThreadStore(provider=storage.provider, closes_provider=False) as store:
        if looking.pattern is not None:
            return list(await store.search_by_content(looking.query, limit, regex=True, with_messages=False))
        options: dict[str, Any] = {"substring": looking.is_part, "with_messages": False}
        if titles:
            return list(await store.search_by_title(looking.query, limit, **options))
        return list((await store.search_threads(looking.query, limit, **options))[0])


def _print_hit(thread: Thread, hit: Snippet | None, looking: Looking, *, as_json: bool) -> None:
    if as_json:
        named = thread.model_dump(include={"id", "title", "user_id", "agent_name", "platforms", "updated_at"})
        return print_json(named | {"where": place_of(thread.platforms), "message": hit and hit.as_dict()})
    title = one_line(thread.title)
    head = f"{thread.id}  {place_of(thread.platforms)}  "
    # Neutralised before the ranges are counted: white space was put together.
    print_text(head + title, hits=[(len(head) + a, len(head) + b) for a, b in looking.hits(title)])
    if hit is not None:
        head = f"    #{hit.sequence} {hit.created_at:%Y-%m-%d %H:%M} {one_line(hit.author)}: "
        print_text(head + hit.text, hits=[(len(head) + a, len(head) + b) for a, b in hit.hits])
    return None


async def _figures(storage: Storage) -> dict[str, Any]:
    async with ThreadStore(provider=storage.provider, closes_provider=False) as store:
        usage, kept = await store.get_usage_stats(), await store.get_stats()
    now = utc_now()
    first = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    counted = await storage.provider.count_messages_by_day(first)
    days = [first.date() + timedelta(days=number) for number in range(DAYS)]
    by_day = {day.isoformat(): counted.get(day, 0) for day in days}
    return usage | {"feedback": kept["feedback"], "messages_by_day": by_day}


def _print_chart(by_day: dict[str, int]) -> None:
    """Print a bar for each day, as high as the day had messages."""
    most = max(by_day.values())
    first, last = min(by_day), max(by_day)
    print_text(f"Messages a day from {first} to {last}, at most {most:,}:", bold=True)
    bars = (" " if count == 0 else _BARS[(len(_BARS) - 1) * count // most] for count in by_day.values())
    print_text(f"|{''.join(bars)}|")
