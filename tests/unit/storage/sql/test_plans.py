"""What a call costs: its queries, and their plans on tables of a size where a scan would be felt."""

import asyncio
import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import event, text

from backscroll.storage.changes import changes_of
from backscroll.storage.forgetting import Expiry, ExpiryMark, Person
from backscroll.storage.keys import ThreadKey
from backscroll.storage.models import Attachment, Message, Thread
from backscroll.storage.records import Arrival
from backscroll.storage.search import Search, property_mark
from backscroll.storage.sql import Provider
from backscroll.storage.sql.agent_tables import message_blocks
from backscroll.storage.sql.engine import Connection
from backscroll.storage.sql.rows import property_values, value_hash
from backscroll.storage.sql.tables import (
    aliases,
    answers,
    early_events,
    message_files,
    message_parts,
    messages,
    thread_properties,
    threads,
)
from tests.servers.postgres import Postgres

THREADS = 4000
LONG = 2000  # messages of the one long thread
BIG = "threads|messages|message_blocks|message_parts|message_files|thread_properties|aliases|answers|early_events"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = ThreadKey("slack", "T1", "C77", "77.0")
PLACE = {"team": "T1", "channel": "C77", "thread_ts": "77.0"}
EXTERNAL = KEY.message("77.1")

EXPIRY = Expiry("slack", before=datetime(2027, 1, 2, tzinfo=UTC))
OLDEST = ExpiryMark(NOW, "m2")
ANNA = Person.parse("*:*:U1")

Call = Callable[[Provider], Awaitable[object]]


async def fill(url: str) -> None:
    """Make the tables, and rows enough for a planner to care."""
    provider = Provider(url)
    await provider.initialize()
    numbers = range(THREADS)
    dated = {"created_at": NOW, "updated_at": NOW}
    rows: dict[Any, list[dict[str, Any]]] = {
        threads: [
            dated
            | {"id": f"t{n}", "title": f"Thread {n}", "user_id": f"U{n % 400}", "agent_name": f"agent{n % 100}"}
            | {
                "attributes": {"note": "as wide as rows are" * 50},
                "platforms": {},
                "last_sequence": LONG if n == 0 else 1,
            }
            | {"updated_at": NOW.replace(microsecond=n), **searched(f"thread {n}")}
            for n in numbers
        ],
        messages: [message(f"m{n}", f"t{n}", 1, external=f"{n}.1") for n in numbers]
        + [message(f"long{n}", "t0", n) for n in range(2, LONG + 1)],
        message_parts: [
            {"message_id": f"m{n}", "part": 1, "state": "sent", **place(n), "external_id": f"{n}.1"}
            | {"answer_id": None, "token": None}
            for n in numbers
        ]
        + [part(f"m{n}", f"a{n}", f"token{n}") for n in numbers],
        message_files: [
            {"message_id": f"m{n}", "position": 1, "name": "a", "type": "text/plain"}
            | {"wanted_from": {"platform": "slack", "workspace": "T1"} if n % 400 == 0 else None}
            for n in numbers
        ],
        thread_properties: [
            row
            for n in numbers
            for row in property_values(
                f"t{n}", {}, {"slack": {"team": "T1", "channel": f"C{n}", "thread_ts": f"{n}.0"}}
            )
        ],
        aliases: [{"alias": f"slack:T1:C{n}:{n}.0", "thread_id": f"t{n}", "created_at": NOW} for n in numbers],
        answers: [
            dated
            | {"id": f"a{n}", "thread_id": f"t{n}", "message_id": f"m{n}", "position": 1, "tries": 1, "takeovers": 0}
            | {"platform": "slack", "workspace": "T1", "channel": f"C{n}", "thread": f"{n}.0", "ready_at": NOW}
            | {"state": "waiting" if n % 200 == 0 else "sent"}
            for n in numbers
        ],
        message_blocks: [block(f"m{n}", 1, f"call{n}", "found") for n in numbers]
        + [block("long2", n, f"call of long{n}", "a word") for n in range(1, LONG + 1)]
        + [used(f"m{n}", 2) for n in range(0, THREADS, 20)],
        early_events: [
            {
                "id": f"e{n}",
                **place(n),
                "external_id": f"early{n}",
                "kind": "delete",
                "event_at": NOW,
                "created_at": NOW,
            }
            for n in numbers
        ],
    }

    async def work(connection: Connection) -> None:
        for table, values in rows.items():
            await connection.execute(table.insert(), values)

    await provider.database.write(work)
    if not provider.database.is_sqlite:  # rows just come stand beside the index, and autovacuum puts them in
        for index in ("threads_words", "threads_trigrams", "messages_words", "messages_trigrams"):
            await provider.database.rows(text(f"SELECT gin_clean_pending_list('{index}')"))
    await provider.database.write(lambda connection: connection.execute(text("ANALYZE")))
    await provider.close()


