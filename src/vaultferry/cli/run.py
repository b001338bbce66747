"""`vaultferry run`: the operator."""

import asyncio
import os
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from vaultferry.apiserver import pod
from vaultferry.cli.namespace import Namespace
from vaultferry.cli.process import LEVELS, run_until_stopped
from vaultferry.cli.reach import as_process
from vaultferry.cli.refusal import OptionsOnly
from vaultferry.cli.rootkey import read_keyring
from vaultferry.core.addresses import Exceptions
from vaultferry.core.metadata import DEFAULT_PREFIXES
from vaultferry.operator import logs
from vaultferry.operator.app import Operator
from vaultferry.operator.hardening import harden
from vaultferry.operator.settings import DEFAULT_NAMESPACE, Settings
from vaultferry.places import DEFAULT_ROOM

_MIB = 1024 * 1024

_INSTALLATION = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _exceptions(
    _context: click.Context, _option: click.Parameter, given: Sequence[str]
) -> Exceptions:
    try:
        return Exceptions.parse(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _installation(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> str | None:
    if given is not None and not _INSTALLATION.fullmatch(given):
        raise click.BadParameter("use at most 64 letters, digits and . _ -")
    return given


@click.command(cls=OptionsOnly)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Where /livez, /readyz and /metrics are served; 0 takes one of loopback.",
)
@click.option("--log-level", default="info", show_default=True, type=LEVELS)
@click.option(
    "--metadata-prefix",
    "prefixes",
    multiple=True,
    default=DEFAULT_PREFIXES,
    show_default=True,
    help="A prefix allowed in labels and annotations of targets; may be repeated.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    envvar="VAULTFERRY_NAMESPACES",
    type=Namespace(),
    callback=lambda _context, _option, named: tuple(dict.fromkeys(named)),
    help="A namespace to serve, instead of all; may be repeated.",
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
    default=partial(pod.namespace, DEFAULT_NAMESPACE),
    show_default="that of the pod",
    help="Where the Lease is by which one of several replicas leads.",
)
@click.option(
    "--vault-address",
    "exceptions",
    multiple=True,
    envvar="VAULTFERRY_VAULT_ADDRESSES",
    callback=_exceptions,
    help="An address of a vault that is not https and public, as http://host:port or "
    "https://10.0.0.0/8; may be repeated.",
)
@click.option(
    "--vault-proxy",
    "proxy",
    envvar="VAULTFERRY_VAULT_PROXY",
    help="The proxy to external vaults: http://HOST:PORT.",
)
@click.option(
    "--installation-id",
    "installation",
    envvar="VAULTFERRY_INSTALLATION_ID",
    callback=_installation,
    show_default="the uid of the namespace kube-system",
    help="By what values in a store are known to be of this installation.",
)
@click.option(
    "--push-port",
    envvar="VAULTFERRY_PUSH_PORT",
    type=click.IntRange(0, 65535),
    help="Where vaults may call when something changed, while this replica leads; 0 "
    "takes a port of loopback; default: nowhere.",
)
@click.option(
    "--ambient-namespace",
    "ambient",
    multiple=True,
    envvar="VAULTFERRY_AMBIENT_NAMESPACES",
    type=Namespace(),
    callback=lambda _context, _option, named: tuple(dict.fromkeys(named)),
    help="A namespace whose VaultConnections may use what the operator itself is at "
    "AWS; may be repeated.",
)
@click.option(
    "--vault-memory",
    "room",
    default=DEFAULT_ROOM // _MIB,
    show_default=True,
    envvar="VAULTFERRY_VAULT_MEMORY",
    type=click.IntRange(min=1),
    callback=lambda _context, _option, given: given * _MIB,
    help="How many MiB of what vaults answered are kept.",
)
def run(log_level: str, **given: Any) -> None:
    """Run the operator against the cluster of KUBECONFIG, or the one it runs in.

    The root key comes from ENCRYPTION_KEY or ENCRYPTION_KEY_FILE.
    """
    harden()
    keyring = read_keyring(os.environ)
    settings = Settings(keyring, **given)
    logs.configure(log_level)
    run_until_stopped(_run(settings))


async def _run(settings: Settings) -> None:
    await Operator(settings, await as_process()).run(asyncio.Event())
