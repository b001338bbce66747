"""`vaultferry run`: the operator."""

import asyncio
import os
from pathlib import Path
from typing import Any

import click
import structlog
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from vaultferry.cli.refusal import OptionsOnly, Refused
from vaultferry.cli.rootkey import read_keyring
from vaultferry.core.metadata import DEFAULT_PREFIXES
from vaultferry.operator import logs
from vaultferry.operator.app import Operator
from vaultferry.operator.hardening import harden
from vaultferry.operator.settings import DEFAULT_NAMESPACE, Settings

log = structlog.get_logger()

# kubernetes.aio says it is typed, but most of it is not.
_load_kube_config: Any = config.load_kube_config
_load_incluster_config: Any = config.load_incluster_config

_LEVELS = click.Choice(["debug", "info", "warning", "error"])

_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _own_namespace() -> str:
    """Return the namespace of the pod that this runs in, or the one of deploy/."""
    try:
        return _ACCOUNT_NAMESPACE.read_text().strip()
    except OSError:
        return DEFAULT_NAMESPACE


@click.command(cls=OptionsOnly)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Where /livez, /readyz and /metrics are served; 0 takes one of loopback.",
)
@click.option("--log-level", default="info", show_default=True, type=_LEVELS)
@click.option(
    "--metadata-prefix",
    "prefixes",
    multiple=True,
    default=DEFAULT_PREFIXES,
    show_default=True,
    help="A prefix allowed in labels and annotations of targets; may be repeated.",
)
@click.option(
    "--workers",
    default=16,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many reconciliations run at a time.",
)
@click.option(
    "--lease-namespace",
    envvar="POD_NAMESPACE",
    default=_own_namespace,
    show_default="that of the pod",
    help="Where the Lease is by which one of several replicas leads.",
)
def run(
    port: int,
    log_level: str,
    prefixes: tuple[str, ...],
    workers: int,
    lease_namespace: str,
) -> None:
    """Run the operator against the cluster of KUBECONFIG, or the one it runs in.

    The root key comes from ENCRYPTION_KEY or ENCRYPTION_KEY_FILE.
    """
    harden()
    keyring = read_keyring(os.environ)
    settings = Settings(keyring, port, prefixes, workers, lease_namespace)
    logs.configure(log_level)
    try:
        asyncio.run(_run(settings))
    except Exception as error:
        if isinstance(error, click.ClickException):
            raise
        # Logged here, because Python itself would print the texts of the exception.
        log.exception("stopped by an unexpected error")
        raise SystemExit(1) from None


async def _run(settings: Settings) -> None:
    await Operator(settings, await _configuration()).run(asyncio.Event())


async def _configuration() -> Configuration:
    configuration = Configuration()
    try:
        if "KUBECONFIG" in os.environ:
            await _load_kube_config(client_configuration=configuration)
        else:
            _load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        raise Refused("no cluster: set KUBECONFIG, or run in a pod") from None
    return configuration
