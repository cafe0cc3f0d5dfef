"""Import the program once, and fork a process that runs it for each request on the socket of stdin.

Run as `python fork.py`. A start costs half a second of imports, which is most of a test that kills the program at a
stage; what such a test claims begins after them. That the program starts as users start it is claimed by the tests of
the console, of signals and of the command line, which do so.

A request is JSON and three descriptors that become stdin, stdout and stderr, and a fourth on which its process's id
and, in the end, its return code are written, a line each.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

import backscroll.cli.main  # noqa: F401  # all that the program imports

MODULE = "backscroll.bot"


def main() -> None:
    """Serve requests until the other end is closed; in a process that was forked, return to run the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the programs
    gc.freeze()  # a collection in a process that was forked would copy all that was imported
    requests = socket.socket(fileno=0)
    while True:
        data, files, _, _ = socket.recv_fds(requests, 1_000_000, 4)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    requests.detach()  # its number, 0, is given to another file
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, told = files
    program = os.fork()
    if program != 0:
        for file in (0, *streams):
            os.close(file)
        os.write(told, f"{program}\n".encode())
        os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])}\n".encode())
        os._exit(0)
    become(json.loads(data), streams)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Be as a process that was started with these arguments in this directory."""
    for number, file in enumerate(streams):
        os.dup2(file, number)
    os.closerange(3, 64)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    sys.path[0] = request["directory"]


if __name__ == "__main__":
    main()
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
