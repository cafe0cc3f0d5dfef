"""Every server of the tests' own ends with the process that started it, and none starts for one that has ended."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.servers.own import LAUNCHER


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize("server", ["postgres.PostgresServer", "redis.RedisServer"])
def test_killed_parent_leaves_no_server(server: str) -> None:
    module, _, name = server.partition(".")
    program = (
        f"import sys; from tests.servers.{module} import {name}\n"
        f"with {name}() as server: print(server.process_id, flush=True); sys.stdin.read()"
    )
    # A folder of the test's own, because a killed parent cannot clear up; not `tmp_path`, where root lets nobody in.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as parent:
            assert parent.stdout is not None
            started = os.pidfd_open(int(parent.stdout.readline()))
            try:
                parent.kill()
                ended, _, _ = select.select([started], [], [], 30)
            finally:
                os.close(started)
    assert ended
    assert parent.returncode == -signal.SIGKILL


def test_launcher_starts_nothing_for_a_parent_that_has_ended() -> None:
    owner = [str(os.geteuid()), str(os.getegid())]
    command = [sys.executable, "-I", str(LAUNCHER), "0", *owner, sys.executable, "-c", "print('started')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "its parent has ended" in done.stderr
