"""`backscroll demo`: what each platform's play plays, what it shows, and that it leaves nothing."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from backscroll import ThreadStore
from tests.scenario.conftest import Call
from tests.scenario.program import Home, Program

PLATFORMS = ["slack", "discord"]
SHOWN = "await store.find_by_platform("


@dataclass(frozen=True)
class Played:
    """A demo that has ended, and where it ran."""

    home: Home
    program: Program

    @property
    def told(self) -> str:
        """What was told before the first of what is kept."""
        return self.program.out.partition(SHOWN)[0]

    @property
    def tables(self) -> list[list[tuple[str, str, str]]]:
        """The rows of each thread that is shown: number, author, and all the rest."""
        shown = self.program.out.split(SHOWN)[1:]
        return [re.findall(r"^ +(\d) +(\w+) +(.*?) *$", table, re.MULTILINE) for table in shown]


@pytest.fixture
def home(new_home: Home) -> Home:
    """Give a directory with nothing but one for temporary files."""
    return emptied(new_home)


def emptied(home: Home) -> Home:
    (home.directory / "config.yaml").unlink(missing_ok=True)
    (home.directory / "temporary").mkdir()
    home.environment |= {"TMPDIR": str(home.directory / "temporary"), "https_proxy": "http://127.0.0.1:9"}
    return home


def play(home: Home, platform: str, *options: str) -> Program:
    with home.start("demo", platform, *options) as program:
        program.end_input()
        program.ended()
    return program


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Callable[[str], Played]:
    """Give a way to have a platform's demo played, once for all tests: it takes some seconds."""

    @cache
    def of(platform: str) -> Played:
        home = emptied(Home(tmp_path_factory.mktemp(platform), bytecode))
        return Played(home, play(home, platform))

    return of


@pytest.mark.parametrize("platform", PLATFORMS)
def test_demo_plays_to_its_end(played: Callable[[str], Played], platform: str) -> None:
    demo = played(platform)

    assert (demo.program.process.returncode, demo.program.err) == (0, "")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_demo_leaves_nothing(played: Callable[[str], Played], platform: str) -> None:
    directory = played(platform).home.directory

    assert [path.name for path in directory.rglob("*")] == ["temporary"]


# Slack


def test_slack_demo_shows_what_is_kept(played: Callable[[str], Played]) -> None:
    demo = played("slack")
    thread, direct = demo.tables

    assert "anna: @backscroll what was that about?" in demo.told
    assert "backscroll: You said: @backscroll what was that about?\n" in demo.told
    assert "I remember 2 earlier messages of this thread." in demo.told
    # The whole thread, numbered, each message once, with what became of it.
    assert [row[:2] for row in thread] == [
        ("1", "anna"), ("2", "ben"), ("3", "anna"), ("4", "backscroll"), ("5", "ben"), ("6", "backscroll"),
    ]  # fmt: skip
    assert re.fullmatch(r"Me, with Anna's list of changes\. +edited", thread[1][2])
    assert thread[3][2].endswith(":tada: anna")
    assert [row[:2] for row in direct] == [("1", "ben"), ("2", "backscroll")]


def test_slack_demo_repeats_a_delivery_that_changes_nothing(played: Callable[[str], Played]) -> None:
    told = played("slack").told
    times = re.search(r"Slack sent it (\d+) times", told)

    assert times is not None
    assert int(times[1]) > 1
    assert told.count("backscroll: You said: And who tells the customers?") == 1


async def test_demo_keeps_the_file_that_is_named(home: Home) -> None:
    program = play(home, "slack", "--keep", "kept.db")

    assert program.out.endswith('It stays: ThreadStore("kept.db"). Your own Slack: docs/slack.md.\n')
    async with ThreadStore(f"sqlite:///{home.directory}/kept.db") as store:
        threads = await store.find_by_platform("slack", {})
    assert sorted(len(thread.messages) for thread in threads) == [2, 6]


