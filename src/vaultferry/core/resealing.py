"""What the webhook answers to `vaultferry reseal`: the tokens of a dry-run, anew.

It is asked by an annotation on a dry-run of the VaultSecret itself, so only somebody
whom the API server lets write there gets an answer, and gets tokens for that place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from vaultferry.core.admission import OTHER_SOURCES, Operation, Request, Sealing
from vaultferry.core.errors import InvalidSpec
from vaultferry.core.keyring import Keyring
from vaultferry.core.model import GROUP
from vaultferry.core.sealing import Place, Scope, Token
from vaultferry.core.suites import Suite
from vaultferry.core.vaultsecret import MAX_FIELDS

ANNOTATION = f"{GROUP}/reseal"
"""Asks for it; does nothing where the request is no dry-run."""

_OF_OTHER_SOURCES = (*OTHER_SOURCES, "fieldMappings", "fieldsFrom")

_NARROW_TO_WIDE = (Scope.STRICT, Scope.NAMESPACE, Scope.CLUSTER)


@dataclass(frozen=True)
class Wish:
    """How tokens are wanted; None: as they are."""

    suite: Suite | None = None
    scope: Scope | None = None

    def __str__(self) -> str:
        return ",".join(each for each in (self.suite, self.scope) if each)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the annotation: a suite, a scope, both or neither, in any order.

        Raises:
            InvalidSpec: it is something else.
        """
        words = text.split(",") if text else []
        suites = [Suite(word) for word in words if word in set(Suite)]
        scopes = [Scope(word) for word in words if word in set(Scope)]
        is_read = len(words) == len(suites) + len(scopes)
        if not is_read or len(suites) > 1 or len(scopes) > 1:
            raise InvalidSpec(
                f"annotation {ANNOTATION} takes one suite ({', '.join(Suite)}), one "
                f"scope ({', '.join(Scope)}), both with a comma between, or nothing"
            )
        return cls(suites[0] if suites else None, scopes[0] if scopes else None)


def is_asked(request: Request) -> bool:
    """Tell whether a request is to be answered with tokens sealed anew."""
    return request.dry_run and ANNOTATION in request.annotations


def reseal(request: Request, keyring: Keyring) -> Sealing:
    """Return what puts tokens of the newest key in place of those of a request.

    Only what opens at the place of the request is answered, and never by plaintext;
    so nobody learns more than whether a token of theirs opens there.

    Raises:
        NeedsPerson: one does not open there, or would become wider.
    """
    wish = Wish.parse(str(request.annotations[ANNOTATION]))
    sealed = _sealed(request)
    tokens = {
        field: _resealed(keyring, wish, token, field, request)
        for field, token in sorted(sealed.items())
    }
    changed = sum(tokens[field] != sealed[field] for field in tokens)
    key = ANNOTATION.replace("/", "~1")
    operations: list[Operation] = [
        {"op": "replace", "path": "/spec/sealed", "value": tokens},
        # Its absence tells who asked that somebody has answered.
        {"op": "remove", "path": f"/metadata/annotations/{key}"},
        # What lives may have another source than the manifest that is asked about.
        *(
            {"op": "remove", "path": f"/spec/{source}"}
            for source in _OF_OTHER_SOURCES
            if source in request.spec
        ),
    ]
    return Sealing(operations, changed, len(tokens) - changed)


def _sealed(request: Request) -> Mapping[str, str]:
    sealed = request.spec.get("sealed")
    if (
        "credentials" in request.spec
        or not isinstance(sealed, Mapping)
        or not request.name
    ):
        raise InvalidSpec(
            f"annotation {ANNOTATION} takes a VaultSecret with metadata.name and "
            "spec.sealed, and without spec.credentials"
        )
    if len(sealed) > MAX_FIELDS:
        raise InvalidSpec(f"spec.sealed has {len(sealed)} fields, at most {MAX_FIELDS}")
    return {str(field): str(token) for field, token in sealed.items()}


def _resealed(
    keyring: Keyring, wish: Wish, token: str, field: str, request: Request
) -> str:
    scope = Token.parse(token, field).header.scope
    wanted = wish.scope or scope
    if _NARROW_TO_WIDE.index(wanted) > _NARROW_TO_WIDE.index(scope):
        raise InvalidSpec(
            f"field {field} is sealed for scope {scope}, and {wanted} is wider: only "
            "`vaultferry reseal` with the root key widens; ask for a scope that is no "
            "wider, or for none"
        )
    place = Place(request.namespace, request.name, field)
    return keyring.resealed(token, place, wish.suite, wanted)
