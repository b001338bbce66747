"""Run a command, hand signals on to it, and report how it ended."""

import os
import signal
import subprocess
import sys
from types import FrameType

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def run(command: list[str], env: dict[str, str]) -> int:
    """Run a command and return its exit code as a shell would."""
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if not started:
            early.append(number)
        # A Ctrl-C has reached the command already, and many take a second one as
        # an order to drop everything.
        elif number != signal.SIGINT or not in_foreground():
            started[0].send_signal(number)

    # Before the command, which may be told to end as soon as it is there. They stay:
    # nothing may cut short the cleaning up that follows.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    try:
        process = subprocess.Popen(command, env=env)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        missing = isinstance(error, FileNotFoundError)
        return NOT_FOUND if missing else NOT_EXECUTABLE
    started.append(process)
    return _ended(process, early)


def _ended(process: subprocess.Popen[bytes], early: list[int]) -> int:
    """Hand on what came early, wait, and return the exit code as a shell would."""
    with process:
        for number in early:
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else 128 - code


def in_foreground() -> bool:
    """Tell whether the terminal sends its Ctrl-C to our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
