"""Reviews as the API server sends them, made up for the VaultSecret of the builders."""

import copy
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from tests.builders import NAME, NAMESPACE, UID, vault_secret_body
from tests.keyrings import keyring
from tests.patches import json_patched
from vaultferry.core.lastapplied import ANNOTATION
from vaultferry.core.sealing import Place

Body = dict[str, Any]


def plain(spec: Mapping[str, Any] | None = None, **credentials: Any) -> Body:
    """Return a VaultSecret with plaintext in it."""
    body = vault_secret_body()
    body["spec"] = {"type": "opaque", "credentials": credentials, **(spec or {})}
    return body


def review(body: Body, before: Body | None = None, **request: Any) -> Body:
    """Return a review of a change, or of a new VaultSecret."""
    resource = {"group": "vaultferry.dev", "version": "v1alpha1"}
    known = {
        "uid": "of-the-review",
        "operation": "UPDATE" if before else "CREATE",
        "namespace": NAMESPACE,
        "name": NAME,
        "resource": resource | {"resource": "vaultsecrets"},
        "object": body,
        "oldObject": before,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "request": known | request}


def stored(tokens: Mapping[str, str], **metadata: Any) -> Body:
    """Return a VaultSecret as the API has it."""
    body = vault_secret_body(type="opaque", sealed=dict(tokens))
    body["metadata"] |= {"uid": UID} | metadata
    return body


def applied(body: Body, manifest: object | None = None) -> Body:
    """Return a VaultSecret with what client-side apply remembers of it."""
    known = {"kind": "VaultSecret", "spec": body["spec"]}
    noted = copy.deepcopy(body)
    text = json.dumps(known if manifest is None else manifest)
    noted["metadata"]["annotations"] = {ANNOTATION: text, "other": "kept"}
    return noted


def patched(body: Body, answer: Mapping[str, Any]) -> Body:
    """Return a VaultSecret as the API server stores it after an answer."""
    changed: Body = json_patched(
        body, json.loads(b64decode(answer["response"]["patch"]))
    )
    return changed


def opened(spec: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the values of a spec, opened where it belongs."""
    return {
        field: keyring().open(token, Place(NAMESPACE, NAME, field))
        for field, token in spec["sealed"].items()
    }
