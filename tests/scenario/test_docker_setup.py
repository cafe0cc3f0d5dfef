"""`backscroll docker-setup` and `docker-stop`, with a stand-in for the program `docker` on the path."""

import json
import re
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from backscroll.bot.config import load_storage
from backscroll.cli import docker
from tests.scenario.conftest import Call, Called
from tests.scenario.program import Home

FOREIGN: dict[str, dict[str, Any]] = {
    "container": {
        "Config": {"Labels": {}},
        "HostConfig": {"PortBindings": {"5432/tcp": [{"HostPort": "5432"}]}},
        "State": {"Running": True},
    },
    "volume": {"Labels": None},
}
LABELS = {docker.LABEL: docker.MADE_BY}
MADE: dict[str, Any] = {
    "container": {
        "Config": {"Labels": LABELS, "Env": ["POSTGRES_PASSWORD=before"]},
        "HostConfig": {"PortBindings": {"5432/tcp": [{"HostPort": "5432"}]}},
        "State": {"Running": True},
    },
    "volume": {"Labels": LABELS},
    "image": {},
    "asked": 1,
}


class Keyboard(StringIO):
    """A terminal's stdin, on which something is typed."""

    def isatty(self) -> bool:
        return True


class Docker:
    """The stand-in: what is there, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        source = Path(__file__).with_name("docker_stand_in.py").read_text()
        program = folder / "docker"
        program.write_text(f"#!{sys.executable} -ISB\n{source}")
        program.chmod(0o755)
        self.be()

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self._folder / "state.json").read_text())
        return state

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self._folder / "calls.jsonl").read_text().splitlines()]

    def be(self, **state: Any) -> None:
        """Let this be there, and nothing else."""
        (self._folder / "state.json").write_text(json.dumps(state))


@pytest.fixture
def docker_program(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path_factory.mktemp("docker")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(docker, "LOOK_S", 0.0)
    return Docker(folder)


def password_of(told: Called) -> str:
    assert told.code == 0, told.err
    found = re.search(r"backscroll:(\w+)@127\.0\.0\.1:", told.out)
    assert found is not None
    return found[1]


# docker-setup


def test_docker_setup_prints_a_storage_that_a_configuration_takes(
    docker_program: Docker, call: Call, new_home: Home
) -> None:
    told = call("docker-setup")
    new_home.write("config.yaml", told.out)

    url = load_storage(new_home.directory / "config.yaml").options["url"]
    assert url == f"postgresql://backscroll:{password_of(told)}@127.0.0.1:5432/backscroll"


def test_docker_setup_listens_on_loopback_alone(docker_program: Docker, call: Call) -> None:
    call("docker-setup", "--port", "5544")
    bindings = docker_program.state["container"]["HostConfig"]["PortBindings"]
    assert bindings == {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5544"}]}


def test_docker_setup_shows_the_password_in_no_argument(docker_program: Docker, call: Call) -> None:
    password = password_of(call("docker-setup"))
    assert password not in json.dumps(docker_program.calls)
    assert f"POSTGRES_PASSWORD={password}" in docker_program.state["container"]["Config"]["Env"]


def test_docker_setup_waits_until_the_server_answers(docker_program: Docker, call: Call) -> None:
    call("docker-setup")
    asked = [each for each in docker_program.calls if "pg_isready" in each]
    assert len(asked) == 2
    assert "--host=127.0.0.1" in asked[0]  # while the image sets itself up, its server has a socket alone


def test_docker_setup_repeats_what_it_told(docker_program: Docker, call: Call) -> None:
    first = call("docker-setup")
    assert call("docker-setup").out == first.out
    assert sum(each[0] == "create" for each in docker_program.calls) == 1


def test_docker_setup_starts_again_what_was_stopped(docker_program: Docker, call: Call) -> None:
    docker_program.be(**MADE)
    call("docker-stop")
    assert password_of(call("docker-setup")) == "before"
    assert docker_program.state["container"]["State"]["Running"]


def test_docker_setup_gives_an_old_volume_the_new_password(docker_program: Docker, call: Call) -> None:
    docker_program.be(volume=MADE["volume"])
    password = password_of(call("docker-setup"))
    assert docker_program.state["said_to_psql"] == f"ALTER ROLE backscroll PASSWORD '{password}';\n"


def test_docker_setup_moves_a_stopped_one_to_another_port(docker_program: Docker, call: Call) -> None:
    docker_program.be(**MADE)
    call("docker-stop")
    assert "backscroll:before@127.0.0.1:5433/" in call("docker-setup", "--port", "5433").out


def test_docker_setup_leaves_a_running_one_on_its_port(docker_program: Docker, call: Call) -> None:
    docker_program.be(**MADE)
    told = call("docker-setup", "--port", "5433")
    assert (told.code, told.out) == (3, "")
    assert "on port 5432" in told.err


@pytest.mark.parametrize("kind", FOREIGN)
def test_docker_setup_leaves_what_is_not_its_own(kind: str, docker_program: Docker, call: Call) -> None:
    docker_program.be(**{kind: FOREIGN[kind]})
    told = call("docker-setup")
    assert told.code == 3
    assert f"The {kind} backscroll-postgres is there, and docker-setup did not make it." in told.err
    assert docker_program.state == {kind: FOREIGN[kind]}


def test_docker_setup_tells_of_a_port_in_use(docker_program: Docker, call: Call) -> None:
    docker_program.be(port_taken="5432")
    told = call("docker-setup")
    assert told.code == 3
    assert "Something else listens on port 5432 of this machine." in told.err
    assert call("docker-setup", "--port", "5433").code == 0


def test_docker_setup_tells_of_a_server_that_ends(docker_program: Docker, call: Call) -> None:
    docker_program.be(ends_at_once=True)
    told = call("docker-setup")
    assert (told.code, told.out) == (3, "")
    assert "PostgreSQL in backscroll-postgres has ended." in told.err


@pytest.mark.parametrize("command", ["docker-setup", "docker-stop"])
def test_engine_that_does_not_run_is_told(command: str, docker_program: Docker, call: Call) -> None:
    docker_program.be(engine="down")
    told = call(command)
    assert told.code == 3
    assert "Docker's engine does not answer" in told.err
    assert "Start it" in told.err


@pytest.mark.parametrize("command", ["docker-setup", "docker-stop"])
def test_missing_docker_is_told(command: str, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = call(command)
    assert told.code == 3
    assert told.err.startswith("The program docker is not here.\n  Install Docker")


# docker-stop


def test_docker_stop_keeps_the_volume(docker_program: Docker, call: Call) -> None:
    docker_program.be(**MADE)
    assert call("docker-stop").code == 0
    assert "volume" in docker_program.state
    assert not docker_program.state["container"]["State"]["Running"]


def test_docker_stop_removes_the_volume_when_it_is_told_to(docker_program: Docker, call: Call) -> None:
    docker_program.be(**MADE)
    assert call("docker-stop", "--remove-volumes", "--yes").code == 0
    assert docker_program.state.keys().isdisjoint({"container", "volume"})


def test_docker_stop_removes_nothing_that_nobody_confirmed(docker_program: Docker, call: Call) -> None:
    docker_program.be(**MADE)
    told = call("docker-stop", "--remove-volumes")
    assert told.code == 2
    assert "--yes" in told.err
    assert docker_program.state["container"]["State"]["Running"]


def test_docker_stop_asks_on_a_terminal(docker_program: Docker, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    docker_program.be(**MADE)
    monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
    told = call("docker-stop", "--remove-volumes")
    assert told.code == 1
    assert "[y/N]" in told.err
    assert docker_program.state == MADE


def test_docker_stop_without_a_container_changes_nothing(docker_program: Docker, call: Call) -> None:
    told = call("docker-stop")
    assert (told.code, told.err) == (0, "No container backscroll-postgres is there.\n")


def test_docker_stop_leaves_a_foreign_volume(docker_program: Docker, call: Call) -> None:
    docker_program.be(volume=FOREIGN["volume"])
    assert call("docker-stop", "--remove-volumes", "--yes").code == 3
    assert docker_program.state == {"volume": FOREIGN["volume"]}
