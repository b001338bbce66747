"""A certificate that somebody else writes into files, and an authority not ours."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e import webhook as webhooks
from tests.e2e.plaintext import plain, synced
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.volume import Volume, served
from tests.e2e.webhook import NAME, Webhook
from vaultferry.core.authority import Authority
from vaultferry.webhook.certificates import LOOK_SECONDS

CONFIGURATION = f"mutatingwebhookconfiguration/{NAME}"
INJECTED = "--cert-manager=vaultferry-system/vaultferry-webhook"


@dataclass(frozen=True)
class Renewed:
    """Certificates of an authority that is not ours, and where they are written."""

    volume: Volume
    issuer: Authority

    def write(self) -> None:
        """Write a new certificate with its key."""
        pair = self.issuer.issue("127.0.0.1", datetime.now(UTC))
        authority = {"ca.crt": self.issuer.certificate}
        self.volume.write(
            {**authority, "tls.crt": pair.certificate, "tls.key": pair.key}
        )


@pytest.fixture
def others(tmp_path: Path) -> Renewed:
    issuer = Authority(secrets.token_bytes(32), secrets.token_bytes(16), "of others")
    made = Renewed(Volume(tmp_path), issuer)
    made.write()
    return made


@pytest.fixture
def serving(others: Renewed, webhook: Webhook) -> Iterator[Webhook]:
    """The webhook with their certificate; who asks it trusts their authority."""
    with webhooks.started_with(webhook, others.volume.options):
        apply(webhook)
        inject(webhook.plane, others.issuer)
        webhooks.wait_until_sealed(webhook.plane)
        yield webhook


def apply(webhook: Webhook) -> None:
    """Apply the configuration that has no authority in it."""
    text = webhook.manifest(None, INJECTED)
    webhook.plane.kubectl("apply", "-f", "-", stdin=text)


def inject(plane: ControlPlane, issuer: Authority) -> None:
    """Write the authority into the configuration, as cert-manager's injector does."""
    bundle = b64encode(issuer.certificate).decode()
    path = "/webhooks/0/clientConfig/caBundle"
    operations = [{"op": "add", "path": path, "value": bundle}]
    plane.kubectl("patch", CONFIGURATION, "--type=json", "-p", json.dumps(operations))


def test_a_certificate_that_is_replaced_is_served_without_a_restart(
    serving: Webhook, others: Renewed, tenant: Tenant
) -> None:
    pid = serving.pid
    synced(tenant, "server-side", plain(tenant, a="before"))

    others.write()
    new = others.volume.serial
    took = eventually(lambda: served(serving) == new, LOOK_SECONDS + 60)
    print(f"the new certificate was served after {took:.0f} s")

    synced(tenant, "server-side", plain(tenant, a="after"))
    assert tenant.data("db") == {"a": "after"}
    assert serving.pid == pid


def test_the_authority_that_was_injected_stays_when_it_is_applied_again(
    serving: Webhook, others: Renewed, tenant: Tenant
) -> None:
    apply(serving)

    assert webhooks.trusted(serving.plane) == others.issuer.certificate
    synced(tenant, "server-side", plain(tenant, a="x"))


def test_our_own_authority_goes_where_another_one_is_to_be_injected(
    webhook: Webhook,
) -> None:
    assert webhooks.trusted(webhook.plane) != b""
    try:
        apply(webhook)
        assert webhooks.trusted(webhook.plane) == b""
    finally:
        webhooks.have_asked(webhook.plane, webhook)
