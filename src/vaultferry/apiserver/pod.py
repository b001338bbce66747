"""What a pod knows of its cluster."""

import os
from pathlib import Path

from vaultferry.apiserver import tls
from vaultferry.apiserver.credentials import TokenFile, Unusable
from vaultferry.apiserver.server import ApiServer

_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def is_here() -> bool:
    """Tell whether this is a pod."""
    return bool(os.environ.get(_HOST) and os.environ.get(_PORT))


def api_server() -> ApiServer:
    """Return the API server of the cluster, with the pod's service account.

    Raises:
        Unusable: this is no pod, or it has no account.
    """
    if not is_here():
        raise Unusable("set KUBECONFIG, or run in a pod")
    host, port = os.environ[_HOST], os.environ[_PORT]
    credentials = TokenFile(_FOLDER / "token", "the token of the pod")
    try:
        context = tls.trusting(_FOLDER / "ca.crt")
    except (OSError, ValueError):
        raise Unusable("the ca.crt of the pod is no certificate") from None
    in_url = f"[{host}]" if ":" in host else host
    return ApiServer(f"https://{in_url}:{port}", credentials, context)


def namespace(otherwise: str) -> str:
    """Return the namespace of the pod, or something else where this is none."""
    try:
        return (_FOLDER / "namespace").read_text().strip()
    except OSError:
        return otherwise
