"""Turns the JSON schema of a pydantic model into a structural schema for a CRD.

Kubernetes wants no references, no titles and no union with null, and takes a default
as something to store: defaults stay in the models, so that manifests hold only what
their authors wrote.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

_DROPPED = frozenset({"$defs", "default", "title"})

Schema = dict[str, Any]


def structural(schema: Mapping[str, Any]) -> Schema:
    """Return the structural form of a whole schema as pydantic writes it.

    Raises:
        ValueError: a construct has no structural form, such as a real union.
    """
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Schema:
    merged = _inlined(schema, defs)
    # Copied, for YAML writes what is in two places as a reference.
    result = {k: copy(v) for k, v in merged.items() if k not in _DROPPED}
    if "type" not in result:
        raise ValueError(f"no single type: {sorted(result)}")
    if result["type"] == "integer":
        result.setdefault("format", "int64")
    if "properties" in result:
        result["properties"] = {
            k: _convert(v, defs) for k, v in result["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if key in result:
            result[key] = _convert(result[key], defs)
    return dict(sorted(result.items()))


def _inlined(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Schema:
    """Resolve a reference and an optional; what stands beside it wins."""
    beside = {k: v for k, v in schema.items() if k not in {"$ref", "anyOf"}}
    if "$ref" in schema:
        return _inlined(defs[schema["$ref"].rpartition("/")[2]], defs) | beside
    if "anyOf" in schema:
        kinds = [s for s in schema["anyOf"] if s.get("type") != "null"]
        if len(kinds) != 1:
            raise ValueError("a union has no structural form: use optional siblings")
        return _inlined(kinds[0], defs) | beside
    return beside
