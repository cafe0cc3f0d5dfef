"""docs/writing-a-provider.md: its provider keeps the whole contract by its one line, and a bot runs on it, alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backscroll.storage.provider import StorageProvider
from tests.scenario.program import Program

PAGE = (Path(__file__).parents[1] / "docs/writing-a-provider.md").read_text()
PROVIDER, TEST = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[:2]
(CONFIG,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PATIENCE_S = 600.0
"""Seconds for all the claims; a busy machine takes more than a hundred."""

ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith(("BACKSCROLL_", "PYTEST_"))}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Write what the page shows into a directory, as its reader would."""
    (tmp_path / "my_storage").mkdir()
    (tmp_path / "my_storage" / "shelf.py").write_text(PROVIDER)
    (tmp_path / "test_shelf.py").write_text(TEST)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def run_claims(home: Path, *options: str) -> tuple[int, str]:
    """Run the page's test as its reader would, and return its code and what it says."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command, cwd=home, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stdout + done.stderr


def started(home: Path, command: str = "run") -> Program:
    return Program([sys.executable, "-m", "backscroll.bot", command], home, ENVIRONMENT)


def is_told(said: str) -> bool:
    """Tell whether the page has each line of what the program said."""
    told = {line.strip() for line in PAGE.splitlines()}
    return {line.strip() for line in said.splitlines()} <= told


def test_provider_of_the_page_has_sixty_lines() -> None:
    assert len(PROVIDER.splitlines()) <= 60


@pytest.mark.timeout(PATIENCE_S + 20)
def test_provider_of_the_page_keeps_the_whole_contract(home: Path) -> None:
    code, said = run_claims(home)
    counted = re.search(r"(\d+) passed", said)
    assert (code, counted and int(counted[1]) > 900) == (0, True), said


@pytest.mark.timeout(PATIENCE_S + 20)
def test_claim_that_does_not_hold_shows_what_was_got(home: Path) -> None:
    broken = PROVIDER.replace('key = ? ORDER BY number"', 'key = ? ORDER BY number DESC"')
    (home / "my_storage" / "shelf.py").write_text(broken)
    code, said = run_claims(home, "-x", "-k", "get_list_keeps_the_order")
    assert code == 1
    assert re.search(r"^E +AssertionError: assert \[.*\] == \[", said, re.MULTILINE), said


def test_bot_keeps_its_threads_in_the_provider_of_the_page(home: Path) -> None:
    for remembered in (0, 2):
        with started(home) as bot:
            bot.say("hello")
            bot.end_input()
            assert bot.ended() == 0, bot.err
            assert f"I remember {remembered} earlier messages" in bot.out


def test_second_bot_on_a_storage_for_one_process_is_refused(home: Path) -> None:
    with started(home) as first:
        first.say("hello")
        first.wait_for("I remember")
        with started(home) as second:
            assert second.ended() == 3
            assert is_told(second.err.replace(str(home), "/srv/bot"))
        first.process.kill()
        first.process.wait()
    with started(home, "check") as checked:
        assert checked.ended() == 0
    with started(home) as third:
        third.end_input()
        assert third.ended() == 0, third.err


def test_faults_of_the_page_are_those_that_are_told(home: Path) -> None:
    lacking = PROVIDER.replace("async def append(", "async def push(").replace("async def query(", "async def find(")
    (home / "my_storage" / "shelf.py").write_text(lacking)
    (home / "config.yaml").write_text(CONFIG.replace("path:", "pathh:"))
    with started(home, "check") as checked:
        assert checked.ended() == 2
        assert is_told(checked.err)


def test_page_names_calls_that_are_there() -> None:
    fast = PAGE[PAGE.index("## Making it fast") : PAGE.index("A call that you override")]
    rest = PAGE[PAGE.index("## The rest") :]
    named = re.findall(r"`([a-z_]+)`", fast) + re.findall(r"^\| `([a-z_]+)", rest, re.MULTILINE)
    assert len(named) > 12
    assert [name for name in named if not hasattr(StorageProvider, name)] == []
