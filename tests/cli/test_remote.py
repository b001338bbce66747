"""What the commands of the cluster say where there is none, or it says no."""

from pathlib import Path

import click
import pytest
import yaml

from tests.cli.command import CANARY, refusal, run
from vaultferry.apiserver import pod
from vaultferry.cli.refusal import Refused
from vaultferry.cli.remote import There, Unanswered, Where, understood
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import (
    ApiForbidden,
    ApiRejected,
    ApiUnavailable,
    QuotaExceeded,
)

HERE = Where("shop", None, None)


def kubeconfig(folder: Path, **context: str) -> str:
    """Write a kubeconfig for an address where nobody listens."""
    named = {"cluster": "a", "user": "a", **context}
    other = {"cluster": "a", "user": "a", "namespace": "elsewhere"}
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [
            {"name": "a", "context": named},
            {"name": "b", "context": other},
        ],
        "users": [{"name": "a", "user": {"token": CANARY}}],
        "current-context": "a",
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the kubeconfig has no current context"),
        ("[]", "kubeconfig {path} is none"),
        (f"a: {CANARY}: b", "kubeconfig {path} cannot be read"),
        ("\0", "kubeconfig {path} cannot be read"),
    ],
)
def test_a_kubeconfig_that_is_none_is_refused_and_not_quoted(
    tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)

    line = refusal("list", "--kubeconfig", str(path))

    assert line == f"no cluster: {why.format(path=path)}"


def test_a_context_that_is_not_there_is_refused(tmp_path: Path) -> None:
    line = refusal("list", "--kubeconfig", kubeconfig(tmp_path), "--context", CANARY)

    assert line == "no cluster: the kubeconfig has no such context"


def test_a_cluster_that_does_not_answer_has_a_code_of_its_own(tmp_path: Path) -> None:
    result = run("status", "db", "--kubeconfig", kubeconfig(tmp_path))

    assert result.exit_code == 4
    assert result.stderr == (
        "Error: the API server does not answer, or only with errors\n"
    )


@pytest.mark.parametrize(
    ("namespace", "context", "found"),
    [
        ({"namespace": "shop"}, None, "shop"),
        ({}, None, "default"),
        ({"namespace": "shop"}, "b", "elsewhere"),
        ({"namespace": "shop"}, "c", "default"),
    ],
)
def test_a_namespace_that_is_not_named_is_that_of_the_context(
    tmp_path: Path, namespace: dict[str, str], context: str | None, found: str
) -> None:
    path = kubeconfig(tmp_path, **namespace)

    assert Where.of(None, path, context).namespace == found


def test_the_kubeconfig_may_stand_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kubeconfig(tmp_path, namespace="shop")
    monkeypatch.setenv("KUBECONFIG", path)

    assert Where.of(None, None, None).namespace == "shop"
    assert run("status", "db").exit_code == 4


def test_without_a_kubeconfig_it_is_that_of_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = str(tmp_path / "none")
    assert Where.of(None, none, None).namespace == "default"
    (tmp_path / "namespace").write_text("pod\n")
    monkeypatch.setattr(pod, "_FOLDER", tmp_path)

    assert Where.of(None, none, None).namespace == "pod"


@pytest.mark.parametrize("namespace", ["a.b", "A", CANARY.upper(), "n" * 254])
def test_a_namespace_that_cannot_be_is_refused(namespace: str) -> None:
    assert (
        refusal("list", "-n", namespace) == "--namespace: no legal name of a namespace"
    )


@pytest.mark.parametrize("act", ["status", "delete"])
def test_a_name_that_cannot_be_is_refused_and_not_quoted(act: str) -> None:
    line = refusal(act, CANARY.upper(), "-n", "shop")

    assert line == "no legal name of a VaultSecret"


@pytest.mark.parametrize("act", ["create", "update", "status", "delete"])
def test_more_than_a_name_is_refused_and_not_quoted(act: str, tmp_path: Path) -> None:
    (tmp_path / "key.pub").touch()
    key = ("--public-key", str(tmp_path / "key.pub"))
    options = key if act in {"create", "update"} else ()

    line = refusal(act, "db", CANARY, *options)

    assert line == f"vaultferry {act} takes one name and options, no more"


REJECTED = (
    "the API server refused it: its admission rules are others than those of this "
    "version"
)

ANSWERS: dict[str, tuple[Exception, type[click.ClickException], str]] = {
    "absent": (Absent(), There, "it is not there"),
    "stale": (Stale(), There, "it is there"),
    "no right": (
        ApiForbidden(CANARY),
        Unanswered,
        "you may not get vaultsecrets.vaultferry.dev in namespace shop",
    ),
    "invalid": (
        ApiRejected(CANARY),
        Unanswered,
        REJECTED,
    ),
    "no room": (QuotaExceeded("no room"), Unanswered, "no room"),
    "down": (ApiUnavailable("down"), Unanswered, "down"),
    "a list too long": (
        Expired(),
        Unanswered,
        "there is more than could be read in time: try again",
    ),
    "wrong use": (Refused("wrong"), Refused, "wrong"),
}


@pytest.mark.parametrize(("answer", "kind", "words"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_said_in_words_for_a_user(
    answer: Exception, kind: type[click.ClickException], words: str
) -> None:
    said = {"absent": "it is not there", "stale": "it is there"}

    with pytest.raises(kind) as caught, understood("get", HERE, **said):
        raise answer

    assert caught.value.message == words
