"""What the module of a vault's provider declares."""

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from vaultferry.core.budget import Quota
from vaultferry.core.document import Document, Wanted
from vaultferry.core.errors import Failure
from vaultferry.core.model import GROUP, Model
from vaultferry.core.signing import Headers
from vaultferry.core.vaultconnection import AccountRef, TokenRef

S = TypeVar("S", bound=Model)


@dataclass(frozen=True)
class Kept:
    """Where a credential is kept: a Secret of the connection's own namespace."""

    secret: str
    """The name of the Secret."""

    keys: tuple[str, ...]
    """The keys in it that there have to be."""

    optional: tuple[str, ...] = ()
    """Those that are taken along where they are there."""

    @classmethod
    def at(cls, reference: TokenRef) -> "Kept":
        """Return where a token is that is all of a credential."""
        return cls(reference.name, (reference.key,))


@dataclass(frozen=True)
class Account:
    """A ServiceAccount of the connection's own namespace, as which a vault knows it.

    It is shown by tokens that are asked for when they are needed.
    """

    name: str
    """The name of the ServiceAccount."""

    vault: str
    """What the tokens are for."""

    @classmethod
    def at(cls, reference: AccountRef, vault: str) -> "Account":
        """Return the ServiceAccount that a connection names."""
        return cls(reference.name, vault)

    @property
    def audience(self) -> str:
        """Whom the tokens are for: by its form never an API server."""
        return f"{GROUP}/{self.vault}"


@dataclass(frozen=True)
class Ambient:
    """What the operator itself is at a cloud, for the namespaces that may use it."""

    variables: tuple[str, ...]
    """The variables of its environment that say so."""


Credential = Kept | Account | Ambient

Issue = Callable[[], Awaitable[bytes]]
"""Asks for a token of an Account, another one each time; equal to one for the same.

Raises ConnectionNotReady where there is none to be had.
"""

Stored = Mapping[str, bytes]
"""A credential that is in a Secret, by key."""

Given = Stored | Issue
"""A credential, as a session gets it: what is in the Secret, by key; what asks for
tokens of the Account; or the variables of the environment that are set, by name."""


class Session(Protocol):
    """A connection to a vault with one credential."""

    async def fetch(self, place: str, known: Document | None) -> Document:
        """Return what a place holds now; `known` itself where that has not changed.

        Raises:
            PlaceMissing: there is no such place.
            PlaceForbidden: the credential may not read it.
            VaultFailure: the vault did not answer as it ought to.
        """

    async def check(self) -> None:
        """Ask the vault for as little as tells whether it takes the credential.

        Raises:
            VaultFailure: it does not.
        """


@runtime_checkable
class Batching(Session, Protocol):
    """A session that has several places answered by one call."""

    batch: int
    """How many, at most."""

    def shares(self, place: str) -> bool:
        """Tell whether a place is one of those that share a call."""

    async def fetch_several(
        self, known: Mapping[str, Document | None]
    ) -> Mapping[str, Document | Failure]:
        """Return what each place holds, or why that one is not to be had.

        Args:
            known: the places, each with what is known of it, as `fetch` has it.

        Raises:
            VaultFailure: the vault did not answer as it ought to.
        """


@runtime_checkable
class Metered(Session, Protocol):
    """A session whose vault says how many calls it still lets through."""

    @property
    def quota(self) -> Quota | None:
        """What the vault said last; None: nothing, or not yet."""


@runtime_checkable
class Streaming(Session, Protocol):
    """A session whose vault may be listened to: it tells when something changed."""

    listens: bool
    """Whether the connection wants that."""

    def changes(self) -> AsyncGenerator[None, None]:
        """Yield when the vault begins to tell, and whenever something has changed.

        It may end at any time, and ends for sure where the vault is silent for long.

        Raises:
            PlaceMissing: the vault does not tell of this.
            PlaceForbidden: the credential may not listen.
            VaultFailure: the vault did not answer as it ought to.
        """


