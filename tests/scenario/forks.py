"""Runs of the program as processes that are forked where it has been imported already: see `fork.py`."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class Forked:
    """One such process, as `subprocess.Popen` shows one; its streams are pipes."""

    def __init__(self, told: int, stdin: int, stdout: int, stderr: int) -> None:
        self.stdin: IO[bytes] = os.fdopen(stdin, "wb")
        self.stdout: IO[bytes] = os.fdopen(stdout, "rb", 0)
        self.stderr: IO[bytes] = os.fdopen(stderr, "rb", 0)
        self.returncode: int | None = None
        self._told: IO[bytes] = os.fdopen(told, "rb", 0)
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """Return its code when it has ended."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its code.

        Args: timeout: seconds.
        Raises: subprocess.TimeoutExpired: it runs still.
        """
        code = self._look(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("a forked program", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; none when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it; harmless when it has ended."""
        self.send_signal(signal.SIGKILL)

    def _look(self, patience_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], patience_s)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


class Forks:
    """The process that has imported the program and forks: `with Forks(environment) as forks`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, other = socket.socketpair()
        command = [sys.executable, "-m", "tests.scenario.fork"]
        with other:
            self._process = subprocess.Popen(
                command, stdin=other.fileno(), env=environment, cwd=Path(__file__).parents[2], start_new_session=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.wait()

    def start(self, arguments: list[str], directory: Path, environment: Mapping[str, str]) -> Forked:
        """Start the program with arguments, in a directory."""
        request = {"arguments": arguments, "directory": str(directory), "environment": dict(environment)}
        stdin, stdout, stderr, told = (os.pipe() for _ in range(4))
        theirs = [stdin[0], stdout[1], stderr[1], told[1]]
        socket.send_fds(self._socket, [json.dumps(request).encode()], theirs)
        for file in theirs:
            os.close(file)
        return Forked(told[0], stdin[1], stdout[0], stderr[0])