def message(name: str, thread_id: str, sequence: int, external: str | None = None) -> dict[str, Any]:
    """Lay out one message."""
    row = {"id": name, "thread_id": thread_id, "sequence": sequence, "role": "user", "content": "hello"}
    row |= {"platforms": {}, "attributes": {}, "tool_calls": [], "metrics": {}, "created_at": NOW, "updated_at": NOW}
    words = property_mark(("platforms", "slack", "ts"), external) if external else ""
    return row | {"external_id": external} | searched(f"hello {name}", words)


def searched(folded: str, marks: str = "") -> dict[str, str]:
    """Lay out what a text is searched by."""
    return {"search_text": folded, "search_words": f"{folded} {marks}".strip()}


def part(message_id: str, answer_id: str, token: str) -> dict[str, Any]:
    """Lay out a post of an answer that is still to be sent."""
    row = {"message_id": message_id, "part": 2, "state": "waiting" if answer_id.endswith("7") else "sent"}
    row |= dict.fromkeys(("platform", "workspace", "channel", "external_id"))
    return row | {"answer_id": answer_id, "token": token}


def block(message_id: str, position: int, call_id: str | None, output: str) -> dict[str, Any]:
    """Lay out one block of a tool call."""
    content = {"tool_name": "find", "tool_input": {}, "tool_output": output, "is_error": False}
    row = {"id": f"{message_id}.{position}", "message_id": message_id, "position": position, "created_at": NOW}
    row |= {"block_type": "tool_use", "content": content, "details": {}, "tool_call_id": call_id, "tool_text": output}
    return row | dict.fromkeys(("sha256", "tokens", "model", "cost_usd"))


def used(message_id: str, position: int) -> dict[str, Any]:
    """Lay out one block of what a message cost."""
    row = block(message_id, position, None, "") | {"block_type": "usage", "content": {}, "tool_text": None}
    return row | {"tokens": 5, "model": "a", "cost_usd": 0.5}


def place(number: int) -> dict[str, str]:
    """Name a channel."""
    return {"platform": "slack", "workspace": "T1", "channel": f"C{number}"}


@pytest.fixture(scope="module")
def filled_postgres(postgres_server: Postgres) -> Iterator[str]:
    name = f"backscroll_test_{secrets.token_hex(8)}"
    asyncio.run(postgres_server.create_database(name))
    asyncio.run(fill(postgres_server.url(name)))
    yield name
    asyncio.run(postgres_server.drop_database(name))


@pytest.fixture(scope="module")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "filled.db"
    asyncio.run(fill(str(path)))
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def filled_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a copy of the filled database; the planner's statistics are copied with it."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("filled_sqlite"), tmp_path / "copy.db")
        yield str(tmp_path / "copy.db")
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    name = f"backscroll_test_{secrets.token_hex(8)}"
    asyncio.run(server.create_database(name, request.getfixturevalue("filled_postgres")))
    yield server.url(name)
    asyncio.run(server.drop_database(name))


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[Provider]:
    """Give a provider on a copy of the filled database."""
    provider = Provider(filled_url)
    await provider.initialize()
    yield provider
    await provider.close()


@contextmanager
def seen(provider: Provider) -> Iterator[list[tuple[str, Any]]]:
    """Gather the statements that run, each with its parameters."""
    found: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            found.append((statement, parameters[0] if many else parameters))

    for engine in provider.database.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in provider.database.engines:
        event.remove(engine, "before_cursor_execute", note)


async def explained(provider: Provider, call: Call) -> list[str]:
    """Run a call, and return the plan of each of its statements: lines on SQLite, JSON on PostgreSQL."""
    with seen(provider) as statements:
        await call(provider)
    form = "EXPLAIN QUERY PLAN" if provider.database.is_sqlite else "EXPLAIN (FORMAT JSON)"

    def explain(connection: SyncConnection) -> list[str]:
        plans = []
        for statement, parameters in statements:
            rows = connection.exec_driver_sql(f"{form} {statement}", parameters).all()
            plans.append("\n".join(row[-1] if isinstance(row[-1], str) else json.dumps(row[-1]) for row in rows))
        return plans

    return await provider.database.read(lambda connection: connection.run_sync(explain))


