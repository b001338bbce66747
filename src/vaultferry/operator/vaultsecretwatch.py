"""Keeps kopf's watch of VaultSecrets running, whatever the API server answers."""

import asyncio
import random
import time
from collections.abc import Callable, Collection
from typing import Any

import kopf
import structlog

from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent
from vaultferry.core.backoff import delay
from vaultferry.core.errors import Failure
from vaultferry.operator import watching
from vaultferry.operator.othertasks import OtherTasks
from vaultferry.operator.scopes import Scopes
from vaultferry.operator.stopping import handle_signals
from vaultferry.operator.watching import Answered

log = structlog.get_logger()

_CRD_RETRY_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
# Twice the longest pause: what works for so long and breaks now and then, as behind a
# proxy that ends watches, is begun again in a second, once a minute at most.
_LASTED_SECONDS = 60.0


class VaultSecretWatch:
    """Runs kopf, and starts it again where an API fault ended it.

    kopf ends on faults that any API server produces: one HTTP 410, one 401, a
    truncated line. What it lists again changes nothing where nothing moved.
    """

    def __init__(
        self,
        cluster: Cluster,
        handlers: Callable[[Answered], kopf.OperatorRegistry],
        scopes: Scopes,
        restarted: Callable[[str], None],
        stop: asyncio.Event,
    ) -> None:
        self._cluster = cluster
        self._handlers = handlers
        self._namespaces = [scope for scope in scopes if scope is not None]
        self._restarted = restarted
        self._stop = stop
        self.open: set[str | None] = set()
        """The scopes whose VaultSecrets the API server last agreed to tell of."""

    async def run(self) -> None:
        """Watch for ever; a signal sets the event that tells to stop, as before."""
        await self._wait_for_crd()
        failures = 0
        while True:
            began = time.monotonic()
            await self._watch()
            lasted = time.monotonic() - began > _LASTED_SECONDS
            failures = 1 if lasted else failures + 1
            await asyncio.sleep(min(_LONGEST_PAUSE, delay(failures, random.random())))

    async def _wait_for_crd(self) -> None:
        """Wait until our kind is served: kopf looks once and never again."""
        while True:
            try:
                await self._cluster.check_served()
            except (Absent, Failure) as error:
                reason = type(error).__name__
                log.warning("VaultSecret is not served: apply crds/", reason=reason)
                await asyncio.sleep(_CRD_RETRY_SECONDS)
            else:
                return

    async def _watch(self) -> None:
        """Run kopf until it ends."""
        try:
            tasks = await self._spawned()
            # kopf took the signals, and would leave them to nobody when it ends.
            handle_signals(self._stop)
            await kopf.run_tasks(tasks, ignored=OtherTasks())
        except Exception as error:
            log.exception("watch of VaultSecrets ended")
            self._restarted(type(error).__name__)
        finally:
            self.open.clear()

    async def _spawned(self) -> Collection[asyncio.Task[Any]]:
        """Start kopf's tasks.

        Cancelled meanwhile, we are again right after: only where its tasks run does
        kopf clean up after them.
        """
        spawning = asyncio.ensure_future(
            kopf.spawn_tasks(
                registry=self._handlers(self._answered),
                settings=watching.settings(),
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                standalone=True,
            )
        )
        try:
            return await asyncio.shield(spawning)
        except asyncio.CancelledError:
            tasks = await spawning
            if us := asyncio.current_task():
                us.cancel()
            return tasks

    def _answered(self, scope: str | None, *, well: bool) -> None:
        if well:
            self.open.add(scope)
        else:
            self.open.discard(scope)
