"""How a command reaches the cluster: as kubectl does, with the rights of its user.

It loads the client, so it is itself loaded only by what asks the cluster something.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from vaultferry.cli.refusal import Refused
from vaultferry.cluster import Cluster
from vaultferry.core import publickeys
from vaultferry.core.answers import Absent
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.core.sealing import PublicKey
from vaultferry.core.suites import Suite

# kubernetes.aio says it is typed, but most of it is not.
_load_kube_config: Any = config.load_kube_config
_load_incluster_config: Any = config.load_incluster_config

# It logs the paths that it does not find.
logging.getLogger("kubernetes").setLevel(logging.CRITICAL)

# Its words may hold a path, a token or what a plug-in printed: none is repeated.
_UNUSABLE = (
    config.ConfigException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    yaml.YAMLError,
)


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
    configuration = Configuration()
    configuration.connection_pool_maxsize = connections
    await _configure(configuration, kubeconfig, context)
    cluster = Cluster(configuration, lambda _verb, _code: None, lambda: True)
    try:
        yield cluster
    finally:
        await cluster.close()


async def _configure(
    configuration: Configuration, kubeconfig: str | None, context: str | None
) -> None:
    # The library itself looks at the variable only when it is loaded.
    named = kubeconfig or os.environ.get("KUBECONFIG")
    try:
        await _load_kube_config(
            config_file=named,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except _UNUSABLE:
        if not (named or context) and _is_pod(configuration):
            return
    else:
        return
    raise Refused("no cluster: the kubeconfig, or its context, is not usable")


def _is_pod(configuration: Configuration) -> bool:
    try:
        _load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        return False
    return True


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
