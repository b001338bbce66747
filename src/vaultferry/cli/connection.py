"""How a command reaches the cluster: as kubectl does, with the rights of its user.

It loads the client, so it is itself loaded only by what asks the cluster something.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vaultferry.cli.reach import as_user
from vaultferry.cli.refusal import Refused
from vaultferry.cluster import Cluster
from vaultferry.core import publickeys
from vaultferry.core.answers import Absent
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.core.sealing import PublicKey
from vaultferry.core.suites import Suite


@asynccontextmanager
async def connected(
    kubeconfig: str | None, context: str | None, connections: int = 1
) -> AsyncIterator[Cluster]:
    """Connect to a cluster until left.

    Args:
        kubeconfig: the file; None: that of kubectl, or the cluster of the pod.
        context: one of its contexts; None: the current one.
        connections: how many requests there may be at a time.

    Raises:
        Refused: there is no usable configuration.
    """
    server = await as_user(kubeconfig, context)
    cluster = Cluster(server, lambda _verb, _code: None, lambda: True, connections)
    try:
        yield cluster
    finally:
        await cluster.close()


def read_public_key(
    kubeconfig: str | None, context: str | None, namespace: str, suite: Suite
) -> PublicKey:
    """Ask the cluster for the public key of a suite.

    Raises:
        Refused: it could not be had.
        PublicKeyInvalid: it is not there, or is none.
    """
    return asyncio.run(_read_public_key(kubeconfig, context, namespace, suite))


async def _read_public_key(
    kubeconfig: str | None, context: str | None, namespace: str, suite: Suite
) -> PublicKey:
    async with connected(kubeconfig, context) as cluster:
        return await public_key(cluster, namespace, suite)


async def public_key(cluster: Cluster, namespace: str, suite: Suite) -> PublicKey:
    """Return the public key that the operator has published.

    Raises:
        Refused: it could not be had.
        PublicKeyInvalid: it is not there, or is none.
    """
    try:
        body = await cluster.get_config_map(namespace, publickeys.NAME)
    except Absent:
        why = "not there; --operator-namespace names another namespace"
    except ApiForbidden:
        why = "refused to you"
    except Failure as failure:
        why = str(failure)
    else:
        return publickeys.read(body, suite)
    raise Refused(f"ConfigMap {namespace}/{publickeys.NAME}: {why}")
