"""Random operations on a real API server, compared with a small pure model."""

import shutil
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import ControlPlane, existing, start
from tests.e2e.operator import install
from tests.model import bugs, campaign
from tests.model.campaign import Found, Plan, Void


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--worlds", type=int, default=16, help="namespaces at a time")
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that runs already")
    commands = parser.add_subparsers(required=True)
    walk = commands.add_parser("run", help="look for bugs in the code")
    walk.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    walk.add_argument("--operations", type=int, default=1000)
    walk.set_defaults(act=_run)
    hunt = commands.add_parser("bugs", help="find the bugs that are seeded")
    hunt.add_argument("names", nargs="*", help="the files in tests/model/bugs")
    hunt.set_defaults(act=_bugs)
    options = parser.parse_args()
    # Whoever ends this has the operators ended, too; in the background as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with _cluster(options) as plane:
        return int(options.act(options, plane))


@contextmanager
def _cluster(options: Namespace) -> Iterator[ControlPlane]:
    path = options.kubeconfig
    with existing(path) if path else start() as plane:
        install(plane)
        yield plane


def _run(options: Namespace, plane: ControlPlane) -> int:
    print(f"seed {options.seed}", flush=True)
    plan = Plan(options.seed, options.operations, options.worlds)
    folder = Path(tempfile.mkdtemp(prefix="vaultferry-model-"))
    try:
        print(campaign.run(plane, folder, plan))
    except (Found, Void) as wrong:
        print(f"{type(wrong).__name__}: {wrong}\nlogs of the operators: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _bugs(options: Namespace, plane: ControlPlane) -> int:
    chosen = [b for b in bugs.every() if not options.names or b.name in options.names]
    return max(_hunted(plane, bug, options.worlds) for bug in chosen)


def _hunted(plane: ControlPlane, bug: bugs.Bug, worlds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = bugs.hunt(plane, Path(folder), bug, worlds=worlds)
    if found is None:
        print(f"{bug.name}: NOT FOUND", flush=True)
        return 1
    why = str(found).partition("\n")[0]
    report = found.report
    print(
        f"{bug.name}: found after {report.operations} operations, "
        f"{report.seconds:.0f} s: {why}",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
