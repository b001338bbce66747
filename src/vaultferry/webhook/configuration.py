"""The MutatingWebhookConfiguration, which holds the path that nobody else knows."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import yaml

from vaultferry import rules
from vaultferry.core.authority import authorities, paths
from vaultferry.core.keyring import Keyring
from vaultferry.core.model import GROUP, VERSION, WEBHOOK
from vaultferry.core.vaultsecret import PLURAL
from vaultferry.webhook.settings import NAME

Body = dict[str, Any]

TIMEOUT_SECONDS = 5

# Every namespace has it, and its value cannot be another.
_NAME_LABEL = "kubernetes.io/metadata.name"

_INJECT = "cert-manager.io/inject-ca-from"


def manifest(
    keyring: Keyring,
    address: Body,
    certificate: str | None = None,
    namespaces: Sequence[str] = (),
) -> Body:
    """Return the configuration.

    Args:
        keyring: its newest key makes the path; the certificates of all are trusted.
        address: `service` with name and namespace, or `url` without a path.
        certificate: namespace/name of a Certificate whose authority cert-manager
            is to write into it; None: our own.
        namespaces: in which it is asked; none: in all.
    """
    path = paths(keyring)[0]
    client: Body = dict(address)
    if "url" in client:
        client["url"] += path
    else:
        client["service"] = {**client["service"], "path": path}
    metadata: Body = {"name": NAME}
    if certificate is None:
        client["caBundle"] = _bundle(keyring)
    else:
        metadata["annotations"] = {_INJECT: certificate}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata,
        "webhooks": [_webhook(client, namespaces)],
    }


def text(body: Body) -> str:
    """Return the configuration as YAML."""
    return yaml.safe_dump(body, sort_keys=False, width=88)


def _webhook(client: Body, namespaces: Sequence[str]) -> Body:
    return {
        "name": WEBHOOK,
        "clientConfig": client,
        "rules": [
            {
                "apiGroups": [GROUP],
                "apiVersions": [VERSION],
                "operations": ["CREATE", "UPDATE"],
                "resources": [PLURAL],
                "scope": "Namespaced",
            }
        ],
        **_selected(namespaces),
        # What has no plaintext goes past; what has is refused by the CRD unsealed.
        "matchConditions": [
            {"name": "needs-sealing", "expression": rules.NEEDS_SEALING}
        ],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "admissionReviewVersions": ["v1"],
    }


def _selected(namespaces: Sequence[str]) -> Body:
    if not namespaces:
        return {}
    named = {"key": _NAME_LABEL, "operator": "In", "values": sorted(set(namespaces))}
    return {"namespaceSelector": {"matchExpressions": [named]}}


def _bundle(keyring: Keyring) -> str:
    certificates = b"".join(each.certificate for each in authorities(keyring))
    return b64encode(certificates).decode()
