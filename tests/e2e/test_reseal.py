"""`vaultferry reseal` without a root key: the webhook seals, the API server decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from cryptography.fernet import Fernet

from tests.cli.command import run
from tests.e2e import webhook as webhooks
from tests.e2e.acts import foreign_secret
from tests.e2e.plaintext import plain, synced
from tests.e2e.tenant import Tenant
from tests.e2e.webhook import Webhook
from vaultferry.cli.dryrun import MANAGER
from vaultferry.core.consent import ALLOW
from vaultferry.core.keyring import Keyring
from vaultferry.core.resealing import ANNOTATION
from vaultferry.core.sealing import Place, Scope, Token

TEXT = """\
# both of the shop
apiVersion: vaultferry.dev/v1alpha1
kind: VaultSecret
metadata: {{name: db, namespace: {namespace}}}   # the database
spec:
  type: opaque
  sealed:
    a: "{a}"  # one
    b: '{b}'
---
kind: ConfigMap
apiVersion: v1
metadata: {{name: unrelated}}
---
kind: List
apiVersion: v1
items:
- {{apiVersion: vaultferry.dev/v1alpha1, kind: VaultSecret,
   metadata: {{name: api, namespace: {namespace}}},
   spec: {{sealed: {{token: {token}}}, type: token}}}}
