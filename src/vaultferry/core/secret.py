"""A Kubernetes Secret: as it is seen, and as it ought to be."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vaultferry.core.model import GROUP

LABEL = f"{GROUP}/managed"
OWNER = f"{GROUP}/owner"
VERSION = f"{GROUP}/version"
FINGERPRINT = f"{GROUP}/fingerprint"
METADATA = f"{GROUP}/metadata"

# They have a meaning to Kubernetes or to Helm: not for us to read or to change.
REFUSED_TYPES = frozenset(
    {
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
    }
)

# Positive, canonical, and in the range of the status: others can write it as well.
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Seen:
    """The metadata of a Secret that exists."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(repr=False)  # kubectl puts data there
    owner_references: tuple[Mapping[str, Any], ...]
    deleting: bool

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Seen":
        """Read the metadata of a Secret, or of a PartialObjectMetadata."""
        metadata = body["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            owner_references=tuple(metadata.get("ownerReferences") or ()),
            deleting="deletionTimestamp" in metadata,
        )

    @property
    def identity(self) -> tuple[str, str]:
        """The uid and resourceVersion: they tell whether it is as it was written."""
        return self.uid, self.resource_version

    @property
    def version(self) -> int | None:
        """The version of the credential, as it was written with the data."""
        text = self.annotations.get(VERSION, "")
        return int(text) if _VERSION.fullmatch(text) else None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the credential, as it was written with the data."""
        return self.annotations.get(FINGERPRINT)


@dataclass(frozen=True, repr=False)
class Content:
    """What a Secret holds; without a `repr`, because it holds values."""

    type: str
    data: Mapping[str, bytes]
    immutable: bool

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Content":
        """Read a Secret as the API gives it."""
        return cls(
            type=body.get("type", "Opaque"),
            data={k: _decoded(v) for k, v in (body.get("data") or {}).items()},
            immutable=bool(body.get("immutable")),
        )


@dataclass(frozen=True)
class Current:
    """A Secret that exists: its metadata, and its content where that was read."""

    seen: Seen
    content: Content | None = None


@dataclass(frozen=True, repr=False)
class Desired:
    """The Secret that ought to exist; without a `repr`, because it holds values.

    `version` and `fingerprint` are written only together with `data`.
    """

    namespace: str
    name: str
    type: str
    data: Mapping[str, bytes]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: str
    owner_reference: Mapping[str, Any] | None
    owner_uid: str
    version: int
    fingerprint: str


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """Return data as it stands in a manifest."""
    return {k: base64.b64encode(v).decode() for k, v in sorted(data.items())}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:  # pragma: no cover - the API server lets none through
        return b""
