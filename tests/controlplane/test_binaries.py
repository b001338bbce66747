"""Where the binaries come from, tried with a Go that only pretends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.controlplane import ControlPlaneError, binaries, golang

ROOT = Path(__file__).parents[2]
BUILD = [sys.executable, "-m", "tests.controlplane", "build"]
PRETENDER = """#!/bin/sh
case $1 in
version) echo "go version go${PRETEND_VERSION:-1.99.0} linux/amd64"; exit ;;
list) echo some/package; exit ;;
esac
for argument; do case $argument in -o=*) folder=${argument#-o=} ;; esac; done
echo built >> "$PRETEND_LOG"
mkdir "$folder"
for name in server kube-apiserver; do echo > "$folder/$name"; done
echo half of it is there
eval "$PRETEND_END"
for name in kube-controller-manager kubectl; do echo > "$folder/$name"; done
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go that pretends comes first, the cache is empty; it logs its builds."""
    (tmp_path / "bin").mkdir()
    pretender = tmp_path / "bin" / "go"
    pretender.write_text(PRETENDER)
    pretender.chmod(0o755)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", f"{pretender.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PRETEND_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def entries() -> list[str]:
    """What the cache holds, its lock and temporary folders left out."""
    found = (path.name for path in binaries.cache_folder().glob("*"))
    return [name for name in found if not name.startswith(".")]


def leftovers() -> list[Path]:
    return list(binaries.cache_folder().glob(".building-*"))


def wait_for_half_a_build() -> None:
    deadline = time.monotonic() + 10
    while not list(binaries.cache_folder().glob(".building-*/bin/kube-apiserver")):
        assert time.monotonic() < deadline, "no build within 10 s"
        time.sleep(0.02)


def test_what_was_built_once_is_taken_from_the_cache(log: Path) -> None:
    first = binaries.find()
    second = binaries.find()

    assert {path.name for path in first.iterdir()} == set(binaries.NAMES)
    assert first == second
    assert log.read_text() == "built\n"


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("end", ["exit 1", "kill -KILL $$"])
def test_a_build_that_fails_leaves_nothing_and_says_why(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRETEND_END", end)

    with pytest.raises(ControlPlaneError, match="half of it is there"):
        binaries.find()

    assert entries() == []
    assert leftovers() == []


@pytest.mark.usefixtures("log")
def test_a_build_that_is_interrupted_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRETEND_END", "sleep 60")
    with subprocess.Popen(BUILD, cwd=ROOT) as process:
        wait_for_half_a_build()

        process.terminate()

        assert process.wait(60) == 128 + signal.SIGTERM
    assert entries() == []
    assert leftovers() == []


@pytest.mark.usefixtures("log")
def test_after_a_killed_build_the_next_one_starts_afresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRETEND_END", "sleep 5")
    with subprocess.Popen(BUILD, cwd=ROOT) as process:
        wait_for_half_a_build()
        process.kill()
    found_then = entries()
    monkeypatch.delenv("PRETEND_END")

    folder = binaries.find()

    assert found_then == []
    assert entries() == [folder.name]
    assert leftovers() == []


def test_of_two_at_once_one_builds_and_the_other_waits_and_says_so(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRETEND_END", "sleep 2.5")
    with subprocess.Popen(BUILD, cwd=ROOT) as process:
        wait_for_half_a_build()

        waited = subprocess.run(
            BUILD, cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert process.wait(60) == 0
    assert "waiting for another process" in waited.stderr
    assert log.read_text() == "built\n"


@pytest.mark.usefixtures("log")
def test_a_go_that_is_too_old_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRETEND_VERSION", "1.25.9")
    installed = golang.wheel_go(binaries.cache_folder())
    installed.parent.mkdir(parents=True)

    assert golang.find(binaries.cache_folder()) == installed


@pytest.mark.usefixtures("log")
def test_a_go_as_new_as_demanded_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demanded = ".".join(map(str, golang.demanded()))
    monkeypatch.setenv("PRETEND_VERSION", demanded)

    assert golang.find(binaries.cache_folder()) == tmp_path / "bin" / "go"


def test_binaries_that_are_given_have_to_be_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    with pytest.raises(ControlPlaneError, match="lacks kube-controller-manager"):
        binaries.find()


def test_binaries_that_are_given_come_before_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in binaries.NAMES:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert binaries.find() == tmp_path
