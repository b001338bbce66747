"""Which cluster a process takes, and what it says where there is none."""

import json
from pathlib import Path

import pytest

from tests.apiserver.files import CANARY, URL, kubeconfig
from tests.running import run
from vaultferry.apiserver import pod
from vaultferry.apiserver.server import ApiServer
from vaultferry.cli.reach import as_process, as_user
from vaultferry.cli.refusal import Refused

POD = ApiServer("https://10.96.0.1:443")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a kubeconfig at home, in a pod."""
    kubeconfig(tmp_path / ".kube" / "config", {"token": "at-home"})
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pod, "api_server", lambda: POD)
    return tmp_path


def test_a_process_takes_the_pod_and_leaves_what_is_at_home(home: Path) -> None:
    del home

    assert run(as_process()) is POD


def test_a_process_takes_the_kubeconfig_that_it_is_given(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(home / ".kube" / "config"))

    assert run(as_process()).url == URL


def test_a_user_takes_what_is_at_home(home: Path) -> None:
    del home

    assert run(as_user(None, None)).url == URL


def test_a_process_without_a_cluster_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(Refused) as caught:
        run(as_process())

    assert caught.value.message == "no cluster: set KUBECONFIG, or run in a pod"


def test_a_program_that_does_not_say_who_we_are_is_told_before_anything_else(
    tmp_path: Path,
) -> None:
    told = json.dumps({"status": {"token": CANARY}})
    program = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [told],
    }
    path = kubeconfig(tmp_path / "config", {"exec": program})

    with pytest.raises(Refused) as caught:
        run(as_user(str(path), None))

    assert caught.value.message == (
        f"no cluster: user ours of {path}: exec: the program says nothing of use"
    )
