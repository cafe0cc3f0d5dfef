"""A PostgreSQL user who may not make the extension pg_trgm, and so has no index for parts of texts."""

import logging
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import make_url

from backscroll.storage.models import Thread
from backscroll.storage.store import ThreadStore
from tests.servers.postgres import Postgres


@pytest.fixture
async def limited_url(postgres_server: Postgres, postgres_url: str) -> AsyncIterator[str]:
    """Give the URL of a database in which a user may make tables, and nothing else."""
    name, password = f"limited_{secrets.token_hex(4)}", secrets.token_hex(8)
    owner = await asyncpg.connect(postgres_url)
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    await owner.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {name}")
    yield make_url(postgres_url).set(username=name, password=password).render_as_string(hide_password=False)
    await owner.execute(f"DROP OWNED BY {name}")
    await owner.execute(f"DROP ROLE {name}")
    await owner.close()


async def test_parts_are_found_by_reading_every_text_and_the_log_says_so_once(
    limited_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "backscroll")
    async with ThreadStore(limited_url) as store:
        thread = Thread(id="t", title="Deployment")
        thread.add_message("we wait for the review")
        await store.save(thread)
        for _ in range(2):
            assert [found.id for found in await store.search_by_title("ploym", substring=True)] == ["t"]
            assert [found.id for found in await store.search_by_content("e revi", substring=True)] == ["t"]
        assert [found.id for found in await store.search_by_title("deployment")] == ["t"]
    assert [record.getMessage() for record in caplog.records] == [
        "Searches for a part read every text: their index needs PostgreSQL's extension pg_trgm."
    ]
