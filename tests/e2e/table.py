"""What a person and kstatus read from a VaultSecret: a row of the table."""

import json
import time
from dataclasses import dataclass

from tests.controlplane import ControlPlaneError
from tests.e2e.tenant import Body, Tenant, eventually

_KIND = "VaultSecret"
_SETTLED_SECONDS = 3


@dataclass(frozen=True)
class Row:
    """The conditions that are there, each as its status and reason."""

    ready: tuple[str, str] | None = None
    fresh: tuple[str, str] | None = None
    reconciling: tuple[str, str] | None = None
    stalled: tuple[str, str] | None = None

    @classmethod
    def of(cls, body: Body) -> "Row":
        """Read the row of a VaultSecret."""
        conditions = (body.get("status") or {}).get("conditions") or []
        return cls(
            **{c["type"].lower(): (c["status"], c["reason"]) for c in conditions}
        )


REALISED = Row(ready=("True", "Synced"))


def retried(reason: str) -> Row:
    """Return the row of a failure that passes by itself."""
    return Row(ready=("False", reason), reconciling=("True", reason))


def needs_person(reason: str) -> Row:
    """Return the row of a failure that stays until somebody changes something."""
    return Row(ready=("False", reason), stalled=("True", reason))


def becomes(tenant: Tenant, name: str, row: Row, *, observed: bool = True) -> Body:
    """Wait for a row, all of it said of the present generation; return the resource.

    Args:
        tenant: whose it is.
        name: of the VaultSecret.
        row: the conditions, and no others.
        observed: whether status.observedGeneration is the present generation; if
            not, it is an earlier one.
    """
    eventually(lambda: _is(tenant.get("vaultsecret", name), row), seconds=15)
    body = tenant.get("vaultsecret", name)
    generation = body["metadata"]["generation"]
    assert (body["status"]["observedGeneration"] == generation) == observed
    return body


def settles(tenant: Tenant, name: str, *, ready: bool) -> None:
    """Check that nothing is written any more, and what `kubectl wait` answers."""
    before = _versions(tenant)
    assert wait_succeeds(tenant, name) == ready
    if ready:
        time.sleep(_SETTLED_SECONDS)
    assert _versions(tenant) == before


def wait_succeeds(tenant: Tenant, name: str, seconds: int = _SETTLED_SECONDS) -> bool:
    """Tell whether a person who waits for Ready is told that it is."""
    try:
        tenant.wait_ready(name, seconds)
    except ControlPlaneError as error:
        if "timed out waiting" in str(error):
            return False
        raise
    return True


def events(tenant: Tenant, name: str) -> list[tuple[str, str]]:
    """Return the type and reason of each event about a VaultSecret, oldest first."""
    found = json.loads(tenant.kubectl("get", "events.events.k8s.io", "-o", "json"))
    about = [e for e in found["items"] if e["regarding"].get("name") == name]
    about.sort(key=lambda event: event["eventTime"] or "")
    return [(e["type"], e["reason"]) for e in about if e["regarding"]["kind"] == _KIND]


def _is(body: Body, row: Row) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or []
    said_of = {c["observedGeneration"] for c in conditions}
    return Row.of(body) == row and said_of <= {body["metadata"]["generation"]}


def _versions(tenant: Tenant) -> dict[str, str]:
    found = json.loads(tenant.kubectl("get", "vaultsecrets,secrets", "-o", "json"))
    return {
        f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"]
        for o in found["items"]
    }
