"""The VaultSecret resource: one credential and the Secret it becomes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from vaultferry.core.condition import Conditions, Reported, Time
from vaultferry.core.location import Location
from vaultferry.core.model import GROUP, Model, Name, understood

KIND = "VaultSecret"
PLURAL = "vaultsecrets"

FORCE_SYNC = f"{GROUP}/force-sync"

MAX_FIELDS = 64
MAX_VALUE = 32 * 1024
MAX_TOKEN = 48 * 1024
MAX_SEALED = 512 * 1024
MAX_TEMPLATES = 16
MAX_TEMPLATE = 16 * 1024

# Changing these says nothing about the Secret, so it costs no reconcile.
_NOT_REALISED = frozenset(
    {
        "suspend",
        "displayName",
        "description",
        "attributes",
        "entityId",
        "refreshInterval",
        "storeRef",
    }
)

_ATOMIC = {"x-kubernetes-map-type": "atomic"}

Text = Annotated[str, Field(max_length=1024)]
Labels = Annotated[
    Mapping[str, Annotated[str, Field(max_length=63)]],
    Field(max_length=64, json_schema_extra=_ATOMIC),
]
Annotations = Annotated[
    Mapping[str, Annotated[str, Field(max_length=4096)]],
    Field(max_length=64, json_schema_extra=_ATOMIC),
]


Sealed = Annotated[
    Mapping[str, Annotated[str, Field(min_length=1, max_length=MAX_TOKEN)]],
    Field(min_length=1, max_length=MAX_FIELDS, json_schema_extra=_ATOMIC),
]
Credentials = Annotated[
    Mapping[str, Annotated[str, Field(max_length=MAX_VALUE)]],
    Field(min_length=1, max_length=MAX_FIELDS, json_schema_extra=_ATOMIC),
]

Templates = Annotated[
    Mapping[str, Annotated[str, Field(max_length=MAX_TEMPLATE)]],
    Field(max_length=MAX_TEMPLATES, json_schema_extra=_ATOMIC),
]


class SecretRef(Model):
    """A Secret of the same namespace."""

    name: Name
    """Its name."""


class ConnectionRef(Model):
    """A VaultConnection."""

    name: Name
    """Its name."""

    namespace: Name | None = None
    """Its namespace, where that lets this one use it; default: that of the resource."""


class FieldMapping(Model):
    """One field, and where in the vault its value is."""

    field_name: Annotated[str, Field(min_length=1, max_length=253)]
    """The field of the credential."""

    reference: Annotated[str, Field(min_length=1, max_length=1024)]
    """Where the value is, as the vault of the connection names it."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Which version of it, where the vault keeps older ones; default: the newest."""

    property: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The path of a part, where the value is JSON (`database.password`)."""

    decoding: Literal["none", "base64", "base64url", "hex"] = "none"
    """How the value is encoded in the vault; default: `none`."""


class Rename(Model):
    """Other names for keys: at most one star on each side, for the same text."""

    from_: Annotated[str, Field(alias="from", min_length=1, max_length=253)]
    """The keys as the vault has them (`DB_*`)."""

    to: Annotated[str, Field(min_length=1, max_length=253)]
    """What they become (`db.*`)."""


Globs = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=64)
]


class FieldsFrom(Model):
    """All keys of one place of the vault, or those that are meant."""

    path: Annotated[str, Field(max_length=1024)] = ""
    """The place; default: that of the connection."""

    include: Globs = ["*"]
    """The keys to take, by glob; default: all."""

    exclude: Globs = []
    """The keys to leave of those, by glob."""

    rename: Annotated[list[Rename], Field(max_length=64)] = []
    """Other names for keys."""


class Target(Model):
    """The Secret that the credential becomes."""

    name: Name | None = None
    """Name of the Secret; default: the resource's own name. Immutable."""

    type: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Type of the Secret; default by `spec.type`. Immutable."""

    formats: Annotated[
        list[str],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = ["fields"]
    """How the values are laid out; default: `fields`, each under its own name."""

    template: Templates = {}
    """Further keys: texts in which `{{ field }}` stands for a value. Not encrypted."""

    labels: Labels = {}
    """Labels for the Secret, as far as the operator allows their keys."""

    annotations: Annotations = {}
    """Annotations for the Secret, as far as the operator allows their keys."""

    creation_policy: Literal["Owner", "Orphan", "Merge"] = "Owner"
    """`Owner` (default): the Secret goes with the resource. `Orphan`: it stays.
    `Merge`: the keys go into a Secret that exists, by its consent."""


class Spec(Model):
    """One credential: its type, where its values come from, the Secret it becomes."""

    display_name: Annotated[str, Field(max_length=253)] | None = None
    """A name for people."""

    description: Annotated[str, Field(max_length=2000)] | None = None
    """What the credential is for."""

    attributes: Annotated[
        Mapping[str, Text], Field(max_length=64, json_schema_extra=_ATOMIC)
    ] = {}
    """Free notes. Not encrypted: never put a credential here."""

    entity_id: Annotated[str, Field(max_length=253)] | None = None
    """What the credential belongs to, in your own system."""

    type: str
    """What the credential is; decides its fields. Immutable."""

    auth_method: str | None = None
    """How the credential authenticates; default: the first method of the type."""

    sealed: Annotated[Sealed | None, Field(repr=False)] = None
    """The values as tokens from `vaultferry seal`, by field. Safe in Git."""

    credentials: Annotated[Credentials | None, Field(repr=False)] = None
    """Plaintext by field. Never stored: refused unless something seals it first."""

    location: Location = Location()
    """Where the credential is used, for formats. Not encrypted."""

    secret_ref: SecretRef | None = None
    """A Secret of this namespace that holds the values, by its consent."""

    connection_ref: ConnectionRef | None = None
    """The VaultConnection to the vault that holds the values."""

    field_mappings: Annotated[
        list[FieldMapping],
        Field(
            max_length=MAX_FIELDS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["fieldName"],
            },
        ),
    ] = []
    """Where in the vault the value of each field is."""

    fields_from: Annotated[list[FieldsFrom], Field(max_length=1)] = []
    """All keys of a place of the vault; type `opaque` only."""

    store_ref: ConnectionRef | None = None
    """The VaultConnection to a store that is to keep the values as well; with
    `sealed` or `credentials`."""

    refresh_interval: Annotated[
        str,
        Field(min_length=2, max_length=16, pattern=r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"),
    ] = "1h"
    """How often the vault is asked for newer values: `0s` for never, else at least
    `1m`; default: `1h`."""

    target: Target = Target()
    """The Secret that the credential becomes."""

    suspend: bool = False
    """True: the Secret is left as it is until this is false again."""


class SyncedSecret(Model):
    """The Secret as it was last written or found right."""

    name: Annotated[str, Field(max_length=253)]
    """Its name."""

    uid: Annotated[str, Field(max_length=64)]
    """Its uid."""

    resource_version: Annotated[str, Field(max_length=64)]
    """Its resourceVersion."""

    type: Annotated[str, Field(max_length=253)]
    """Its type."""

    layout: int
    """The number of the layout that its data follows."""


class ConnectionVersion(Model):
    """A VaultConnection at the state that was used."""

    uid: Annotated[str, Field(max_length=64)]
    """Its uid."""

    generation: int
    """Its generation."""


class SecretVersion(Model):
    """A Secret at the state that was read."""

    uid: Annotated[str, Field(max_length=64)]
    """Its uid."""

    resource_version: Annotated[str, Field(max_length=64)]
    """Its resourceVersion."""


class SyncedFrom(Model):
    """What the values were read from."""

    connection: ConnectionVersion | None = None
    """The VaultConnection."""

    source_secret: SecretVersion | None = None
    """The Secret that `spec.secretRef` names."""


class Stored(Model):
    """Where the values are kept besides the Secret."""

    connection: Annotated[str, Field(max_length=64)]
    """The uid of the VaultConnection to the store."""

    namespace: Annotated[str, Field(max_length=253)]
    """Its namespace."""

    name: Annotated[str, Field(max_length=253)]
    """Its name."""

    address: Annotated[str, Field(max_length=512)]
    """Where the store is."""

    path: Annotated[str, Field(max_length=2048)]
    """The path in the store, without the field."""

    fields: Annotated[list[str], Field(max_length=2 * MAX_FIELDS)] = []
    """The names of the fields that are there, or are about to be."""

    version: Annotated[int, Field(ge=1)] | None = None
    """The version of the credential that is there; absent while it is not known."""

    last_handled_sync: Annotated[str, Field(max_length=64)] | None = None
    """The `vaultferry.dev/force-sync` annotation by which it was last compared."""


class Status(Reported):
    """What the operator observed: metadata only, nothing that changes by itself."""

    conditions: Conditions = []
    """Ready, Fresh and Stored, and while true Reconciling or Stalled."""

    observed_generation: int = -1
    """The generation that was realised, is Stalled, or changed nothing."""

    version: Annotated[int, Field(ge=1)] | None = None
    """Counts the changes of the values, from 1."""

    created_at: Time | None = None
    """When the Secret was first realised."""

    updated_at: Time | None = None
    """When a value last changed."""

    expires_at: Time | None = None
    """When the credential expires, where it says so itself."""

    synced_secret: SyncedSecret | None = None
    """The Secret as it was last written or found right."""

    synced_from: SyncedFrom | None = None
    """What the values were read from; absent for sealed values."""

    realised_spec: Annotated[str, Field(max_length=64)] | None = None
    """Digest of the part of the spec that the Secret realises."""

    fields: Annotated[list[str], Field(max_length=100)] = []
    """The names of the credential's fields, the first 100."""

    field_count: int | None = None
    """How many fields the credential has."""

    provider: Annotated[str, Field(max_length=64)] | None = None
    """Where the values come from: `sealed`, `secret` for `spec.secretRef`, or the kind
    of vault."""

    fingerprint: Annotated[str, Field(max_length=128)] | None = None
    """Keyed digest of the values; equal values of other resources do not show."""

    key_id: Annotated[str, Field(max_length=64)] | None = None
    """The key that the values are sealed with; the oldest where they differ."""

    stored: Stored | None = None
    """Where the values are kept besides the Secret."""

    last_handled_sync: Annotated[str, Field(max_length=64)] | None = None
    """The `vaultferry.dev/force-sync` annotation that was last handled."""

    last_handled_request_id: Annotated[str, Field(max_length=64)] | None = None
    """The `vaultferry.dev/client-request-id` annotation that was last handled."""

    @property
    def ready(self) -> bool:
        """Whether the Secret realises the spec, as far as was last written."""
        ready = self.condition("Ready")
        return ready is not None and ready.status == "True"


