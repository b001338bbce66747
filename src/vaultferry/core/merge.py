"""Keys of ours in a Secret of somebody else: whose they are, and what to write.

The API server remembers who set a key. Ours are those that our field manager set by
server-side apply, which is never forced; an apply of less takes away what it leaves
out. A record for each VaultSecret, in an annotation that is set the same way, tells
whose keys there are when that VaultSecret is gone.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vaultferry.core import consent
from vaultferry.core.desired import Credential
from vaultferry.core.errors import Conflict, NotAllowed, SecretImmutable
from vaultferry.core.model import GROUP, is_name
from vaultferry.core.plan import Keep
from vaultferry.core.secret import (
    FINGERPRINT,
    OWNER,
    REFUSED_TYPES,
    VERSION,
    Content,
    Current,
    Seen,
    encoded,
)
from vaultferry.core.vaultsecret import VaultSecret

PREFIX = f"merge.{GROUP}/"

Body = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Found:
    """A Secret that was read, and which of its keys are ours."""

    seen: Seen
    content: Content
    own_keys: frozenset[str]

    @classmethod
    def parse(cls, body: Mapping[str, Any], manager: str) -> "Found":
        """Read a Secret as the API gives it, for one field manager."""
        return cls(Seen.parse(body), Content.parse(body), _owned(body, manager))

    @property
    def own_data(self) -> dict[str, bytes]:
        """Our keys with their values."""
        return {k: v for k, v in self.content.data.items() if k in self.own_keys}

    def own_part(self, resource: VaultSecret) -> Current:
        """Return what is ours of it, as if it were a Secret of our own."""
        noted = _noted(self.seen.annotations.get(mark(resource.owner), ""))
        return Current(
            replace(self.seen, annotations=noted),
            replace(self.content, data=self.own_data),
        )


@dataclass(frozen=True, repr=False)
class Apply:
    """Set our keys by server-side apply, all of them and no others."""

    manifest: Body


def is_merging(resource: VaultSecret) -> bool:
    """Tell whether a resource puts its keys into a Secret of somebody else."""
    return merges(resource.raw_spec)


def merges(spec: Mapping[str, Any]) -> bool:
    """Tell that of a spec, whatever else is in it."""
    return (spec.get("target") or {}).get("creationPolicy") == "Merge"


def manager(owner: str) -> str:
    """Return the field manager of a VaultSecret, given as `namespace/name`."""
    return f"vaultferry-{_digest(owner)}"


def mark(owner: str) -> str:
    """Return the key of the annotation that holds the record of a VaultSecret."""
    return PREFIX + _digest(owner)


def marks(seen: Seen) -> frozenset[str]:
    """Return the keys of the annotations that look like records."""
    return frozenset(key for key in seen.annotations if key.startswith(PREFIX))


def recorded(seen: Seen) -> Iterator[str]:
    """Yield the names of the VaultSecrets whose records a Secret holds.

    A record that came along with a copy from another namespace is none.
    """
    for key in marks(seen):
        name = str(_record(seen.annotations[key]).get("name"))
        if is_name(name) and mark(f"{seen.namespace}/{name}") == key:
            yield name


def check_consent(seen: Seen, resource: VaultSecret) -> None:
    """Check that a Secret takes our keys, as far as its metadata tell.

    Raises:
        NotAllowed: it does not consent.
        Conflict: a VaultSecret of its namespace makes it, and would undo ours.
    """
    if not consent.allows(seen.annotations, "merge", resource.name):
        raise NotAllowed(
            f"Secret {seen.name} does not take keys of this VaultSecret: annotate it "
            f"with {consent.ALLOW}: merge={resource.name}"
        )
    owner = seen.annotations.get(OWNER, "")
    if owner.startswith(f"{seen.namespace}/"):
        raise Conflict(
            f"Secret {seen.name} is made by VaultSecret {owner}: put the values there, "
            f"or take its annotation {OWNER} away if that VaultSecret is gone"
        )


def write(resource: VaultSecret, credential: Credential, found: Found) -> Apply | Keep:
    """Return the write that makes our keys in a Secret what they ought to be.

    Raises:
        NotAllowed: the Secret does not consent, or is of a type that is refused.
        Conflict: somebody else makes the Secret, or has set one of the keys.
        SecretImmutable: its data cannot change.
    """
    seen, content = found.seen, found.content
    check_consent(seen, resource)
    _check_type(seen, content)
    _check_keys(credential, found)
    version = found.own_part(resource).seen.version
    if found.own_data == credential.data and version == credential.version:
        return Keep(seen)
    if content.immutable:
        raise SecretImmutable(
            f"Secret {seen.name} is immutable: it has to be made anew without that"
        )
    return Apply(_manifest(resource, credential, seen))


def nothing(seen: Seen) -> Body:
    """Return the manifest that takes away whatever its field manager has set.

    With its uid it never makes a Secret, with its resourceVersion never changes one
    that has moved.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": seen.name,
            "namespace": seen.namespace,
            "uid": seen.uid,
            "resourceVersion": seen.resource_version,
        },
    }


def unrecorded(seen: Seen, owner: str) -> list[Body]:
    """Return the JSON patch that takes a record away, whoever has set it."""
    key = mark(owner).replace("/", "~1")
    version = {"op": "replace", "path": "/metadata/resourceVersion"}
    return [
        version | {"value": seen.resource_version},
        {"op": "remove", "path": f"/metadata/annotations/{key}"},
    ]


def _check_type(seen: Seen, content: Content) -> None:
    if content.type in REFUSED_TYPES:
        raise NotAllowed(
            f"Secret {seen.name} has type {content.type}, which nothing is merged into"
        )


def _check_keys(credential: Credential, found: Found) -> None:
    """Check that what is there under our keys was set by us.

    Also where the values are equal: to share such a key would tell that they are.
    """
    there = found.content.data.keys() - found.own_keys
    if theirs := sorted(credential.data.keys() & there):
        raise Conflict(
            f"Secret {found.seen.name} has keys of somebody else: {', '.join(theirs)}; "
            "take them out of the Secret or out of this VaultSecret"
        )


def _manifest(resource: VaultSecret, credential: Credential, seen: Seen) -> Body:
    record = {
        "name": resource.name,
        "version": credential.version,
        "fingerprint": credential.fingerprint,
    }
    body = nothing(seen)
    text = json.dumps(record, separators=(",", ":"))
    body["metadata"]["annotations"] = {mark(resource.owner): text}
    return body | {"data": encoded(credential.data)}


def _noted(text: str) -> dict[str, str]:
    """Return a record as the annotations that it stands for."""
    record = _record(text)
    version, fingerprint = record.get("version"), record.get("fingerprint")
    return {VERSION: f"{version}", FINGERPRINT: f"{fingerprint}"}


def _record(text: str) -> dict[str, Any]:
    """Return a record; empty if it is none: others can write it as well."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _owned(body: Mapping[str, Any], manager: str) -> frozenset[str]:
    """Return the keys that a field manager has set by server-side apply."""
    data = [
        (entry.get("fieldsV1") or {}).get("f:data") or {}
        for entry in body["metadata"].get("managedFields") or ()
        if (entry.get("manager"), entry.get("operation")) == (manager, "Apply")
    ]
    paths = [path for fields in data for path in fields]
    return frozenset(p.removeprefix("f:") for p in paths if p.startswith("f:"))


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:32]
