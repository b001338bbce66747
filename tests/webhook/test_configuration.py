"""What makes the API server ask the webhook, and never wait for it in vain."""

from base64 import b64decode
from typing import Any

import yaml

from tests.keyrings import keyring
from vaultferry.core.authority import authorities, paths
from vaultferry.webhook.configuration import manifest, text

SERVICE = {"service": {"namespace": "here", "name": "hook", "port": 443}}


def webhook(body: dict[str, Any]) -> dict[str, Any]:
    [only] = body["webhooks"]
    found: dict[str, Any] = only
    return found


def test_the_path_is_that_of_the_newest_root_key() -> None:
    ring = keyring(2, 1)

    of_service = webhook(manifest(ring, SERVICE))["clientConfig"]
    of_url = webhook(manifest(ring, {"url": "https://x:1"}))["clientConfig"]

    assert of_service["service"] == SERVICE["service"] | {"path": paths(ring)[0]}
    assert of_url["url"] == f"https://x:1{paths(ring)[0]}"
    assert "path" not in SERVICE["service"]


def test_the_certificates_of_all_root_keys_are_trusted() -> None:
    ring = keyring(2, 1)

    bundle = b64decode(webhook(manifest(ring, SERVICE))["clientConfig"]["caBundle"])

    assert bundle == b"".join(each.certificate for each in authorities(ring))


def test_with_cert_manager_the_bundle_is_its_own() -> None:
    body = manifest(keyring(), SERVICE, "here/certificate")

    assert "caBundle" not in webhook(body)["clientConfig"]
    assert body["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": "here/certificate"
    }


def test_an_outage_is_let_pass_and_does_not_last() -> None:
    hook = webhook(manifest(keyring(), SERVICE))

    assert (hook["failurePolicy"], hook["timeoutSeconds"]) == ("Ignore", 5)
    assert hook["sideEffects"] == "None"
    [condition] = hook["matchConditions"]
    assert "has(object.spec.credentials)" in condition["expression"]
    assert "request.dryRun && " in condition["expression"]


def test_it_is_asked_everywhere_or_in_the_namespaces_that_are_named() -> None:
    everywhere = webhook(manifest(keyring(), SERVICE))
    somewhere = webhook(manifest(keyring(), SERVICE, None, ["b", "a", "b"]))

    named = {"key": "kubernetes.io/metadata.name", "operator": "In"}
    selector = {"matchExpressions": [{**named, "values": ["a", "b"]}]}
    assert somewhere == everywhere | {"namespaceSelector": selector}


def test_it_is_the_same_each_time_and_shows_no_root_key() -> None:
    one, other = (text(manifest(keyring(), SERVICE)) for _ in range(2))

    assert one == other
    assert yaml.safe_load(one) == manifest(keyring(), SERVICE)
    assert "PRIVATE" not in one
