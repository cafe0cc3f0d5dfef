"""What agents leave behind: a long conversation's blocks, one tool call among very many, a long thread's fork."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import count

from sqlalchemy import text

from backscroll import ThreadStore
from backscroll.storage.sql import Provider
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.tables import messages, threads
from benchmarks.databases import Database, tell
from benchmarks.measure import Line, compare, repeat
from benchmarks.raw import Raw
from benchmarks.sizes import LONG, Group, Scale, Size, thread_id, various
from benchmarks.statements import Script, Statement, Values, noted

TALK = Group(0, 2, 1_000)
"""Two conversations, so that the statements of two calls can be compared."""

BLOCKS_EACH = 4
TALKS = Size("talks", (TALK,))
FEW = Size("few_calls", (Group(0, 1, 1_000),))
MANY = Size("many_calls", (Group(0, 1, 1_000),))

_CONTENTS = (
    ("user_text", '{"text": "Is the deploy out, and does anything burn?"}'),
    ("tool_use", '{"tool_call_id": "c", "tool_name": "status", "tool_input": {}, "tool_output": "", "is_error": 0}'),
    ("text", '{"text": "It is out since noon, and nothing burns so far."}'),
    ("usage", '{"model": "m", "version": "1", "input_tokens": 900, "output_tokens": 40}'),
)


async def agents(database: Database, scale: Scale) -> AsyncIterator[Line]:
    """Yield the lines for what agents leave behind."""
    yield await _blocks(database, scale)
    yield await _tool_call(database, scale)
    yield await _fork(database, scale)


async def _blocks(database: Database, scale: Scale) -> Line:
    async with database.both(TALKS) as (store, raw):
        await _add_blocks(store, BLOCKS_EACH)
        script = Script.learn(await _look(store, 0), await _look(store, 1))
        tell(f"{database.name}: get_message_blocks runs {script.told}")

        async def ours() -> None:
            assert len(await store.get_message_blocks(thread_id(0))) == TALK.messages

        async def theirs() -> None:
            assert await raw.read(script, _values(0)) == TALK.messages * BLOCKS_EACH

        reads = max(1, scale.reads // 10)
        done = await compare(partial(repeat, reads, ours), partial(repeat, reads, theirs), scale.rounds)
    await database.drop(TALKS)
    name = f"blocks of {TALK.messages:,} messages, {BLOCKS_EACH} each / raw query"
    return Line(database.name, name, done.ours, done.other, done.ratio, 0.3)


async def _tool_call(database: Database, scale: Scale) -> Line:
    each = scale.threads // 1_000

    def looking(store: ThreadStore, blocks_each: int) -> Callable[[], Awaitable[int]]:
        numbers = count()

        async def look() -> None:
            number = next(numbers)
            sequence, position = number % 1_000 + 1, number % blocks_each + 1
            assert await store.get_tool_call(f"call-{sequence}-{position}") is not None

        return partial(repeat, scale.reads, look)

    async with database.store(MANY) as many, database.store(FEW) as few:
        await _add_blocks(many, each, kind="tool_use")
        await _add_blocks(few, 1, kind="tool_use")
        done = await compare(looking(many, each), looking(few, 1), scale.rounds)
    for size in (MANY, FEW):
        await database.drop(size)
    name = f"tool call among {each * 1_000:,} blocks / 1,000, time"
    return Line(database.name, name, done.ours, done.other, done.time_ratio, 1.3, bar_is_limit=True)


async def _fork(database: Database, scale: Scale) -> Line:
    numbers = count()
    async with database.both(various(scale)) as (store, raw):

        async def ours() -> int:
            fork = await store.fork_thread(
                thread_id(LONG.first), LONG.messages - 1, f"fork-{next(numbers)}", with_messages=False
            )
            assert fork is not None
            return 1

        done = await compare(ours, partial(_insert_select, raw, numbers), scale.rounds)
    name = f"fork of {LONG.messages:,} messages / INSERT … SELECT"
    return Line(database.name, name, done.ours, done.other, done.ratio, 0.5)


async def _insert_select(raw: Raw, numbers: "count[int]") -> int:
    """Copy a thread and its messages by two statements in one transaction."""
    new = f"copy-{next(numbers)}"
    copied = []
    for table, key in ((threads, "id"), (messages, "thread_id")):
        names = [column.name for column in table.c if column.identity is None]
        changed = {key: f"'{new}'", "id": f"'{new}'" if table is threads else f"'{new}.' || sequence"}
        values = ", ".join(changed.get(name, name) for name in names)
        select = f"SELECT {values} FROM {table.name} WHERE {key} = '{thread_id(LONG.first)}'"  # noqa: S608  # constants
        copied.append((f"INSERT INTO {table.name} ({', '.join(names)}) {select}", [()]))
    await raw.insert([*copied])
    return 1


async def _add_blocks(store: ThreadStore, each: int, *, kind: str | None = None) -> None:
    """Give every message so many blocks, of each kind in turn, or of one."""
    provider = store.provider
    assert isinstance(provider, Provider)
    json = "{}" if provider.database.is_sqlite else "CAST({} AS json)"
    wanted = [pair for pair in _CONTENTS if kind in (None, pair[0])]
    cases = [(f"WHEN {number} THEN", *pair) for number, pair in enumerate(wanted)]
    place = f"CASE n % {len(wanted)} "
    values = {
        "id": "'b-' || m.id || '-' || n",
        "message_id": "m.id",
        "position": "n + 1",
        "block_type": place + " ".join(f"{when} '{name}'" for when, name, _ in cases) + " END",
        "content": json.format(place + " ".join(f"{when} '{content}'" for when, _, content in cases) + " END"),
        "details": json.format("'{}'"),
        "tool_call_id": "'call-' || m.sequence || '-' || (n + 1)" if kind else "NULL",
        "created_at": "m.created_at",
    }
    series = f"WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {each - 1})"  # noqa: S608  # a number
    rows = f"SELECT {', '.join(values.values())} FROM s, messages m"  # noqa: S608  # constants
    insert = f"INSERT INTO {message_blocks.name} ({', '.join(values)}) {series} {rows}"

    async def work(connection: Connection) -> None:
        await connection.execute(text(insert.replace(":", "\\:")))
        await connection.execute(text("ANALYZE"))

    await provider.database.write(work)


async def _look(store: ThreadStore, number: int) -> tuple[list[Statement], Values]:
    with noted(store) as statements:
        await store.get_message_blocks(thread_id(number))
    return statements, _values(number)


def _values(number: int) -> Values:
    return {"thread": thread_id(number)}
