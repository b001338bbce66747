"""The CustomResourceDefinitions, from the models."""

from typing import Any

import yaml

from vaultferry import formats, rules, secrettypes
from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.secrettype import SecretType
from vaultferry.core.structural import Schema, structural
from vaultferry.core.vaultsecret import KIND, PLURAL, Spec, Status

_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
    ("Type", "string", ".spec.type"),
    ("Version", "integer", ".status.version"),
    ("Secret", "string", ".status.syncedSecret.name"),
    ("Age", "date", ".metadata.creationTimestamp"),
)


def vaultsecrets() -> dict[str, Any]:
    """Return the CustomResourceDefinition of VaultSecret."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "categories": ["vaultferry"],
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "shortNames": ["vfs"],
                "singular": KIND.lower(),
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def text() -> str:
    """Return the CustomResourceDefinition as YAML."""
    return yaml.safe_dump(vaultsecrets(), sort_keys=False, width=88)


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path}
            for name, kind, path in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": _schema()},
    }


def _schema() -> Schema:
    types = tuple(secrettypes.load(name) for name in secrettypes.names())
    status = structural(Status.model_json_schema())
    # So that kstatus never takes a resource for current before it was looked at.
    status["default"] = {"observedGeneration": -1}
    return {
        "description": "One credential, and the Secret that it becomes.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _spec(types),
            "status": status,
        },
        "x-kubernetes-validations": list(rules.resource(types)),
    }


def _spec(types: tuple[SecretType, ...]) -> Schema:
    spec = structural(Spec.model_json_schema())
    taken = {name: _taken(types, name) for name in formats.names()}
    spec["x-kubernetes-validations"] = list(rules.spec(types, taken))
    properties = spec["properties"]
    properties["type"]["enum"] = [kind.name for kind in types]
    properties["authMethod"]["enum"] = sorted({m for t in types for m in t.methods})
    properties["sealed"]["x-kubernetes-validations"] = list(rules.SEALED)
    properties["location"]["x-kubernetes-validations"] = list(rules.LOCATION)
    target = properties["target"]
    target["properties"]["formats"]["items"]["enum"] = list(formats.names())
    target["properties"]["template"]["x-kubernetes-validations"] = list(rules.TEMPLATE)
    target["x-kubernetes-validations"] = list(rules.TARGET)
    return spec


def _taken(types: tuple[SecretType, ...], name: str) -> tuple[str, ...]:
    """Return the names of the types that a format takes."""
    takes = formats.load(name).takes
    return tuple(kind.name for kind in types if takes(kind))
