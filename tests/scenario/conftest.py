"""A directory to run the program in, and each database that it can keep its threads in."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from backscroll.bot import answering, cli, delivery
from tests.scenario.program import Home


@dataclass(frozen=True)
class Called:
    """What one call of the command line came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for compiled modules; a start takes a third less with them."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def home(tmp_path: Path, bytecode: Path) -> Home:
    """Give a directory whose `config.yaml` is the SQLite file's, with the echo handler."""
    made = Home(tmp_path, bytecode)
    made.configure()
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, home: Home) -> str:
    """Give the URL of an empty database of each kind that outlives a process."""
    return home.sqlite_url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bot in this process try again soon."""
    monkeypatch.setattr(delivery, "BACK_OFF_S", (0.05, 0.1))
    monkeypatch.setattr(delivery, "POST_BACK_OFF_S", 0.05)
    monkeypatch.setattr(answering, "LOOK_S", 0.05)


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Give a way to call the command line in this process, in the home's directory; a new one takes a second."""
    monkeypatch.chdir(home.directory)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def called(*arguments: str) -> Called:
        monkeypatch.setattr(sys, "argv", ["backscroll", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Called(int(ended.value.code or 0), *capfd.readouterr())

    return called
