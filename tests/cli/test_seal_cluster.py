"""`vaultferry seal --cluster`: the public key comes from the cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.apiserver import ApiServer, serving
from tests.cli.command import Sealer, refusal, run
from tests.keyrings import keyring
from vaultferry.apiserver import pod, server
from vaultferry.core.publickeys import NAME, published
from vaultferry.core.sealing import Place, Token

PATH = f"/api/v1/namespaces/vaultferry-system/configmaps/{NAME}"
PLACE = ("--namespace", "backup", "--name", "app", "--raw")
BODY = {"metadata": {"resourceVersion": "1"}, "data": published(keyring())}


@pytest.fixture
def apiserver() -> Iterator[ApiServer]:
    with serving() as server:
        server.objects[PATH] = BODY
        yield server


@pytest.fixture
def kubeconfig(apiserver: ApiServer, tmp_path: Path) -> str:
    return apiserver.kubeconfig(tmp_path / "config", "ours", "theirs")


@pytest.fixture
def field(sealer: Sealer) -> tuple[str, str]:
    return sealer.file("a", b"value")


@pytest.fixture
def in_a_pod(
    apiserver: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Be in a pod of that API server, without a kubeconfig."""
    there = server.ApiServer(f"http://127.0.0.1:{apiserver.port}")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pod, "is_here", lambda: True)
    monkeypatch.setattr(pod, "api_server", lambda: there)


def sealed(*arguments: str) -> Token:
    """Seal, and return the token, which has to open where it belongs."""
    result = run("seal", "--cluster", *PLACE, *arguments)
    assert result.exit_code == 0, result.stderr
    text = result.stdout.rstrip()
    assert keyring().open(text, Place("backup", "app", "a")) == b"value"
    return Token.parse(text, "a")


def test_the_key_is_that_of_the_cluster(
    apiserver: ApiServer, kubeconfig: str, field: tuple[str, str]
) -> None:
    token = sealed("--kubeconfig", kubeconfig, *field)

    assert token.header.suite == "hpke-x25519"
    assert apiserver.asked == [(PATH, "Bearer ours")]


def test_the_kubeconfig_is_that_of_kubectl(
    kubeconfig: str, field: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig)

    sealed(*field)


def test_another_context_suite_and_namespace_can_be_named(
    apiserver: ApiServer, kubeconfig: str, field: tuple[str, str]
) -> None:
    path = PATH.replace("vaultferry-system", "elsewhere")
    apiserver.objects = {path: BODY}
    options = ("--context", "theirs", "--operator-namespace", "elsewhere")
    suite = ("--suite", "hpke-mlkem768x25519")

    token = sealed("--kubeconfig", kubeconfig, *options, *suite, *field)

    assert token.header.suite == "hpke-mlkem768x25519"
    assert apiserver.asked == [(path, "Bearer theirs")]


ANSWERS: dict[str, tuple[Any, str]] = {
    "nothing there": (404, "not there; --operator-namespace names another namespace"),
    "no right": (403, "refused to you"),
    "not known": (401, "refused to you"),
    "out of order": (500, "the API server does not answer, or only with errors"),
}


@pytest.mark.parametrize(("answer", "why"), ANSWERS.values(), ids=ANSWERS)
def test_a_key_that_cannot_be_had_is_told(
    apiserver: ApiServer,
    kubeconfig: str,
    field: tuple[str, str],
    answer: int,
    why: str,
) -> None:
    apiserver.objects[PATH] = answer

    line = refusal("seal", "--cluster", *PLACE, "--kubeconfig", kubeconfig, *field)

    assert line == f"ConfigMap vaultferry-system/{NAME}: {why}"


def test_a_key_that_is_not_published_yet_is_told(
    apiserver: ApiServer, kubeconfig: str, field: tuple[str, str]
) -> None:
    apiserver.objects[PATH] = {"metadata": {"resourceVersion": "1"}}

    line = refusal("seal", "--cluster", *PLACE, "--kubeconfig", kubeconfig, *field)

    assert line.startswith(f"ConfigMap {NAME} has no key for hpke-x25519")


KUBECONFIGS = {
    "empty": ("", "the kubeconfig has no current context"),
    "no YAML": ("{canary-hunter2", "kubeconfig {path} cannot be read"),
    "no map": ("- canary-hunter2", "kubeconfig {path} is none"),
    "no context": (
        "apiVersion: v1\nkind: Config\n",
        "the kubeconfig has no current context",
    ),
}


@pytest.mark.parametrize(("text", "why"), KUBECONFIGS.values(), ids=KUBECONFIGS)
def test_a_kubeconfig_that_is_none_is_refused(
    text: str, why: str, field: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "bad"
    path.write_text(text)

    line = refusal("seal", "--cluster", *PLACE, "--kubeconfig", str(path), *field)

    assert line == f"no cluster: {why.format(path=path)}"


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--kubeconfig", "no kubeconfig at /not-there"),
        ("--context", "the kubeconfig has no such context"),
    ],
)
def test_what_is_not_there_is_refused(
    option: str,
    why: str,
    kubeconfig: str,
    field: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig)

    line = refusal("seal", "--cluster", *PLACE, option, "/not-there", *field)

    assert line == f"no cluster: {why}"


def test_without_any_kubeconfig_or_pod_it_is_refused(
    field: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    line = refusal("seal", "--cluster", *PLACE, *field)

    assert line == f"no cluster: no kubeconfig at {tmp_path / '.kube' / 'config'}"


def test_in_a_pod_a_kubeconfig_that_is_asked_for_has_to_be_there(
    field: tuple[str, str], in_a_pod: None, tmp_path: Path
) -> None:
    del in_a_pod
    none = str(tmp_path / "none")

    line = refusal("seal", "--cluster", *PLACE, *field, KUBECONFIG=none)

    assert line == f"no cluster: no kubeconfig at {none}"


def test_in_a_pod_the_cluster_is_that_of_the_pod(
    apiserver: ApiServer, field: tuple[str, str], in_a_pod: None
) -> None:
    del in_a_pod

    sealed(*field)

    assert [path for path, _ in apiserver.asked] == [PATH]


def test_a_key_comes_from_a_file_or_from_the_cluster(sealer: Sealer) -> None:
    line = "give either --public-key FILE or --cluster"

    assert sealer.refusal("--cluster", "--field", "a") == line
    assert refusal("seal", *PLACE, "--field", "a") == line


@pytest.mark.parametrize(
    "option",
    [
        ("--kubeconfig", "x"),
        ("--context", "x"),
        ("--operator-namespace", "x"),
        ("--suite", "hpke-x25519"),
    ],
)
def test_with_a_file_nothing_is_said_of_the_cluster(
    sealer: Sealer, option: tuple[str, str]
) -> None:
    line = "--kubeconfig, --context, --operator-namespace and --suite go with --cluster"

    assert sealer.refusal(*option, "--field", "a") == line
