"""A value is seen nowhere but in the data of its Secret, whatever goes wrong."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import patch, stalled
from tests.e2e.fulllife import Life
from tests.e2e.operator import Operator
from tests.e2e.sinks import Sinks
from tests.e2e.tenant import Tenant
from tests.leaks.canary import Canary
from tests.leaks.scanner import Scanner
from vaultferry.core.keyring import Keyring

OWN = ["own log", "events", "status", "metrics", "command line", "files"]
OTHERS = [
    "metadata",
    "every object",
    "every object as YAML",
    "kubectl",
    "audit log",
    "etcd's database",
    "etcd's log",
]


@dataclass(frozen=True)
class Seen:
    """A life, what was planted at its end, and the content of every sink."""

    life: Life
    planted: dict[str, Canary]
    sinks: dict[str, bytes]


@pytest.fixture(scope="module")
def seen(
    cluster: ControlPlane,
    operator: Operator,
    keyring: Keyring,
    root_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    if cluster.audit_log is None or cluster.etcd_dir is None:
        pytest.skip("audit log and etcd of somebody else's cluster cannot be read")
    folder = tmp_path_factory.mktemp("home")
    namespace = f"leaks-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", namespace)
    life = Life(Tenant(cluster, namespace, keyring), root_key)
    start = cluster.audit_log.stat().st_size
    option = marker("command line")
    with operator.stopped():
        talkative = talking(operator, folder, option)
        talkative.start()
        try:
            life.live()
            planted = plant(life, cluster, folder) | {"command line": option}
            sinks = Sinks(cluster, talkative, folder, start, life.said).read()
        finally:
            talkative.stop()
        sinks["own log"] = talkative.log.read_bytes()
    yield Seen(life, planted, sinks)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def talking(operator: Operator, folder: Path, option: Canary) -> Operator:
    """Return an operator that says as much as it can, and leaves files in a folder."""
    return Operator(
        kubeconfig=operator.kubeconfig,
        log=folder.with_suffix(".log"),
        environ={
            **operator.environ,
            "PYTHONASYNCIODEBUG": "1",
            "PYTHONDEVMODE": "1",
            "TMPDIR": str(folder),
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder),
        },
        options=("--log-level", "debug", "--metadata-prefix", option.text),
    )


def marker(sink: str) -> Canary:
    return Canary(sink, f"x{secrets.token_hex(16)}".encode())


def plant(life: Life, cluster: ControlPlane, folder: Path) -> dict[str, Canary]:
    """Have something known stand in each sink, in the way that is natural there.

    The operator leaves no file of its own, so one is written beside it.
    """
    tenant = life.tenant
    planted = {sink: marker(sink) for sink in (*OWN, *OTHERS)}
    for sink in ("own log", "events", "status"):
        # Logs, events and messages name the resource.
        name = planted[sink].text
        life.apply(tenant.manifest(name, tenant.seal("elsewhere", v="x")))
        stalled(tenant, name)
    note = {"annotations": {"note": planted["metadata"].text}}
    patch(tenant, "secret", "db", {"metadata": note})
    for sink in OTHERS:
        text = planted[sink].text
        life.say("create", "configmap", text, f"--from-literal=v={text}")
    cluster.kubectl("get", "--raw", f"/version?{planted['audit log'].text}")
    (folder / "planted").write_text(planted["files"].text)
    return planted | {"metrics": Canary("metrics", b'result="TokenNotOpened"')}


@pytest.mark.parametrize("sink", [*OWN, *OTHERS])
def test_no_value_and_no_key_is_found(seen: Seen, sink: str) -> None:
    hits = Scanner(seen.life.canaries).scan(seen.sinks[sink])

    assert [hit.around for hit in hits] == []


@pytest.mark.parametrize("sink", [*OWN, *OTHERS])
def test_only_the_api_server_quotes_what_has_a_wrong_type(
    seen: Seen, sink: str
) -> None:
    hits = Scanner(seen.life.echoed).scan(seen.sinks[sink])

    # Known and not ours to cure, docs/security.md warns of it: what server-side apply
    # cannot type, and what a patch makes of an object against its schema, the API
    # server repeats to who sent it, and in the audit log, at any level.
    assert bool(hits) == (sink in {"kubectl", "audit log"})


@pytest.mark.parametrize("sink", OWN)
def test_the_operator_does_not_repeat_what_others_wrote(seen: Seen, sink: str) -> None:
    hits = Scanner(seen.life.told).scan(seen.sinks[sink])

    assert [hit.around for hit in hits] == []


@pytest.mark.parametrize("sink", [*OWN, *OTHERS])
def test_what_was_planted_is_found(seen: Seen, sink: str) -> None:
    hits = Scanner([seen.planted[sink]]).scan(seen.sinks[sink])

    assert "raw" in {form for hit in hits for form in hit.forms}


def test_the_life_had_every_failure_in_it(seen: Seen) -> None:
    assert seen.life.reasons == {
        "ApiForbidden",
        "ApiRejected",
        "Conflict",
        "InvalidSpec",
        "KeyInvalid",
        "NotAllowed",
        "Suspended",
        "TargetMissing",
        "TokenMalformed",
        "TokenNotOpened",
        "TypeDiffers",
        "UnknownKeyId",
        "ValueInvalid",
    }
