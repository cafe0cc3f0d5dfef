"""The lines of the table: what is compared, and the bar that it is held to. One file for each group of lines."""

from collections.abc import AsyncIterator, Callable

from benchmarks.databases import Database
from benchmarks.lines.agents import agents
from benchmarks.lines.append import append
from benchmarks.lines.bulk import bulk
from benchmarks.lines.memory import memory
from benchmarks.lines.reads import find, newest, recent
from benchmarks.lines.slack import slack
from benchmarks.lines.transfer import transfer
from benchmarks.measure import Line
from benchmarks.sizes import Scale

Group = Callable[[Database, Scale], AsyncIterator[Line]]

GROUPS: dict[str, Group] = {
    "append": append,
    "find": find,
    "newest": newest,
    "recent": recent,
    "bulk": bulk,
    "memory": memory,
    "agents": agents,
    "slack": slack,
    "transfer": transfer,
}
