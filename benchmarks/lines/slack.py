"""A bot on Slack beside bolt alone: what it keeps and answers a second, and how soon Slack has its ack.

Events come through the real slack-bolt over a socket. Slack's stand-in is in this process, each bot in one of its own.
"""

from collections.abc import AsyncIterator
from functools import partial

from benchmarks.databases import Database, tell
from benchmarks.measure import Line, compare
from benchmarks.sizes import EMPTY, Scale
from benchmarks.slack import IN_FLIGHT, bolt, ours

STEADY_PER_SECOND = 100
ACK_LIMIT_MS = 250.0


async def slack(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the lines for a bot on Slack; behind PgBouncer it is none of its own."""
    if database.name == "pgbouncer":
        return
    for is_answered, what, bar in (
        (False, f"Slack, {IN_FLIGHT} events in flight: kept / bolt does nothing", 0.3),
        (True, f"Slack, {IN_FLIGHT} events in flight: answered / bolt posts", 0.4),
    ):
        url = await database.url(EMPTY)
        tell(f"{database.name}: beginning threads on Slack")
        async with bolt(is_answered=is_answered) as theirs, ours(url, is_answered=is_answered) as crowd:
            done = await compare(partial(crowd.talk, scale.said), partial(theirs.talk, scale.said), scale.rounds)
            delays = await crowd.talk_steadily(scale.said_steadily_s * STEADY_PER_SECOND, STEADY_PER_SECOND)
        await database.drop(EMPTY)
        yield Line(database.name, what, done.ours, done.other, done.ratio, bar)
        for percent in (50, 99):
            delay = delays[len(delays) * percent // 100]
            state = "answered" if is_answered else "kept"
            name = f"Slack, {STEADY_PER_SECOND} events a second, {state}: p{percent} to the ack / limit"
            yield Line(database.name, name, delay, ACK_LIMIT_MS, delay / ACK_LIMIT_MS, 1, bar_is_limit=True, unit="ms")
