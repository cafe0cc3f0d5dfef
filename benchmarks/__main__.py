"""Run the lines that the arguments name, print them, and write them to `results.json` unless they are quick ones.

Arguments: `quick`, in small sizes; databases (`sqlite`, `postgresql`, `pgbouncer`); groups of lines (`append`, `find`,
…); and `redis`, which has lines of its own. None: all.
"""

import asyncio
import sys

import asyncpg

from benchmarks.databases import KINDS, Places, tell
from benchmarks.lines import GROUPS
from benchmarks.lines.redis import redis
from benchmarks.measure import Line
from benchmarks.report import print_table, write_results
from benchmarks.sizes import FULL, QUICK, Scale

_DATABASES = [kind.name for kind in KINDS]


async def main(arguments: list[str]) -> None:
    """Measure what is named."""
    known = ["quick", "redis", *_DATABASES, *GROUPS]
    unknown = [argument for argument in arguments if argument not in known]
    if unknown:
        sys.exit(f"{unknown[0]} is nothing that is measured. Known are {', '.join(known)}.")
    scale, named = QUICK if "quick" in arguments else FULL, {*arguments} - {"quick"}
    databases = [name for name in _DATABASES if name in arguments] or ([] if named == {"redis"} else _DATABASES)
    groups = [name for name in GROUPS if name in arguments] or list(GROUPS)
    with Places() as places:
        lines = await _measure(places, databases, groups, scale)
        if "redis" in named or not named:
            lines += [_told(line) async for line in redis(scale)]
        print_table(lines)
        if scale is FULL:
            write_results(lines, await _version(places), is_whole=not arguments)


async def _measure(places: Places, databases: list[str], groups: list[str], scale: Scale) -> list[Line]:
    lines = []
    for kind in KINDS:
        if kind.name in databases:
            database = kind(places)
            for group in groups:
                lines += [_told(line) async for line in GROUPS[group](database, scale)]
    return lines


def _told(line: Line) -> Line:
    tell(f"{line.database}: {line.name}: {line.ratio:.2f}")
    return line


async def _version(places: Places) -> str:
    connection = await asyncpg.connect(places.server.url())
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


if __name__ == "__main__":  # a process that `lines.memory` starts imports this file too
    asyncio.run(main(sys.argv[1:]))
