"""`vaultferry reseal` without a root key, and what it says to each answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.apiserver import ApiServer, serving
from tests.cli.command import CANARY, refusal, run
from tests.keyrings import keyring, root_key, seal
from vaultferry.core.model import WEBHOOK
from vaultferry.core.resealing import ANNOTATION
from vaultferry.core.sealing import Place, Scope
from vaultferry.core.suites import Suite

PLACE = Place("shop", "db", "a")
OLD, NEW = (
    seal(Suite.FERNET, Scope.STRICT, PLACE, b"x", keyring(number)) for number in (1, 2)
)
QUERY = "fieldManager=vaultferry-reseal&force=true&dryRun=All"
PATH = f"/apis/vaultferry.dev/v1alpha1/namespaces/shop/vaultsecrets/db?{QUERY}"
TEXT = f"""\
apiVersion: vaultferry.dev/v1alpha1
kind: VaultSecret
metadata: {{namespace: shop, name: db}}
spec: {{type: password, authMethod: password, sealed: {{a: {OLD}}}}}
"""


class Asking:
    """A file, and an API server that is asked about it."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.path = folder / "db.yaml"
        self.path.write_text(TEXT)
        self.kubeconfig = server.kubeconfig(folder / "config")

    def answered(self, answer: Any) -> None:
        self.server.objects[PATH] = answer

    def refused(self, answer: Any) -> tuple[int, str]:
        """Reseal, which must leave the file; return the exit code and why."""
        self.answered(answer)
        result = run("reseal", "--kubeconfig", self.kubeconfig, str(self.path))
        assert self.path.read_text() == TEXT
        assert result.stdout == ""
        line = result.stderr.removesuffix("; nothing was written\n")
        place = f"Error: {self.path}: VaultSecret shop/db: "
        assert line.startswith(place), line
        return result.exit_code, line.removeprefix(place)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    with serving() as server:
        yield Asking(server, tmp_path)


def shown(**sealed: str) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"sealed": sealed}}


def denied(words: str, webhook: str = WEBHOOK) -> tuple[int, dict[str, Any]]:
    message = f'admission webhook "{webhook}" denied the request: {words}'
    return 422, {"kind": "Status", "message": message}


def test_a_dry_run_of_the_least_that_is_a_vaultsecret_is_sent(asking: Asking) -> None:
    asking.answered(shown(a=NEW))
    options = ("--suite", "fernet", "--scope", "strict")

    result = run(
        "reseal", "--kubeconfig", asking.kubeconfig, *options, str(asking.path)
    )

    assert (result.exit_code, result.stderr) == (0, "")
    assert asking.path.read_text() == TEXT.replace(OLD, NEW)
    [body] = asking.server.sent
    assert body["metadata"] == {
        "namespace": "shop",
        "name": "db",
        "annotations": {ANNOTATION: "fernet,strict"},
    }
    assert body["spec"] == {
        "type": "password",
        "authMethod": "password",
        "sealed": {"a": OLD},
    }
    [(path, _)] = asking.server.asked
    assert parse_qs(urlsplit(path).query)["dryRun"] == ["All"]


def test_nothing_is_asked_where_a_root_key_is(asking: Asking) -> None:
    line = refusal(
        "reseal",
        "--kubeconfig",
        asking.kubeconfig,
        str(asking.path),
        ENCRYPTION_KEY=root_key(1),
    )

    assert "--kubeconfig and --context say whom to ask" in line
    assert asking.server.asked == []


def test_without_a_root_key_and_a_cluster_it_says_so(asking: Asking) -> None:
    missing = f"{asking.path}.not"
    line = refusal("reseal", "--kubeconfig", missing, str(asking.path))

    assert line == (
        f"no root key here, and nobody to ask: no cluster: no kubeconfig at {missing}"
    )


ANSWERS: dict[str, tuple[Any, int, str]] = {
    "no webhook": (
        {"metadata": {"annotations": {ANNOTATION: ""}}, "spec": {"sealed": {"a": OLD}}},
        4,
        "no webhook has answered: see that it runs",
    ),
    "refused by the webhook": (
        denied("VaultSecret db: field a: sealed for another place"),
        4,
        "field a: sealed for another place",
    ),
    "refused by another webhook": (
        denied(CANARY, "other.example.com"),
        4,
        "the API server refuses it: `kubectl apply --dry-run=server` says why",
    ),
    "words of the webhook in the midst of others": (
        (422, {"message": f"{CANARY}: {denied(CANARY)[1]['message']}"}),
        4,
        "the API server refuses it: `kubectl apply --dry-run=server` says why",
    ),
    "no right": (
        403,
        4,
        "you may not create or patch vaultsecrets.vaultferry.dev in namespace shop",
    ),
    "no namespace": (404, 3, "there is no namespace shop, or no Vaultferry"),
    "down": (503, 4, "the API server does not answer, or only with errors"),
    "a token that is none": (shown(a=CANARY), 4, "something on the way changes"),
    "no token": (shown(), 4, "something on the way changes sealed values"),
}


@pytest.mark.parametrize(("answer", "code", "words"), ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_new_token_leaves_the_file(
    asking: Asking, answer: Any, code: int, words: str
) -> None:
    exit_code, line = asking.refused(answer)

    assert exit_code == code
    assert line.startswith(words)


def test_a_name_that_cannot_be_is_not_sent(asking: Asking) -> None:
    asking.path.write_text(TEXT.replace("name: db", "name: a/../db"))

    line = refusal("reseal", "--kubeconfig", asking.kubeconfig, str(asking.path))

    assert line.endswith("no legal name of a VaultSecret; nothing was written")
    assert asking.server.asked == []
