"""Parameter Store read with a role: of the operator where allowed, or of an account.

The operator is one that has a role, and a proxy that leads the names of AWS to a fake.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.controlplane import ControlPlane
from tests.e2e import accounts
from tests.e2e.acts import ready
from tests.e2e.listener import JWT
from tests.e2e.operator import NAMESPACE, OPTIONS, Operator
from tests.e2e.parameters import REGION, Store, fetched, mapped, parameter_store
from tests.e2e.table import Row, becomes
from tests.e2e.tenant import Body, Tenant, eventually
from tests.vaults.tunnel import Tunnel, tunnelling_beside
from vaultferry.core.keyring import Keyring

REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
CANARY = "canary-of-the-role-2d7e"
ROLE = "arn:aws:iam::123456789012:role/vaultferry"
HOSTS = [f"{service}.{REGION}.amazonaws.com:443" for service in ("sts", "ssm")]


@dataclass(frozen=True)
class World:
    """An operator with a role, and where it may use that."""

    operator: Operator
    tunnel: Tunnel
    store: Store
    allowed: Tenant


@pytest.fixture(scope="module")
def world(
    cluster: ControlPlane,
    operator: Operator,
    keyring: Keyring,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ambient")
    namespace = f"ambient-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", namespace)
    by = ("--audience=sts.amazonaws.com", "-n", NAMESPACE)
    token = cluster.kubectl("create", "token", "vaultferry", *by).strip()
    (folder / "token").write_text(token)
    with parameter_store() as store, operator.stopped():
        (folder / "public.pem").write_text(store.process.certificate)
        with tunnelling_beside(urlsplit(store.process.url).port or 0) as tunnel:
            own = Operator(
                kubeconfig=operator.kubeconfig,
                log=folder / "operator.log",
                environ={
                    **operator.environ,
                    "AWS_ROLE_ARN": ROLE,
                    "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"),
                    "SSL_CERT_FILE": str(folder / "public.pem"),
                    "VAULTFERRY_AMBIENT_NAMESPACES": f"other,{namespace}",
                },
                options=(*OPTIONS, f"--vault-proxy={tunnel.url}"),
            )
            own.start()
            try:
                allowed = Tenant(cluster, namespace, keyring)
                yield World(own, tunnel, store, allowed)
            finally:
                own.stop()
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def connection(**more: Any) -> Body:
    """Return the manifest of a VaultConnection that names no credential."""
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "aws"},
        "spec": {"awsSsm": {"region": REGION, "pathPrefix": "/shop", **more}},
    }


def said(tenant: Tenant) -> tuple[str, str]:
    """Return reason and message of the connection."""
    status = tenant.get("vaultconnection", "aws").get("status") or {}
    [ready] = status.get("conditions") or [{"reason": "", "message": ""}]
    return ready["reason"], ready["message"]


def test_where_it_is_allowed_values_come_by_the_role_of_the_operator(
    world: World,
) -> None:
    tenant = world.allowed
    world.store.put({"/shop/db/password": CANARY})
    tenant.apply(connection())
    ready(tenant, fetched(tenant, "db", fieldMappings=mapped("db/password")))

    assert tenant.data("db") == {"password": CANARY}
    becomes(tenant, "db", REALISED)
    assert said(tenant)[0] == "Verified"
    assert list(dict.fromkeys(world.tunnel.hosts)) == HOSTS
    kinds = "vaultsecrets,vaultconnections,events"
    shown = [
        tenant.kubectl("get", kinds, "-o", "yaml"),
        Path(world.operator.log).read_text(),
        world.operator.get("/metrics"),
    ]
    # So begins what the fake gives for a role.
    words = (CANARY, "ASIA", "FQoGZXIvYXdz")
    assert [word for text in shown for word in words if word in text] == []
    assert JWT.findall("".join(shown)) == []


def test_a_service_account_takes_a_role_of_its_own_where_the_operators_is_not_allowed(
    world: World, tenant: Tenant
) -> None:
    world.store.put({"/shop/db/password": CANARY})
    accounts.allow_tokens(tenant.plane)
    accounts.account(tenant)
    role = {"roleArn": f"{ROLE}-of-a-tenant", "serviceAccountRef": {"name": "reader"}}
    tenant.apply(connection(webIdentity=role))
    ready(tenant, fetched(tenant, "db", fieldMappings=mapped("db/password")))
    accounts.take_away(tenant.plane)

    assert tenant.data("db") == {"password": CANARY}
    assert set(world.tunnel.hosts) == set(HOSTS)


def test_elsewhere_it_is_said_what_to_do_and_nothing_is_called(
    world: World, tenant: Tenant
) -> None:
    before = [*world.tunnel.hosts]
    tenant.apply(connection())
    eventually(lambda: said(tenant)[0] == "ConnectionNotReady")

    assert (
        "name a Secret, or have the operator's --ambient-namespace" in said(tenant)[1]
    )
    tenant.apply(fetched(tenant, "db", fieldMappings=mapped("db/password")))
    eventually(lambda: tenant.reason("db") == "ConnectionNotReady")
    assert world.tunnel.hosts == before


def test_an_address_of_a_tenant_gets_nothing_of_what_the_operator_is(
    world: World,
) -> None:
    tenant, mine = world.allowed, "http://127.0.0.1:9"
    refusal = tenant.refusal(connection(address=mine))
    assert "shown to the public endpoint of the region only" in refusal
    assert "public endpoint" in tenant.refusal(connection(caBundle="x"))
    assert world.tunnel.others == []

    # With keys of its own it is called, by what these sign and by nothing else.
    keys = {"access_key_id": "AKIAMADEUP", "secret_access_key": "made-up"}
    literals = [f"--from-literal={name}={keys[name]}" for name in keys]
    kind = "--type=vaultferry.dev/token"
    tenant.kubectl("create", "secret", "generic", "keys", kind, *literals)
    tenant.apply(connection(credentialsSecretRef={"name": "keys"}, address=mine))
    eventually(lambda: world.tunnel.others != [])

    for head in world.tunnel.others:
        assert head.startswith(f"POST {mine}/ ")
        assert "Credential=AKIAMADEUP/" in head
        assert "X-Amz-Security-Token" not in head
        assert JWT.findall(head) == []
