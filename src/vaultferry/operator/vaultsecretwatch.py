"""Keeps kopf's watch of VaultSecrets running, whatever the API server answers."""

import asyncio
import random
import time
from collections.abc import Callable

import kopf
import structlog
from kubernetes.aio.client import Configuration

from vaultferry.cluster import Absent, Cluster
from vaultferry.core.backoff import delay
from vaultferry.core.errors import Failure
from vaultferry.core.urgency import Lane
from vaultferry.operator import watching
from vaultferry.operator.stopping import handle_signals, pause
from vaultferry.views import Key, VaultSecrets

log = structlog.get_logger()

_CRD_RETRY_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
_LASTED_SECONDS = 600.0


class VaultSecretWatch:
    """Runs kopf, and starts it again where an API fault ended it.

    kopf ends on faults that any API server produces: one HTTP 410, one 401, a
    truncated line. What it lists again changes nothing where nothing moved.
    """

    def __init__(
        self,
        cluster: Cluster,
        configuration: Configuration,
        vaultsecrets: VaultSecrets,
        wake: Callable[[Key, Lane], None],
    ) -> None:
        self._cluster = cluster
        self._configuration = configuration
        self._vaultsecrets = vaultsecrets
        self._wake = wake
        self.is_running = False
        """Whether kopf is up, as opposed to waiting for the CRD or for a retry."""

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until SIGTERM or SIGINT; `stop` is set by one that comes meanwhile."""
        handle_signals(stop)
        await self._wait_for_crd(stop)
        failures = 0
        while not stop.is_set():
            began = time.monotonic()
            if await self._ended_well(stop):
                return
            # kopf took the signals, and leaves them to nobody.
            handle_signals(stop)
            lasted = time.monotonic() - began > _LASTED_SECONDS
            failures = 1 if lasted else failures + 1
            await pause(stop, min(_LONGEST_PAUSE, delay(failures, random.random())))

    async def _wait_for_crd(self, stop: asyncio.Event) -> None:
        """Wait until our kind is served: kopf looks once and never again."""
        while not stop.is_set():
            try:
                await self._cluster.check_served()
            except (Absent, Failure) as error:
                reason = type(error).__name__
                log.warning("VaultSecret is not served: apply crds/", reason=reason)
                await pause(stop, _CRD_RETRY_SECONDS)
            else:
                return

    async def _ended_well(self, stop: asyncio.Event) -> bool:
        """Run kopf until it ends; tell whether it was told to.

        kopf handles SIGTERM and SIGINT itself while it runs; `stop` tells of one that
        came before.
        """
        handlers = watching.registry(
            self._configuration, self._vaultsecrets, self._wake, self._started
        )
        streaming = await self._can_stream()
        if stop.is_set():
            return True
        try:
            await kopf.operator(
                registry=handlers,
                settings=watching.settings(streaming=streaming),
                clusterwide=True,
                standalone=True,
            )
        except Exception:
            log.exception("watch of VaultSecrets ended")
            return False
        else:
            return True
        finally:
            self.is_running = False

    def _started(self) -> None:
        self.is_running = True

    async def _can_stream(self) -> bool:
        try:
            return await self._cluster.minor_version() >= watching.STREAMING_MINOR
        except (Absent, Failure):
            return False
