"""Changes that arrive within seconds, because the vault tells of them.

Nothing is due for weeks, so whatever arrives was told: by a webhook, signed as the
vendors sign theirs, or by an event stream.
"""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import infisical as shop
from tests.e2e.acts import ready
from tests.e2e.operator import Operator
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.vaults import Doppler, connection, doppler, fetched, token_secret
from tests.vaults.webhooks import Hook, signature

CANARY = "canary-that-signs-webhooks-41c7"
BODY = b'{"type": "config.secrets.update", "note": "canary-in-a-body"}'
ALL = [{"include": ["DB_*"]}]
SELDOM: dict[str, Any] = {"fieldsFrom": ALL, "refreshInterval": "1000h"}


@pytest.fixture
def vault(operator: Operator, tenant: Tenant) -> Iterator[Doppler]:
    """A Doppler that tells, if it is asked to."""
    del operator
    with doppler({"DB_PASSWORD": "before"}) as started:
        token_secret(tenant)
        yield started
        tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def webhook(tenant: Tenant, name: str) -> str:
    """Return what a connection says of its webhooks."""
    status = tenant.get("vaultconnection", name).get("status") or {}
    found: dict[str, str] = {
        c["type"]: c["reason"] for c in status.get("conditions") or []
    }
    return found.get("Webhook", "")


def url(operator: Operator, tenant: Tenant, name: str) -> str:
    eventually(lambda: operator.push_port > 0)
    return f"http://127.0.0.1:{operator.push_port}/push/{tenant.namespace}/{name}"


def sent(where: str, headers: dict[str, str], body: bytes = BODY) -> int:
    """Return what a request is answered."""
    request = urllib.request.Request(where, body, headers)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            status: int = answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
    return status


def to_doppler(vault: Doppler, **settings: Any) -> dict[str, Any]:
    manifest = connection(vault)
    manifest["spec"]["doppler"] |= settings
    return manifest


def shown(tenant: Tenant, operator: Operator) -> str:
    """Return all that anybody may see."""
    kinds = "vaultsecrets,vaultconnections,events"
    objects = tenant.kubectl("get", kinds, "-o", "yaml")
    return objects + Path(operator.log).read_text() + operator.get("/metrics")


def test_a_webhook_of_doppler_brings_a_change_and_a_forged_one_nothing(
    tenant: Tenant, vault: Doppler, operator: Operator
) -> None:
    token_secret(tenant, CANARY, "hook")
    tenant.apply(to_doppler(vault, webhookSecretRef={"name": "hook"}))
    ready(tenant, fetched(tenant, "db", **SELDOM))
    eventually(lambda: webhook(tenant, "doppler") == "Configured")
    where = url(operator, tenant, "doppler")

    refused = operator.metric("pushes_total", result="refused")
    forged = {"x-doppler-signature": f"sha256={signature('guess', BODY)}"}
    signed = {"x-doppler-signature": f"sha256={signature(CANARY, BODY)}"}
    assert sent(where, forged) == sent(f"{where}-none", signed) == 404
    # What it was answered does not make it come.
    again = operator.metric("pushes_total", result="refused")
    assert again == refused + 2

    vault.state.webhooks = [Hook(url=where, place="shop/prd", secret=CANARY)]
    vault.put({"DB_PASSWORD": "changed"})
    took = eventually(lambda: tenant.data("db") == {"DB_PASSWORD": "changed"})
    print(f"a change arrived by webhook after {took:.1f} s")
    # The first and the one that was told of: none for what was forged.
    assert vault.downloads() == [200, 200]

    text = shown(tenant, operator)
    assert [each for each in (CANARY, "canary-in-a-body") if each in text] == []


def test_a_webhook_of_infisical_brings_a_change(
    tenant: Tenant, operator: Operator
) -> None:
    with shop.infisical() as vault:
        vault.put("/app", DB_PASSWORD="before")
        shop.client_secret(tenant)
        token_secret(tenant, CANARY, "hook")
        tenant.apply(shop.connection(vault, webhookSecretRef={"name": "hook"}))
        ready(tenant, shop.fetched(tenant, "db", **SELDOM))
        eventually(lambda: webhook(tenant, "infisical") == "Configured")

        where = url(operator, tenant, "infisical")
        place = "shop/dev/app"
        vault.state.webhooks = [Hook(url=where, place=place, secret=CANARY)]
        vault.state.webhook_seconds = 0.5
        vault.put("/app", DB_PASSWORD="changed")
        took = eventually(lambda: tenant.data("db") == {"DB_PASSWORD": "changed"})
        print(f"a change arrived by webhook after {took:.1f} s")

        assert CANARY not in shown(tenant, operator)
        tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def test_an_event_stream_brings_a_change_and_ends_with_its_connection(
    tenant: Tenant, vault: Doppler, operator: Operator
) -> None:
    tenant.apply(to_doppler(vault, watch=True))
    ready(tenant, fetched(tenant, "db", **SELDOM))
    eventually(lambda: operator.metric("streams") == 1)

    vault.put({"DB_PASSWORD": "changed"})
    took = eventually(lambda: tenant.data("db") == {"DB_PASSWORD": "changed"})
    print(f"a change arrived by stream after {took:.1f} s")

    # Nobody listened meanwhile, so nobody knows what was missed.
    with operator.stopped():
        vault.put({"DB_PASSWORD": "changed again"})
    eventually(lambda: tenant.data("db") == {"DB_PASSWORD": "changed again"})

    tenant.kubectl("delete", "vaultconnections.vaultferry.dev/doppler")
    eventually(lambda: operator.metric("streams") == 0)
