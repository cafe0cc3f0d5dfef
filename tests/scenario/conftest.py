"""A directory to run the program in, and each database that it can keep its threads in."""

from pathlib import Path

import pytest

from tests.scenario.program import Home


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
