"""However a control plane ends, nothing is left of it."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.controlplane.command import run
from tests.controlplane.processes import Processes

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-m", "tests.controlplane"]


@contextmanager
def up() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A control plane in the foreground of another process, and its folder."""
    process = subprocess.Popen(
        [*CLI, "up"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline().strip().removeprefix("export KUBECONFIG=")
        try:
            yield process, Path(shlex.split(line)[0]).parent
        finally:
            process.kill()


def processes_of(folder: Path) -> list[str]:
    """The processes whose command lines name the folder: all of the servers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent.name] * (os.fsencode(folder) in path.read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_is_left_after_the_signal(number: signal.Signals, code: int) -> None:
    with up() as (process, folder):
        servers = len(processes_of(folder))

        process.send_signal(number)

        assert process.wait(60) == code
        assert servers == 3
        assert soon(lambda: not folder.exists())
        assert processes_of(folder) == []


def test_run_ends_with_the_exit_code_of_the_command() -> None:
    script = 'kubectl get namespaces --output=name && dirname "$KUBECONFIG"; exit 7'

    done = subprocess.run(
        [*CLI, "run", "--", "sh", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 7
    *namespaces, folder = done.stdout.splitlines()
    assert "namespace/kube-system" in namespaces
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param(["sh", "-c", "kill -TERM $$"], 143, id="killed"),
        pytest.param(["/"], 126, id="not executable"),
        pytest.param(["no-such-command"], 127, id="not found"),
    ],
)
def test_other_ends_of_a_command_have_the_codes_of_a_shell(
    command: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The handlers would stay in the process that runs the tests.
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    assert run(command, dict(os.environ)) == code


HANDED_ON = """
import os, sys
from tests.controlplane.command import run

script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"
sys.exit(run(["sh", "-c", script], dict(os.environ)))
"""


def test_a_command_is_handed_the_signals() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANDED_ON], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()

        process.terminate()

        assert process.wait(60) == 9


def test_servers_end_with_a_supervisor_that_is_killed() -> None:
    with Processes() as processes:
        processes.start("sleeper", ["/bin/sleep", "60"])
        pid = processes.pids()["sleeper"]

        os.kill(processes.supervisor_pid, signal.SIGKILL)

        assert soon(lambda: not alive(pid))
    assert not processes.folder.exists()


FORKED = """
import os, signal, time
from tests.controlplane.processes import Processes

processes = Processes()
processes.start("sleeper", ["/bin/sleep", "60"])
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(60)
print(child, processes.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_servers_end_with_a_parent_whose_child_still_holds_the_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    child, folder = done.stdout.split()

    assert soon(lambda: not Path(folder).exists())
    assert alive(int(child))
    os.kill(int(child), signal.SIGKILL)
