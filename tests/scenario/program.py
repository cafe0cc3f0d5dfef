"""The real program as a process, in a directory of its own with its `config.yaml`.

What it prints is gathered while it runs, so no pipe fills up and a test can wait for a text.
"""

import contextlib
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Any, Self

from tests.scenario.forks import Forked, Forks

PATIENCE_S = 90.0
"""Seconds in which what is waited for comes on a busy machine too, where a start alone may take a minute."""

TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes stdin the controlling terminal; a program of its own, because `preexec_fn` is unsafe beside threads."""


class Program:
    """One run of the program, killed at the latest when it is left."""

    def __init__(
        self,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str],
        *,
        forks: Forks | None = None,
        **streams: Any,
    ) -> None:
        self.process: subprocess.Popen[bytes] | Forked
        if forks is not None:
            self.process = forks.start(command[2:], directory, environment)
        else:
            given: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | streams
            self.process = subprocess.Popen(command, cwd=directory, env=environment, **given)
        self._output: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        self._start = {"out": 0, "err": 0}
        self._readers = [
            threading.Thread(target=self._gather, args=(stream.fileno(), self._output[name]), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # it ended before it had read all
                    stream.close()

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._said("out")

    @property
    def err(self) -> str:
        """What it has noted so far."""
        return self._said("err")

    def forget(self) -> None:
        """Take what it says from now on for all that it says."""
        self._start = {name: len(output) for name, output in self._output.items()}

    def say(self, *lines: str) -> None:
        """Type lines."""
        self.type("".join(f"{line}\n" for line in lines).encode())

    def type(self, data: bytes) -> None:
        """Type bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_input(self) -> None:
        """Close its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait_for(self, text: str, *, times: int = 1, stream: str = "out") -> None:
        """Wait until it has said a text so often."""
        self.wait_until(lambda: self._said(stream).count(text) >= times, f"{times} × {text!r}")

    def wait_until(self, is_so: Callable[[], bool], what: str = "it") -> None:
        """Wait for a condition, which must come before the program has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            ended = self.process.poll() is not None
            if ended:
                self._join()
            if is_so():
                return
            assert not ended, f"it ended with {self.process.returncode} before {what}: {self.out}\n{self.err}"
            assert time.monotonic() < deadline, f"{what} never came: {self.out}\n{self.err}"
            time.sleep(0.005)

    def ended(self, patience_s: float = PATIENCE_S) -> int:
        """Wait until it has ended, and return its code."""
        code = self.process.wait(patience_s)
        self._join()
        return code

    def _said(self, stream: str) -> str:
        return self._output[stream][self._start[stream] :].decode(errors="replace")

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(PATIENCE_S)

    @staticmethod
    def _gather(file: int, into: bytearray) -> None:
        with contextlib.suppress(OSError):  # a terminal's end: its last program has ended
            while chunk := os.read(file, 65_536):
                into += chunk


class Terminal(Program):
    """One run of the program in a terminal of its own, where Ctrl-C and Ctrl-D mean what they mean to a person."""

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-I", "-c", TAKE_TERMINAL, *command]
        super().__init__(
            command, directory, environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self._readers = [threading.Thread(target=self._gather, args=(self._master, self._output["out"]), daemon=True)]
        self._readers[0].start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._join()
        os.close(self._master)

    def type(self, data: bytes) -> None:
        """Type keys."""
        os.write(self._master, data)


class Home:
    """A directory with a configuration, the modules that it names, and the program that runs there."""

    def __init__(self, directory: Path, bytecode: Path, forks: Callable[[], Forks] | None = None) -> None:
        self.directory = directory
        self._forks = forks
        # The tests' own PYTHONDONTWRITEBYTECODE would make each start compile all of it anew.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.environment |= {"PYTHONPYCACHEPREFIX": str(bytecode)}

    @property
    def sqlite_url(self) -> str:
        """The URL of a file in this directory."""
        return f"sqlite:///{self.directory}/backscroll.db"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let nothing be written to the SQLite file by anybody else."""
        file = self.directory / "backscroll.db"
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    def configure(
        self,
        url: str | None = None,
        *,
        storage: Mapping[str, Any] | None = None,
        adapters: Mapping[str, Any] | None = None,
        **bot: Any,
    ) -> None:
        """Write `config.yaml`; JSON is YAML. Without a URL it is the SQLite file, without adapters the console."""
        content = {
            "bot": bot,
            "storage": storage or {"type": "sql", "url": url or self.sqlite_url},
            "adapters": adapters or {"console": {}},
        }
        self.write("config.yaml", json.dumps(content, indent=1))

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.directory / name).write_text(dedent(text))

    def command(self, *arguments: str) -> list[str]:
        """Return the command that starts the program."""
        return [sys.executable, "-m", "backscroll.bot", *arguments]

    def start(self, *arguments: str, **options: Any) -> Program:
        """Start the program; `run` without arguments. What is called like no stream is an environment variable.

        One that is to be killed, by KILL_AT, is forked where the program has been imported: its start is not claimed.
        """
        streams = {name: options.pop(name) for name in ("stdin", "stdout", "stderr") if name in options}
        forks = self._forks() if self._forks is not None and "KILL_AT" in options and not streams else None
        command = self.command(*(arguments or ("run",)))
        return Program(command, self.directory, self.environment | options, forks=forks, **streams)

    def open_terminal(self, *arguments: str) -> Terminal:
        """Start the program in a terminal; `run` without arguments."""
        return Terminal(self.command(*(arguments or ("run",))), self.directory, self.environment | {"TERM": "xterm"})

    def run(self, *lines: str, **options: Any) -> Program:
        """Run the program to its end with these lines as its whole input."""
        with self.start(**options) as program:
            program.say(*lines)
            program.end_input()
            program.ended()
        return program
