"""The command line: what it prints where, and the code it ends with."""

import pytest

from tests.scenario.program import Home, Program

BROKEN = """\
bot:
  handlr: x
  answer: [mention]
  record: some
  history_limit: 0
  max_parallel: many
  lease_s: -1
storage:
  type: sql
  url: 5
  pool_sise: 3
adapters:
  consle: {}
more: 1
"""
FAULTS = [
    "config.yaml:2: bot.handlr is not a known key.",
    "config.yaml:3: bot.answer",
    "config.yaml:4: bot.record",
    "config.yaml:5: bot.history_limit",
    "config.yaml:6: bot.max_parallel",
    "config.yaml:7: bot.lease_s",
    "config.yaml:10: storage.url",
    "config.yaml:11: storage.pool_sise is not a known key.",
    "config.yaml:13: adapters.consle is not a known key.",
    "config.yaml:14: more is not a known key.",
]


def run(home: Home, *arguments: str, **environment: str) -> Program:
    """Run a command to its end, with nothing on stdin."""
    with home.start(*arguments, **environment) as program:
        program.end_input()
        program.ended()
    return program


@pytest.mark.parametrize("command", ["run", "check"])
def test_broken_configuration_shows_every_fault_with_its_line(home: Home, command: str) -> None:
    home.write("config.yaml", BROKEN)
    program = run(home, command)

    assert program.process.returncode == 2
    assert [fault for fault in FAULTS if fault not in program.err] == []
    assert program.out == ""
    assert "Traceback" not in program.err


def test_check_of_a_right_configuration_says_so(home: Home) -> None:
    program = run(home, "check")

    assert (program.process.returncode, program.err) == (0, "")
    assert program.out == "config.yaml is right, and the storage can be used.\n"


def test_check_changes_nothing(home: Home) -> None:
    before = sorted(home.directory.iterdir())
    run(home, "check")

    assert sorted(home.directory.iterdir()) == before


def test_missing_configuration_is_code_2(home: Home) -> None:
    program = run(home, "run", "--config", "none.yaml")

    assert program.process.returncode == 2
    assert "none.yaml" in program.err
    assert "--config" in program.err


def test_environment_names_the_configuration(home: Home) -> None:
    (home.directory / "config.yaml").rename(home.directory / "other.yaml")
    program = run(home, "check", BACKSCROLL_CONFIG="other.yaml")

    assert program.process.returncode == 0
    assert "other.yaml" in program.out


@pytest.mark.parametrize("command", ["run", "check"])
def test_refused_storage_is_code_3(home: Home, command: str) -> None:
    home.configure("sqlite:////proc/none/kept.db")
    program = run(home, command)

    assert program.process.returncode == 3
    assert "/proc/none/kept.db" in program.err
    assert "Traceback" not in program.err


def test_unavailable_storage_is_code_3_for_check(home: Home) -> None:
    home.configure("postgresql://bot:canary-password@127.0.0.1:1/none")
    program = run(home, "check")

    assert program.process.returncode == 3
    assert "does not answer" in program.err
    assert "canary" not in program.err + program.out


@pytest.mark.parametrize("command", ["run", "check"])
def test_unexpected_error_is_code_1_without_its_text(home: Home, command: str) -> None:
    home.write(
        "breaking.py",
        """\
        from backscroll.storage.memory import Provider as Memory

        class Provider(Memory):
            async def check(self):
                raise LookupError("canary")

            initialize = check
        """,
    )
    home.configure(storage={"type": "breaking"})
    program = run(home, command)

    assert program.process.returncode == 1
    assert "LookupError at breaking.py:5" in program.err
    assert "canary" not in program.err
    assert "Traceback" not in program.err


def test_help_names_the_commands(home: Home) -> None:
    program = run(home, "--help")

    assert program.process.returncode == 0
    assert "run" in program.out
    assert "check" in program.out


def test_unknown_option_is_code_2(home: Home) -> None:
    program = run(home, "run", "--nonsense")

    assert program.process.returncode == 2
    assert "--nonsense" in program.err
