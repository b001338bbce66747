"""Kubeconfig files: how a user reaches a cluster."""

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.certificates import KeyPair

User = Mapping[str, Any]


@dataclass(frozen=True)
class Access:
    """The `cluster` and the `user` of a kubeconfig."""

    cluster: Mapping[str, Any]
    user: User

    def write(self, path: Path) -> Path:
        """Write a kubeconfig that only its owner can read."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": dict(self.cluster)}],
            "users": [{"name": "user", "user": dict(self.user)}],
            "contexts": [
                {"name": "context", "context": {"cluster": "cluster", "user": "user"}}
            ],
            "current-context": "context",
        }
        write_private(path, yaml.safe_dump(config, sort_keys=False))
        return path


def read(path: Path) -> Access:
    """Read what the current context of a kubeconfig says, files it names included."""
    flags = ["--raw", "--flatten", "--minify", "--output=json"]
    done = subprocess.run(
        ["kubectl", "config", "view", f"--kubeconfig={path}", *flags],
        capture_output=True,
        check=True,
    )
    config = json.loads(done.stdout)
    return Access(config["clusters"][0]["cluster"], config["users"][0]["user"])


def cluster(server: str, authority: str) -> Mapping[str, Any]:
    """Return how to reach and to trust a server."""
    return {"server": server, "certificate-authority-data": encode(authority)}


def certificate_user(pair: KeyPair) -> User:
    """Return a user who shows a client certificate."""
    return {
        "client-certificate-data": encode(pair.certificate),
        "client-key-data": encode(pair.key),
    }


def encode(text: str) -> str:
    """Return text in base64, as a kubeconfig and a Secret hold it."""
    return base64.b64encode(text.encode()).decode()


def decode(text: str) -> str:
    """Return what base64 holds."""
    return base64.b64decode(text).decode()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(path, flags, 0o600), "w") as file:
        file.write(text)
