"""The ValidatingAdmissionPolicy on what client-side apply remembers of a manifest.

`kubectl apply` stores the manifest in an annotation, that of a key which the API
server drops included, and no rule of a CRD sees annotations. CEL reads no JSON, so
its text is matched. Two things make that cheap enough: the braces of a value are
matched to a depth that no manifest of ours goes beyond, and tokens are cut out before.
"""

from collections.abc import Collection
from typing import Any

import yaml

from vaultferry.core.lastapplied import ANNOTATION, SPEC_KEYS
from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.vaultsecret import PLURAL

NAME = f"last-applied.{PLURAL}.{GROUP}"

_METADATA_KEYS = frozenset(
    {
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)

_STRING = r'"(?:[^"\\]|\\.)*"'
_FLAT = rf'(?:[^{{}}"]|{_STRING})*'
_DEEP = rf'(?:[^{{}}"]|{_STRING}|\{{{_FLAT}\}})*'
_DEEPER = rf'(?:[^{{}}"]|{_STRING}|\{{{_DEEP}\}})*'
_VALUE = rf'(?:{_STRING}|[^{{}}\[\]",]+|\{{{_DEEP}\}}|\[{_DEEP}\])'

# Of what the API server allows one expression to cost; see its docs on CEL.
_BUDGET = 900_000
_COST_PER_CHARACTER = 0.1
_COST_PER_CHARACTER_OF_PATTERN = 0.25

_KIB = 1024


def pattern(spec_keys: Collection[str] = SPEC_KEYS - {"credentials"}) -> str:
    """Return what the annotation matches when its tokens are cut out."""
    return (
        rf'^""\{{"apiVersion":{_STRING},"kind":{_STRING},'
        rf'"metadata":{_object(_METADATA_KEYS)},"spec":{_object(spec_keys)}'
        rf'(?:,"status":\{{{_DEEPER}\}})?\}}\n?$'
    )


def longest() -> int:
    """Return how many characters, in KiB, can be matched within the budget."""
    each = _COST_PER_CHARACTER * _COST_PER_CHARACTER_OF_PATTERN * len(pattern())
    return int(_BUDGET / each / _KIB)


def manifests() -> list[dict[str, Any]]:
    """Return the policy and its binding."""
    return [_policy(), _binding()]


def text() -> str:
    """Return the policy and its binding as YAML."""
    return yaml.safe_dump_all(manifests(), sort_keys=False, width=88)


def _object(keys: Collection[str]) -> str:
    return rf'\{{(?:"(?:{"|".join(sorted(keys))})":{_VALUE},?)*\}}'


def _policy() -> dict[str, Any]:
    annotations = "object.metadata.annotations"
    applied = f"{annotations}['{ANNOTATION}']"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": [VERSION],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": [PLURAL],
                        "scope": "Namespaced",
                    }
                ]
            },
            "matchConditions": [
                {
                    "name": "remembers",
                    "expression": f"has({annotations}) && '{ANNOTATION}' in "
                    f"{annotations}",
                },
                {
                    # What was stored before this policy was there blocks nobody.
                    "name": "changed",
                    "expression": "oldObject == null || "
                    "!has(oldObject.metadata.annotations) || "
                    f"!('{ANNOTATION}' in oldObject.metadata.annotations) || "
                    f"oldObject.metadata.annotations['{ANNOTATION}'] != {applied}",
                },
            ],
            "variables": [
                {
                    "name": "short",
                    "expression": f"""('"vf1."' + {applied}).split('"vf1.')"""
                    """.map(p, p.substring(p.indexOf('"') + 1)).join('""')""",
                }
            ],
            "validations": [
                {
                    "expression": f"size(variables.short) <= {longest() * _KIB}",
                    "message": f"annotation {ANNOTATION} holds more than {longest()} "
                    "KiB beside tokens: use `kubectl apply --server-side`",
                    "reason": "Invalid",
                },
                {
                    "expression": f"size(variables.short) > {longest() * _KIB} || "
                    f"variables.short.matches(r'{pattern()}')",
                    "message": f"annotation {ANNOTATION} holds plaintext, or a key "
                    "that VaultSecret does not know, which might: check the spelling, "
                    "and leave --validate=false out",
                    "reason": "Invalid",
                },
            ],
        },
    }


def _binding() -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