def test_demo_takes_a_handler_of_this_directory(home: Home) -> None:
    home.write("mybot.py", "def answer(turn):\n    return f'{len(turn.thread.messages)} <messages>'\n")

    assert "backscroll: 3 <messages>\n" in play(home, "slack", "--handler", "mybot:answer").out


def test_slack_demo_tells_why_there_is_no_answer(home: Home) -> None:
    home.write("mybot.py", "def answer(turn):\n    return None\n")

    assert "#launch  · skipped: The handler had no answer.\n" in play(home, "slack", "--handler", "mybot:answer").out


def test_demo_of_slack_is_told_in_colours_in_a_terminal_when_nothing_else_is_named(home: Home) -> None:
    with home.open_terminal("demo") as terminal:
        assert terminal.ended() == 0
    assert "Slack, played on this computer" in terminal.out
    assert "\x1b[1;36manna: " in terminal.out


# Discord


def test_discord_demo_shows_what_is_kept(played: Callable[[str], Played]) -> None:
    demo = played("discord")
    thread, direct, command = demo.tables

    assert "#launch  ben: @backscroll who sends the list of changes?\n#launch  ↳ backscroll: You said: " in demo.told
    assert [row[:2] for row in thread] == [
        ("1", "ben"), ("2", "backscroll"), ("3", "anna"), ("4", "backscroll"), ("5", "ben"), ("6", "backscroll"),
    ]  # fmt: skip
    assert thread[1][2].endswith("🎉 anna")
    assert re.fullmatch(r"I tell them, at one\. Any objection\? +edited", thread[4][2])
    assert [row[:2] for row in direct] == [("1", "ben"), ("2", "backscroll")]
    assert [row[:2] for row in command] == [("1", "anna"), ("2", "backscroll")]
    assert command[0][2] == "what is planned for Friday?"


def test_discord_demo_reads_back_what_was_missed(played: Callable[[str], Played]) -> None:
    told = played("discord").told

    assert told.count("backscroll: You said: I tell them, at noon. Any objection?") == 1
    assert "I remember 4 earlier messages of this thread." in told


async def test_discord_demo_goes_on_without_answers(home: Home) -> None:
    home.write("mybot.py", "def answer(turn):\n    return None\n")
    program = play(home, "discord", "--handler", "mybot:answer", "--keep", "kept.db")

    assert program.out.count("· skipped: The handler had no answer.\n") == 5
    assert "#launch  · anna begins a thread\n" in program.out
    assert program.out.endswith('It stays: ThreadStore("kept.db"). Your own server: docs/discord.md.\n')
    async with ThreadStore(f"sqlite:///{home.directory}/kept.db") as store:
        threads = await store.find_by_platform("discord", {})
    assert sorted(len(thread.messages) for thread in threads) == [1, 1, 3]


# Both


@pytest.mark.parametrize("platform", PLATFORMS)
def test_demo_overwrites_no_file(call: Call, home: Home, platform: str) -> None:
    home.write("kept.db", "mine")
    called = call("demo", platform, "--keep", "kept.db")

    assert (called.code, called.out) == (2, "")
    assert called.err.startswith(f"demo {platform}: the file of --keep is there already.\n  ")
    assert (home.directory / "kept.db").read_text() == "mine"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_demo_tells_of_a_handler_that_is_not_there(call: Call, platform: str) -> None:
    called = call("demo", platform, "--handler", "nothing:answer")

    assert (called.code, called.out) == (2, "")
    assert "names a module that is not there" in called.err


@pytest.mark.parametrize("platform", PLATFORMS)
def test_demo_ends_on_ctrl_c(home: Home, platform: str) -> None:
    with home.open_terminal("demo", platform) as terminal:
        terminal.wait_for("#launch  ")
        terminal.type(b"\x03")
        assert terminal.ended() == 0
    assert "Traceback" not in terminal.out
    assert SHOWN not in terminal.out


def test_demo_whose_reader_has_gone_ends_without_a_word(home: Home) -> None:
    reading, writing = os.pipe()
    with home.start("demo", "slack", stdout=writing) as program:
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        assert program.ended() == 1
    assert program.err == ""
