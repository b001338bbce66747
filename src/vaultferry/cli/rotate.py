"""`vaultferry rotate`: move the sealed values in the cluster to the newest key.

Each resource is one patch of its own, guarded by uid and resourceVersion, so whoever
ends the command at any moment goes on by calling it again.
"""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import click

from vaultferry.cli.connection import connected, public_key
from vaultferry.cli.refusal import OptionsOnly, Refused
from vaultferry.cli.rootkey import read_keyring
from vaultferry.cluster import Cluster
from vaultferry.core import rotation
from vaultferry.core.answers import Absent, Body, Expired, Stale
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.core.keyring import Keyring
from vaultferry.core.rotation import Leave, Rewrite
from vaultferry.core.suites import Suite
from vaultferry.operator.settings import DEFAULT_NAMESPACE
from vaultferry.views import Key

# A resource that is busy, or an API server that is, gets half a minute.
ROUNDS = 8
FIRST_PAUSE_SECONDS = 0.2

_ROTATED, _CURRENT, _GONE = "rotated", "current", "gone"


@dataclass(frozen=True)
class Options:
    """What the options ask for."""

    kubeconfig: str | None
    context: str | None
    operator_namespace: str
    namespaces: tuple[str, ...]
    workers: int
    dry_run: bool


@click.command(cls=OptionsOnly)
@click.option("--kubeconfig", help="The kubeconfig; default: kubectl's.")
@click.option("--context", help="A context of the kubeconfig; default: the current.")
@click.option(
    "--operator-namespace",
    default=DEFAULT_NAMESPACE,
    show_default=True,
    help="Where the operator is, whose public keys tell which key it seals for.",
)
@click.option(
    "--namespace",
    "-n",
    "namespaces",
    multiple=True,
    help="A namespace to rotate in, instead of all; may be repeated.",
)
@click.option(
    "--workers",
    default=8,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many resources are rotated at a time.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def rotate(**given: Any) -> None:
    """Seal the values in the cluster again, for the newest root key.

    Reads the root keys from ENCRYPTION_KEY or ENCRYPTION_KEY_FILE; the operator must
    have the same newest one. Rewrites the tokens that nobody else keeps, and names the
    rest, whose manifests are for `vaultferry reseal`. Ends with 1 where any is left.
    """
    keyring = read_keyring(os.environ)
    results = asyncio.run(_run(keyring, Options(**given)))
    left = {key: why for key, why in results.items() if why not in _FINE}
    for key, why in sorted(left.items()):
        click.echo(f"{key}: {why}")
    counts = Counter(results.values())
    verb = "to rotate" if given["dry_run"] else "rotated"
    click.echo(
        f"key {keyring.key_id}: {counts[_ROTATED]} {verb}, "
        f"{counts[_CURRENT]} on it already, {len(left)} left"
    )
    if left:
        raise SystemExit(1)


_FINE = frozenset({_ROTATED, _CURRENT, _GONE})


async def _run(keyring: Keyring, options: Options) -> dict[Key, str]:
    where = options.kubeconfig, options.context
    async with connected(*where, connections=options.workers + 1) as cluster:
        await _check_operator(cluster, keyring, options.operator_namespace)
        work = Rotation(cluster, keyring, options.workers, dry_run=options.dry_run)
        for namespace in options.namespaces or (None,):
            await work.run(namespace)
        return work.results


async def _check_operator(cluster: Cluster, keyring: Keyring, namespace: str) -> None:
    """Check that the operator opens what is about to be sealed.

    Raises:
        Refused: it has another newest key.
    """
    theirs = await public_key(cluster, namespace, Suite.HPKE_X25519)
    if theirs != keyring.public_key(Suite.HPKE_X25519):
        raise Refused(
            f"the operator seals for key {theirs.key_id}, and this would for "
            f"{keyring.key_id}: give both the same root keys, the newest first"
        )


@dataclass
class Rotation:
    """The work on one cluster, and how it ended for each resource."""

    cluster: Cluster
    keyring: Keyring
    workers: int
    dry_run: bool
    results: dict[Key, str] = field(default_factory=dict)

    async def run(self, namespace: str | None) -> None:
        """Rotate a namespace, or all of the cluster.

        Raises:
            Refused: the VaultSecrets cannot be listed.
        """
        for _ in range(ROUNDS):
            try:
                return await self._list(namespace)
            except Expired:
                # It took longer than the API server remembers: what is done is done.
                continue
            except Absent:
                why = "the cluster has no VaultSecrets installed"
            except ApiForbidden:
                why = "you may not list them"
            except Failure as failure:
                why = str(failure)
            raise Refused(f"VaultSecrets not listed: {why}")
        raise Refused("VaultSecrets not listed: the lists kept expiring")

    async def _list(self, namespace: str | None) -> None:
        turns = asyncio.Semaphore(self.workers)
        async for page, _ in self.cluster.list_whole_vaultsecrets(namespace):
            async with asyncio.TaskGroup() as group:
                for body in page:
                    group.create_task(self._one(turns, body))

    async def _one(self, turns: asyncio.Semaphore, body: Body) -> None:
        key = Key.of(body)
        async with turns:
            result = await self._result(key, body)
        if self.results.get(key) != _ROTATED:
            self.results[key] = result

    async def _result(self, key: Key, listed: Body) -> str:
        body: Body | None = listed
        why, pause = "", FIRST_PAUSE_SECONDS
        for _ in range(ROUNDS):
            try:
                return await self._attempt(key, body)
            except Absent:
                return _GONE
            except Stale:
                why = "it keeps changing"
            except Failure as failure:
                why = f"{failure.reason}: {failure}"
                if not failure.retry or isinstance(failure, ApiForbidden):
                    return why
            await asyncio.sleep(pause)
            body, pause = None, pause * 2
        return why

    async def _attempt(self, key: Key, body: Body | None) -> str:
        """Rotate a resource as it was listed, or as it is now; return how it ended."""
        body = body or await self.cluster.get_vaultsecret(*key)
        match rotation.needed(self.keyring, body):
            case Rewrite(patch=patch):
                if not self.dry_run:
                    await self.cluster.patch_vaultsecret(*key, rotation.MANAGER, patch)
                return _ROTATED
            case Leave(managers=managers):
                return f"kept by {', '.join(managers)}: reseal the manifest"
            case None:  # pragma: no branch - mypy knows that it is the last
                return _CURRENT
