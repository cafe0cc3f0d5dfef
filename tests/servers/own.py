"""A server of a test's own: its folder, its process, its port. Which program it is, says who makes one of it.

Proved by `tests/servers/test_own.py`.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

LAUNCHER = Path(__file__).with_name("launch.py")


class OwnServer(ABC):
    """Started by `with`; at the end nothing of it is left.

    It is to listen on 127.0.0.1 alone, and to want the password. It is ended with the process that started it, however
    that one ends.
    """

    program: str

    def __init__(self) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._uid, self._gid = os.geteuid(), os.getegid()

    def __enter__(self) -> Self:
        """Start.

        Raises: RuntimeError: there is no program to start, or it ended early; its last words are in the message.
        """
        self._folder = tempfile.TemporaryDirectory(prefix=f"backscroll-{self.program}-")
        try:
            self._prepare(Path(self._folder.name))
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove its data. Twice is harmless."""
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def process_id(self) -> int:
        """The server's process, for tests that kill it."""
        if self._process is None:
            raise RuntimeError(f"{self.program} is not running.")
        return self._process.pid

    @abstractmethod
    def start(self) -> None:
        """Start with the port and the data of before; return once it can be used.

        Raises: RuntimeError: it runs already, it did not come up, or the caller is not the main thread: Linux ends the
        server with the thread that started it.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop; the data is kept. Harmless when it does not run."""

    def _prepare(self, folder: Path) -> None:
        """Make what the server starts from."""

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name, "log")

    def _command(self, program: str, *arguments: str) -> list[str]:
        owner = [str(number) for number in (os.getpid(), self._uid, self._gid)]
        return [sys.executable, "-I", str(LAUNCHER), *owner, program, *arguments]

    def _spawn(self, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        if self._process is not None:
            raise RuntimeError(f"{self.program} runs already.")
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{self.program} is started from the main thread only.")
        with self._log.open("ab") as log:
            # A session of its own, or Ctrl-C in the terminal would stop it before the tests have closed.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        return self._process

    def _failure(self, program: str, fact: str) -> RuntimeError:
        last_words = "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
        return RuntimeError(f"{program} {fact}:\n{last_words}")


def free_port() -> int:
    """Return a free port below those that the system gives to outgoing connections.

    A client that knocks at a stopped server's port from that range can get the same port for its own end: it then talks
    to itself, and the server cannot come back.
    """
    while True:
        port = secrets.choice(range(15_000, 32_000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
