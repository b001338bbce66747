"""The webhook for some namespaces, with a right in these and none in the cluster."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e import webhook as webhooks
from tests.e2e.acts import fresh, refusal
from tests.e2e.operator import ROOT
from tests.e2e.plaintext import WAYS, plain, send, synced
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.webhook import Webhook, accepted

RIGHTS = ROOT / "deploy" / "namespaced" / "webhook" / "rights.yaml"


@pytest.fixture
def named(tenant: Tenant, webhook: Webhook) -> Iterator[Tenant]:
    """The one namespace in which the webhook is asked, and has its right."""
    plane = tenant.plane
    tenant.kubectl("apply", "-f", str(RIGHTS))
    plane.kubectl("delete", "clusterrolebinding/vaultferry-webhook")
    limited = webhook.manifest(None, f"--namespace={tenant.namespace}")
    plane.kubectl("apply", "-f", "-", stdin=limited)
    try:
        # The trial of this is in another namespace.
        webhooks.wait_until_refused(plane)
        yield tenant
    finally:
        webhooks.install(plane)
        webhooks.have_asked(plane, webhook)


def test_plaintext_is_sealed_there_and_refused_elsewhere(named: Tenant) -> None:
    manifest = plain(named, a="one")
    eventually(lambda: accepted(lambda: send(named, "server-side", manifest)))

    was = synced(named, "server-side", plain(named, a="one", b="two"))
    now = synced(named, "server-side", plain(named, a="one", b="three"))

    # It has read the VaultSecret, or the token would be another.
    assert was["spec"]["sealed"]["a"] == now["spec"]["sealed"]["a"]
    assert named.data("db") == {"a": "one", "b": "three"}
    with fresh(named.plane, named.keyring) as other:
        text = json.dumps(plain(other, a="one"))
        said = refusal(other, *WAYS["server-side"], stdin=text)
    assert "is plaintext and nothing here seals it" in said