@dataclass(frozen=True)
class VaultSecret:
    """A VaultSecret as the API server has it.

    Identity and status are read before the spec, so that a spec that this version
    does not understand can still be reported.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    annotations: Mapping[str, str] = field(repr=False)
    deleting: bool
    finalizers: tuple[str, ...]
    status: Status
    spec_digest: str
    raw_spec: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "VaultSecret":
        """Read a resource from the API's answer or a watch event."""
        metadata = body["metadata"]
        raw_spec = body.get("spec") or {}
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            resource_version=metadata["resourceVersion"],
            annotations=metadata.get("annotations") or {},
            deleting="deletionTimestamp" in metadata,
            finalizers=tuple(metadata.get("finalizers") or ()),
            status=Status.model_validate(body.get("status") or {}),
            spec_digest=spec_digest(raw_spec),
            raw_spec=raw_spec,
        )

    @cached_property
    def spec(self) -> Spec:
        """The spec as this version understands it.

        Raises:
            InvalidSpec: it does not.
        """
        return understood(Spec, self.raw_spec)

    @property
    def realised(self) -> bool:
        """Whether the last status says that this very spec is in the Secret."""
        return self.status.ready and self.status.realised_spec == self.spec_digest

    @property
    def suspended(self) -> bool:
        """Whether nothing is to be done until `spec.suspend` is false again."""
        return self.raw_spec.get("suspend") is True

    @property
    def source_name(self) -> str | None:
        """The name of the Secret that holds the values, where one does."""
        name = (self.raw_spec.get("secretRef") or {}).get("name")
        return None if name is None else str(name)

    @property
    def is_external(self) -> bool:
        """Whether the values are not in the resource itself, so that they can age."""
        return self.source_name is not None or self.connection is not None

    @property
    def connection(self) -> tuple[str, str] | None:
        """The namespace and name of the connection to the values, where one is used."""
        return self._referred("connectionRef")

    @property
    def store(self) -> tuple[str, str] | None:
        """The namespace and name of the connection to the store, where one is used."""
        return self._referred("storeRef")

    @property
    def owner(self) -> str:
        """The value of the owner annotation on its Secret."""
        return f"{self.namespace}/{self.name}"

    def _referred(self, field: str) -> tuple[str, str] | None:
        reference = self.raw_spec.get(field) or {}
        name = reference.get("name")
        return name and (str(reference.get("namespace") or self.namespace), str(name))


def spec_digest(raw_spec: Mapping[str, Any]) -> str:
    """Return a short SHA-256 of the part of a spec that the Secret realises."""
    part = {k: v for k, v in raw_spec.items() if k not in _NOT_REALISED}
    text = json.dumps(part, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
