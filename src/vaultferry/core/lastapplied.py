"""What client-side apply remembers in an annotation, without the values in it.

`kubectl apply` stores the whole manifest there, and takes away next time what stood
there and no longer stands in the manifest. Of that only the names of keys count, so
the values can go.
"""

import json
from collections.abc import Mapping
from typing import Any

from vaultferry.core.errors import InvalidSpec
from vaultferry.core.vaultsecret import Spec

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

SPEC_KEYS = frozenset(field.alias or name for name, field in Spec.model_fields.items())


def cleaned(text: str) -> str:
    """Return the annotation as if the manifest had had `sealed` for `credentials`.

    Tokens are left out as well: they would take the room of an annotation. With the
    names under `sealed`, a later apply from another source takes `sealed` away.

    Raises:
        InvalidSpec: it cannot be read, or has a key under spec that there is not.
    """
    manifest = _read(text)
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return text
    if not spec.keys() <= SPEC_KEYS:
        raise InvalidSpec(
            f"annotation {ANNOTATION}: a key under spec is none of VaultSecret, and "
            "might hold a value: check the spelling, and leave --validate=false out"
        )
    if "credentials" not in spec:
        return text
    rest = {key: value for key, value in spec.items() if key != "credentials"}
    names = spec["credentials"] if isinstance(spec["credentials"], dict) else ()
    rest["sealed"] = dict.fromkeys(names, "")
    return _write({**manifest, "spec": rest})


def _read(text: str) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise InvalidSpec(f"annotation {ANNOTATION}: no manifest in JSON: take it away")
    return manifest


def _write(manifest: Mapping[str, Any]) -> str:
    """Write JSON as kubectl does, so that equal manifests give equal texts."""
    text = json.dumps(
        manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return f"{text}\n"
