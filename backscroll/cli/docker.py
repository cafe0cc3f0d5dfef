"""`backscroll docker-setup` and `backscroll docker-stop`: a PostgreSQL for development, in a container of this machine.

The `docker` program is called, never through a shell. The password stands in no argument, where `ps` would show it: it
goes by the environment and by stdin. The container keeps it, so a second call tells the same URL. What is called like
ours and has not our label is left alone. Proved by `tests/scenario/test_docker_setup.py`.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from backscroll.errors import StorageRefusedError, StorageUnavailableError

NAME = "backscroll-postgres"
"""The container and its volume."""

IMAGE = "postgres:17-bookworm"
USER = DATABASE = "backscroll"
LABEL = "io.backscroll.made-by"
MADE_BY = "docker-setup"
DATA = "/var/lib/postgresql/data"
DEFAULT_PORT = 5432

CALL_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0
LOOK_S = 0.5
STOP_TIMEOUT_S = 30

_PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")

Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65_535, help=f"The port on 127.0.0.1; {DEFAULT_PORT} for a new one.", show_default=False
    ),
]
RemoveVolumes = Annotated[
    bool, typer.Option("--remove-volumes", help="Remove the container and its volume, with all that is kept there.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]


@dataclass(frozen=True)
class Container:
    """The container as it stands; `port` is the one on 127.0.0.1."""

    is_running: bool
    port: int
    password: str


def docker_setup(port: Port = None) -> None:
    """Start a PostgreSQL for development in Docker, and print the `storage` of config.yaml for it.

    It listens on 127.0.0.1 alone. Called again, it starts what is there and prints the same lines. What is kept lies in
    the volume backscroll-postgres, and outlives the container.
    """
    _check_engine()
    container = _container() or _make(port or DEFAULT_PORT)
    if port is not None and port != container.port:
        if container.is_running:
            fact = f"The container {NAME} is there already, on port {container.port}."
            raise StorageRefusedError(fact, "Leave --port out, or call backscroll docker-stop first.")
        _docker("rm", NAME)
        container = _make(port, container.password)
    if not container.is_running:
        _start(container)
    _wait_until_ready()
    _set_password(container.password)
    typer.echo(f"PostgreSQL runs in the container {NAME}. Put this into config.yaml:", err=True)
    url = f"postgresql://{USER}:{container.password}@127.0.0.1:{container.port}/{DATABASE}"
    typer.echo(f'storage:\n  type: sql\n  url: "{url}"')


def docker_stop(remove_volumes: RemoveVolumes = False, yes: Yes = False) -> None:
    """Stop the PostgreSQL of docker-setup; what is kept there stays, and docker-setup starts it again.

    With --remove-volumes all of it is removed, after a question on a terminal; elsewhere that needs --yes.
    """
    _check_engine()
    container = _container()
    if remove_volumes:
        _confirm(yes)
    if container is not None:
        _docker("stop", "-t", str(STOP_TIMEOUT_S), NAME)
    if not remove_volumes:
        told = f"No container {NAME} is there." if container is None else f"{NAME} is stopped; what is kept stays."
        typer.echo(told, err=True)
        return
    if container is not None:
        _docker("rm", NAME)
    if _has_volume():
        _docker("volume", "rm", NAME)
    typer.echo(f"{NAME} is removed, with all that was kept there.", err=True)


def _confirm(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fact = "it removes all that is kept, and nobody can be asked here: add --yes."
        raise typer.BadParameter(fact, param_hint="--remove-volumes")
    typer.confirm(f"Remove the volume {NAME}, with all that is kept there?", abort=True, err=True)


def _check_engine() -> None:
    """Look whether there is a Docker that can be used.

    Raises: StorageRefusedError: there is no program. StorageUnavailableError: its engine does not answer.
    """
    if shutil.which("docker") is None:
        raise StorageRefusedError(
            "The program docker is not here.", "Install Docker, or name another database in storage.url."
        )
    engine = _call("version", "--format", "{{.Server.Version}}")
    if engine.returncode != 0:
        raise StorageUnavailableError(f"Docker's engine does not answer: {_reason(engine)}", "Start it, and try again.")


def _container() -> Container | None:
    """Return the container as it stands, or None.

    Raises: StorageRefusedError: one that is not ours has its name.
    """
    found = _inspect("container")
    if found is None:
        return None
    bindings = (found["HostConfig"].get("PortBindings") or {}).get("5432/tcp")
    if not bindings or not _is_ours(found["Config"]):
        raise _not_ours("container")
    variables = dict(entry.partition("=")[::2] for entry in found["Config"].get("Env") or ())
    return Container(
        is_running=bool(found["State"]["Running"]),
        port=int(bindings[0]["HostPort"]),
        password=variables.get("POSTGRES_PASSWORD", ""),
    )


def _has_volume() -> bool:
    """Tell whether the volume is there.

    Raises: StorageRefusedError: one that is not ours has its name.
    """
    found = _inspect("volume")
    if found is not None and not _is_ours(found):
        raise _not_ours("volume")
    return found is not None


def _make(port: int, password: str | None = None) -> Container:
    """Make the container, on the volume that is there or a new one; it does not run yet."""
    if not _has_volume():
        _docker("volume", "create", "--label", f"{LABEL}={MADE_BY}", NAME)
    if _call("image", "inspect", IMAGE).returncode != 0:
        _pull()
    chosen = password or secrets.token_hex(16)
    arguments = (
        *("--name", NAME, "--label", f"{LABEL}={MADE_BY}"),
        *("--publish", f"127.0.0.1:{port}:5432"),
        *("--mount", f"type=volume,source={NAME},target={DATA}"),
        *("--env", f"POSTGRES_USER={USER}", "--env", f"POSTGRES_DB={DATABASE}", "--env", "POSTGRES_PASSWORD"),
    )
    _docker("create", *arguments, IMAGE, environment={"POSTGRES_PASSWORD": chosen})
    return Container(is_running=False, port=port, password=chosen)


def _pull() -> None:
    """Fetch the image, and let Docker show how far it is."""
    typer.echo(f"Fetching {IMAGE}, once.", err=True)
    pulled = subprocess.run(  # noqa: S603  # a list of arguments, none from outside
        [_program(), "pull", IMAGE], stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), check=False
    )
    if pulled.returncode != 0:
        fact = f"Docker could not fetch {IMAGE}; its reason stands above."
        raise StorageUnavailableError(fact, f"Try docker pull {IMAGE}.")


def _start(container: Container) -> None:
    """Start the container.

    Raises: StorageRefusedError: something else has its port; a call with another one makes the container anew.
    """
    started = _call("start", NAME)
    if started.returncode == 0:
        return
    reason = _reason(started)
    if any(words in reason for words in _PORT_TAKEN):
        fact = f"Something else listens on port {container.port} of this machine."
        raise StorageRefusedError(fact, "Name another one: backscroll docker-setup --port 5433.")
    raise StorageRefusedError(f"Docker could not start {NAME}: {reason}", f"docker logs {NAME} tells more.")


def _wait_until_ready() -> None:
    """Wait until the server answers; asked by its address, since it has only a socket while it is set up."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    ask = ("exec", NAME, "pg_isready", "--quiet", "--host=127.0.0.1", f"--username={USER}", f"--dbname={DATABASE}")
    while _call(*ask).returncode != 0:
        container = _container()
        if container is None or not container.is_running:
            raise StorageRefusedError(f"PostgreSQL in {NAME} has ended.", f"docker logs {NAME} tells why.")
        if time.monotonic() > deadline:
            fact = f"PostgreSQL in {NAME} did not answer in {READY_TIMEOUT_S:g} s."
            raise StorageUnavailableError(fact, f"docker logs {NAME} tells more.")
        time.sleep(LOOK_S)


