"""The webhook with certificates of a real cert-manager, as deploy/ asks for them."""

import json
import os
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.certmanager.build import crds, program
from tests.e2e import webhook as webhooks
from tests.e2e.operator import NAMESPACE, ROOT
from tests.e2e.plaintext import plain, synced
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.volume import Volume, served
from tests.e2e.webhook import NAME, Webhook
from vaultferry.webhook.certificates import LOOK_SECONDS

CERTIFICATES = ROOT / "deploy" / "cert-manager" / "certificates.yaml"
SECRET = f"{NAME}-tls"


@pytest.fixture(scope="module")
def cert_manager(
    webhook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Its controllers and its injector, beside the API server."""
    binary, folder, plane = program(), crds(), webhook.plane
    plane.kubectl("apply", "--server-side", "-f", str(folder))
    eventually(lambda: "issuers" in plane.kubectl("api-resources", "-o", "name"))
    log = tmp_path_factory.mktemp("cert-manager") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary],
            env={**os.environ, "KUBECONFIG": str(plane.kubeconfig)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(30)
        plane.kubectl("delete", "-f", str(folder))


@pytest.fixture
def volume(cert_manager: None, webhook: Webhook, tmp_path: Path) -> Volume:
    """What the kubelet shows of the Secret that cert-manager makes."""
    del cert_manager
    bodies = list(yaml.safe_load_all(CERTIFICATES.read_text()))
    # Here the API server asks by an address instead of by a Service.
    del bodies[-1]["spec"]["dnsNames"]
    bodies[-1]["spec"]["ipAddresses"] = ["127.0.0.1"]
    listed = {"apiVersion": "v1", "kind": "List", "items": bodies}
    webhook.plane.kubectl("apply", "-f", "-", stdin=json.dumps(listed))
    made = Volume(tmp_path)
    made.write(issued(webhook))
    return made


def issued(webhook: Webhook) -> dict[str, bytes]:
    """Wait for the certificate; return the files of its Secret."""
    where = ("-n", NAMESPACE)
    ready = ("--for=condition=Ready", f"certificates.cert-manager.io/{NAME}")
    eventually(lambda: webhooks.accepted(lambda: data(webhook)))
    webhook.plane.kubectl(*where, "wait", *ready, "--timeout=60s")
    return data(webhook)


def data(webhook: Webhook) -> dict[str, bytes]:
    where = ("-n", NAMESPACE)
    shown = webhook.plane.kubectl(*where, "get", "secret", SECRET, "-o", "json")
    return {k: b64decode(v) for k, v in json.loads(shown)["data"].items()}


def test_its_certificate_is_served_its_authority_trusted_and_both_renewed(
    volume: Volume, webhook: Webhook, tenant: Tenant
) -> None:
    plane = webhook.plane
    text = webhook.manifest(None, f"--cert-manager={NAMESPACE}/{NAME}")
    with webhooks.started_with(webhook, volume.options):
        plane.kubectl("apply", "-f", "-", stdin=text)
        webhooks.wait_until_sealed(plane)
        synced(tenant, "server-side", plain(tenant, a="before"))
        trusted, first, pid = webhooks.trusted(plane), volume.serial, webhook.pid
        assert trusted == data(webhook)["ca.crt"]

        plane.kubectl("-n", NAMESPACE, "delete", "secret", SECRET)
        volume.write(issued(webhook))
        assert volume.serial != first
        took = eventually(lambda: served(webhook) == volume.serial, LOOK_SECONDS + 60)
        print(f"the new certificate was served after {took:.0f} s")
        plane.kubectl("apply", "-f", "-", stdin=text)
        synced(tenant, "server-side", plain(tenant, a="after"))

        assert tenant.data("db") == {"a": "after"}
        assert webhooks.trusted(plane) == trusted
        assert webhook.pid == pid
