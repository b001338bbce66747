"""What the sealing webhook answers: plaintext in, tokens out; nothing read or sent.

A message names fields and lengths, never a value: the API server passes it on.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from vaultferry.core import lastapplied
from vaultferry.core.errors import InvalidSpec, KeyInvalid, NeedsPerson, ValueInvalid
from vaultferry.core.keyring import Keyring
from vaultferry.core.model import GROUP, is_key, is_name
from vaultferry.core.sealing import Place, Scope
from vaultferry.core.vaultsecret import MAX_FIELDS, MAX_VALUE, PLURAL

Body = Mapping[str, Any]
Operation = dict[str, Any]
Tokens = dict[str, str]

Check = Callable[[Body, Mapping[str, bytes]], Sequence[str]]
"""Given a spec and its values, raises NeedsPerson where these cannot be right; else
returns what looks unusual in them."""

OTHER_SOURCES = ("connectionRef", "secretRef")
"""Where `sealed` stands beside one of these, it is left over from before."""

CREATE = "CREATE"
UPDATE = "UPDATE"

_MAX_UID = 64


class Malformed(Exception):
    """This is no request that the API server sends."""


@dataclass(frozen=True, repr=False)
class Request:
    """One request to store a VaultSecret; without a `repr`, because it holds values."""

    uid: str
    operation: str
    namespace: str
    name: str
    """Empty where the API server is still to make one up."""

    body: Body
    """The VaultSecret as it would be stored."""

    before: Body
    """The VaultSecret as it was, as far as whoever asks says so."""

    dry_run: bool
    """Whether nothing of it will be stored."""

    @classmethod
    def parse(cls, review: object) -> Self:
        """Read an AdmissionReview.

        Raises:
            Malformed: it is none, or is not about a VaultSecret.
        """
        request = _mapping(_mapping(review).get("request"))
        resource = _mapping(request.get("resource"))
        body = _mapping(request.get("object"))
        found = cls(
            uid=_text(request, "uid"),
            operation=_text(request, "operation"),
            namespace=_text(request, "namespace"),
            name=_text(_mapping(body.get("metadata")), "name"),
            body=body,
            before=_mapping(request.get("oldObject") or {}),
            dry_run=request.get("dryRun") is True,
        )
        is_ours = (resource.get("group"), resource.get("resource")) == (GROUP, PLURAL)
        if not is_ours or request.get("subResource") or not found.is_sound:
            raise Malformed
        return found

    @property
    def is_sound(self) -> bool:
        """Whether all that is used of it can be what it says."""
        return (
            0 < len(self.uid) <= _MAX_UID
            and self.operation in {CREATE, UPDATE}
            and is_name(self.namespace)
            and (not self.name or is_name(self.name))
        )

    @property
    def compares(self) -> bool:
        """Whether the answer depends on the live VaultSecret."""
        return self.operation == UPDATE and "credentials" in self.spec

    @property
    def spec(self) -> Body:
        """The spec as it would be stored; empty where it is none."""
        return _spec(self.body)

    @property
    def annotations(self) -> Body:
        """The annotations as they would be stored."""
        metadata = _mapping(self.body.get("metadata"))
        return _mapping(metadata.get("annotations") or {})


@dataclass(frozen=True, repr=False)
class Sealing:
    """What to change in a VaultSecret before it is stored."""

    operations: list[Operation]
    """A JSON patch."""

    sealed: int = 0
    """How many values were sealed."""

    kept: int = 0
    """How many tokens held their value already."""

    remarks: Sequence[str] = ()
    """What looks unusual in the values, and may be right all the same."""


def seal(
    request: Request, keyring: Keyring, live: Body | None, check: Check
) -> Sealing:
    """Return what makes tokens of all plaintext in a VaultSecret.

    Args:
        request: what was asked for.
        keyring: the root keys.
        live: the VaultSecret as we have read it ourselves. Its tokens alone are
            opened: with one from a request this would tell whether a guess is right.
        check: of the type.

    Raises:
        NeedsPerson: it cannot be sealed, for a reason that the user can mend.
    """
    spec = request.spec
    if "credentials" not in spec:
        return Sealing(_without_leftover(request, spec))
    if "sealed" in spec and not _is_inherited(request, spec):
        raise InvalidSpec(
            "has both spec.credentials and spec.sealed: leave one of them out"
        )
    values = _values(spec["credentials"])
    remarks = check(spec, values)
    if not request.name:
        raise InvalidSpec(
            "has metadata.generateName, and a value is sealed for a name: give it "
            "metadata.name"
        )
    tokens, kept = _tokens(request, keyring, live, values)
    operations: list[Operation] = [
        {"op": "remove", "path": "/spec/credentials"},
        {"op": "add", "path": "/spec/sealed", "value": tokens},
        *_cleaning(request),
    ]
    return Sealing(operations, len(values) - kept, kept, remarks)


def _values(credentials: object) -> dict[str, bytes]:
    if not isinstance(credentials, Mapping) or not credentials:
        raise InvalidSpec("spec.credentials is no map of fields to texts, or is empty")
    if len(credentials) > MAX_FIELDS:
        raise InvalidSpec(
            f"spec.credentials has {len(credentials)} fields, at most {MAX_FIELDS}"
        )
    for number, field in enumerate(credentials, start=1):
        if not is_key(field):
            raise KeyInvalid(
                f"spec.credentials: field {number} of {len(credentials)} is no legal "
                "key of a Secret: use letters, digits, -, _ and . (at most 253, not "
                "beginning with ..), and no value"
            )
    return {field: _value(field, text) for field, text in credentials.items()}


def _value(field: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueInvalid(f"field {field} of spec.credentials is no text: quote it")
    try:
        value = text.encode()
    except UnicodeEncodeError:
        value = b""
    if not 0 < len(value) <= MAX_VALUE:
        raise ValueInvalid(
            f"field {field} of spec.credentials has {len(value)} bytes of text, "
            f"1 to {MAX_VALUE} wanted"
        )
    return value


def _tokens(
    request: Request,
    keyring: Keyring,
    live: Body | None,
    values: Mapping[str, bytes],
) -> tuple[Tokens, int]:
    """Return a token for each value, and how many of them were there already."""
    there = _spec(live).get("sealed") if live and _is_same(request, live) else None
    kept: Tokens = {}
    tokens: Tokens = {}
    for field, value in sorted(values.items()):
        place = Place(request.namespace, request.name, field)
        token = _mapping(there or {}).get(field)
        if isinstance(token, str) and _holds(keyring, token, place, value):
            kept[field] = token
        else:
            tokens[field] = keyring.seal_at_rest(value, Scope.STRICT, place)
    return tokens | kept, len(kept)


def _holds(keyring: Keyring, token: str, place: Place, value: bytes) -> bool:
    try:
        return hmac.compare_digest(keyring.open(token, place), value)
    except NeedsPerson:
        return False


def _is_same(request: Request, live: Body) -> bool:
    """Tell whether the live VaultSecret is the one that the request changes."""
    uid = _mapping(live.get("metadata")).get("uid")
    changed = _mapping(request.body.get("metadata")).get("uid")
    return isinstance(uid, str) and uid == changed


def _is_inherited(request: Request, spec: Body) -> bool:
    """Tell whether `sealed` only stands there because nobody took it away.

    What we have set belongs to no field manager, so no apply does.
    """
    return bool(spec["sealed"] == _spec(request.before).get("sealed"))


def _without_leftover(request: Request, spec: Body) -> list[Operation]:
    elsewhere = any(source in spec for source in OTHER_SOURCES)
    if elsewhere and "sealed" in spec and _is_inherited(request, spec):
        return [{"op": "remove", "path": "/spec/sealed"}]
    return []


def _cleaning(request: Request) -> list[Operation]:
    text = request.annotations.get(lastapplied.ANNOTATION)
    if not isinstance(text, str) or (clean := lastapplied.cleaned(text)) == text:
        return []
    key = lastapplied.ANNOTATION.replace("/", "~1")
    path = f"/metadata/annotations/{key}"
    return [{"op": "replace", "path": path, "value": clean}]


def allowed(request: Request) -> Body:
    """Return the answer that lets a request pass; the patch is added to it."""
    return {"uid": request.uid, "allowed": True}


def refused(request: Request, status: HTTPStatus, message: str) -> Body:
    """Return the answer that refuses a request, with words for the user."""
    told = {"code": int(status), "message": message}
    return {"uid": request.uid, "allowed": False, "status": told}


def _spec(body: Body) -> Body:
    spec = body.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _mapping(found: object) -> Body:
    if not isinstance(found, Mapping):
        raise Malformed
    return found


def _text(body: Body, key: str) -> str:
    text = body.get(key, "")
    if not isinstance(text, str):
        raise Malformed
    return text
