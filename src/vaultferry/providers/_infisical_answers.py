"""What Infisical answers: lists with imports, and its own words on what went wrong."""

import json
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from vaultferry.core.errors import PlaceForbidden
from vaultferry.core.model import Model
from vaultferry.outbound import Answer
from vaultferry.providers import _http

_HIDDEN = "<hidden-by-infisical>"

_MISSING = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


class Secret(Model):
    """A secret of a list."""

    secret_key: str
    secret_value: str | None = Field(default=None, repr=False)
    secret_value_hidden: bool = False
    environment: str | None = None


class Import(Model):
    """What a folder imports from another one."""

    environment: str
    secret_path: str
    secrets: list[Secret] = []


class Listing(Model):
    """A folder."""

    secrets: list[Secret]
    imports: list[Import] = []


class One(Model):
    """A secret that was asked for alone."""

    secret: Secret


class Project(Model):
    """A project."""

    id: str


M = TypeVar("M", bound=Model)

Read = tuple[dict[str, bytes], dict[str, str]]
"""Values by key, and for some of them where they are from."""


def parsed(model: type[M], answer: Answer) -> M:
    """Return a good answer as what it ought to be.

    Raises:
        VaultFailure: it is something else.
    """
    with suppress(ValidationError):
        return model.model_validate_json(answer.body)
    raise _http.unreachable("no-list-or-project")


def check(answer: Answer) -> None:
    """Check that the answer about a place is good.

    Raises:
        Failure: it is not.
    """
    if "error" in _error(answer):
        _http.check_place(
            answer,
            "the identity may not read this project and folder",
            "there is no such project, environment, folder or version of a secret",
            absent=_MISSING,
        )
    _http.check(answer)


def is_refused(answer: Answer) -> bool:
    """Tell whether it is the token that is not taken; other rights are the place's."""
    if answer.status == HTTPStatus.FORBIDDEN:
        return _error(answer).get("error") == "TokenError"
    return answer.status == HTTPStatus.UNAUTHORIZED


def lacks_route(answer: Answer) -> bool:
    """Tell whether the server does not have such a call, being of another version."""
    if answer.status != HTTPStatus.NOT_FOUND:
        return False
    said = _error(answer)
    return said.get("error") == "Not Found" and "reqId" not in said


def is_locked(answer: Answer) -> bool:
    """Tell whether a login was refused because of those before it."""
    return "temporarily locked" in str(_error(answer).get("message"))


def one(answer: Answer, _: str) -> Read:
    """Return the value of a good answer that has one.

    Raises:
        Failure: it is not shown, or there is none.
    """
    return _values([parsed(One, answer).secret]), {}


def listed(answer: Answer, environment: str) -> Read:
    """Return values by key, and for the imported ones where they are from.

    Later imports win over earlier ones, and the folder's own secrets over all: so
    the server itself answers where it is asked for one.

    Args:
        answer: a good one about a folder.
        environment: where it is.

    Raises:
        Failure: the values are not shown, or it is no list.
    """
    found = parsed(Listing, answer)
    values: dict[str, bytes] = {}
    origins: dict[str, str] = {}
    for each in found.imports:
        values |= _values(each.secrets)
        origins |= {s.secret_key: _origin(each, s, environment) for s in each.secrets}
    own = _values(found.secrets)
    elsewhere = {key: origins[key] for key in origins.keys() - own.keys()}
    return values | own, elsewhere


def normal(path: str) -> str:
    """Return the one spelling of a folder."""
    return "/" + "/".join(part for part in path.split("/") if part)


def inside(place: str, key: str) -> str:
    """Return the canonical reference of a key in a folder."""
    return f"{place.rstrip('/')}/{key}"


def _origin(entry: Import, secret: Secret, here: str) -> str:
    place = inside(normal(entry.secret_path), secret.secret_key)
    # An import of an import stands in the entry of the first; this tells them apart
    # where the environments differ.
    environment = secret.environment or entry.environment
    return place if environment == here else f"{environment}:{place}"


def _values(secrets: Iterable[Secret]) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for secret in secrets:
        value = secret.secret_value
        if value is None or value == _HIDDEN or secret.secret_value_hidden:
            raise PlaceForbidden("the identity may know of the secrets, not read them")
        values[secret.secret_key] = value.encode()
    return values


def _error(answer: Answer) -> dict[str, Any]:
    """Return the server's word on what went wrong; nothing where there is none."""
    with suppress(ValueError):
        found = json.loads(answer.body)
        return found if isinstance(found, dict) else {}
    return {}
