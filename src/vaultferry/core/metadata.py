"""Labels and annotations of a target: which are allowed, which of them are ours."""

import json
from collections.abc import Iterable, Mapping

from vaultferry.core.errors import MetadataNotAllowed
from vaultferry.core.model import GROUP
from vaultferry.core.secret import METADATA

DEFAULT_PREFIXES = ("app.kubernetes.io",)

# With the domains below them: no configuration allows these.
_NEVER = (GROUP, "argocd.argoproj.io", "kubernetes.io")


def check_allowed(keys: Iterable[str], prefixes: Iterable[str]) -> None:
    """Check the keys that a resource wants on its Secret.

    A key without a prefix is allowed. Others give a Secret a meaning to some
    controller, which the right to write VaultSecrets must not include.

    Args:
        keys: label and annotation keys of `spec.target`.
        prefixes: the prefixes that the operator's configuration allows.

    Raises:
        MetadataNotAllowed: a key has another prefix.
    """
    allowed = {"", *(p for p in prefixes if p in DEFAULT_PREFIXES or not _is_never(p))}
    refused = sorted(k for k in set(keys) if k.rpartition("/")[0] not in allowed)
    if refused:
        raise MetadataNotAllowed(
            f"not allowed on a Secret: {', '.join(refused)}; use keys without a prefix "
            f"or with {', '.join(sorted(allowed - {''})) or 'none'}"
        )


def _is_never(prefix: str) -> bool:
    return any(f".{prefix}".endswith(f".{domain}") for domain in _NEVER)


def record(labels: Iterable[str], annotations: Iterable[str]) -> str:
    """Return the annotation that lists the keys which came from `spec.target`."""
    kept = {"annotations": sorted(annotations), "labels": sorted(labels)}
    return json.dumps({k: v for k, v in kept.items() if v}, separators=(",", ":"))


def recorded(annotations: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Return the label and annotation keys that an earlier write listed as ours.

    A record that somebody garbled lists nothing: only recorded keys are ever taken
    away, so nothing foreign is lost.
    """
    try:
        kept = json.loads(annotations.get(METADATA, "{}"))
    except (ValueError, RecursionError):
        return set(), set()
    if not isinstance(kept, dict):
        return set(), set()
    return _keys(kept.get("labels")), _keys(kept.get("annotations"))


def _keys(found: object) -> set[str]:
    return (
        {k for k in found if isinstance(k, str)} if isinstance(found, list) else set()
    )
