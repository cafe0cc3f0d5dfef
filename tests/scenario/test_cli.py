"""The command line: what it takes, what it prints where, and its exit codes."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Self

import asyncpg
import pytest

from backscroll.adapters.base import Adapter, Inbox, Question
from backscroll.bot import app
from backscroll.cli import running
from backscroll.errors import AdapterError
from backscroll.storage.keys import ExternalId
from backscroll.storage.records import Part
from tests.scenario.conftest import Call, Called
from tests.scenario.program import Home, Program

CANARY = "canary-4711"


# Help and usage


def test_help_names_the_commands(call: Call) -> None:
    told = call("--help")
    assert told.code == 0
    assert "run" in told.out
    assert "check" in told.out
    assert told.err == ""


@pytest.mark.parametrize("command", ["run", "check"])
def test_help_of_a_command_names_its_options(call: Call, command: str) -> None:
    told = call(command, "--help")
    assert told.code == 0
    for name in ("--config", "BACKSCROLL_CONFIG", "--verbose"):
        assert name in told.out


def test_help_and_faults_have_no_words_of_python(call: Call) -> None:
    for command in ("show", "search", "threads"):
        assert not re.search("<(bool|int|str|list)", call(command, "--help").out)
    assert "'--limit' / '-n': it is at least 1" in call("threads", "--limit", "0").err
    assert "'--state': 'nope' is not one of" in call("answers", "list", "--state", "nope").err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["answers", "list", "--limit", "9" * 20], "'--limit' / '-n': it is at most "),
        (["show", "\udcff"], "'ID': it is no UTF-8"),
        (["answers", "retry", "\udcff"], "'ID': it is no UTF-8"),
        (["export", "."], "'FILE': it names no file"),
        (["import", "."], "'FILE': it names no file"),
        (["html", "t", "-o", "/"], "'--output' / '-o': it names no file"),
    ],
    ids=["limit", "id", "ids", "export", "import", "html"],
)
def test_argument_that_nothing_takes_is_told_with_its_name(call: Call, arguments: list[str], hint: str) -> None:
    told = call(*arguments)
    assert (told.code, hint in told.err) == (2, True), told.err


@pytest.mark.parametrize("arguments", [["walk"], ["run", "--nothing"], ["run", "extra"], ["run", "--config"]])
def test_wrong_usage_ends_with_2(call: Call, arguments: list[str]) -> None:
    told = call(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "Error" in told.err


def test_installed_command_is_the_module(home: Home) -> None:
    script = Path(sys.executable).with_name("backscroll")
    with Program([str(script), "check"], home.directory, home.environment) as program:
        assert program.ended() == 0
    assert program.out == "config.yaml is right, and the storage and the platforms can be used.\n"


# Where the configuration is


def test_config_names_the_file(home: Home, call: Call) -> None:
    (home.directory / "config.yaml").rename(home.directory / "other.yaml")
    assert (
        call("check", "--config", "other.yaml").out
        == "other.yaml is right, and the storage and the platforms can be used.\n"
    )


def test_environment_names_the_file(home: Home, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.directory / "config.yaml").rename(home.directory / "other.yaml")
    monkeypatch.setenv("BACKSCROLL_CONFIG", "other.yaml")
    assert call("check").out == "other.yaml is right, and the storage and the platforms can be used.\n"


def test_option_goes_before_the_environment(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSCROLL_CONFIG", "nothing.yaml")
    assert call("check", "-c", "config.yaml").code == 0


@pytest.mark.parametrize("command", ["run", "check"])
def test_missing_file_ends_with_2(call: Call, command: str) -> None:
    told = call(command, "--config", "nothing.yaml")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("nothing.yaml: there is no such file.\n  ")


# Faults


TEN_FAULTS = """\
bot:
  handler: nothing_of_this_name:answer
  answer: [mentions, whispers]
  record: some
  history_limit: many
  max_parallel: 0
  lease: 30
storage:
  type: sql
  url: "postgresql://bot:{NOT_SET}@db/bot"
  pool_sise: canary-4711
