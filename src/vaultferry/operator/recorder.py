"""Posts events: deduplicated, in the background, and never in the way of work."""

import asyncio
import secrets
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from vaultferry.cluster import Cluster
from vaultferry.core import requests
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import Failure
from vaultferry.core.events import Event
from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.vaultsecret import KIND, VaultSecret

_REMEMBERED = 10_000
_WAITING = 1_000
_QUIET_SECONDS = 300.0
_NOTE_CHARACTERS = 1_000

Fact = tuple[str, str, str]


class Recorder:
    """Takes events for resources; posts each fact once in five minutes."""

    def __init__(
        self, cluster: Cluster, clock: Callable[[], float], lost: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._lost = lost
        self._posted: OrderedDict[Fact, float] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue(
            _WAITING
        )

    def post(self, resource: VaultSecret, event: Event) -> None:
        """Take an event; drop it where it was just posted or too many wait."""
        if self._is_repeated((resource.uid, event.reason, event.message)):
            return
        try:
            self._waiting.put_nowait((resource.namespace, _manifest(resource, event)))
        except asyncio.QueueFull:
            self._lost()

    async def run(self) -> None:
        """Post for ever. An event that cannot be posted is counted, not retried."""
        while True:
            namespace, manifest = await self._waiting.get()
            try:
                await self._cluster.create_event(namespace, manifest)
            except (Failure, Absent, Stale, Expired):
                self._lost()

    def _is_repeated(self, fact: Fact) -> bool:
        now = self._clock()
        before = self._posted.pop(fact, None)
        repeated = before is not None and now - before < _QUIET_SECONDS
        self._posted[fact] = before if repeated and before is not None else now
        while len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)
        return repeated


def _name(resource: VaultSecret) -> str:
    """Return a name for an event; as `generateName` the dot would be refused."""
    return f"{resource.name[:200].rstrip('-.')}.{secrets.token_hex(8)}"


def _annotations(resource: VaultSecret) -> dict[str, str]:
    """Return the id of the client's request, as long as that is not handled."""
    request_id = requests.pending(resource).request_id
    return {requests.REQUEST_ID: request_id} if request_id else {}


def _manifest(resource: VaultSecret, event: Event) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": _name(resource),
            "namespace": resource.namespace,
            "annotations": _annotations(resource),
        },
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.type,
        "reason": event.reason,
        "note": event.message[:_NOTE_CHARACTERS],
        "action": "Reconcile",
        "reportingController": f"{GROUP}/operator",
        "reportingInstance": socket.gethostname()[:128],
        "regarding": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "namespace": resource.namespace,
            "name": resource.name,
            "uid": resource.uid,
            "resourceVersion": resource.resource_version,
        },
    }
