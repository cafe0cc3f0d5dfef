"""Give up root, ask to be ended together with the parent, and become the given program.

Run as `python -I launch.py PARENT UID GID PROGRAM [ARGUMENT ...]`. A program of its own, because `preexec_fn` is unsafe
beside threads. The order matters: a change of uid clears PR_SET_PDEATHSIG.

Proved by `tests/servers/test_own.py`.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Exec the program; exit with a line on stderr where that cannot be."""
    parent, uid, gid = (int(number) for number in sys.argv[1:4])
    program = sys.argv[4:]
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # SIGQUIT is PostgreSQL's immediate shutdown: it takes its children and its shared memory with it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
    if os.getppid() != parent:
        sys.exit(f"{program[0]} was not started: its parent has ended.")
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
