"""Threads are read however many rows belong to them: a statement has some 32,000 parameters at most."""

from sqlalchemy import text

from backscroll.storage.models import Thread
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore

MESSAGES = 33_000
FILL = """
    INSERT INTO messages (id, thread_id, sequence, role, content, platforms, attributes, tool_calls, metrics, created_at, updated_at, search_text, search_words)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    SELECT 'm' || n, 't', n, 'user', '', '{}', '{}', '[]', '{}', created_at, created_at, '', '' FROM numbers, threads
"""  # noqa: E501  # a statement reads best in lines of its own length


async def test_list_reads_more_messages_than_a_statement_has_parameters(provider: Provider) -> None:
    store = ThreadStore(provider=provider)
    await store.save(Thread(id="t"))
    async with provider.database.engine.begin() as connection:
        await connection.execute(text(FILL), {"count": MESSAGES})
        await connection.execute(text("UPDATE threads SET last_sequence = :count"), {"count": MESSAGES})
    await store.add_reaction("t", f"m{MESSAGES}", "+1", "U1")
    (thread,) = await store.list()
    assert len(thread.messages) == MESSAGES
    assert thread.messages[-1].reactions == {"+1": ["U1"]}
