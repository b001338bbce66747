"""What is asked of a vault, and what it answers."""

import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDictProxy, MultiMapping

JSON = {"content-type": "application/json; charset=utf-8"}


@dataclass(frozen=True, repr=False)
class Asked:
    """A request; without a `repr`, because it holds a token."""

    method: str
    path: str
    """As it was sent, percent-encoded, without the query."""

    query: MultiMapping[str]
    headers: CIMultiDictProxy[str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the path has for the names in a route, decoded."""

    @property
    def bearer(self) -> str:
        """The token, or nothing where none was sent."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def shown(self) -> list[str]:
        """The tokens that it shows: as the bearer of one, or to log in by."""
        given = self.document()
        tokens = [self.bearer, *(given.get(name) for name in ("jwt", "token"))]
        return [token for token in tokens if isinstance(token, str) and token]

    def document(self) -> dict[str, Any]:
        """Return the body as an object; an empty one for all that is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, repr=False)
class Answer:
    """An answer; without a `repr`, because it holds values."""

    status: int = 200
    body: bytes | AsyncIterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def told(document: object, status: int = 200, **headers: str) -> Answer:
    """Answer with a JSON document; in names of headers `_` is for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, encoded(document), JSON | named)


def encoded(document: object) -> bytes:
    """Write JSON as the vaults do: short, and no escapes where none are needed."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
