"""A certificate that somebody else writes, as cert-manager and the kubelet do."""

import json
import secrets
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from tests.controlplane import ControlPlane
from tests.e2e import webhook as webhooks
from tests.e2e.plaintext import plain, synced
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.webhook import NAME, Webhook
from vaultferry.core.authority import Authority
from vaultferry.webhook.certificates import LOOK_SECONDS

CONFIGURATION = f"mutatingwebhookconfiguration/{NAME}"
INJECTED = "--cert-manager=vaultferry-system/vaultferry-webhook"


@dataclass
class Volume:
    """A folder in which files change all at once, as in a volume of a Secret."""

    folder: Path
    issuer: Authority

    def write(self) -> int:
        """Write a new certificate with its key; return its serial number."""
        pair = self.issuer.issue("127.0.0.1", datetime.now(UTC))
        new = self.folder / f"..{secrets.token_hex(4)}"
        new.mkdir()
        files = {
            "ca.crt": self.issuer.certificate,
            "tls.crt": pair.certificate,
            "tls.key": pair.key,
        }
        for name, content in files.items():
            (new / name).write_bytes(content)
        following = self.folder / "..data_tmp"
        following.symlink_to(new.name)
        following.rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        return x509.load_pem_x509_certificate(pair.certificate).serial_number

    def options(self) -> tuple[str, ...]:
        return tuple(
            f"--tls-{kind}={self.folder / f'tls.{suffix}'}"
            for kind, suffix in (("cert", "crt"), ("key", "key"))
        )


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A volume with a certificate of an authority that is not ours."""
    issuer = Authority(secrets.token_bytes(32), secrets.token_bytes(16), "of others")
    made = Volume(tmp_path, issuer)
    made.write()
    return made


@pytest.fixture
def served(volume: Volume, webhook: Webhook) -> Iterator[Webhook]:
    """The webhook with the certificate of the volume; who asks trusts its authority."""
    webhook.stop()
    webhook.options = volume.options()
    webhook.start()
    try:
        apply(webhook)
        inject(webhook.plane, volume.issuer)
        webhooks.wait_until_sealed(webhook.plane)
        yield webhook
    finally:
        webhook.stop()
        webhook.options = ()
        webhook.start()
        webhooks.have_asked(webhook.plane, webhook)


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


def injected(plane: ControlPlane) -> bytes:
    shown = json.loads(plane.kubectl("get", CONFIGURATION, "-o", "json"))
    return b64decode(shown["webhooks"][0]["clientConfig"].get("caBundle", ""))


def shown(webhook: Webhook) -> int:
    """Return the serial number of the certificate that is served."""
    text = ssl.get_server_certificate(("127.0.0.1", webhook.port))
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def test_a_certificate_that_is_replaced_is_served_without_a_restart(
    served: Webhook, volume: Volume, tenant: Tenant
) -> None:
    pid = served.pid
    synced(tenant, "server-side", plain(tenant, a="before"))

    serial = volume.write()
    took = eventually(lambda: shown(served) == serial, LOOK_SECONDS + 60)
    print(f"the new certificate was served after {took:.0f} s")

    synced(tenant, "server-side", plain(tenant, a="after"))
    assert tenant.data("db") == {"a": "after"}
    assert served.pid == pid


def test_the_authority_that_was_injected_stays_when_it_is_applied_again(
    served: Webhook, volume: Volume, tenant: Tenant
) -> None:
    apply(served)

    assert injected(served.plane) == volume.issuer.certificate
    synced(tenant, "server-side", plain(tenant, a="x"))


def test_our_own_authority_goes_where_another_one_is_to_be_injected(
    webhook: Webhook,
) -> None:
    assert injected(webhook.plane) != b""
    try:
        apply(webhook)
        assert injected(webhook.plane) == b""
    finally:
        webhooks.have_asked(webhook.plane, webhook)