def faults_of(provider: Provider, plans: list[str]) -> list[str]:
    """Name what is wrong with plans."""
    if provider.database.is_sqlite:
        return [line for plan in plans for line in plan.splitlines() if is_slow_on_sqlite(line)]
    return [fault for plan in plans for fault in slow_on_postgresql(json.loads(plan)[0]["Plan"])]


def is_slow_on_sqlite(detail: str) -> bool:
    """Tell a scan of a big table."""
    return re.match(rf"SCAN ({BIG})\b(?! USING (COVERING )?INDEX)", detail) is not None


def slow_on_postgresql(node: dict[str, Any], sorted_at_most: int = 500) -> Iterator[str]:
    """Name the scans of big tables and the sorts of more than a few rows in a plan."""
    if node["Node Type"] == "Seq Scan" and re.fullmatch(BIG, node["Relation Name"]):
        yield f"Seq Scan on {node['Relation Name']}"
    if "Sort" in node["Node Type"] and node["Plan Rows"] > sorted_at_most:
        yield f"{node['Node Type']} of {node['Plan Rows']} rows"
    for inner in node.get("Plans", ()):
        yield from slow_on_postgresql(inner, sorted_at_most)


def arrival(external_id: str, key: ThreadKey = KEY, by: str = "user") -> Arrival:
    """Make an arrival that asks for an answer."""
    message = Message(role="user", content="hello", source={"type": by})
    return Arrival(key, message, key.message(external_id), asks="yes")


def echo(token: str) -> Arrival:
    """Make a post of ours that came back."""
    message = Message(role="assistant", content="hello")
    return Arrival(KEY, message, KEY.message("77.2"), opens=False, is_echo=True, token=token)


def tool_call(call_id: str) -> dict[str, Any]:
    """Make the arguments of a tool's block."""
    return {"tool_call_id": call_id, "tool_name": "find", "tool_input": {}, "tool_output": "found"}


