"""What a command knows of the pod that it runs in."""

from pathlib import Path

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def namespace(otherwise: str) -> str:
    """Return the namespace of the pod, or something else where this is none."""
    try:
        return _NAMESPACE.read_text().strip()
    except OSError:
        return otherwise
