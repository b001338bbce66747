"""What the API server's answers mean.

Their words are looked at and never repeated: they may quote a value.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from vaultferry.core.errors import (
    ApiForbidden,
    ApiRejected,
    ApiUnavailable,
    Conflict,
    Failure,
    NamespaceTerminating,
    QuotaExceeded,
)

Body = Mapping[str, Any]


class Absent(Exception):
    """The object does not exist."""


class Stale(Exception):
    """The object exists already, or is not the version that was seen."""


class Expired(Exception):
    """The place in a list or watch is no longer known: list again."""


def event(line: bytes) -> tuple[str, Body]:
    """Read a line of a watch.

    Raises:
        Failure: it is none, or tells of an error.
        Expired: the place in the watch is no longer known.
    """
    try:
        told = json.loads(line)
        kind, body = told["type"], told["object"]
    except (ValueError, TypeError, KeyError):
        raise unavailable() from None
    if not isinstance(body, dict):
        raise unavailable()
    if kind == "ERROR":
        raise refused(body.get("code", 500), b"{}")
    return kind, body


def refused(status: int, text: bytes) -> Exception:
    """Return what an error answer means."""
    if plain := _PLAIN.get(status):
        return plain()
    if special := _SPECIAL.get(status):
        return special(_json(text))
    if status in _INVALID:
        return ApiRejected(
            f"the API server refused the Secret (HTTP {status}): check the type, "
            "labels and annotations of spec.target, and admission policies"
        )
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return unavailable()
    return ApiForbidden(f"the API server does not accept the operator (HTTP {status})")


_PLAIN: Mapping[int, type[Exception]] = {
    HTTPStatus.NOT_FOUND: Absent,
    HTTPStatus.GONE: Expired,
}
_INVALID = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


def _conflict(answer: Body) -> Exception:
    if "FieldManagerConflict" in _causes(answer):
        return Conflict(
            "somebody else has set one of our keys in the Secret, or our record there: "
            "take it out of the Secret"
        )
    return Stale()


def _forbidden(answer: Body) -> Failure:
    if "NamespaceTerminating" in _causes(answer):
        return NamespaceTerminating("the namespace is being deleted")
    if "exceeded quota" in str(answer.get("message", "")):
        return QuotaExceeded("a ResourceQuota leaves no room for the Secret")
    return ApiForbidden("the operator lacks a right at the API server (HTTP 403)")


_SPECIAL: Mapping[int, Callable[[Body], Exception]] = {
    HTTPStatus.CONFLICT: _conflict,
    HTTPStatus.FORBIDDEN: _forbidden,
}


def _causes(answer: Body) -> list[object]:
    causes = (answer.get("details") or {}).get("causes") or []
    return [cause.get("reason") for cause in causes]


def unavailable() -> ApiUnavailable:
    """Return the one failure of whatever is no answer."""
    # The same words whatever the fault: they stand in the status, and an outage
    # whose symptoms alternate would be a write each time. The metrics tell them apart.
    return ApiUnavailable("the API server does not answer, or only with errors")


def _json(text: bytes) -> Body:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
