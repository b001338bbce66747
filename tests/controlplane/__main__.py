"""The control plane from a shell: run a command in one, keep one up, build it."""

import argparse
import shlex
import signal
import sys
import time
from types import FrameType

from tests.controlplane import binaries
from tests.controlplane.command import run
from tests.controlplane.errors import ControlPlaneError, last_lines
from tests.controlplane.plane import ControlPlane
from tests.controlplane.start import start

DESCRIPTION = """\
A real control plane (etcd, kube-apiserver, kube-controller-manager) as processes of
this machine, without containers: RBAC, encryption at rest and an audit log are on,
nothing is left of it afterwards.
"""
EPILOG = """\
The binaries come from the folder that KUBEBUILDER_ASSETS names, else from this
project's cache, else they are built into it, once (a few minutes).

examples:
  python -m tests.controlplane run -- kubectl get namespaces
  python -m tests.controlplane run -- pytest tests
  python -m tests.controlplane up
"""


def main() -> int:
    """Do what the command line says and return the exit code."""
    own, command = split(sys.argv[1:])
    action = parser().parse_args(own).action
    if (action == "run") != bool(command):
        parser().error("`run` is followed by `--` and a command, the others are not")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        return act(action, command)
    except ControlPlaneError as error:
        print(f"control plane: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def act(action: str, command: list[str]) -> int:
    """Carry out one action."""
    match action:
        case "run":
            with start() as plane:
                return run(command, plane.env())
        case "up":
            return up()
        case _:
            print(binaries.find())
            return 0


def up() -> int:
    """Keep a control plane running until Ctrl-C, which is its ordinary end."""
    with start() as plane:
        try:
            introduce(plane)
            watch(plane)
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def introduce(plane: ControlPlane) -> None:
    """Print what another shell needs to join."""
    print(
        f"running at {plane.server}; a user without rights: KUBECONFIG="
        f"{shlex.quote(str(plane.tenant_kubeconfig))}; Ctrl-C ends it",
        file=sys.stderr,
    )
    print(f"export KUBECONFIG={shlex.quote(str(plane.kubeconfig))}")
    print(f'export PATH={shlex.quote(str(plane.bin_dir))}:"$PATH"', flush=True)


def watch(plane: ControlPlane) -> None:
    """Wait until a server ends, which is an error."""
    names = plane.usage().keys()
    while not (ended := names - plane.usage().keys()):
        time.sleep(1)
    name = min(ended)
    end = last_lines(plane.work_dir / f"{name}.log")
    raise ControlPlaneError(f"{name} ended; its last words:\n{end}")


def leave(number: int, _frame: FrameType | None) -> None:
    """End in the ordinary way, so that everything is stopped."""
    sys.exit(128 + number)


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part our own arguments from the command behind the first `--`."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def parser() -> argparse.ArgumentParser:
    """Return the parser of our own arguments."""
    result = argparse.ArgumentParser(
        prog="python -m tests.controlplane",
        usage="%(prog)s run -- COMMAND [ARGUMENT ...]\n"
        "       %(prog)s up\n"
        "       %(prog)s build",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "action",
        choices=("run", "up", "build"),
        help="run: start one, run a command with KUBECONFIG and PATH set, stop it, "
        "end with the command's exit code; up: keep one until Ctrl-C and print the "
        "lines for another shell; build: build or look up the binaries and print "
        "their folder",
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
