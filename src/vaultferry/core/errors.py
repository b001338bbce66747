"""Every expected failure: its reason, whether to retry, and words without values.

Failure                     the class name is the reason in conditions and events
├── WillRetry               tried again with back-off; condition Reconciling
│   ├── ApiUnavailable
│   ├── ApiForbidden
│   ├── QuotaExceeded
│   ├── NamespaceTerminating
│   ├── NotLeading
│   └── VaultFailure        the connection's: it is reported there as well
│       ├── AuthenticationFailed
│       ├── ConnectionNotReady
│       ├── RateLimited
│       └── Unreachable
└── NeedsPerson             tried again when something we watch changes; Stalled
    ├── InvalidSpec
    ├── ReferenceInvalid
    ├── TokenMalformed
    ├── TokenNotOpened
    ├── UnknownKeyId
    ├── FieldMissing
    ├── FieldUnknown
    ├── ValueInvalid
    ├── ValueExpired
    ├── KeyInvalid
    ├── TooLarge
    ├── MetadataNotAllowed
    ├── NotAllowed
    ├── SourceMissing
    ├── SourceNotAllowed
    ├── ConnectionMissing
    ├── PlaceMissing
    ├── PlaceForbidden
    ├── StoreInvalid
    ├── StoreRefused
    ├── NotStorable
    ├── TargetMissing
    ├── Conflict
    ├── TypeDiffers
    ├── SecretImmutable
    └── ApiRejected

RootKeyInvalid              a start-up error, never a condition
PublicKeyInvalid            an error of the command line, never a condition

A message names objects, fields and lengths. It never holds a value, nor the text of
a library's exception, which may quote one.
"""

from typing import ClassVar


class Failure(Exception):
    """A failure that a VaultSecret can report."""

    retry: ClassVar[bool]
    """Whether it passes by itself."""

    of_source: ClassVar[bool] = False
    """Whether the values could not be had, rather than not be written."""

    @property
    def reason(self) -> str:
        """The reason in conditions, events and metrics."""
        return type(self).__name__


class WillRetry(Failure):
    """Passes by itself: tried again with back-off."""

    retry = True


class NeedsPerson(Failure):
    """Stays until somebody changes something."""

    retry = False


class ApiUnavailable(WillRetry):
    """The Kubernetes API did not answer, or answered 429 or 5xx."""


class ApiForbidden(WillRetry):
    """The operator lacks a right at the Kubernetes API."""


class QuotaExceeded(WillRetry):
    """A ResourceQuota of the namespace leaves no room for the Secret."""


class NamespaceTerminating(WillRetry):
    """The namespace is being deleted: final, no status is written any more."""


class NotLeading(WillRetry):
    """The lease ran out before something was sent: nothing was written."""


class VaultFailure(WillRetry):
    """A connection did not do: the vault, the way to it, or its token."""

    of_source = True

    def __init__(self, message: str, *, wait: float = 0.0, detail: str = "") -> None:
        """Say what is wrong.

        Args:
            message: for the tenant: no word of the vault's, nor what is at an address.
            wait: the seconds that the vault wants to be left alone.
            detail: a word of a closed list, for the operator's log.
        """
        super().__init__(message)
        self.wait = wait
        self.detail = detail


class AuthenticationFailed(VaultFailure):
    """The vault does not take the token."""


class ConnectionNotReady(VaultFailure):
    """The token of the connection cannot be had, or its spec is not understood."""


class RateLimited(VaultFailure):
    """The vault was asked too often."""


class Unreachable(VaultFailure):
    """The vault cannot be reached, or does not answer as it ought to."""


class InvalidSpec(NeedsPerson):
    """The stored spec is not one that this version understands."""


class ReferenceInvalid(NeedsPerson):
    """A reference is not written as the vault's provider has it."""

    of_source = True


class TokenMalformed(NeedsPerson):
    """A sealed value is no canonical token of a format, suite and scope we know."""

    of_source = True


class TokenNotOpened(NeedsPerson):
    """A token was sealed for another place, or was altered."""

    of_source = True


class UnknownKeyId(NeedsPerson):
    """A token names a root key that the operator does not have."""

    of_source = True


class FieldMissing(NeedsPerson):
    """A required field of the credential is absent."""

    of_source = True


class FieldUnknown(NeedsPerson):
    """The credential has a field that its type does not know."""

    of_source = True


class ValueInvalid(NeedsPerson):
    """An opened value breaks a hard rule of its field, such as not being empty."""

    of_source = True


class ValueExpired(NeedsPerson):
    """The credential says itself that it expired before it came."""

    of_source = True


class KeyInvalid(NeedsPerson):
    """A key is not legal in a Secret."""


class TooLarge(NeedsPerson):
    """The rendered data is over the limit of a Secret."""


class MetadataNotAllowed(NeedsPerson):
    """A label or annotation of spec.target is not on the operator's allow-list."""


class NotAllowed(NeedsPerson):
    """The Secret to merge into does not consent, or is of a type that is refused."""


class SourceMissing(NeedsPerson):
    """The Secret that spec.secretRef names does not exist."""

    of_source = True


class SourceNotAllowed(NeedsPerson):
    """The Secret that spec.secretRef names does not consent, or must not be read."""

    of_source = True


class ConnectionMissing(NeedsPerson):
    """There is no such VaultConnection, or it is not for this namespace."""

    of_source = True


class PlaceMissing(NeedsPerson):
    """The vault has no such place: item, config, environment or path."""

    of_source = True


class PlaceForbidden(NeedsPerson):
    """The token may not read the place."""

    of_source = True


class StoreInvalid(NeedsPerson):
    """The VaultConnection that spec.storeRef names is no store for this resource."""


class StoreRefused(NeedsPerson):
    """The store does not let its credential do what is to be done."""


class NotStorable(NeedsPerson):
    """A value or a name is not one that the store takes."""


class TargetMissing(NeedsPerson):
    """The Secret to merge into does not exist."""


class Conflict(NeedsPerson):
    """The target Secret, or a key in it, belongs to somebody else."""


class TypeDiffers(NeedsPerson):
    """The Secret that was kept has another type than the one wanted."""


class SecretImmutable(NeedsPerson):
    """The target Secret is marked immutable and cannot be updated."""


class ApiRejected(NeedsPerson):
    """The Kubernetes API refused the Secret as invalid."""


class RootKeyInvalid(Exception):
    """A root key is missing, malformed or guessable."""


class PublicKeyInvalid(Exception):
    """A public key for sealing is malformed or of a suite we do not know."""
