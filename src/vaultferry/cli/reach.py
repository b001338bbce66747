"""Which cluster is meant, and as whom: for commands of a user, and for processes."""

import os
from collections.abc import Callable

from vaultferry.apiserver import entries, kubeconfig, pod
from vaultferry.apiserver.credentials import Unusable
from vaultferry.apiserver.server import ApiServer
from vaultferry.cli.refusal import Refused


async def as_user(named: str | None, context: str | None) -> ApiServer:
    """Return the API server that kubectl would use, or that of the pod.

    Args:
        named: a kubeconfig; None: that of kubectl.
        context: one of its contexts; None: the current one.

    Raises:
        Refused: there is none, or no usable credentials for it.
    """
    return await _usable(lambda: _of_user(named, context))


async def as_process() -> ApiServer:
    """Return the API server of KUBECONFIG, or that of the pod.

    Raises:
        Refused: there is none, or no usable credentials for it.
    """
    return await _usable(_of_process)


def namespace(named: str | None, context: str | None) -> str:
    """Return the namespace of a context, else of the pod, else `default`."""
    try:
        found = kubeconfig.namespace(entries.read(entries.files(named)), context)
    except Unusable:
        return pod.namespace("default")
    return found or "default"


async def _usable(find: Callable[[], ApiServer]) -> ApiServer:
    try:
        server = find()
        # A program that says who we are is run once before anything depends on it.
        await server.credentials.authorization()
    except Unusable as why:
        raise Refused(f"no cluster: {why}") from None
    return server


def _of_user(named: str | None, context: str | None) -> ApiServer:
    try:
        return kubeconfig.api_server(entries.read(entries.files(named)), context)
    except Unusable:
        is_asked_for = named or context or os.environ.get("KUBECONFIG")
        if is_asked_for or not pod.is_here():
            raise
    return pod.api_server()


def _of_process() -> ApiServer:
    # The kubeconfig of whoever starts it is nothing to run an operator by.
    if os.environ.get("KUBECONFIG"):
        return kubeconfig.api_server(entries.read(entries.files(None)))
    return pod.api_server()
