"""Wires one webhook process together and runs it until it is told to stop."""

import asyncio
import datetime as dt

import structlog

from vaultferry.apiserver.server import ApiServer
from vaultferry.cluster import Cluster
from vaultferry.core.authority import authorities, paths
from vaultferry.operator import clock, health
from vaultferry.operator.stopping import handle_signals
from vaultferry.webhook.certificates import Certificates, Files, Own
from vaultferry.webhook.metrics import Metrics
from vaultferry.webhook.review import Reviewer
from vaultferry.webhook.server import Handler, serving
from vaultferry.webhook.settings import Settings

log = structlog.get_logger()


class Webhook:
    """One webhook process; replicas share the root key and nothing else."""

    def __init__(self, settings: Settings, server: ApiServer) -> None:
        """Prepare.

        Raises:
            CertificateUnusable: the files hold none.
        """
        self.metrics = Metrics()
        self.certificates = Certificates(_source(settings))
        self.metrics.expiry(lambda: self.certificates.expiry)
        self._settings = settings
        self._cluster = Cluster(server, self.metrics.called, lambda: False)
        reviewer = Reviewer(
            settings.keyring, self._cluster, clock.seconds, self.metrics.answered
        )
        self._handler = Handler(paths(settings.keyring), reviewer.answer, self.metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop; SIGTERM and SIGINT set the event."""
        handle_signals(stop)
        settings = self._settings
        keeping = asyncio.create_task(self.certificates.keep())
        ready = {"certificate": lambda: self.certificates.expiry > _now().timestamp()}
        try:
            async with (
                serving(settings.port, self.certificates.context, self._handler) as own,
                health.serving(settings.health_port, self.metrics, {}, ready) as port,
            ):
                keys = settings.keyring.key_ids
                log.info("started", port=port, webhook_port=own, keys=keys)
                await stop.wait()
                log.info("stopping")
        finally:
            keeping.cancel()
            await self._cluster.close()


def _source(settings: Settings) -> Own | Files:
    if settings.files is not None:
        return Files(settings.files)
    return Own(authorities(settings.keyring), settings.host, _now)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