CALLS: dict[str, tuple[Call, int]] = {
    # each with the most queries that it may take, BEGIN and COMMIT aside
    "get a thread by id": (lambda p: p.get_thread("t77"), 2),
    "get the newest 50 of a long thread": (lambda p: p.get_thread("t0", limit=50), 2),
    "get a thread by alias": (lambda p: p.get_by_alias("slack:T1:C77:77.0", limit=50), 2),
    "find threads by several properties": (
        lambda p: p.find_by_platform("slack", PLACE),
        3,
    ),
    "find threads by platform": (lambda p: p.find_by_platform("slack", {"channel": "C77"}), 2),
    "list the newest threads": (lambda p: p.list_threads(limit=50, with_messages=False), 1),
    "list the newest threads with messages": (lambda p: p.list_threads(limit=10), 2),
    "list a user's newest threads": (lambda p: p.list_threads(limit=50, user_id="U77", with_messages=False), 1),
    "list an agent's newest threads": (lambda p: p.list_threads(limit=50, agent_name="agent7", with_messages=False), 1),
    "read the newest 50 messages": (lambda p: p.read_messages("t0", limit=50), 2),
    "read 50 messages before another": (lambda p: p.read_messages("t0", limit=50, before=1000), 2),
    "get a message": (lambda p: p.get_message("m77"), 1),
    "find a message by its external id": (lambda p: p.find_external(EXTERNAL), 2),
    "search titles": (lambda p: p.search(Search.of("thread 77", substring=False), titles=True, contents=False), 2),
    "search contents": (lambda p: p.search(Search.of("hello m77", substring=False), titles=False, contents=True), 2),
    "search both": (lambda p: p.search(Search.of("m77", substring=False), titles=True, contents=True), 2),
    "count what a search finds": (
        lambda p: p.count_found(Search.of("m77", substring=False), titles=True, contents=True),
        1,
    ),
    "search titles for a part": (
        lambda p: p.search(Search.of("read 777", substring=True), titles=True, contents=False),
        3,
    ),
    "search contents for a part": (
        lambda p: p.search(Search.of("ello m777", substring=True), titles=False, contents=True),
        3,
    ),
    "search by platform": (lambda p: p.search_by_platform("slack", "C77"), 2),
    "find messages by attribute": (lambda p: p.find_messages_by_attribute(("platforms", "slack", "ts"), "77.1"), 2),
    "find external ids": (lambda p: p.find_external_ids("slack", "77.1"), 1),
    "ask whether a file is needed": (lambda p: p.is_file_needed("0" * 64), 1),
    "get a thread's aliases": (lambda p: p.get_thread_aliases("t77"), 1),
    "record a new message": (lambda p: p.record_message(arrival("77.2")), 9),
    "record a repeat": (lambda p: p.record_message(arrival("77.1")), 7),
    "record a new thread's message": (
        lambda p: p.record_message(arrival("9.9", ThreadKey("slack", "T1", "C9", "9.9"))),
        13,
    ),
    "append a message": (lambda p: p.append_message("t0", Message(role="user")), 4),
    "record a message with those before it": (
        lambda p: p.record_message(arrival("77.9"), earlier=[arrival(f"77.{n}") for n in range(3, 9)]),
        9,
    ),
    "record an echo": (lambda p: p.record_message(echo("no such token")), 9),
    "record an echo by its token": (lambda p: p.record_message(echo("token77")), 15),
    "record a message of another bot": (lambda p: p.record_message(arrival("77.2", by="agent")), 10),
    "ask whether a thread is joined": (lambda p: p.is_joined("slack:T1:C77:77.0"), 1),
    "list live keys": (lambda p: p.list_live_keys("slack", "T1", NOW.replace(microsecond=THREADS - 20)), 1),
    "list wanted files": (lambda p: p.list_wanted_files(["slack"]), 1),
    "settle a file": (lambda p: p.settle_file("m77", 1, Attachment(name="a")), 1),
    "record an edit": (lambda p: p.record_edit(EXTERNAL, "new", NOW), 7),
    "record an early deletion": (lambda p: p.record_deletion(KEY.message("early"), NOW), 4),
    "record a message that something waited for": (lambda p: p.record_message(arrival("early77")), 9),
    "record a reaction": (
        lambda p: p.record_reaction(EXTERNAL, "+1", "U1", added=True, event_at=NOW),
        8,
    ),
    "take an answer": (lambda p: p.take_answer("me", ["slack"], 30), 2),
    "wait for the next answer": (lambda p: p.seconds_until_ready(["slack"]), 1),
    "count answers": (lambda p: p.count_answers(), 1),
    "renew leases": (lambda p: p.renew_leases("me", 30), 1),
    "list a thread's answers": (lambda p: p.list_answers(thread_id="t77"), 1),
    "save a change": (lambda p: p.write_thread(changes_of(Thread(id="t77", title="new"))), 3),
    "save a new thread": (lambda p: p.write_thread(changes_of(Thread(messages=[Message(role="user")]))), 6),
    "delete a thread": (lambda p: p.delete_thread("t77"), 9),
    "get a tool call": (lambda p: p.get_tool_call("call77"), 1),
    "get a thread's blocks": (lambda p: p.get_message_blocks("t77"), 1),
    "get a long thread's blocks": (lambda p: p.get_message_blocks("t0"), 1),
    "get a thread's messages with blocks": (lambda p: p.get_messages_with_blocks("t77"), 1),
    "append a text block": (lambda p: p.append_text_block("m77", "more"), 8),
    "append a tool block": (lambda p: p.append_tool_block("m77", **tool_call("new")), 7),
    "append a tool block to a long message": (lambda p: p.append_tool_block("long2", **tool_call("new")), 7),
    "append a usage block": (lambda p: p.append_usage_block("m77", model="a"), 6),
    "edit a message with blocks": (lambda p: p.edit_message("long2", "edited"), 7),
    "delete a message with blocks": (lambda p: p.delete_message("m77"), 11),
    "get a conversation": (lambda p: p.get_or_create_conversation("agent77", "C77", "77.0"), 6),
    "make a conversation": (lambda p: p.get_or_create_conversation("agent77", "C77", "C77", "general"), 10),
    "ask for a conversation": (lambda p: p.has_conversation("agent77", "C77", "C77"), 3),
    "list conversations by author": (lambda p: p.get_conversations_for_export("agent77", handle="anna"), 1),
    "list conversations by date": (lambda p: p.get_conversations_for_export("agent77", date_from=NOW), 1),
    "find what is too old": (lambda p: p.find_expired(EXPIRY, after=OLDEST, limit=50), 1),
    "clear messages": (lambda p: p.clear_messages(["m77", "m78"]), 19),
    "forget somebody in a thread": (lambda p: p.forget_in_thread("t77", ANNA), 21),
    "sweep early events": (lambda p: p.sweep_early_events(datetime(2025, 1, 1, tzinfo=UTC)), 2),
}


