"""Export, import and copy as an operator uses them: what is printed, exit codes, crashes, and the bot afterwards."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backscroll.bot.config import BotConfig
from backscroll.bot.turn import Turn
from backscroll.cli.moved import as_facts
from backscroll.storage.attachments import Attachments
from backscroll.storage.models import Attachment, Message
from backscroll.storage.sql import Provider
from backscroll.storage.store import ThreadStore
from backscroll.testing import FakeSlack
from backscroll.transfer.copying import Copied, Side, copy
from backscroll.transfer.exporting import Exported
from backscroll.transfer.importing import Imported
from tests.scenario.conftest import Call
from tests.scenario.program import Home
from tests.scenario.slack import Stage, config_of, on_stage, plus, running
from tests.servers.redis import opened_prefix
from tests.unit.transfer.samples import CANARY, archived

STOPPING = """
\"\"\"The SQL provider, which at its second page kills its process, or waits for ever.\"\"\"

import asyncio
import os
import signal

from backscroll.storage import sql


class Provider(sql.Provider):
    pages = 0

    def __init__(self, url: str) -> None:
        super().__init__(url)

    async def merge_archive(self, pieces, **options):
        self.pages += 1
        if self.pages == 2 and os.environ.get("KILL_AT"):
            await super().merge_archive(pieces, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.pages == 2 and os.environ.get("WAIT"):
            await asyncio.Event().wait()
        return await super().merge_archive(pieces, **options)
"""


async def fill(url: str, *, count: int = 3) -> None:
    """Keep three threads of so many messages, one with a file, and something beside them."""
    async with ThreadStore(url) as store:
        await store.provider.merge_archive([archived(f"t{number}", count, text=CANARY) for number in range(3)])
        thread = await store.get_or_create("with a file")
        thread.add_message(Message(role="user", attachments=[Attachment(name="f", content=b"content")]))
        await store.save(thread)
        await store.provider.set("mine", "key", {"n": 1})


async def fill_with_title(url: str, title: str) -> None:
    async with ThreadStore(url) as store:
        await store.provider.merge_archive([archived("t1").model_copy(update={"title": title})])


async def kept(url: str) -> tuple[dict[str, str], list[bytes | None]]:
    """Return the hash of each thread, and the contents of all files."""
    async with ThreadStore(url) as store:
        pieces = await store.provider.read_archive(limit=10_000)
        messages = [each.message for piece in pieces for each in piece.messages]
        files = [await store.read_file(file) for message in messages for file in message.attachments]
        return {piece.id: piece.digest() for piece in pieces}, files


@pytest.fixture
def other_url(home: Home) -> str:
    return f"sqlite:///{home.directory}/other.db"


# Files


def test_export_comes_back_in_another_database(home: Home, call: Call, other_url: str) -> None:
    asyncio.run(fill(home.sqlite_url))
    out = call("export", "out.jsonl")
    back = call("import", "out.jsonl", "--url", other_url)

    assert (out.code, out.out) == (0, "")
    assert out.err == "Exported 4 threads with 10 messages, 1 value and 1 new file.\n"
    assert (back.code, back.out) == (0, "")
    assert back.err == (
        "Imported 4 threads with 10 messages and 1 value:"
        " 4 new threads, 10 new messages, 0 changed, 1 new beside them.\n"
    )
    assert asyncio.run(kept(other_url)) == asyncio.run(kept(home.sqlite_url))
    assert sorted(path.name for path in home.directory.glob("out*")) == ["out.files", "out.jsonl"]


def test_export_to_stdout_is_what_a_pipe_takes(home: Home, call: Call) -> None:
    asyncio.run(fill(home.sqlite_url))
    told = call("export", "-", "--thread", "t1")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert told.code == 0
    assert [line["thread"]["id"] for line in lines if "thread" in line] == ["t1"]
    assert list(home.directory.glob("*.files")) == [home.directory / "backscroll.db.files"]


def test_export_to_a_terminal_does_nothing_to_it(home: Home) -> None:
    asyncio.run(fill_with_title(home.sqlite_url, "\x9b31mred \u202e ö"))
    with home.open_terminal("export", "-", "--thread", "t1") as terminal:
        assert terminal.ended() == 0
        assert "\\u009b31mred \\u202e ö" in terminal.out


def test_export_takes_the_names_that_show_takes(home: Home, call: Call) -> None:
    asyncio.run(fill(home.sqlite_url))
    told = call("export", "one.jsonl", "--thread", "slack:T1:C1:t1", "--json")
    assert (told.code, json.loads(told.out)["threads"], json.loads(told.out)["messages"]) == (0, 1, 3)
    unknown = call("export", "two.jsonl", "--thread", "nobody")
    assert unknown.code == 3
    assert "nobody is no thread" in unknown.err
    assert not (home.directory / "two.jsonl").exists()


def test_reports_as_json_tell_the_first_of_many_and_their_count() -> None:
    imported = Imported()
    for number in range(30):
        imported.faults.note((number, "x"))
    facts = as_facts(imported)
    assert (len(facts["faults"]), facts["fault_count"]) == (20, 30)
    assert {"missing_files", "missing_file_count"} <= facts.keys() & as_facts(Exported()).keys()
    counts = {"differing_count", "written_count", "strange_count", "missing_file_count"}
    assert counts == {name for name in as_facts(Copied()) if name.endswith("_count")}


def test_export_replaces_nothing_unasked(home: Home, call: Call) -> None:
    home.write("out.jsonl", "mine")
    told = call("export", "out.jsonl")
    assert (told.code, told.err) == (
        3,
        "out.jsonl is there already.\n  Name another file, or replace it with --force.\n",
    )
    assert (home.directory / "out.jsonl").read_text() == "mine"
    assert call("export", "out.jsonl", "--force").code == 0


def test_import_names_what_it_cannot_keep_and_ends_with_3(home: Home, call: Call, other_url: str) -> None:
    asyncio.run(fill(home.sqlite_url))
    call("export", "out.jsonl", "--without-files")
    path = home.directory / "out.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], f'{{"thread": "{CANARY}"}}', *lines[1:-1]]))
    told = call("import", "out.jsonl", "--url", other_url)

    assert told.code == 3
    assert "line 2: thread: Input should be an object\n" in told.err
    assert "1 line could not be kept; the others are.\n" in told.err
    assert "The file is cut off: its last line is missing. What is whole of it is kept.\n" in told.err
    assert "The contents of 1 file did not come along; their messages did.\n" in told.err
    assert CANARY not in told.err
    assert asyncio.run(kept(other_url))[0] == asyncio.run(kept(home.sqlite_url))[0]


def test_import_of_a_device_is_refused(call: Call) -> None:
    told = call("import", "/dev/zero")
    assert (told.code, told.err.splitlines()[0]) == (3, "/dev/zero is no file.")


@pytest.mark.parametrize(
    "arguments",
    [["import"], ["import", "out.jsonl", "--nothing"], ["export"], ["export", "x", "--files", "y", "--without-files"]],
)
def test_wrong_usage_ends_with_2(call: Call, arguments: list[str]) -> None:
    assert call(*arguments).code == 2


def test_import_of_a_file_that_is_not_there_makes_no_database(new_home: Home, call: Call) -> None:
    told = call("import", "--without-files", "nowhere.jsonl")
    assert (told.code, told.err.splitlines()[0]) == (3, "nowhere.jsonl cannot be read: No such file or directory.")
    assert not (new_home.directory / "backscroll.db").exists()


# Copies


@pytest.fixture
async def redis_config(home: Home, redis_url: str) -> AsyncIterator[str]:
    async with opened_prefix(redis_url) as prefix:
        storage = {"type": "redis", "url": "{REDIS}", "prefix": prefix}
        home.write("redis.yaml", json.dumps({"storage": storage, "adapters": {"console": {}}}))
        yield "redis.yaml"


def test_copy_goes_from_any_database_to_any_other(
    home: Home,
    call: Call,
    prepared_postgres_url: str,
    redis_config: str,
    redis_url: str,
    other_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS", redis_url)
    asyncio.run(fill(home.sqlite_url))
    stations = ["config.yaml", prepared_postgres_url, redis_config, other_url]
    files = ["--to-files", "files-of-redis"], ["--from-files", "files-of-redis"]
    for source, target, more in zip(stations, stations[1:], [[], *files], strict=False):
        told = call("copy", "--from", source, "--to", target, *more)
        assert (told.code, told.out) == (0, ""), told.err
        assert told.err.startswith(
            "4 threads with 10 messages copied.\n"
            "Verified: 4 threads with 10 messages are the same on both sides; beside them 1 value.\n"
            "1 file came from /"
        )
    assert asyncio.run(kept(other_url)) == asyncio.run(kept(home.sqlite_url))


def test_copy_into_memory_is_refused(home: Home, call: Call) -> None:
    asyncio.run(fill(home.sqlite_url))
    told = call("copy", "--from", home.sqlite_url, "--to", ":memory:")

    assert told.code == 3
    assert told.err.startswith(":memory: is a database in memory.")


def test_copy_shows_no_password(home: Home, call: Call, prepared_postgres_url: str) -> None:
    asyncio.run(fill(prepared_postgres_url))
    asyncio.run(fill(home.sqlite_url))
    told = call("copy", "--from", home.sqlite_url, "--to", prepared_postgres_url)
    password = prepared_postgres_url.partition("://")[2].partition("@")[0].partition(":")[2]

    assert told.code == 3
    assert "holds something already" in told.err
    assert password
    assert password not in told.err
    with_mark = call("copy", "--from", prepared_postgres_url, "--to", prepared_postgres_url)
    assert "are one storage" in with_mark.err
    assert password not in with_mark.err


def test_copy_puts_files_where_the_bot_of_its_configuration_looks(
    home: Home, call: Call, prepared_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is run, and also where the storage's own directory has a relative name."""
    asyncio.run(fill(home.sqlite_url))
    home.write("new.yaml", json.dumps({"storage": {"type": "sql", "url": prepared_postgres_url}}))
    (home.directory / "elsewhere").mkdir()
    monkeypatch.chdir(home.directory / "elsewhere")
    told = call("copy", "--from", "../config.yaml", "--to", "../new.yaml")

    own = home.directory / str(Provider(prepared_postgres_url).files_directory)
    assert told.code == 0, told.err
    assert told.err.endswith(f"1 file came from {home.directory}/backscroll.db.files to {own}.\n")
    assert (own / "database-id").exists()
    assert list(Path.cwd().iterdir()) == []


def test_copy_after_new_is_the_same_and_tells_what_it_brought(home: Home, call: Call, other_url: str) -> None:
    home.run("hello A")
    assert call("copy", "--from", "config.yaml", "--to", other_url).code == 0
    home.run("/new", "hello B")
    told = call("copy", "--from", "config.yaml", "--to", other_url, "--json")

    facts = json.loads(told.out)
    assert (told.code, told.err) == (0, "")
    assert (facts["threads"], facts["messages"], facts["verified_threads"]) == (1, 2, 2)
    assert asyncio.run(kept(other_url)) == asyncio.run(kept(home.sqlite_url))


def test_copy_of_a_file_that_is_not_there_makes_none(home: Home, call: Call) -> None:
    told = call("copy", "--from", "nowhere.db", "--to", "target.db")
    assert (told.code, told.err.splitlines()[0]) == (3, "nowhere.db is not there.")
    assert not (home.directory / "nowhere.db").exists()


def test_copy_that_was_killed_goes_on(home: Home, call: Call, other_url: str) -> None:
    asyncio.run(fill(home.sqlite_url, count=260))
    home.write("stopping.py", STOPPING)
    storage = {"type": "stopping", "url": other_url}
    home.write("target.yaml", json.dumps({"storage": storage, "adapters": {"console": {}}}))
    command = ["copy", "--from", home.sqlite_url, "--to", "target.yaml"]
    with home.start(*command, KILL_AT="second page") as killed:
        assert killed.ended() == -signal.SIGKILL
    assert 0 < len(asyncio.run(kept(other_url))[0]) < 4
    told = call(*command)

    assert told.code == 0, told.err
    assert told.err.startswith("Went on with an earlier run: ")
    assert "Verified: 4 threads with 781 messages" in told.err
    assert asyncio.run(kept(other_url)) == asyncio.run(kept(home.sqlite_url))


def test_copy_shows_how_far_it_is_and_stops_by_ctrl_c(home: Home, call: Call, other_url: str) -> None:
    asyncio.run(fill(home.sqlite_url, count=260))
    home.write("stopping.py", STOPPING)
    storage = {"type": "stopping", "url": other_url}
    home.write("target.yaml", json.dumps({"storage": storage, "adapters": {"console": {}}}))
    home.environment["WAIT"] = "1"
    with home.open_terminal("copy", "--from", home.sqlite_url, "--to", "target.yaml") as terminal:
        terminal.wait_for("of 4 threads copied")
        terminal.wait_until(lambda: len(asyncio.run(kept(other_url))[0]) == 1)
        terminal.type(b"\x03")
        assert terminal.ended() == 130
        assert "Stopped. The same command goes on from here." in terminal.out
        assert "Traceback" not in terminal.out
    told = call("copy", "--from", home.sqlite_url, "--to", "target.yaml")
    assert told.code == 0, told.err
    assert "Verified: 4 threads with 781 messages" in told.err


# The bot goes on


async def test_bot_goes_on_with_the_copy(home: Home, prepared_postgres_url: str, tmp_path: Path) -> None:
    """What waits for an answer gets it there, once; what people do with old messages finds them."""

    async def hold(turn: Turn) -> str:
        if "wait" in turn.message.text:
            await asyncio.Event().wait()
        return await plus(turn)

    async with FakeSlack() as slack:
        grace = BotConfig(shutdown_grace_s=0.1)
        async with on_stage(home.sqlite_url, slack=slack, handler=hold, bot=grace) as stage:
            old = await slack.say(stage.anna, stage.general, "hello <@BOT>")
            await stage.answered(stage.general)
            await slack.say(stage.anna, stage.general, "wait <@BOT>")
            await stage.until(lambda: len(stage.turns) == 2)
        providers = Provider(home.sqlite_url), Provider(prepared_postgres_url)
        sides = [Side(each, Attachments(each), name) for each, name in zip(providers, ("here", "there"), strict=True)]
        assert (await copy(*sides)).is_faithful
        for each in providers:
            await each.close()

        async with ThreadStore(prepared_postgres_url) as store:
            url = prepared_postgres_url
            there = Stage(slack=slack, store=store, url=url, anna=stage.anna, general=stage.general)
            async with running(there, config_of(slack, url, handler=there.noting(plus))):
                assert await there.answered(there.general, 2) == ["+ hello @backscroll", "+ wait @backscroll"]
                await slack.edit(old, "goodbye")
                await there.settled()
                edited = await there.kept(old)
                assert edited is not None
                assert edited.text == "goodbye"
                assert len(there.turns) == 1