adapters:
  console: {}
  telegram: {token: canary-4711}
extra: canary-4711
"""


@pytest.mark.parametrize("command", ["run", "check"])
def test_all_faults_are_told_at_once_with_file_and_line(home: Home, call: Call, command: str) -> None:
    home.write("config.yaml", TEN_FAULTS)
    told = call(command)
    facts = [line for line in told.err.splitlines() if not line.startswith("  ")]
    places = [tuple(fact.split(":")[:2]) for fact in facts]
    assert (told.code, told.out) == (2, "")
    assert places == [("config.yaml", str(line)) for line in (2, 3, 4, 5, 6, 7, 10, 11, 14, 15)]
    assert CANARY not in told.err


# check


def test_check_makes_no_database(new_home: Home, call: Call) -> None:
    before = {path.name for path in new_home.directory.iterdir()}
    assert call("check").code == 0
    assert {path.name for path in new_home.directory.iterdir()} == before


def test_check_leaves_a_database_as_it_is(home: Home, call: Call) -> None:
    home.run("hello")
    before = (home.directory / "backscroll.db").read_bytes()
    assert call("check").code == 0
    assert (home.directory / "backscroll.db").read_bytes() == before


def test_check_leaves_an_empty_postgres_empty(home: Home, call: Call, postgres_url: str) -> None:
    async def tables() -> object:
        connection = await asyncpg.connect(postgres_url)
        try:
            return await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        finally:
            await connection.close()

    home.configure(postgres_url)
    assert call("check").code == 0
    assert asyncio.run(tables()) == 0


def test_check_says_what_is_right_and_nothing_else(home: Home, call: Call) -> None:
    right = "config.yaml is right, and the storage and the platforms can be used.\n"
    assert call("check") == Called(0, right, "")
    (home.directory / "backscroll.db").unlink()
    assert call("check").out == f"{right}The storage has no tables yet; the bot's first start makes them.\n"


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("files", ["backscroll.db.files", "files/within"])
def test_files_directory_that_cannot_be_written_ends_with_3(home: Home, call: Call, command: str, files: str) -> None:
    if files != "backscroll.db.files":
        home.configure(storage={"type": "memory", "files": files})
    place = home.directory / files.partition("/")[0]
    place.write_text("no directory")
    told = call(command)
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith(f"The files directory {home.directory / files} cannot be written.\n  Give it")


def test_files_directory_of_another_database_ends_with_3(home: Home, call: Call) -> None:
    (home.directory / "files").mkdir()
    (home.directory / "files" / "database-id").write_text("another's")
    home.configure(storage={"type": "sql", "url": "sqlite:///backscroll.db", "files": "files"})
    told = call("run")
    assert (told.code, told.out) == (3, "")
    assert "files belongs to another database.\n  If that database is gone for good" in told.err


# Exit codes


FAILING_PROVIDER = f"""
from backscroll.storage import memory

class Provider(memory.Provider):
    async def initialize(self):
        raise LookupError("{CANARY}")

    async def check(self):
        raise LookupError("{CANARY}")
