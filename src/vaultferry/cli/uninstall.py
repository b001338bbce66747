"""`vaultferry uninstall`: which VaultSecrets wait for a store, and the way out.

The operator takes away what stores keep, and then the finalizer. Where there is no
operator any more, a VaultSecret that has the finalizer would stay for ever.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import click

from vaultferry.cli.connection import connected
from vaultferry.cli.refusal import OptionsOnly, Refused
from vaultferry.cluster import Cluster
from vaultferry.core import stored
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.core.vaultsecret import VaultSecret

_ROUNDS = 5


@dataclass(frozen=True)
class Options:
    """What the options ask for."""

    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]
    purge: bool


@click.command(cls=OptionsOnly)
@click.option("--kubeconfig", help="The kubeconfig; default: kubectl's.")
@click.option("--context", help="A context of the kubeconfig; default: the current.")
@click.option(
    "--namespace",
    "-n",
    "namespaces",
    multiple=True,
    help="A namespace to look in, instead of all; may be repeated.",
)
@click.option(
    "--purge",
    is_flag=True,
    help="Take the finalizers away, and leave in the stores what is there.",
)
def uninstall(**given: Any) -> None:
    """Say what stores keep of VaultSecrets; with --purge, let go of it.

    Delete the VaultSecrets, or take out their spec.storeRef, while the operator runs:
    then nothing is left. Where it runs no more, --purge has them go, and the list says
    what has to be deleted in the stores by hand. Ends with 1 where any waits on.
    """
    options = Options(**given)
    waiting = asyncio.run(_run(options))
    for line in waiting.lines:
        click.echo(line)
    verb = "let go" if options.purge else "held"
    click.echo(f"{len(waiting.lines)} VaultSecrets {verb}, {waiting.held} wait on")
    if waiting.held:
        raise SystemExit(1)


@dataclass
class Waiting:
    """The VaultSecrets that have the finalizer."""

    lines: list[str]
    """What a store keeps of each."""

    held: int
    """How many have it still."""


async def _run(options: Options) -> Waiting:
    async with connected(options.kubeconfig, options.context) as cluster:
        found = [
            each
            for namespace in options.namespaces or (None,)
            for each in await _listed(cluster, namespace)
        ]
        let_go = [options.purge and await _let_go(cluster, each) for each in found]
    return Waiting([*map(_line, found)], let_go.count(False))


async def _listed(cluster: Cluster, namespace: str | None) -> list[VaultSecret]:
    """Return the VaultSecrets with the finalizer.

    Raises:
        Refused: they cannot be listed.
    """
    try:
        return [
            VaultSecret.parse(body)
            async for page, _ in cluster.list_whole_vaultsecrets(namespace)
            for body in page
            if stored.FINALIZER in (body["metadata"].get("finalizers") or ())
        ]
    except Absent:
        why = "the cluster has no VaultSecrets installed"
    except ApiForbidden:
        why = "you may not list them"
    except Expired:
        why = "there are more than could be read in time: try again"
    except Failure as failure:
        why = str(failure)
    raise Refused(f"VaultSecrets not listed: {why}")


async def _let_go(cluster: Cluster, resource: VaultSecret) -> bool:
    """Take the finalizer away; return whether that was done."""
    try:
        for _ in range(_ROUNDS):
            if await _patched(cluster, resource):
                return True
            body = await cluster.get_vaultsecret(resource.namespace, resource.name)
            resource = VaultSecret.parse(body)
    except Absent:
        # It is gone, or was while we looked.
        return True
    except (Failure, Stale):
        return False
    return False


async def _patched(cluster: Cluster, resource: VaultSecret) -> bool:
    """Take the finalizer away, unless the resource has changed meanwhile."""
    patch = {
        "uid": resource.uid,
        "resourceVersion": resource.resource_version,
        "finalizers": stored.finalizers(resource, held=False),
    }
    try:
        await cluster.patch_finalizers(resource.namespace, resource.name, patch)
    except Stale:
        return False
    return True


def _line(resource: VaultSecret) -> str:
    there = resource.status.stored
    if there is None:
        return f"{resource.owner}: nothing is known to be kept"
    fields = ", ".join(there.fields)
    return (
        f"{resource.owner}: VaultConnection {there.namespace}/{there.name} "
        f"({there.address}) keeps {there.path} with {fields}"
    )
