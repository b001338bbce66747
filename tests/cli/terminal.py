"""Runs the command on a terminal of its own and answers what it asks."""

import subprocess
import sys
from dataclasses import dataclass

ON_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""


@dataclass(frozen=True)
class Conversation:
    """What stood on the screen, and how the command ended."""

    screen: str
    exit_code: int


def converse(*arguments: str, answers: list[tuple[str, str]]) -> Conversation:
    """Run the command; wait for each question before giving its answer."""
    command = [sys.executable, "-m", "vaultferry", *arguments]
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        screen = b""
        for question, answer in answers:
            # What is typed before the question is thrown away, as by any getpass.
            heard = b""
            while not heard.endswith(question.encode()):
                byte = process.stdout.read(1)
                assert byte, screen + heard
                heard += byte
            screen += heard
            process.stdin.write(answer.encode("utf-8", "surrogateescape") + b"\n")
            process.stdin.flush()
        screen += process.stdout.read()
    return Conversation(screen.decode().replace("\r\n", "\n"), process.returncode)
