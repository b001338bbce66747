"""Applies patches as an API server does: tests see what a patch makes, not its text."""

from collections.abc import Iterable, Mapping
from typing import Any

import jsonpatch

from vaultferry.core.errors import Conflict

Body = dict[str, Any]
Leaf = tuple[str, str]
"""`data` or `annotations`, and a key there."""


def json_patched(body: Mapping[str, Any], operations: list[dict[str, Any]]) -> Any:
    """Apply a JSON patch (RFC 6902)."""
    return jsonpatch.apply_patch(body, operations)


def merge_patched(body: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    kept = dict(body) if isinstance(body, Mapping) else {}
    merged = {k: merge_patched(kept.get(k), v) for k, v in patch.items()}
    return {k: v for k, v in (kept | merged).items() if v is not None}


def server_applied(body: Body, manifest: Mapping[str, Any], manager: str) -> Body:
    """Apply data and annotations of a Secret by server, without force.

    Raises:
        Conflict: another manager has set one of them to another value.
    """
    entries = body["metadata"].get("managedFields", [])
    others = [entry for entry in entries if entry["manager"] != manager]
    own = [entry for entry in entries if entry["manager"] == manager]
    theirs = set().union(*map(_managed, others))
    before, wanted = _leaves(body), _leaves(manifest)
    if any(before.get(leaf) != wanted[leaf] for leaf in theirs & wanted.keys()):
        raise Conflict("somebody else has set it")
    gone = set().union(*map(_managed, own)) - wanted.keys() - theirs
    after = {leaf: v for leaf, v in before.items() if leaf not in gone} | wanted
    if wanted:
        others.append(managed(manager, "Apply", wanted))
    return _with_leaves(body, after, others)


def edited_by(body: Body, manager: str, changes: Mapping[Leaf, str | None]) -> Body:
    """Set and take away data and annotations of a Secret, by an ordinary update."""
    before = _leaves(body)
    both = {**before, **changes}
    after = {leaf: v for leaf, v in both.items() if v is not None}
    moved = {leaf for leaf, v in changes.items() if before.get(leaf) != v}
    entries = [
        managed(entry["manager"], entry["operation"], _managed(entry) - moved)
        for entry in body["metadata"].get("managedFields", [])
    ]
    entries.append(managed(manager, "Update", moved & after.keys()))
    return _with_leaves(body, after, entries)


def managed(manager: str, operation: str, leaves: Iterable[Leaf]) -> Body:
    """Return an entry of `metadata.managedFields`."""
    fields: dict[str, Body] = {"data": {}, "annotations": {}}
    for place, key in leaves:
        fields[place][f"f:{key}"] = {}
    of = {"f:data": fields["data"]}
    of["f:metadata"] = {"f:annotations": fields["annotations"]}
    return {"manager": manager, "operation": operation, "fieldsV1": of}


def _managed(entry: Body) -> set[Leaf]:
    of = entry["fieldsV1"]
    places = {"data": of["f:data"], "annotations": of["f:metadata"]["f:annotations"]}
    return {(p, f.removeprefix("f:")) for p, fields in places.items() for f in fields}


def _leaves(body: Mapping[str, Any]) -> dict[Leaf, str]:
    annotations = body["metadata"].get("annotations") or {}
    places = {"data": body.get("data") or {}, "annotations": annotations}
    return {(p, k): v for p, values in places.items() for k, v in values.items()}


def _with_leaves(body: Body, leaves: Mapping[Leaf, str], entries: list[Body]) -> Body:
    data = {k: v for (place, k), v in leaves.items() if place == "data"}
    notes = {k: v for (place, k), v in leaves.items() if place == "annotations"}
    metadata = {"annotations": notes, "managedFields": entries}
    return body | {"data": data, "metadata": body["metadata"] | metadata}
