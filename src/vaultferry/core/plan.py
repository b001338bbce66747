"""From the desired Secret and the current one to the one write between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaultferry.core import consent
from vaultferry.core.errors import Conflict, SecretImmutable, TypeDiffers
from vaultferry.core.metadata import record, recorded
from vaultferry.core.model import GROUP, is_name
from vaultferry.core.secret import (
    FINGERPRINT,
    LABEL,
    METADATA,
    OWNER,
    VERSION,
    Content,
    Current,
    Desired,
    Seen,
    encoded,
)
from vaultferry.core.vaultsecret import KIND

Operation = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Create:
    """Make the Secret."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Patch:
    """Change the Secret by one JSON patch that fails where it has moved meanwhile."""

    operations: list[Operation]

    claims: bool = False
    """Whether it puts an owner reference that is not there."""


@dataclass(frozen=True)
class Keep:
    """Write nothing: the Secret is right as it was seen."""

    seen: Seen


Write = Create | Patch | Keep


def is_ours(seen: Seen, owner: str) -> bool:
    """Tell whether the annotation on a Secret names this owner and no other."""
    return seen.annotations.get(OWNER) == owner


def write(desired: Desired, current: Current | None) -> Write:
    """Return the write that makes the Secret what it ought to be.

    Without `current.content` the data is taken to differ.

    Raises:
        Conflict: the Secret belongs to somebody else, and does not consent.
        TypeDiffers: it is ours, but of another type.
        SecretImmutable: it is ours, but its data cannot change.
    """
    if current is None:
        return Create(_manifest(desired))
    seen, content = current.seen, current.content
    check_owner(seen, desired.owner)
    if content is not None and content.type != desired.type:
        raise TypeDiffers(
            f"Secret {desired.name} has type {content.type}, wanted {desired.type}: "
            "delete it, or give spec.target another name in a new VaultSecret"
        )
    changes = _metadata(desired, seen) + _data(desired, seen, content)
    if not changes:
        return Keep(seen)
    # The API server answers 409 when the Secret is not the one that was seen.
    guard = _put("replace", "/metadata/resourceVersion", seen.resource_version)
    own = desired.owner_reference
    claims = own is not None and own not in seen.owner_references
    return Patch([guard, *changes], claims)


def check_owner(seen: Seen, owner: str) -> None:
    """Check that a Secret is ours, or consents to become ours.

    Raises:
        Conflict: it is not, and does not.
    """
    name = owner.rpartition("/")[2]
    if is_ours(seen, owner) or consent.allows(seen.annotations, "adopt", name):
        return
    raise Conflict(
        f"Secret {seen.name} exists and is not ours: delete it, annotate it with "
        f"{consent.ALLOW}: adopt={name}, or give spec.target another name in a new "
        "VaultSecret"
    )


def rival(seen: Seen, owner: str) -> str | None:
    """Return the name of another VaultSecret that a Secret of its namespace names."""
    namespace, _, name = seen.annotations.get(OWNER, "").partition("/")
    is_other = namespace == seen.namespace and not is_ours(seen, owner)
    return name if is_other and is_name(name) else None


def _data(desired: Desired, seen: Seen, content: Content | None) -> list[Operation]:
    same = content is not None and content.data == desired.data
    if same and seen.version == desired.version:
        return []
    if content is not None and content.immutable and not same:
        raise SecretImmutable(
            f"Secret {desired.name} is immutable: delete it, and it is made anew"
        )
    if content is None and seen.version == desired.version:
        # The same values, perhaps sealed for another key: with the fingerprint that
        # stands there this changes nothing, unless they are laid out anew.
        return [_put("add", "/data", encoded(desired.data))]
    return [
        _put("add", "/data", encoded(desired.data)),
        _put("add", "/metadata/annotations", _annotations(desired, seen)),
    ]


def _metadata(desired: Desired, seen: Seen) -> list[Operation]:
    counted = _annotations(desired, seen) | {
        key: seen.annotations[key]
        for key in (VERSION, FINGERPRINT)
        if key in seen.annotations
    }
    pairs = (
        ("/metadata/annotations", counted, seen.annotations),
        ("/metadata/labels", _labels(desired, seen), seen.labels),
        (
            "/metadata/ownerReferences",
            _owner_references(desired, seen),
            list(seen.owner_references),
        ),
    )
    return [
        _put("add", path, wanted) for path, wanted, there in pairs if wanted != there
    ]


def _labels(desired: Desired, seen: Seen) -> dict[str, str]:
    gone = recorded(seen.annotations)[0] - set(desired.labels)
    kept = {k: v for k, v in seen.labels.items() if k not in gone}
    return kept | dict(desired.labels) | {LABEL: "true"}


def _annotations(desired: Desired, seen: Seen) -> dict[str, str]:
    gone = {METADATA, *recorded(seen.annotations)[1]} - set(desired.annotations)
    kept = {k: v for k, v in seen.annotations.items() if k not in gone}
    return kept | _own_annotations(desired)


def _own_annotations(desired: Desired) -> dict[str, str]:
    own = dict(desired.annotations) | {
        OWNER: desired.owner,
        VERSION: str(desired.version),
        FINGERPRINT: desired.fingerprint,
    }
    if desired.labels or desired.annotations:
        own[METADATA] = record(desired.labels, desired.annotations)
    return own


def _owner_references(desired: Desired, seen: Seen) -> list[Mapping[str, Any]]:
    """Return the owner references: ours in its place, others as they are.

    A reference of our kind and name with another uid is of a VaultSecret that this
    one succeeds; left there, it would have the Secret collected.
    """
    own = desired.owner_reference
    others = [ref for ref in seen.owner_references if not _names_us(ref, desired)]
    return [*others, own] if own else others


def _names_us(ref: Mapping[str, Any], desired: Desired) -> bool:
    name = desired.owner.rpartition("/")[2]
    api = str(ref.get("apiVersion", "")).partition("/")[0]
    same_kind = (api, ref.get("kind")) == (GROUP, KIND)
    return same_kind and ref.get("name") == name


def _manifest(desired: Desired) -> dict[str, Any]:
    own = desired.owner_reference
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": desired.name,
            "namespace": desired.namespace,
            "labels": dict(desired.labels) | {LABEL: "true"},
            "annotations": _own_annotations(desired),
            **({"ownerReferences": [own]} if own else {}),
        },
        "type": desired.type,
        "data": encoded(desired.data),
    }


def _put(operation: str, path: str, value: Any) -> Operation:
    return {"op": operation, "path": path, "value": value}
