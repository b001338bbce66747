"""What the API server's audit log says about who asked for what."""

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane import ControlPlane

OPERATOR = "system:serviceaccount:vaultferry-system:vaultferry"

_LAG_SECONDS = 5
_QUIET_SECONDS = 0.6


@dataclass(frozen=True)
class Request:
    """One request that the API server answered."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    uri: str

    def __str__(self) -> str:
        """Show verb and resource, with the code where it is an error."""
        failed = f" {self.code}" if self.code >= 400 else ""
        return f"{self.verb} {self.resource}{failed}"


@dataclass(frozen=True)
class AuditLog:
    """The audit log of a control plane of our own; places in it are byte offsets."""

    path: Path
    plane: ControlPlane

    def now(self) -> int:
        """Return the place in the log where every request up to now is before.

        The log lags a little, so this asks for something itself and waits for it.
        """
        start = self.path.stat().st_size
        marker = uuid.uuid4().hex
        self.plane.kubectl("get", "--raw", f"/version?marker={marker}")
        deadline = time.monotonic() + _LAG_SECONDS
        while (place := self._find(marker, start)) is None:
            assert time.monotonic() < deadline, "the audit log lags"
            time.sleep(0.02)
        return place

    def requests(
        self, since: int, user: str | None = OPERATOR, namespace: str | None = None
    ) -> list[Request]:
        """Return what a user asked for since a place, in the order of the answers."""
        end = self.now()
        with self.path.open("rb") as log:
            log.seek(since)
            lines = log.read(end - since).splitlines()
        found = [_request(json.loads(line)) for line in lines]
        return [
            each
            for each in found
            if user in {None, each.user} and namespace in {None, each.namespace}
        ]

    def calls(self, since: int, namespace: str) -> list[str]:
        """Return what the operator asked for in a namespace, once it is quiet."""
        found = self.requests(since, namespace=namespace)
        while True:
            time.sleep(_QUIET_SECONDS)
            now = self.requests(since, namespace=namespace)
            if len(now) == len(found):
                return [str(request) for request in now]
            found = now

    def _find(self, marker: str, start: int) -> int | None:
        with self.path.open("rb") as log:
            log.seek(start)
            text = log.read()
        place = text.find(marker.encode())
        end = text.find(b"\n", place)
        return None if place < 0 or end < 0 else start + end + 1


def _request(entry: dict[str, Any]) -> Request:
    of = entry.get("objectRef") or {}
    parts = (of.get("resource", ""), of.get("subresource"))
    return Request(
        user=entry["user"]["username"],
        verb=entry["verb"],
        resource="/".join(part for part in parts if part),
        namespace=of.get("namespace", ""),
        name=of.get("name", ""),
        code=(entry.get("responseStatus") or {}).get("code", 0),
        uri=entry["requestURI"],
    )