UNPLANNED = {
    "list live keys",  # here all threads are one workspace's, and a planner may well read all of them
    "get a long thread's blocks",  # here that thread is a third of the tables
    "record a message with those before it",  # its inserts of several rows are no statements that can be explained
}


@pytest.mark.parametrize("name", [name for name in CALLS if name not in UNPLANNED])
async def test_plan_reads_no_whole_table(filled: Provider, name: str) -> None:
    assert faults_of(filled, await explained(filled, CALLS[name][0])) == []


@pytest.mark.parametrize("name", CALLS)
async def test_call_takes_no_more_queries_than_it_needs(filled: Provider, name: str) -> None:
    call, most = CALLS[name]
    with seen(filled) as statements:
        await call(filled)
    assert 0 < len(statements) <= most, "\n".join(statement for statement, _ in statements)


@pytest.mark.parametrize("name", [name for name in CALLS if "newest" in name and "with messages" not in name])
async def test_newest_are_read_in_order_and_not_sorted(filled: Provider, name: str) -> None:
    plan = (await explained(filled, CALLS[name][0]))[-1 if "threads" in name else 1]
    if filled.database.is_sqlite:
        assert "USE TEMP B-TREE" not in plan
    else:  # a few rows that an index found may be sorted
        assert list(slow_on_postgresql(json.loads(plan)[0]["Plan"], sorted_at_most=60)) == []


async def test_finding_by_several_properties_starts_with_the_rarest(filled: Provider) -> None:
    async def find(provider: Provider) -> None:
        assert [thread.id for thread in await provider.find_by_platform("slack", PLACE)] == ["t77"]

    with seen(filled) as statements:
        await find(filled)
    parameters = [bytes(value) for value in statements[1][1] if isinstance(value, bytes | memoryview)]
    assert parameters[0] in (value_hash("C77"), value_hash("77.0"))
    assert faults_of(filled, await explained(filled, find)) == []


async def test_call_takes_as_many_queries_for_a_long_thread(filled: Provider) -> None:
    counts = []
    for thread_id in ("t77", "t0"):
        with seen(filled) as statements:
            await filled.get_thread(thread_id)
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_newest_messages_read_no_more_rows_than_asked(filled: Provider) -> None:
    with seen(filled) as statements:
        found = await filled.read_messages("t0", limit=50)
    assert [one.sequence for one in found] == list(range(LONG - 49, LONG + 1))
    assert (LONG - 49) in [value for _, parameters in statements for value in parameters]


async def test_finding_a_ready_answer_reads_partial_indexes_alone(filled: Provider) -> None:
    plan = (await explained(filled, CALLS["take an answer"][0]))[0]
    indexes = set(re.findall(r'USING INDEX (\w+)|"Index Name": "(\w+)"', plan))
    assert {one or other for one, other in indexes} <= {"answers_ready", "answers_unfinished"}
    assert indexes


async def test_figures_of_blocks_are_read_from_their_index_alone(filled: Provider) -> None:
    plans = await explained(filled, lambda provider: provider.get_usage_stats())
    (plan,) = (plan for plan in plans if "message_blocks" in plan)
    if filled.database.is_sqlite:
        assert "USING COVERING INDEX message_blocks_tokens" in plan
    else:
        assert faults_of(filled, [plan]) == []


async def test_appending_reads_no_other_block_than_the_last(filled: Provider) -> None:
    with seen(filled) as statements:
        await filled.append_usage_block("long2", model="a")
    assert [one for one, _ in statements if "tool_text" in one and not one.startswith("INSERT")] == []
    assert [one for one, _ in statements if "max(message_blocks.position)" in one]


async def test_faults_name_a_scan(filled: Provider) -> None:
    async def scan(provider: Provider) -> None:
        await provider.database.rows(text("SELECT title FROM threads WHERE title > 'a'"))

    assert len(faults_of(filled, await explained(filled, scan))) == 1
