"""Parameter Store of AWS Systems Manager: ten parameters by a call, or all of a path.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from vaultferry.core.document import Document, Wanted
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    ReferenceInvalid,
    StoreInvalid,
    VaultFailure,
)
from vaultferry.core.model import Model, Name
from vaultferry.core.provider import (
    Account,
    Credential,
    Given,
    Keeping,
    Kept,
    Provider,
)
from vaultferry.core.vaultconnection import AccountRef, Bundle
from vaultferry.outbound import Answer, Outbound
from vaultferry.providers import _aws, _aws_ambient, _aws_sts, _http, _ssm_store
from vaultferry.providers import _ssm_answers as answers
from vaultferry.providers._login import Login

# Ten values of 8 KB, of which JSON may take six characters for each one, and what is
# said about them.
_LIMIT = 1024 * 1024

_MOST = 10
_MOST_PAGES = 100
# AWS allows an account 40 calls a second by default: one path does not take them all.
_PAGE_SECONDS = 0.05

_LEVELS = 15
_LONGEST = 1011
_NAME = re.compile(r"(?:/[A-Za-z0-9_.-]+)+|[A-Za-z0-9_.-]+")
_SELECTOR = re.compile(r":(?:[1-9][0-9]{0,9}|[A-Za-z_.-][A-Za-z0-9_.-]{0,99})")

_KEYS = ("access_key_id", "secret_access_key")
_SESSION_TOKEN = "session_token"  # noqa: S105 - the name of a key

_HOW = (
    "a reference to Parameter Store is the name of a parameter, such as "
    "/app/prod/db-password, or db-password below the connection's pathPrefix: letters, "
    "digits, _ . - and /, at most 15 levels; a version or a label may follow, as in "
    "/app/prod/db-password:3"
)


_ELSEWHERE = (
    "names an address or a caBundle and no credential of its own: what the operator "
    "itself is, is shown to the public endpoint of the region only"
)


class CredentialsRef(Model):
    """A Secret of the connection's own namespace, which consents.

    Its keys are `access_key_id`, `secret_access_key` and, for credentials that are
    temporary, `session_token`.
    """

    name: Name
    """The name of the Secret."""


class WebIdentity(Model):
    """A role of IAM, and the ServiceAccount that takes it."""

    role_arn: Annotated[
        str,
        Field(
            max_length=512,
            pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        ),
    ]
    """The ARN of the role."""

    service_account_ref: AccountRef
    """The ServiceAccount; its tokens have the audience `vaultferry.dev/aws`."""


class Settings(Model):
    """Parameter Store of AWS, in one region."""

    region: Annotated[
        str, Field(max_length=32, pattern=r"^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$")
    ]
    """The region: `eu-west-1`."""

    address: (
        Annotated[
            str, Field(max_length=512, pattern=r"^https?://[A-Za-z0-9._:\[\]-]+/?$")
        ]
        | None
    ) = None
    """Where the API is; default: the public endpoint of the region."""

    path_prefix: (
        Annotated[str, Field(max_length=512, pattern=r"^(/[A-Za-z0-9_.-]+)+$")] | None
    ) = None
    """The path below which all references are: `/app/prod`; default: none."""

    store: bool = False
    """True: VaultSecrets may have their values kept below the `pathPrefix`, by
    `storeRef`, and read there what is kept for their own namespace only."""

    kms_key_id: (
        Annotated[
            str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9:/_-]+$")
        ]
        | None
    ) = None
    """The KMS key by which a store encrypts values, by its id, ARN or alias; default:
    `alias/aws/ssm`."""

    credentials_secret_ref: CredentialsRef | None = None
    """The keys of a user or a role of IAM; default: what the operator itself is, where
    its configuration lets the namespace use it."""

    web_identity: WebIdentity | None = None
    """A role of IAM that a ServiceAccount takes, instead of keys."""

    ca_bundle: Bundle | None = None
    """Certificates (PEM) to trust instead of the public ones."""


def _find(settings: Settings, reference: str) -> Wanted:
    name, colon, rest = reference.partition(":")
    if colon and not _SELECTOR.fullmatch(colon + rest):
        raise ReferenceInvalid(_HOW)
    full = _full(settings, name, "")
    place = full + colon + rest
    return Wanted(place, place, full)


def _versioned(settings: Settings, reference: str, version: int) -> Wanted:
    return _find(settings, f"{reference}:{version}")


def _whole(settings: Settings, path: str) -> str:
    """Return the place of all that is below a path: it ends in a slash."""
    if path == "/" and settings.path_prefix is None:
        return path
    name = path.removesuffix("/") or settings.path_prefix
    if not name or not (settings.path_prefix or name.startswith("/")):
        raise ReferenceInvalid(
            "fieldsFrom takes all below a path, and the connection has no pathPrefix: "
            "write the path from its beginning, such as /app/prod"
        )
    return _full(settings, name, "/")


def _full(settings: Settings, name: str, end: str) -> str:
    """Return a name from its beginning, with something after it.

    Raises:
        ReferenceInvalid: it is no name, or not below the path of the connection.
    """
    prefix = settings.path_prefix
    full = f"{prefix}/{name}" if prefix and not name.startswith("/") else name
    if not _NAME.fullmatch(full) or len(full) > _LONGEST or full.count("/") > _LEVELS:
        raise ReferenceInvalid(_HOW)
    if prefix and not f"{full}{end}".startswith(f"{prefix}/"):
        raise ReferenceInvalid(
            f"the connection is for what is below {prefix}: write the name from there "
            "on, without a / before it"
        )
    return full + end


def _canonical(settings: Settings, place: str, key: str) -> str:
    del settings
    return place + key if place.endswith("/") else _unversioned(place)


def _unversioned(name: str) -> str:
    return name.partition(":")[0]


def _token(settings: Settings) -> Credential:
    if settings.credentials_secret_ref:
        name = settings.credentials_secret_ref.name
        return Kept(name, _KEYS, (_SESSION_TOKEN,))
    if settings.web_identity:
        return Account.at(settings.web_identity.service_account_ref, "aws")
    if settings.address or settings.ca_bundle:
        raise ConnectionNotReady(f"spec.awsSsm {_ELSEWHERE}")
    return _aws_ambient.AMBIENT


def _address(settings: Settings) -> str:
    public = _aws.endpoint("ssm", settings.region)
    return (settings.address or public).rstrip("/")


def _path(settings: Settings, namespace: str, name: str) -> str:
    """Return where values are kept; see `Keeping`."""
    if not settings.store or settings.path_prefix is None:
        raise StoreInvalid(
            "the VaultConnection of spec.storeRef is no store: set store: true and a "
            "pathPrefix in its spec.awsSsm"
        )
    return _ssm_store.path(settings.path_prefix, namespace, name)


def _lets(settings: Settings, namespace: str, canonical: str) -> bool:
    """Tell whether a namespace may read a parameter; see `Provider.lets`."""
    own = f"{settings.path_prefix or ''}/{namespace}/"
    return not settings.store or canonical.startswith(own)


PROVIDER = Provider(
    name="aws_ssm",
    field="awsSsm",
    summary="Parameter Store of AWS Systems Manager",
    settings=Settings,
    token=_token,
    find=_find,
    versioned=_versioned,
    whole=_whole,
    canonical=_canonical,
    references="the name of a parameter (`/app/prod/db-password`)",
    rules=(
        {
            "rule": "!has(self.credentialsSecretRef) || !has(self.webIdentity)",
            "message": "names two credentials: write credentialsSecretRef or "
            "webIdentity",
        },
        {
            "rule": "has(self.credentialsSecretRef) || has(self.webIdentity) || "
            "!has(self.address) && !has(self.caBundle)",
            "message": _ELSEWHERE,
        },
        {
            "rule": "!has(self.store) || !self.store || has(self.pathPrefix)",
            "message": "is a store without a pathPrefix: set the path below which "
            "values are to be kept",
        },
        {
            "rule": "!has(self.kmsKeyId) || has(self.store) && self.store",
            "message": "has a kmsKeyId and is no store: set store: true, or leave "
            "kmsKeyId out, reading needs none",
        },
        {
            "rule": "!has(oldSelf.store) || !oldSelf.store || has(self.store) && "
            "self.store && self.region == oldSelf.region && "
            "has(self.address) == has(oldSelf.address) && "
            "(!has(self.address) || self.address == oldSelf.address)",
            "message": "is a store, in which values may be kept: its region and "
            "address cannot change, make another VaultConnection",
        },
    ),
    keeping=Keeping(
        path=_path,
        check=_ssm_store.check,
        address=_address,
        store=lambda session: session.store,
    ),
    lets=_lets,
)


_Who = _aws.Credentials | Login[_aws.Credentials]


class _Session:
    """One region, with one credential."""

    batch = _MOST

    def __init__(self, settings: Settings, who: _Who, outbound: Outbound) -> None:
        address = _address(settings)
        self._vault = _http.Vault(outbound, address, settings.ca_bundle, _LIMIT)
        self._host = urlsplit(address).netloc
        self._scope = _aws.Scope(settings.region, "ssm")
        self._who = who
        self._probe = f"{settings.path_prefix or ''}/vaultferry-check"
        self.store = _ssm_store.ParameterStore(self._call, settings.kms_key_id)

    def shares(self, place: str) -> bool:
        """Tell whether a place is a parameter as it is now.

        AWS does not say what it does when a call has two versions of one.
        """
        return not place.endswith("/") and place == _unversioned(place)

    async def fetch(self, place: str, known: Document | None) -> Document:
        """Return a parameter, or all that are below a path; see `Session`."""
        if place.endswith("/"):
            return answers.unless_same(await self._below(place), known)
        found = await self._named([place])
        return answers.unless_same(found[place], known)

    async def fetch_several(
        self, known: Mapping[str, Document | None]
    ) -> Mapping[str, Document | Failure]:
        """Return parameters by one call; see `Batching`.

        AWS refuses a call for all its names where it refuses one of them, so each is
        asked for by itself then.
        """
        try:
            found = await self._named(list(known))
        except VaultFailure:
            raise
        except Failure:
            return {place: await self._alone(place, known[place]) for place in known}
        return {
            place: answers.unless_same(found[place], known[place]) for place in known
        }

    async def check(self) -> None:
        """See whether the credential is taken; see `Session`."""
        try:
            await self._call("GetParameters", {"Names": [self._probe]})
        except (PlaceForbidden, PlaceMissing):
            # Whoever is told that knows the credential.
            return

    async def _alone(self, place: str, known: Document | None) -> Document | Failure:
        try:
            return await self.fetch(place, known)
        except VaultFailure:
            raise
        except Failure as failure:
            return failure

    async def _named(self, places: Sequence[str]) -> dict[str, Document]:
        """Return parameters by one call, an empty document for each that is absent."""
        asked = {"Names": list(places), "WithDecryption": True}
        answered = answers.parameters(await self._call("GetParameters", asked))
        found = {_unversioned(each.name): each for each in answered}
        return {
            place: answers.one(place, found.get(_unversioned(place)))
            for place in places
        }

    async def _below(self, place: str) -> Document:
        found: list[answers.Parameter] = []
        asked: dict[str, Any] = {
            "Path": place.removesuffix("/") or "/",
            "Recursive": True,
            "WithDecryption": True,
            "MaxResults": _MOST,
        }
        for _ in range(_MOST_PAGES):
            page = await self._call("GetParametersByPath", asked)
            found += answers.parameters(page)
            token = page.get("NextToken")
            if not token:
                return answers.whole(place, found)
            asked["NextToken"] = token
            await asyncio.sleep(_PAGE_SECONDS)
        raise ReferenceInvalid(
            f"there are more than {_MOST * _MOST_PAGES} parameters below that path: "
            "write one with fewer"
        )

    async def _call(
        self,
        operation: str,
        document: Mapping[str, Any],
        more: answers.Meanings = MappingProxyType({}),
    ) -> Any:
        """Return the answer to an operation, an object.

        Args:
            operation: its name.
            document: what is asked.
            more: what other errors mean than those of reading.

        Raises:
            Failure: it was not done.
        """
        body = json.dumps(document).encode()
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "Host": self._host,
            "X-Amz-Target": f"AmazonSSM.{operation}",
        }
        now = datetime.now(UTC)
        credentials = await self._credentials()
        signed = _aws.signed(headers, body, credentials, self._scope, now)
        answer = await self._vault.send("/", signed, body)
        self._check(answer, more)
        found = _http.document(answer)
        if not isinstance(found, dict):
            raise _http.unreachable("no-parameters")
        return found

    async def _credentials(self) -> _aws.Credentials:
        if isinstance(self._who, Login):
            return (await self._who.held()).what
        return self._who

    def _check(self, answer: Answer, more: answers.Meanings) -> None:
        """Check that an operation was done; where it was not taken, log in anew."""
        try:
            answers.check(answer, more)
        except AuthenticationFailed:
            if isinstance(self._who, Login):
                self._who.drop()
            raise


def session(
    settings: Settings,
    token: Given,
    outbound: Outbound,
    clock: Callable[[], float] = time.monotonic,
) -> _Session:
    """Return a session with keys, with a role, or as what the operator itself is."""
    return _Session(settings, _who(settings, token, outbound, clock), outbound)


def _who(
    settings: Settings, token: Given, outbound: Outbound, clock: Callable[[], float]
) -> _Who:
    around = settings.region, outbound, clock
    if not isinstance(token, Mapping):
        role = settings.web_identity.role_arn if settings.web_identity else ""
        return _aws_sts.role_of(token, role, *around)
    if settings.credentials_secret_ref is None:
        return _aws_ambient.login(token, *around)
    words = {key: _http.word(token[key], key) for key in token}
    key_id, secret = (words[key] for key in _KEYS)
    return _aws.Credentials(key_id, secret, words.get(_SESSION_TOKEN))
