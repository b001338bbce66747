"""What Parameter Store answers: parameters, and its own words on what went wrong."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
)
from vaultferry.outbound import Answer
from vaultferry.providers import _http

Meanings = Mapping[str, tuple[type[Failure], str]]
"""By the name of an error of AWS: what it is to us, and what to say."""

_UNKNOWN = "AWS does not take the keys, or the clock of the operator is wrong"
_FORBIDDEN = "the keys may not read or decrypt the parameter"
_ABSENT = "there is no such parameter, version or path"

_MEANINGS: Meanings = {
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "TooManyRequestsException"),
        (RateLimited, "AWS was asked too often"),
    ),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        (AuthenticationFailed, _UNKNOWN),
    ),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "InvalidKeyId",
            "UnauthorizedOperation",
        ),
        (PlaceForbidden, _FORBIDDEN),
    ),
    **dict.fromkeys(
        ("ParameterNotFound", "ParameterVersionNotFound", "ValidationException"),
        (PlaceMissing, _ABSENT),
    ),
}


@dataclass(frozen=True, repr=False)
class Parameter:
    """One in an answer; without a `repr`, because it holds a value."""

    name: str
    value: bytes
    version: str


def check(answer: Answer, more: Meanings) -> None:
    """Check that an operation was done; most that went wrong is answered by 400.

    Raises:
        Failure: it was not.
    """
    if answer.status == HTTPStatus.OK:
        return
    kind = _kind(answer)
    if kind.startswith("KMS"):
        raise PlaceForbidden(_FORBIDDEN)
    if meaning := more.get(kind) or _MEANINGS.get(kind):
        failure, words = meaning
        raise failure(words)
    _http.check(answer, refused=(401, 403))


def _kind(answer: Answer) -> str:
    """Return the name of an error; `com.amazon.coral.service#` may be before it."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return ""
    kind = found.get("__type") if isinstance(found, dict) else ""
    return str(kind).rpartition("#")[2]


def parameters(found: Mapping[str, Any]) -> list[Parameter]:
    """Return the parameters of an answer.

    Raises:
        Unreachable: they are not what AWS says of parameters.
    """
    try:
        return list(_read(found))
    except (AttributeError, KeyError, TypeError):
        pass
    raise _http.unreachable("no-parameters")


def _read(found: Mapping[str, Any]) -> Iterator[Parameter]:
    for each in found["Parameters"]:
        name, value = each["Name"], _http.encoded(each["Value"])
        yield Parameter(str(name), value, str(each.get("Version")))


def one(place: str, found: Parameter | None) -> Document:
    """Return the document of a parameter, an empty one where that is absent."""
    return Document({place: found.value}, found.version) if found else Document({})


def whole(place: str, found: Sequence[Parameter]) -> Document:
    """Return what is below a path, by what of the names comes after it."""
    if not all(each.name.startswith(place) for each in found):
        raise _http.unreachable("no-parameters")
    values = {each.name.removeprefix(place): each.value for each in found}
    return Document(values, ",".join(each.version for each in found))


def unless_same(found: Document, known: Document | None) -> Document:
    """Return what is known where nothing is another now.

    A parameter that was deleted and made anew counts its versions from 1 again.
    """
    if known and (known.tag, known.values) == (found.tag, found.values):
        return known
    return found
