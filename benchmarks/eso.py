"""External Secrets: ExternalSecrets that read from its own store for tests.

The store answers at once, from memory. A real vault would make it slower, so this
flatters it.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks import doppler, objects
from benchmarks.bench import Bench, Contestant
from benchmarks.doppler import Side, token_secret
from benchmarks.objects import Key
from benchmarks.rivals import Program, Rival, install
from benchmarks.settings import Versus
from benchmarks.watching import is_true
from tests.vaults.process import Running

GROUP = "external-secrets.io/v1"
OPTIONS = ("--concurrent=20", "--client-qps=1000", "--client-burst=1000")
"""The defaults, one worker and 50 requests a second, are far slower."""

CONCURRENCIES = (1, 20, 100)
"""With which it is measured at a vault, where it has no options; the best counts."""

_ONE_AT_A_TIME = 1000
"""More objects than that are not synced with one worker: it takes half an hour."""

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


def sides(bench: Bench, there: Running, versus: Versus, count: int) -> list[Side]:
    """Prepare it, with each of its options, to take values from a Doppler."""
    user, kubeconfig = install(bench.plane, "eso-doppler", versus.crds)
    space = user.split(":")[2]
    bundle = bench.folder / "doppler.pem"
    bundle.write_text(there.certificate)
    environ = {
        "KUBECONFIG": str(kubeconfig),
        "DOPPLER_BASE_URL": there.url,
        "SSL_CERT_FILE": str(bundle),
    }
    return [
        Side(
            name=name,
            contestant=Contestant(
                Program(
                    command=[str(versus.binary), *_ADDRESSES, *options],
                    environ=environ,
                    log=bench.folder / f"{name}.log",
                ),
                user,
                f"/apis/{GROUP}/externalsecrets",
                is_true("Ready"),
            ),
            annotation="force-sync",
            shares=False,
            collection=lambda space: (
                f"/apis/{GROUP}/namespaces/{space}/externalsecrets"
            ),
            manifest=lambda key: manifest(key, doppler.FIELDS),
            shared=[
                (objects.secrets_of(space), token_secret(name)),
                (f"/apis/{GROUP}/clustersecretstores", doppler_store(space, name)),
            ],
        )
        for name, options in _options(versus, count).items()
    ]


def _options(versus: Versus, count: int) -> dict[str, tuple[str, ...]]:
    """Return what it is to be measured with, by names of it."""
    if versus.options is not None:
        return {"eso": versus.options}
    limits = ("--client-qps=5000", "--client-burst=5000")
    chosen = [n for n in CONCURRENCIES if n > 1 or count <= _ONE_AT_A_TIME]
    return {f"eso-{n}": (f"--concurrent={n}", *limits) for n in chosen}


def doppler_store(space: str, token: str) -> dict[str, Any]:
    """Return the store that its objects read from where there is a Doppler."""
    reference = {"name": token, "namespace": space, "key": "token"}
    config = {
        "auth": {"secretRef": {"dopplerToken": reference}},
        "project": doppler.PROJECT,
        "config": doppler.CONFIG,
    }
    return {
        "apiVersion": GROUP,
        "kind": "ClusterSecretStore",
        "metadata": {"name": _STORE},
        "spec": {"provider": {"doppler": config}},
    }


def store() -> dict[str, Any]:
    """Return the store that all its objects read from."""
    data = [{"key": name, "value": "x" * 28} for name in ("user", "password")]
    return {
        "apiVersion": GROUP,
        "kind": "ClusterSecretStore",
        "metadata": {"name": _STORE},
        "spec": {"provider": {"fake": {"data": data}}},
    }


def manifest(key: Key, content: Mapping[str, object]) -> dict[str, Any]:
    """Return an ExternalSecret with as many keys as ours has fields.

    Args:
        key: namespace and name.
        content: the keys, each with its name in the vault where that is another one.
    """
    names = {k: name if isinstance(name, str) else k for k, name in content.items()}
    return {
        "apiVersion": GROUP,
        "kind": "ExternalSecret",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {
            "refreshInterval": "1h0m0s",
            "secretStoreRef": {"name": _STORE, "kind": "ClusterSecretStore"},
            "target": {"name": key.name},
            "data": [
                {"secretKey": k, "remoteRef": {"key": name}}
                for k, name in names.items()
            ],
        },
    }
