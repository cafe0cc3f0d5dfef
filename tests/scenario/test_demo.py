"""`backscroll demo slack`: what it plays, what it shows, and that it leaves nothing."""

import re
import time
from pathlib import Path

import pytest

from backscroll import ThreadStore
from tests.scenario.program import Home, Program

SHOWN = 'await store.find_by_platform("slack", {"channel": '


@pytest.fixture
def home(home: Home, tmp_path: Path) -> Home:
    """Give an empty directory, and another one for temporary files."""
    (home.directory / "config.yaml").unlink()
    (tmp_path / "temporary").mkdir()
    home.environment |= {"TMPDIR": str(tmp_path / "temporary"), "https_proxy": "http://127.0.0.1:9"}
    return home


def play(home: Home, *options: str) -> Program:
    with home.start("demo", "slack", *options) as program:
        program.end_input()
        program.ended()
    return program


def test_demo_plays_and_shows_what_is_kept(home: Home) -> None:
    began_at = time.monotonic()
    program = play(home)

    assert (program.process.returncode, program.err) == (0, "")
    told, *kept = program.out.split(SHOWN)
    assert "anna: @backscroll what was that about?" in told
    assert "backscroll: You said: @backscroll what was that about?\n" in told
    assert "I remember 2 earlier messages of this thread." in told
    # The whole thread, numbered, each message once, with what became of it.
    rows = re.findall(r"^ +(\d) +(\w+) +(.*?) *$", kept[0], re.MULTILINE)
    assert [(number, who) for number, who, _ in rows] == [
        ("1", "anna"), ("2", "ben"), ("3", "anna"), ("4", "backscroll"), ("5", "ben"), ("6", "backscroll"),
    ]  # fmt: skip
    assert re.fullmatch(r"Me, with Anna's list of changes\. +edited", rows[1][2])
    assert rows[3][2].endswith(":tada: anna")
    assert re.findall(r"^ +(\d) +(\w+)", kept[1], re.MULTILINE) == [("1", "ben"), ("2", "backscroll")]
    assert time.monotonic() - began_at < 20  # some three seconds, on a machine that does nothing else


def test_demo_repeats_a_delivery_that_changes_nothing(home: Home) -> None:
    told = play(home).out.partition(SHOWN)[0]

    times = re.search(r"Slack sent it (\d+) times", told)
    assert times is not None
    assert int(times[1]) > 1
    assert told.count("backscroll: You said: And who tells the customers?") == 1


def test_demo_leaves_nothing(home: Home) -> None:
    play(home)

    assert [path.name for path in home.directory.rglob("*") if "temporary" not in path.name and path.is_file()] == []
    assert list((home.directory / "temporary").iterdir()) == []


async def test_demo_keeps_the_file_that_is_named(home: Home) -> None:
    program = play(home, "--keep", "kept.db")

    assert program.out.endswith('It stays: ThreadStore("kept.db"). Your own Slack: docs/slack.md.\n')
    async with ThreadStore(f"sqlite:///{home.directory}/kept.db") as store:
        threads = await store.find_by_platform("slack", {})
    assert sorted(len(thread.messages) for thread in threads) == [2, 6]


def test_demo_overwrites_no_file(home: Home) -> None:
    home.write("kept.db", "mine")
    program = play(home, "--keep", "kept.db")

    assert (program.process.returncode, program.out) == (2, "")
    assert program.err.startswith("demo slack: the file of --keep is there already.\n  ")
    assert (home.directory / "kept.db").read_text() == "mine"


def test_demo_takes_a_handler_of_this_directory(home: Home) -> None:
    home.write("mybot.py", "def answer(turn):\n    return f'{len(turn.thread.messages)} <messages>'\n")

    assert "backscroll: 3 <messages>\n" in play(home, "--handler", "mybot:answer").out


def test_demo_tells_why_there_is_no_answer(home: Home) -> None:
    home.write("mybot.py", "def answer(turn):\n    return None\n")

    assert "#launch  · skipped: The handler had no answer.\n" in play(home, "--handler", "mybot:answer").out


def test_demo_tells_of_a_handler_that_is_not_there(home: Home) -> None:
    program = play(home, "--handler", "nothing:answer")

    assert (program.process.returncode, program.out) == (2, "")
    assert "names a module that is not there" in program.err


def test_demo_is_told_in_colours_in_a_terminal(home: Home) -> None:
    with home.open_terminal("demo", "slack") as terminal:
        assert terminal.ended() == 0
    assert "\x1b[1;36manna: " in terminal.out


def test_demo_ends_on_ctrl_c(home: Home) -> None:
    with home.open_terminal("demo", "slack") as terminal:
        terminal.wait_for("what was that about?")
        terminal.type(b"\x03")
        assert terminal.ended() == 0
    assert "Traceback" not in terminal.out
    assert SHOWN not in terminal.out