"""


@pytest.mark.parametrize(("command", "line"), [("run", 6), ("check", 9)])
def test_unexpected_error_of_a_provider_ends_with_1_and_tells_whose_it_is(
    home: Home, call: Call, command: str, line: int
) -> None:
    home.write("failing.py", FAILING_PROVIDER)
    home.configure(storage={"type": "failing"})
    told = call(command)
    assert (told.code, told.out) == (1, "")
    assert told.err == f"failing's Provider raised LookupError at failing.py:{line}.\n  Correct it there.\n"


def test_error_that_a_provider_may_have_led_to_names_it_too(home: Home) -> None:
    provider = "from backscroll.storage import memory\n\nclass Provider(memory.Provider):\n"
    home.write("failing.py", f"{provider}    async def get(self, *key):\n        return '{CANARY}'\n")
    home.configure(storage={"type": "failing"})
    done = home.run("hello")
    assert done.process.returncode == 1
    assert "Backscroll stopped: " in done.err
    assert "\n  This is a defect of Backscroll, or failing's Provider breaks its contract" in done.err
    assert CANARY not in done.err


def test_error_of_a_process_is_told_without_a_traceback(home: Home) -> None:
    home.write("failing.py", FAILING_PROVIDER)
    home.configure(storage={"type": "failing"})
    done = home.run()
    assert done.process.returncode == 1
    assert done.err.startswith("failing's Provider raised LookupError at failing.py:6.\n")
    assert len(done.err.splitlines()) == 2


class Refused(Adapter):
    """A platform that refuses at once."""

    platform = "console"

    def __init__(self, *, at_start: bool) -> None:
        self._at_start = at_start

    async def __aenter__(self) -> Self:
        if self._at_start:
            raise AdapterError("The token was refused.", "Correct it.")
        return self

    async def serve(self, inbox: Inbox) -> None:
        raise AdapterError("The token was refused.", "Correct it.")

    def split(self, text: str) -> list[str]:
        return [text]

    async def post(self, question: Question, part: Part) -> ExternalId:
        return question.key.message(part.token)


@pytest.mark.parametrize("at_start", [True, False])
def test_platform_that_refuses_ends_with_4(call: Call, at_start: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "make_adapters", lambda _configs, _provider: [Refused(at_start=at_start)])
    told = call("run")
    assert told.code == 4
    assert told.err.endswith("The token was refused.\n  Correct it.\n")


@pytest.mark.parametrize("at_start", [True, False])
def test_check_tells_of_every_platform(call: Call, at_start: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unusable(Refused):
        async def check(self) -> None:
            raise AdapterError("It cannot be served.", "Look at it.")

    refused = [Unusable(at_start=at_start), Unusable(at_start=False)]
    monkeypatch.setattr(running, "make_adapters", lambda _configs, _provider: refused)
    first = "The token was refused.\n  Correct it.\n" if at_start else "It cannot be served.\n  Look at it.\n"
    assert call("check") == Called(4, "", f"{first}It cannot be served.\n  Look at it.\n")


def test_verbose_logs_to_stderr_alone(home: Home) -> None:
    with home.start("run", "-v") as program:
        program.say("hello")
        program.end_input()
        assert program.ended() == 0
    assert program.out == "You said: hello\nI remember 0 earlier messages of this thread.\n"


@pytest.mark.parametrize("command", ["run", "check"])
def test_missing_variable_in_the_url_is_a_fault_with_its_line(home: Home, call: Call, command: str) -> None:
    home.configure("postgresql://bot:{DB_PASSWORD}@localhost/bot")
    told = call(command)

    assert told.code == 2
    assert "storage.url needs DB_PASSWORD, which is not set." in told.err


@pytest.mark.parametrize(
    ("storage", "fact"),
    [
        ({"url": "mysql://bot:canary@localhost/bot"}, "mysql"),
        ({"url": "sqlite://canary.db"}, "three slashes"),
        ({"url": "kept.db", "pool_size": -1}, "pool_size"),
    ],
    ids=["driver", "slashes", "pool size"],
)
def test_value_that_storage_refuses_is_a_fault_with_its_line(
    home: Home, call: Call, storage: dict[str, object], fact: str
) -> None:
    home.configure(storage={"type": "sql", **storage})
    told = call("check")

    assert told.code == 2
    assert fact in told.err
    assert re.search(r"^config\.yaml:\d+: storage", told.err, re.MULTILINE)
    assert "canary" not in told.err


def test_stdout_that_takes_nothing_is_told(home: Home) -> None:
    home.run("hello")
    with Path("/dev/full").open("wb") as full, home.start("threads", stdout=full) as program:
        program.end_input()
        assert program.ended() == 1
    assert program.err == "stdout cannot be written: No space left on device.\n  Make room, or send it elsewhere.\n"


def test_stdout_that_is_closed_is_told(home: Home, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    home.run("hello")
    monkeypatch.setattr(sys, "stdout", None)
    told = call("threads")
    assert told.code == 1
    assert told.err.startswith("stdout cannot be written: Bad file descriptor.")
