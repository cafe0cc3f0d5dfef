"""Stands in for the program `docker` and its engine: what is there is a file, and each call is noted.

It is started as a program, by its path. Its answers are those of Docker 28, where `backscroll docker-setup` reads them.
"""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STATE, CALLS = HERE / "state.json", HERE / "calls.jsonl"

READY_AFTER = 2
"""How often it is asked whether PostgreSQL answers until it does."""

State = dict[str, Any]


def options(arguments: list[str], name: str) -> list[str]:
    """Return each value of an option."""
    return [value for option, value in itertools.pairwise(arguments) if option == name]


def fail(reason: str) -> None:
    """End as Docker does when it refuses."""
    sys.exit(f"Error response from daemon: {reason}")


def inspect(kind: str, state: State) -> None:
    """Tell of the container, the volume or the image."""
    if not state.get(kind):
        fail(f"No such {kind}: {sys.argv[-1]}")
    sys.stdout.write(json.dumps([state[kind]]))


def create(arguments: list[str], state: State) -> None:
    """Make the container; a variable without a value comes from the environment."""
    (published,), (name,) = options(arguments, "--publish"), options(arguments, "--name")
    address, port, inner = published.split(":")
    variables = [each if "=" in each else f"{each}={os.environ[each]}" for each in options(arguments, "--env")]
    labels = dict(label.split("=") for label in options(arguments, "--label"))
    state["container"] = {
        "Name": f"/{name}",
        "Config": {"Env": variables, "Labels": labels},
        "HostConfig": {"PortBindings": {f"{inner}/tcp": [{"HostIp": address, "HostPort": port}]}},
        "State": {"Running": False},
    }


def start(state: State) -> None:
    """Start the container, where its port is free."""
    ((binding,),) = state["container"]["HostConfig"]["PortBindings"].values()
    if binding["HostPort"] == state.get("port_taken"):
        fail(f"failed to bind host port for 127.0.0.1:{binding['HostPort']}: address already in use")
    state["container"]["State"]["Running"] = not state.get("ends_at_once")
    state["asked"] = 0


def execute(arguments: list[str], state: State) -> None:
    """Carry out what is to run inside the container."""
    if "psql" in arguments:
        state["said_to_psql"] = sys.stdin.read()
        return
    state["asked"] += 1
    if not state["container"]["State"]["Running"] or state["asked"] < READY_AFTER:
        STATE.write_text(json.dumps(state))
        sys.exit(2)


def look(arguments: list[str], state: State) -> bool:
    """Do a call that changes nothing; tell whether it was one."""
    match arguments:
        case ["version", *_]:
            if state.get("engine") == "down":
                sys.exit("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?")
            sys.stdout.write("28.2.2\n")
        case [kind, "inspect", _]:
            inspect(kind, state)
        case _:
            return False
    return True


def change(arguments: list[str], state: State) -> None:
    """Do a call that changes what is there."""
    match arguments:
        case ["pull", image]:
            state["image"] = {"RepoTags": [image]}
        case ["volume", "create", "--label", label, name]:
            state["volume"] = {"Name": name, "Labels": dict([label.split("=")])}
        case ["volume", "rm", _]:
            del state["volume"]
        case ["create", *_]:
            create(arguments, state)
        case ["start", _]:
            start(state)
        case ["stop", *_]:
            state["container"]["State"]["Running"] = False
        case ["rm", _]:
            del state["container"]
        case ["exec", *_]:
            execute(arguments, state)
        case _:
            fail(f"nobody played {arguments}")


def main() -> None:
    """Do one call."""
    arguments = sys.argv[1:]
    with CALLS.open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    state: State = json.loads(STATE.read_text())
    if not look(arguments, state):
        change(arguments, state)
        STATE.write_text(json.dumps(state))


if __name__ == "__main__":
    main()
