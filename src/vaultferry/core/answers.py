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
from vaultferry.core.model import WEBHOOK

Body = Mapping[str, Any]


class Absent(Exception):
    """The object does not exist."""


class Stale(Exception):
    """The object exists already, or is not the version that was seen."""


class Denied(Exception):
    """Our own webhook refused it, in words for a user that hold no value."""


class Expired(Exception):
    """The place in a list or watch is no longer known: list again."""


def event(line: bytes, *, is_wide: bool = False) -> tuple[str, Body]:
    """Read a line of a watch; `is_wide` where its objects are in no namespace.

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
        raise refused(_code(body), b"{}")
    if not (
        _is_marked(body) if kind == "BOOKMARK" else _is_object(body, is_wide=is_wide)
    ):
        raise unavailable()
    return kind, body


def page(answer: Body, *, is_wide: bool = False) -> tuple[list[Body], str, str]:
    """Read a page of a list: the objects, its resourceVersion, and where it goes on.

    Args:
        answer: the page.
        is_wide: whether the objects are in no namespace.

    Raises:
        Failure: it is none.
    """
    items = answer.get("items") or []
    if not isinstance(items, list):
        raise unavailable()
    if not all(_is_object(item, is_wide=is_wide) for item in items):
        raise unavailable()
    if not _is_marked(answer):
        raise unavailable()
    metadata = answer["metadata"]
    return items, metadata["resourceVersion"], metadata.get("continue") or ""


def _is_marked(body: object) -> bool:
    """Tell whether something has a resourceVersion that can be compared."""
    version = _metadata(body).get("resourceVersion")
    return isinstance(version, str) and version.isascii() and version.isdecimal()


def _is_object(body: object, *, is_wide: bool) -> bool:
    """Tell whether something says which object it is, and which version of it."""
    wanted = ("name", "uid") if is_wide else ("namespace", "name", "uid")
    names = map(_metadata(body).get, wanted)
    return all(isinstance(name, str) for name in names) and _is_marked(body)


def _metadata(body: object) -> Body:
    return _dict(_dict(body).get("metadata"))


def _dict(value: object) -> Body:
    return value if isinstance(value, dict) else {}


def _code(status: Body) -> int:
    code = status.get("code")
    return code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR


def refused(status: int, text: bytes) -> Exception:
    """Return what an error answer means."""
    if words := _of_our_webhook(_json(text)):
        return Denied(words)
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


def _of_our_webhook(answer: Body) -> str:
    """Return what our webhook says, which names fields and lengths; else nothing."""
    message = str(answer.get("message", ""))
    return message.removeprefix(_DENIED) if message.startswith(_DENIED) else ""


_DENIED = f'admission webhook "{WEBHOOK}" denied the request: '

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
    causes = _dict(answer.get("details")).get("causes")
    if not isinstance(causes, list):
        return []
    return [_dict(cause).get("reason") for cause in causes]


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
    return _dict(answer)
