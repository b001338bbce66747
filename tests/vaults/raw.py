"""Plain HTTP, for what no client of a vendor does."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_SECONDS = 30


@dataclass(frozen=True, repr=False)
class Got:
    """An answer; its headers by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


def ask(
    method: str,
    url: str,
    query: Mapping[str, str] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    """Send one request on a connection of its own."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    target = f"{parts.path}?{urlencode(query)}" if query else parts.path
    data = None if body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=_SECONDS
    )
    try:
        connection.request(method, target, data, dict(headers or {}))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, found, answer.read())
    finally:
        connection.close()
