"""`db`: what the database is; brought up to date when it is asked for, and by no command that reads."""

import contextlib
import json
import re
import sqlite3

import pytest

from backscroll.storage.sql.migrating import SCHEMA_VERSION
from tests.scenario.conftest import Call
from tests.scenario.program import Home

READING = (["threads"], ["stats"], ["answers", "list"], ["events", "rejected", "list"])


def set_version(home: Home, version: int) -> bytes:
    """Let the database say that it has another version, and return its bytes."""
    file = home.directory / "backscroll.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [f"{version:04}"])
        database.commit()
    return file.read_bytes()


def test_status_tells_what_is_there(call: Call, url: str) -> None:
    told = json.loads(call("db", "status", "--json", "--url", url).out)
    assert told["backend"] == url.partition("://")[0]
    assert (told["threads"], told["size_bytes"] > 0) == (0, True)
    assert told["schema_version"] == told["release_version"] == SCHEMA_VERSION


def test_status_of_no_database_says_so_and_makes_none(new_home: Home, call: Call) -> None:
    told = call("db", "status")
    assert (told.code, re.search(r"^status +not there$", told.out, re.MULTILINE) is not None) == (3, True)
    assert told.err.startswith("It is not there. Check the URL; `backscroll db upgrade`")
    assert not (new_home.directory / "backscroll.db").exists()


def test_status_hides_the_password(call: Call) -> None:
    told = call("db", "status", "--url", "postgresql://bot:canary-4711@127.0.0.1:1/bot")
    assert told.code == 3
    assert "canary-4711" not in told.out + told.err


def test_upgrade_makes_what_the_commands_read(new_home: Home, call: Call, new_url: str) -> None:
    new_home.configure(new_url)
    assert call("threads").code == 3
    told = call("db", "upgrade")
    assert (told.code, told.err) == (0, f"The schema was of version 0, and is of version {SCHEMA_VERSION} now.\n")
    assert call("threads").code == 0
    told = json.loads(call("db", "upgrade", "--json").out)
    assert told == {"before": SCHEMA_VERSION, "after": SCHEMA_VERSION}
    assert call("db", "upgrade").err == f"The schema is of version {SCHEMA_VERSION}, as this release wants it.\n"


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_leaves_a_database_of_an_older_release_as_it_is(home: Home, call: Call, command: list[str]) -> None:
    before = set_version(home, 1)
    told = call(*command)
    assert (told.code, told.out) == (3, "")
    assert f"has a schema of version 1; this release works on version {SCHEMA_VERSION}.\n  `backscroll db" in told.err
    assert (home.directory / "backscroll.db").read_bytes() == before


@pytest.mark.parametrize("command", [["threads"], ["db", "upgrade"]], ids=" ".join)
def test_database_of_a_newer_release_is_refused(home: Home, call: Call, command: list[str]) -> None:
    before = set_version(home, 9999)
    told = call(*command)
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith("The database's schema is version 9999")
    assert (home.directory / "backscroll.db").read_bytes() == before
    status = call("db", "status")
    assert (status.code, "A newer release wrote it" in status.err) == (3, True)


def test_reading_a_missing_database_says_what_to_do(new_home: Home, call: Call) -> None:
    told = call("threads")
    assert (told.code, told.out) == (3, "")
    assert "backscroll.db is not there.\n  Check the URL; `backscroll db upgrade`" in told.err
    assert not (new_home.directory / "backscroll.db").exists()
