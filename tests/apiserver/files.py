"""Kubeconfigs as tests write them."""

from pathlib import Path
from typing import Any

import yaml

from vaultferry.apiserver.entries import read
from vaultferry.apiserver.kubeconfig import api_server
from vaultferry.apiserver.server import ApiServer

CANARY = "canary-hunter2"
URL = "https://api.example.com:6443"

Content = dict[str, Any]


def kubeconfig(
    path: Path,
    user: Content | None = None,
    cluster: Content | None = None,
    *,
    name: str = "ours",
    **more: Any,
) -> Path:
    """Write a kubeconfig with one context, whose parts have the same name."""
    content = {
        "clusters": [{"name": name, "cluster": {"server": URL, **(cluster or {})}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def reached(
    folder: Path, user: Content | None = None, cluster: Content | None = None
) -> ApiServer:
    """Return what a kubeconfig in a folder tells."""
    return api_server(read([kubeconfig(folder / "config", user, cluster)]))