@dataclass(frozen=True)
class Webhook(Generic[S]):
    """How a vault signs the webhooks by which it tells that something changed."""

    secret: Callable[[S], TokenRef | None]
    """Returns where the secret is that they are signed with; None: none are taken."""

    verify: Callable[[Headers, bytes, bytes, float], bool]
    """Tells from headers, body, secret and the seconds since 1970 whether a request is
    signed; takes as long where it is not."""


class Store(Protocol):
    """What also keeps values: each under a name, with tags that say whose it is.

    Every method raises `StoreRefused` where the credential may not do it, and
    `VaultFailure` where the store does not answer as it ought to.
    """

    async def tags(self, name: str) -> Mapping[str, str] | None:
        """Return the tags of what is under a name; None: nothing is."""

    async def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the values under names, as far as there are any."""

    async def create(self, name: str, value: bytes, tags: Mapping[str, str]) -> None:
        """Put a value under a name where nothing is.

        Raises:
            Conflict: something is there by now.
        """

    async def replace(self, name: str, value: bytes) -> None:
        """Put a value in place of the one that is there; its tags stay."""

    async def delete(self, names: Sequence[str]) -> None:
        """Take away what is under names, as far as anything is."""


@dataclass(frozen=True)
class Keeping(Generic[S]):
    """What a provider says whose vault can be a store as well."""

    path: Callable[[S, str, str], str]
    """Returns the path for a VaultSecret's values, by its namespace and name; raises
    StoreInvalid where the section is not that of a store."""

    check: Callable[[str, str, bytes], None]
    """Checks that a value can be kept, by the path and the name of its field; raises
    NotStorable, and makes no call."""

    address: Callable[[S], str]
    """Returns where the store is."""

    store: Callable[[Any], Store]
    """Returns the store that a session of this provider leads to."""


def _any(_settings: object, _namespace: str, _canonical: str) -> bool:
    return True


def _pick(document: Document, key: str) -> bytes | None:
    return document.values.get(key)


def _origin(document: Document, key: str) -> str | None:
    return document.origins.get(key)


@dataclass(frozen=True)
class Provider(Generic[S]):
    """One kind of vault: one section of a VaultConnection's spec."""

    name: str
    """As `status.provider` has it."""

    field: str
    """The section of the spec."""

    summary: str

    settings: type[S]
    """What the section holds."""

    token: Callable[[S], Credential]
    """Returns where the token is kept, or what else the credential is; raises
    ConnectionNotReady where there is none."""

    find: Callable[[S, str], Wanted]
    """Returns what a reference means; raises ReferenceInvalid."""

    whole: Callable[[S, str], str]
    """Returns the place that `fieldsFrom` means by a path; raises ReferenceInvalid."""

    canonical: Callable[[S, str, str], str]
    """Returns the reference of a key in a place, in its one form; see `Wanted`. Of an
    empty key: how those of the place begin."""

    references: str
    """What a reference looks like, for people."""

    versioned: Callable[[S, str, int], Wanted] | None = None
    """Returns what a reference means in one version, raises ReferenceInvalid; None:
    older versions cannot be had."""

    rules: tuple[Mapping[str, str], ...] = ()
    """CEL rules of the section: what its schema cannot say, each with a message."""

    pick: Callable[[Document, str], bytes | None] = _pick
    """Returns the value of a `Wanted.key`, None where there is none; raises
    ReferenceInvalid where there are several."""

    origin: Callable[[Document, str], str | None] = _origin
    """Returns where the value of a `Wanted.key` really comes from, in canonical form;
    None: from the place itself, or from nowhere. Raises what `pick` does."""

    check_seconds: float = 300.0
    """How often the vault is asked whether it answers, where nothing is fetched: hours
    for one that counts calls by the day."""

    caseless: bool = False
    """Whether the vault takes small and capital letters in names for the same."""

    keeping: Keeping[S] | None = None
    """How it keeps values, where it can be a store."""

    lets: Callable[[S, str, str], bool] = _any
    """Tells whether a namespace may read a reference in its canonical form: of a
    store, only what is kept there for that namespace."""

    webhook: Webhook[S] | None = None
    """How its webhooks are signed; None: it sends none."""
