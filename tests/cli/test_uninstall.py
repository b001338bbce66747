"""`vaultferry uninstall`: what stores keep is listed, and let go of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Body, edited, vault_secret_body
from tests.cli.apiserver import ApiServer, serving
from tests.cli.command import refusal, run
from vaultferry.core.stored import FINALIZER

ROOT = "/apis/vaultferry.dev/v1alpha1"
ALL = f"{ROOT}/vaultsecrets?limit=100"
OF_TEAM = f"{ROOT}/namespaces/team/vaultsecrets"
APP = f"{OF_TEAM}/app"
PATH = "/vaultferry/team/app"
LINE = f"team/app: VaultConnection team/store (https://ssm) keeps {PATH} with a, b\n"


def held(name: str = "app", **stored: Any) -> Body:
    """Return a VaultSecret with the finalizer, and one of somebody else."""
    metadata = {"name": name, "finalizers": ["example.com/theirs", FINALIZER]}
    known = {"connection": "uid", "namespace": "team", "name": "store"}
    known |= {"address": "https://ssm", "path": PATH}
    body = edited(vault_secret_body(), **metadata)
    return body | {"status": {"stored": known | {"fields": ["a", "b"]} | stored}}


def listed(*bodies: Body) -> Body:
    return {"metadata": {"resourceVersion": "9"}, "items": list(bodies)}


@pytest.fixture
def apiserver() -> Iterator[ApiServer]:
    with serving() as server:
        server.objects[ALL] = listed(held(), vault_secret_body())
        server.objects[APP] = held()
        yield server


@pytest.fixture
def where(apiserver: ApiServer, tmp_path: Path) -> tuple[str, str]:
    return "--kubeconfig", apiserver.kubeconfig(tmp_path / "config")


def test_it_lists_what_stores_keep_and_changes_nothing(
    apiserver: ApiServer, where: tuple[str, str]
) -> None:
    result = run("uninstall", *where)

    assert result.stdout == f"{LINE}1 VaultSecrets held, 1 wait on\n"
    assert (result.exit_code, apiserver.sent) == (1, [])


def test_purged_only_our_finalizer_goes_from_the_version_that_was_seen(
    apiserver: ApiServer, where: tuple[str, str]
) -> None:
    result = run("uninstall", "--purge", *where)

    assert result.stdout == f"{LINE}1 VaultSecrets let go, 0 wait on\n"
    assert result.exit_code == 0
    assert apiserver.sent == [
        {
            "metadata": {
                "uid": "uid-of-app",
                "resourceVersion": "1",
                "finalizers": ["example.com/theirs"],
            }
        }
    ]


def test_one_namespace_is_looked_in_where_it_is_named(
    apiserver: ApiServer, where: tuple[str, str]
) -> None:
    body = held()
    del body["status"]["stored"]
    apiserver.objects[f"{OF_TEAM}?limit=100"] = listed(body)

    result = run("uninstall", "--namespace", "team", *where)

    assert result.stdout.startswith("team/app: nothing is known to be kept\n")
    assert ALL not in [path for path, _ in apiserver.asked]


def test_where_nothing_waits_all_is_well(
    apiserver: ApiServer, where: tuple[str, str]
) -> None:
    apiserver.objects[ALL] = listed(vault_secret_body())

    result = run("uninstall", *where)

    assert (result.exit_code, result.stdout) == (0, "0 VaultSecrets held, 0 wait on\n")


@pytest.mark.parametrize(
    ("code", "waiting"),
    [(404, 0), (403, 1), (409, 1)],
    ids=["gone", "forbidden", "not as it was"],
)
def test_one_that_does_not_let_go_waits_on(
    code: int, waiting: int, apiserver: ApiServer, where: tuple[str, str]
) -> None:
    apiserver.objects[APP] = code

    result = run("uninstall", "--purge", *where)

    assert f", {waiting} wait on\n" in result.stdout
    assert result.exit_code == waiting


@pytest.mark.parametrize(
    ("changes", "code"), [(1, 0), (9, 1)], ids=["once", "again and again"]
)
def test_one_that_changed_meanwhile_is_read_again(
    changes: int, code: int, where: tuple[str, str], apiserver: ApiServer
) -> None:
    answers = [(409, {}), (200, held())] * changes + [(200, held())]
    apiserver.answer = lambda path: (  # type: ignore[method-assign]
        answers.pop(0) if path == APP else (200, listed(held()))
    )

    result = run("uninstall", "--purge", *where)

    assert (result.exit_code, len(apiserver.sent)) == (code, 2 if code == 0 else 5)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (404, "the cluster has no VaultSecrets installed"),
        (403, "you may not list them"),
        (410, "there are more than could be read in time: try again"),
        (500, "the API server does not answer, or only with errors"),
    ],
)
def test_what_cannot_be_listed_is_said(
    code: int, why: str, apiserver: ApiServer, where: tuple[str, str]
) -> None:
    apiserver.objects[ALL] = code

    assert refusal("uninstall", *where) == f"VaultSecrets not listed: {why}"
