"""What the commands share that run as a process of the cluster."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import click
import structlog
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from vaultferry.cli.refusal import Refused

log = structlog.get_logger()

LEVELS = click.Choice(["debug", "info", "warning", "error"])

# kubernetes.aio says it is typed, but most of it is not.
_load_kube_config: Any = config.load_kube_config
_load_incluster_config: Any = config.load_incluster_config


def run_until_stopped(process: Coroutine[Any, Any, None]) -> None:
    """Run a process; log what ends it unexpectedly, and exit."""
    try:
        asyncio.run(process)
    except Exception as error:
        if isinstance(error, click.ClickException):
            raise
        # Logged here, because Python itself would print the texts of the exception.
        log.exception("stopped by an unexpected error")
        raise SystemExit(1) from None


async def configuration() -> Configuration:
    """Return how to reach the cluster of KUBECONFIG, or the one that this runs in."""
    found = Configuration()
    try:
        if "KUBECONFIG" in os.environ:
            await _load_kube_config(client_configuration=found)
        else:
            _load_incluster_config(client_configuration=found)
    except config.ConfigException:
        raise Refused("no cluster: set KUBECONFIG, or run in a pod") from None
    return found
