"""Another process of the same user does not read the operator's memory or root key."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

_NOBODY = 65534

# Everything is imported as whoever runs the tests, who may be the only one that can
# read the interpreter; exec would have made the new user's process dumpable.
_RUN = f"""
import ctypes, os, sys
import vaultferry.cli.run as command
import vaultferry.operator.app, aiohttp, kopf
if os.getuid() == 0:
    os.setgroups([]), os.setresgid(*[{_NOBODY}] * 3), os.setresuid(*[{_NOBODY}] * 3)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
if sys.argv[1] == "bare":
    command.harden = lambda: None
command.run(["--port=0"], prog_name="vaultferry")
"""

_KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {token: none}}]
current-context: none
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="there is no /proc to look into"
)


@contextmanager
def running(how: str, root_key: str) -> Iterator[int]:
    """Run the operator, without a cluster, as a user without rights; yield its pid."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "kubeconfig").write_text(_KUBECONFIG)
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, how],
            env={
                **os.environ,
                "ENCRYPTION_KEY": root_key,
                "KUBECONFIG": str(folder / "kubeconfig"),
            },
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                assert process.stderr is not None
                assert b'"event": "started"' in process.stderr.readline()
                yield process.pid
            finally:
                process.kill()


def read(path: str, pid: int) -> subprocess.CompletedProcess[bytes]:
    """Read a file under /proc as another process of the same user."""
    is_root = os.getuid() == 0
    return subprocess.run(
        ["/bin/cat", f"/proc/{pid}/{path}"],
        capture_output=True,
        check=False,
        user=_NOBODY if is_root else None,
        group=_NOBODY if is_root else None,
        extra_groups=[] if is_root else None,
    )


@pytest.fixture(scope="module")
def root_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture(scope="module")
def hardened(root_key: str) -> Iterator[int]:
    with running("as it is", root_key) as pid:
        yield pid


@pytest.mark.parametrize("path", ["environ", "mem", "maps", "fd", "cwd/."])
def test_the_same_user_is_refused(hardened: int, path: str) -> None:
    done = read(path, hardened)

    assert b"Permission denied" in done.stderr
    assert done.stdout == b""


def test_the_command_line_holds_no_key(hardened: int, root_key: str) -> None:
    done = read("cmdline", hardened)

    assert b"as it is" in done.stdout
    assert root_key.encode() not in done.stdout


def test_no_core_is_dumped(hardened: int) -> None:
    limits = Path(f"/proc/{hardened}/limits").read_text()

    [core] = [line for line in limits.splitlines() if line.startswith("Max core file")]
    assert core.split()[4:6] == ["0", "0"]


def test_without_hardening_the_same_user_reads_the_root_key(root_key: str) -> None:
    with running("bare", root_key) as pid:
        assert root_key.encode() in read("environ", pid).stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root shows it")
def test_root_reads_the_root_key_all_the_same(hardened: int, root_key: str) -> None:
    assert root_key.encode() in Path(f"/proc/{hardened}/environ").read_bytes()
