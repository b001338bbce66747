"""The CustomResourceDefinitions, from the models."""

from collections.abc import Iterable
from typing import Any

import yaml

from vaultferry import formats, providers, rules, secrettypes
from vaultferry.core import vaultconnection
from vaultferry.core.model import GROUP, VERSION, Model
from vaultferry.core.secrettype import SecretType
from vaultferry.core.structural import Schema, structural
from vaultferry.core.vaultsecret import KIND, PLURAL, Spec, Status
from vaultferry.rules import Rule

_Columns = tuple[tuple[str, str, str], ...]

_COLUMNS: _Columns = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
    ("Type", "string", ".spec.type"),
    ("Version", "integer", ".status.version"),
    ("Secret", "string", ".status.syncedSecret.name"),
    ("Age", "date", ".metadata.creationTimestamp"),
)

_WAYS: _Columns = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
    ("Age", "date", ".metadata.creationTimestamp"),
)


def vaultsecrets() -> dict[str, Any]:
    """Return the CustomResourceDefinition of VaultSecret."""
    return _definition(KIND, PLURAL, "vfs", _vaultsecret())


def vaultconnections() -> dict[str, Any]:
    """Return the CustomResourceDefinition of VaultConnection."""
    kind, plural = vaultconnection.KIND, vaultconnection.PLURAL
    return _definition(kind, plural, "vfc", _vaultconnection())


def text(definition: dict[str, Any]) -> str:
    """Return a CustomResourceDefinition as YAML."""
    return yaml.safe_dump(definition, sort_keys=False, width=88)


def _definition(
    kind: str, plural: str, short: str, version: dict[str, Any]
) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "categories": ["vaultferry"],
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "shortNames": [short],
                "singular": kind.lower(),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _version(columns: _Columns, schema: Schema, **more: Any) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path}
            for name, kind, path in columns
        ],
        "schema": {"openAPIV3Schema": schema},
        **more,
    }


def _resource(
    description: str, spec: Schema, status: type[Model], validations: Iterable[Rule]
) -> Schema:
    said = structural(status.model_json_schema())
    # So that kstatus never takes a resource for current before it was looked at.
    said["default"] = {"observedGeneration": -1}
    return {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": said,
        },
        "x-kubernetes-validations": list(validations),
    }


def _vaultsecret() -> dict[str, Any]:
    types = tuple(secrettypes.load(name) for name in secrettypes.names())
    description = "One credential, and the Secret that it becomes."
    schema = _resource(description, _spec(types), Status, rules.resource(types))
    by = [{"jsonPath": ".spec.connectionRef.name"}]
    return _version(_COLUMNS, schema, selectableFields=by)


def _vaultconnection() -> dict[str, Any]:
    spec = structural(vaultconnection.Spec.model_json_schema())
    kinds = [providers.load(name).PROVIDER for name in providers.names()]
    for kind in kinds:
        section = structural(kind.settings.model_json_schema())
        section["description"] = f"The vault: {kind.summary}."
        if kind.rules:
            section["x-kubernetes-validations"] = [dict(rule) for rule in kind.rules]
        spec["properties"][kind.field] = section
    spec["x-kubernetes-validations"] = list(rules.connection(k.field for k in kinds))
    selector = spec["properties"]["access"]["properties"]["namespaceSelector"]
    requirement = selector["properties"]["matchExpressions"]["items"]
    requirement["x-kubernetes-validations"] = list(rules.REQUIREMENT)
    description = "How to reach one external vault, and who may use it for what."
    schema = _resource(description, spec, vaultconnection.Status, ())
    del schema["x-kubernetes-validations"]
    return _version(_WAYS, schema)


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
