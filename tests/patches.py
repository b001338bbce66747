"""Applies patches as an API server does: tests see what a patch makes, not its text."""

from collections.abc import Mapping
from typing import Any

import jsonpatch


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