"""
FIELDS = {"a": ("db", "a"), "b": ("db", "b"), "token": ("api", "token")}


@dataclass
class Manifests:
    """A file of several documents, and what is in it."""

    tenant: Tenant
    path: Path
    kubeconfig: Path

    def write(self, *scopes: Scope) -> dict[str, str]:
        """Write the file with tokens of these scopes; return them."""
        public_key = self.tenant.keyring.public_key()
        wide = (*scopes, *(Scope.STRICT for _ in FIELDS))
        tokens = {
            field: public_key.seal(field.encode(), scope, self.place(field))
            for field, scope in zip(FIELDS, wide, strict=False)
        }
        self.path.write_text(TEXT.format(namespace=self.tenant.namespace, **tokens))
        return tokens

    def place(self, field: str) -> Place:
        return Place(self.tenant.namespace, *FIELDS[field])

    def tokens(self) -> dict[str, str]:
        """Return the tokens in the file."""
        db, _, listed = yaml.safe_load_all(self.path.read_text())
        return {**db["spec"]["sealed"], **listed["items"][0]["spec"]["sealed"]}

    def reseal(self, *options: str) -> Result:
        """Run the command, which has no root key."""
        return run(
            "reseal", "--kubeconfig", str(self.kubeconfig), *options, str(self.path)
        )

    def refused(self, *options: str) -> list[str]:
        """Run the command, which must leave the file; return its lines."""
        before = self.path.read_bytes()
        result = self.reseal(*options)
        assert (result.exit_code, result.stdout) == (4, ""), result.output
        assert self.path.read_bytes() == before
        assert result.stderr.endswith("; nothing was written\n")
        return result.stderr.splitlines()


@pytest.fixture
def manifests(tenant: Tenant, webhook: Webhook, tmp_path: Path) -> Manifests:
    del webhook
    return Manifests(tenant, tmp_path / "shop.yaml", tenant.plane.kubeconfig)


@pytest.fixture
def newer(webhook: Webhook, tenant: Tenant, root_key: str) -> Iterator[Keyring]:
    """Have the webhook seal for a newer key meanwhile; return that alone."""
    text = Fernet.generate_key().decode()
    webhook.restart(f"{text},{root_key}")
    webhooks.have_asked(tenant.plane, webhook)
    yield Keyring.parse([text])
    webhook.restart(root_key)
    webhooks.have_asked(tenant.plane, webhook)


def test_a_file_is_moved_to_the_newest_key_and_nothing_else_of_it_changes(
    manifests: Manifests, newer: Keyring
) -> None:
    before = manifests.write(Scope.CLUSTER)
    text = manifests.path.read_text()

    checked = manifests.reseal("--check")
    result = manifests.reseal()

    words = f"{manifests.path}: 3 {{}} for key {newer.key_id}\n"
    assert (checked.exit_code, checked.output) == (1, words.format("to be resealed"))
    assert (result.exit_code, result.output) == (0, words.format("resealed"))
    after = manifests.tokens()
    for field, token in after.items():
        assert newer.open(token, manifests.place(field)) == field.encode()
        text = text.replace(before[field], token)
    assert manifests.path.read_text() == text
    assert "cluster" in after["a"]
    again = manifests.reseal()
    assert (again.exit_code, again.output) == (0, "")


def test_nothing_is_stored_by_it(
    manifests: Manifests, newer: Keyring, tenant: Tenant
) -> None:
    del newer
    manifests.write()
    db = next(yaml.safe_load_all(manifests.path.read_text()))
    before = synced(tenant, "server-side", db)

    assert manifests.reseal().exit_code == 0

    assert tenant.get("vaultsecret", "db") == before
    assert not tenant.exists("vaultsecret", "api")
    shown = ("get", "vfs/db", "--show-managed-fields", "-o", "json")
    assert MANAGER not in tenant.kubectl(*shown)


def test_a_file_may_be_ahead_of_what_lives(
    manifests: Manifests, newer: Keyring
) -> None:
    tenant = manifests.tenant
    foreign_secret(tenant, "source", annotations={ALLOW: "read=db"})
    manifest = plain(tenant) | {"spec": {"type": "opaque"}}
    manifest["spec"]["secretRef"] = {"name": "source"}
    synced(tenant, "client-side", manifest)
    manifests.write()

    assert manifests.reseal().exit_code == 0

    assert newer.open(manifests.tokens()["a"], manifests.place("a")) == b"a"


def test_a_scope_is_narrowed_where_that_is_asked_for(manifests: Manifests) -> None:
    manifests.write(Scope.CLUSTER, Scope.NAMESPACE)

    assert manifests.reseal("--scope", "strict").exit_code == 0

    headers = [Token.parse(t, "a").header for t in manifests.tokens().values()]
    assert {header.scope for header in headers} == {Scope.STRICT}


def test_no_scope_is_widened(manifests: Manifests) -> None:
    manifests.write(Scope.CLUSTER)

    lines = manifests.refused("--scope", "namespace")

    assert len(lines) == 2
    where = f"{manifests.path}: VaultSecret {manifests.tenant.namespace}/db"
    assert lines[0] == (
        f"Error: {where}: field b "
        "is sealed for scope strict, and namespace is wider: only `vaultferry reseal` "
        "with the root key widens; ask for a scope that is no wider, or for none"
    )


def test_a_token_of_another_place_gets_no_answer(
    manifests: Manifests, newer: Keyring
) -> None:
    del newer
    tokens = manifests.write()
    text = manifests.path.read_text()
    moved = text.replace(tokens["a"], "*").replace(tokens["b"], tokens["a"])
    manifests.path.write_text(moved.replace("*", tokens["b"]))

    [line] = manifests.refused()

    assert "VaultSecret " in line
    assert "field a: sealed for another place, or altered" in line


def test_who_may_not_write_there_gets_no_answer(manifests: Manifests) -> None:
    manifests.write()
    manifests.kubeconfig = manifests.tenant.plane.kubeconfig_for_user("stranger")

    first, _ = manifests.refused()

    words = "you may not create or patch vaultsecrets.vaultferry.dev in namespace"
    assert first.endswith(f"{words} {manifests.tenant.namespace}")


def test_a_namespace_that_is_not_there_is_told(manifests: Manifests) -> None:
    manifests.write()
    text = manifests.path.read_text()
    namespace = manifests.tenant.namespace
    manifests.path.write_text(text.replace(namespace, "not-there"))

    result = manifests.reseal()

    assert result.exit_code == 3
    assert "there is no namespace not-there, or no Vaultferry" in result.stderr


def test_without_a_webhook_that_answers_the_file_stays(
    manifests: Manifests, webhook: Webhook
) -> None:
    manifests.write()

    with webhook.stopped():
        first, _ = manifests.refused()

    assert "no webhook has answered: see that it runs" in first


def test_the_annotation_does_nothing_where_it_is_stored(
    manifests: Manifests, newer: Keyring, webhook: Webhook
) -> None:
    del newer
    tenant = manifests.tenant
    manifest = tenant.manifest("db", tenant.seal("db", a="x"))
    manifest["metadata"]["annotations"] = {ANNOTATION: ""}
    synced(tenant, "client-side", manifest)
    before = answers(webhook)

    manifest["spec"]["displayName"] = "changed"
    body = synced(tenant, "client-side", manifest)

    assert body["spec"]["sealed"] == manifest["spec"]["sealed"]
    assert answers(webhook) == before


def answers(webhook: Webhook) -> list[str]:
    """Return what the webhook has counted."""
    lines = webhook.get("/metrics").splitlines()
    return [line for line in lines if line.startswith("vaultferry_webhook_answers")]
