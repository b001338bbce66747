"""External Secrets: ExternalSecrets that read from its own store for tests.

The store answers at once, from memory. A real vault would make it slower, so this
flatters it.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench
from benchmarks.objects import Key
from benchmarks.rivals import Program, Rival, install
from benchmarks.settings import Versus
from benchmarks.watching import is_true

GROUP = "external-secrets.io/v1"
OPTIONS = ("--concurrent=20", "--client-qps=1000", "--client-burst=1000")
"""The defaults, one worker and 50 requests a second, are far slower."""

_STORE = "bench"
_ADDRESSES = ("--metrics-addr=127.0.0.1:0", "--live-addr=127.0.0.1:0")


def rival(bench: Bench, versus: Versus) -> Rival:
    """Prepare it on a control plane."""
    user, kubeconfig = install(bench.plane, "eso", versus.crds)
    options = OPTIONS if versus.options is None else versus.options
    return Rival(
        program=Program(
            command=[str(versus.binary), *_ADDRESSES, *options],
            environ={"KUBECONFIG": str(kubeconfig)},
            log=bench.folder / "eso.log",
        ),
        user=user,
        group=GROUP,
        plural="externalsecrets",
        done=is_true("Ready"),
        shared=[(f"/apis/{GROUP}/clustersecretstores", store())],
        manifest=manifest,
    )


def store() -> dict[str, Any]:
    """Return the store that all its objects read from."""
    data = [{"key": name, "value": "x" * 28} for name in ("user", "password")]
    return {
        "apiVersion": GROUP,
        "kind": "ClusterSecretStore",
        "metadata": {"name": _STORE},
        "spec": {"provider": {"fake": {"data": data}}},
    }


def manifest(key: Key, content: Mapping[str, bytes]) -> dict[str, Any]:
    """Return an ExternalSecret with as many keys as ours has fields."""
    return {
        "apiVersion": GROUP,
        "kind": "ExternalSecret",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {
            "refreshInterval": "1h0m0s",
            "secretStoreRef": {"name": _STORE, "kind": "ClusterSecretStore"},
            "target": {"name": key.name},
            "data": [
                {"secretKey": name, "remoteRef": {"key": name}} for name in content
            ],
        },
    }