def _set_password(password: str) -> None:
    """Let the server take the container's password: on a volume that is older than the container it has another one."""
    statement = f"ALTER ROLE {USER} PASSWORD '{password}';\n"  # of hexadecimal digits, unless somebody changed it
    if not password.isalnum():
        raise StorageRefusedError(
            f"The container {NAME} has no password of docker-setup's.", f"Remove it: docker rm --force {NAME}."
        )
    program = ("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--username={USER}", f"--dbname={DATABASE}")
    _docker("exec", "--interactive", NAME, *program, given=statement)


def _inspect(kind: str) -> dict[str, Any] | None:
    """Return what Docker tells of the container, or volume, of our name; None when there is none."""
    found = _call(kind, "inspect", NAME)
    if found.returncode == 0:
        told: list[dict[str, Any]] = json.loads(found.stdout)
        return told[0]
    if "no such" in found.stderr.lower():
        return None
    raise StorageUnavailableError(f"Docker does not tell of the {kind} {NAME}: {_reason(found)}", "Try again.")


def _is_ours(described: dict[str, Any]) -> bool:
    return (described.get("Labels") or {}).get(LABEL) == MADE_BY


def _not_ours(kind: str) -> StorageRefusedError:
    return StorageRefusedError(
        f"The {kind} {NAME} is there, and docker-setup did not make it.", f"Rename it, or remove it: docker {kind} rm."
    )


def _docker(*arguments: str, environment: dict[str, str] | None = None, given: str = "") -> None:
    """Call Docker.

    Raises: StorageRefusedError: it refuses.
    """
    done = _call(*arguments, environment=environment, given=given)
    if done.returncode != 0:
        raise StorageRefusedError(
            f"docker {arguments[0]} was refused: {_reason(done)}",
            "docker ps --all and docker volume ls show what is there.",
        )


def _call(
    *arguments: str, environment: dict[str, str] | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Call Docker, whatever it says.

    Raises: StorageUnavailableError: it does not end.
    """
    try:
        return subprocess.run(  # noqa: S603  # a list of arguments, none from outside but the port
            [_program(), *arguments],
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | (environment or {}),
            timeout=CALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        fact = f"docker {arguments[0]} did not end in {CALL_TIMEOUT_S:g} s."
        raise StorageUnavailableError(fact, "Look whether Docker's engine is well, and try again.") from None


def _program() -> str:
    return shutil.which("docker") or "docker"


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of what Docker said."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with {done.returncode}."
