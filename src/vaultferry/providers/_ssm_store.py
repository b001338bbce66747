"""Parameter Store as a store: where values are kept, which it takes, and the calls.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from vaultferry.core.errors import (
    Conflict,
    NotStorable,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    StoreRefused,
)
from vaultferry.providers import _http
from vaultferry.providers._ssm_answers import Meanings

MOST = 10
"""The parameters that one call reads or deletes."""

# Of the standard tier, which costs nothing. In bytes, as AWS counts them.
LARGEST = 4096

_LEVELS = 15
# AWS allows 1011 with what an ARN has before the name: 73 at most, where partition and
# region have the longest names.
_LONGEST = 1011 - 73
_NAME = re.compile(r"(?:/[A-Za-z0-9_.-]+)+")
_RESERVED = re.compile(r"/(?:aws|ssm)", re.IGNORECASE)
# To AWS this is the name of another parameter.
_NESTED = re.compile(r"\{\{.*\}\}", re.DOTALL)

# AWS allows an account three a second by default.
_WRITE_SECONDS = 0.35

_REFUSED = (
    "the keys of the connection may not do that in Parameter Store, or it takes no "
    "more: see to their IAM policy, to that of the KMS key and to the account's quota"
)


def path(prefix: str, namespace: str, name: str) -> str:
    """Return the path for the values of a VaultSecret."""
    return f"{prefix}/{namespace}/{name}"


def check(path: str, field: str, value: bytes) -> None:
    """Check that a value can be a parameter of the standard tier.

    Raises:
        NotStorable: it cannot.
    """
    full = f"{path}/{field}"
    if not _NAME.fullmatch(full) or _RESERVED.match(full):
        raise NotStorable(
            f"field {field}: {full} is no name of a parameter, which has letters, "
            "digits, _ . - and /, and begins with neither /aws nor /ssm: set another "
            "pathPrefix of the VaultConnection, or name the field otherwise"
        )
    if len(full) > _LONGEST or full.count("/") > _LEVELS:
        raise NotStorable(
            f"field {field}: the name of its parameter would have {len(full)} "
            f"characters in {full.count('/')} levels, at most {_LONGEST} and {_LEVELS} "
            "are possible: use a shorter pathPrefix or name"
        )
    _check_value(field, value)


def _check_value(field: str, value: bytes) -> None:
    if len(value) > LARGEST:
        raise NotStorable(
            f"field {field} has {len(value)} bytes, and Parameter Store keeps at most "
            f"{LARGEST}: take out spec.storeRef, or put that field into a VaultSecret "
            "of its own without one"
        )
    text = value.decode("utf-8", "replace")
    if text.encode() != value or "\0" in text or not text:
        raise NotStorable(
            f"field {field} is no text, and Parameter Store keeps nothing else: take "
            "out spec.storeRef, or encode the value"
        )
    if _NESTED.search(text):
        raise NotStorable(
            f"field {field} has a text in {{{{ }}}}, which Parameter Store takes for "
            "the name of a parameter: take out spec.storeRef, or encode the value"
        )


class Call(Protocol):
    """Makes a call to AWS; see `aws_ssm`."""

    async def __call__(
        self, operation: str, document: Mapping[str, Any], more: Meanings
    ) -> Any:
        """Return the answer to an operation, an object.

        Raises:
            Failure: it was not done.
        """


class ParameterStore:
    """The parameters of one region, by one credential; see `Store`."""

    def __init__(self, call: Call, key: str | None) -> None:
        """Take what makes calls, and the KMS key to encrypt by; None: AWS's own."""
        self._call = call
        self._key = {} if key is None else {"KeyId": key}

    async def tags(self, name: str) -> Mapping[str, str] | None:
        """Return the tags of a parameter; None: there is none of that name."""
        asked = {"ResourceType": "Parameter", "ResourceId": name}
        try:
            found = await self._call("ListTagsForResource", asked, _MORE)
        except PlaceMissing:
            return None
        except PlaceForbidden:
            pass
        else:
            return dict(_tags(found))
        raise StoreRefused(_REFUSED)

    async def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the values of parameters, as far as they are there."""
        found: dict[str, bytes] = {}
        for some in _by(MOST, names):
            asked = {"Names": some, "WithDecryption": True}
            answer = await self._done("GetParameters", asked)
            found |= dict(_values(answer))
        return found

    async def create(self, name: str, value: bytes, tags: Mapping[str, str]) -> None:
        """Create a parameter.

        Raises:
            Conflict: there is one of that name.
        """
        labels = [{"Key": key, "Value": text} for key, text in tags.items()]
        with suppress(Conflict):
            return await self._put(name, value, {"Tags": labels})
        raise Conflict(f"somebody has just made {name} in the store")

    async def replace(self, name: str, value: bytes) -> None:
        """Put another value into a parameter."""
        await self._put(name, value, {"Overwrite": True})

    async def delete(self, names: Sequence[str]) -> None:
        """Delete parameters, as far as they are there."""
        for some in _by(MOST, names):
            await self._done("DeleteParameters", {"Names": some})

    async def _put(self, name: str, value: bytes, more: Mapping[str, Any]) -> None:
        given = {
            "Name": name,
            "Value": value.decode(),
            "Type": "SecureString",
            "Tier": "Standard",
            # Each time: AWS does not go on with the key of before.
            **self._key,
        }
        await self._done("PutParameter", {**given, **more})
        await asyncio.sleep(_WRITE_SECONDS)

    async def _done(self, operation: str, document: Mapping[str, Any]) -> Any:
        try:
            return await self._call(operation, document, _MORE)
        except PlaceForbidden:
            pass
        raise StoreRefused(_REFUSED)


_MORE: Meanings = {
    "InvalidResourceId": (PlaceMissing, "there is no such parameter"),
    "ParameterAlreadyExists": (
        Conflict,
        "there is a parameter of that name",
    ),
    "TooManyUpdates": (RateLimited, "AWS was asked too often"),
    **dict.fromkeys(
        (
            "HierarchyLevelLimitExceededException",
            "HierarchyTypeMismatchException",
            "IncompatiblePolicyException",
            "InvalidAllowedPatternException",
            "ParameterLimitExceeded",
            "ParameterMaxVersionLimitExceeded",
            "ParameterNotFound",
            "ParameterPatternMismatchException",
            "UnsupportedParameterType",
            "ValidationException",
        ),
        (StoreRefused, _REFUSED),
    ),
}
"""What AWS says where it is to keep something."""


def _by(most: int, names: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(names), most):
        yield list(names[first : first + most])


def _tags(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in _list(found, "TagList"):
        yield str(each.get("Key")), str(each.get("Value"))


def _values(found: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for each in _list(found, "Parameters"):
        yield str(each.get("Name")), _http.encoded(str(each.get("Value")))


def _list(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects in an answer.

    Raises:
        Unreachable: it is none.
    """
    listed = found.get(name)
    if isinstance(listed, list) and all(isinstance(each, dict) for each in listed):
        return listed
    raise _http.unreachable("no-parameters")
