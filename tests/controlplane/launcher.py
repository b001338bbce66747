"""Run a program that the kernel kills as soon as the one who started it is gone.

`launcher.py PARENT-PID PROGRAM ARGUMENT...`; standard library only, it is run by
path. The request survives the exec below, so it holds for the program itself.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become the command, tied to the life of the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Died before the request was made: the kernel will send nothing any more.
    if os.getppid() == parent:
        os.execv(command[0], command)  # noqa: S606 - the caller's own program


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
