"""Root keys are exchanged: nothing is unreadable meanwhile, and no Secret changes."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh, wait_for_no_leftovers
from tests.e2e.rotating import Rotated, create, rotated
from tests.e2e.tenant import eventually
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Token

COUNT = 402
MANY, TOKENS = 2500 if os.environ.get("CAMPAIGN") else 200, 4
_SETTLE_SECONDS = 60 + MANY / 10

KEPT = "kept by kubectl-client-side-apply: reseal the manifest"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def world(plane: ControlPlane, tmp_path: Path) -> Iterator[Rotated]:
    """An operator with the old root key, and an empty namespace in an empty cluster."""
    wait_for_no_leftovers(plane)
    with (
        fresh(plane, Keyring.parse([OLD])) as tenant,
        rotated(tenant, tmp_path, OLD) as found,
    ):
        yield found


def opened(world: Rotated, ring: Keyring) -> dict[str, dict[str, bytes]]:
    """Return what a keyring opens, which must be all there is."""
    namespace = world.tenant.namespace
    return {
        name: {
            field: ring.open(token, Place(namespace, name, field))
            for field, token in body["spec"]["sealed"].items()
        }
        for name, body in world.all("vaultsecrets.vaultferry.dev").items()
    }


def test_the_keys_are_exchanged_whoever_is_killed_and_no_secret_changes(
    world: Rotated,
) -> None:
    create(world.tenant, OLD, COUNT)
    eventually(world.is_ready)
    values = opened(world, Keyring.parse([OLD]))
    secrets, versions = world.secrets(), world.versions()

    # Two keys, then the new one first.
    world.have(OLD, NEW)
    eventually(lambda: world.count("older") == COUNT * 2 / 3)
    assert (world.count("newest"), world.count("unknown")) == (COUNT / 3, 0)
    ring = world.have(NEW, OLD)
    eventually(lambda: world.count("older") == COUNT)
    assert (world.count("newest"), world.count("unknown")) == (0, 0)

    # Rotate, and be killed at it; so is the operator.
    # Early, for the metric that tells the moment lags where the machine is busy.
    for share in (0, 0.1, 0.2):
        world.killed([NEW, OLD], over(world, COUNT * share), "--workers=1")
        assert 0 < world.left(ring.key_id) < COUNT
        world.kill()
        assert opened(world, ring) == values
    done = world.run("rotate", roots=[NEW, OLD])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(", 0 left\n")
    world.kill()
    eventually(lambda: world.is_ready(ring.key_id))
    assert (world.count("newest"), world.count("older")) == (COUNT, 0)

    # Without the old one everything still opens, and nothing was written.
    alone = world.have(NEW)
    flags = ("--all", "--overwrite", "vaultferry.dev/force-sync=now")
    world.tenant.kubectl("annotate", "vaultsecrets", *flags)
    eventually(lambda: is_synced(world))
    assert world.is_ready(alone.key_id)
    assert opened(world, alone) == values
    assert world.secrets() == secrets
    assert world.versions() == versions == dict.fromkeys(values, 1)


def test_many_are_rotated_beside_an_operator_that_follows(world: Rotated) -> None:
    create(world.tenant, OLD, MANY, TOKENS)
    eventually(world.is_ready, _SETTLE_SECONDS)
    secrets, versions = world.secrets(), world.versions()
    ring = world.have(NEW, OLD)
    eventually(lambda: world.count("older") == MANY)

    began = time.monotonic()
    done = world.run("rotate", roots=[NEW, OLD])
    rotated_by = time.monotonic() - began
    eventually(lambda: world.is_ready(ring.key_id), _SETTLE_SECONDS)
    said_by = time.monotonic() - began

    print(
        f"{MANY * TOKENS} tokens in {MANY} VaultSecrets: rotated in "
        f"{rotated_by:.1f} s, start included; all statuses say so after {said_by:.1f} s"
    )
    assert done.stdout == (
        f"key {ring.key_id}: {MANY} rotated, 0 on it already, 0 left\n"
    )
    assert world.secrets() == secrets
    assert world.versions() == versions == dict.fromkeys(secrets, 1)


def over(world: Rotated, count: float) -> Callable[[], bool]:
    """Return whether more than so many are on the newest key."""
    return lambda: world.count("newest") > count


def is_synced(world: Rotated) -> bool:
    bodies = world.all("vaultsecrets.vaultferry.dev").values()
    return all(body["status"].get("lastHandledSync") == "now" for body in bodies)


def test_what_somebody_keeps_in_git_is_named_and_resealed_there(
    world: Rotated, tmp_path: Path
) -> None:
    tenant = world.tenant
    sealed = tenant.seal("db", password="hunter2")
    path = tmp_path / "db.yaml"
    path.write_text(f"# kept\n{yaml.safe_dump(tenant.manifest('db', sealed))}")
    tenant.kubectl("apply", "-f", str(path))
    tenant.wait_ready("db")
    before = world.secrets()
    ring = world.have(NEW, OLD)

    done = world.run("rotate", roots=[NEW, OLD])

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{tenant.namespace}/db: {KEPT}",
        f"key {ring.key_id}: 0 rotated, 0 on it already, 1 left",
    ]
    assert tenant.get("vaultsecret", "db")["spec"]["sealed"] == sealed

    done = world.run("reseal", str(path), roots=[NEW, OLD])
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith("# kept\n")
    tenant.kubectl("apply", "-f", str(path))
    eventually(lambda: world.is_ready(ring.key_id))
    assert world.run("rotate", roots=[NEW, OLD]).returncode == 0
    world.have(NEW)
    assert world.secrets() == before


def test_a_key_that_the_operator_does_not_seal_for_is_refused(world: Rotated) -> None:
    create(world.tenant, OLD, 1)
    tokens = world.all("vaultsecrets.vaultferry.dev")["db-0"]["spec"]["sealed"]

    done = world.run("rotate", roots=[NEW, OLD])

    ours, theirs = Keyring.parse([NEW]).key_id, Keyring.parse([OLD]).key_id
    assert done.returncode == 2
    assert f"the operator seals for key {theirs}, and this would for {ours}" in (
        done.stderr
    )
    now = world.all("vaultsecrets.vaultferry.dev")["db-0"]["spec"]["sealed"]
    assert now == tokens


def test_whoever_may_log_in_seals_for_the_newest_key(
    world: Rotated, tmp_path: Path
) -> None:
    value = tmp_path / "value"
    value.write_bytes(b"hunter2")
    place = ("--namespace", world.tenant.namespace, "--name", "db")
    options = (*place, "--field-file", f"password={value}")
    world.user = world.plane.tenant_kubeconfig

    def sealed_for() -> str:
        done = world.run("seal", "--cluster", *options)
        assert done.returncode == 0, done.stderr
        token = yaml.safe_load(done.stdout)["spec"]["sealed"]["password"]
        return Token.parse(token, "password").header.key_id

    old = Keyring.parse([OLD])
    eventually(lambda: world.published() == str(old.public_key()))
    assert sealed_for() == old.key_id
    assert world.have(NEW, OLD).key_id == sealed_for()

    said = subprocess.run(
        ["kubectl", "auth", "can-i", "--list", "-n", "vaultferry-system"],
        env=world.plane.env(world.user),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    [line] = [each for each in said.splitlines() if each.startswith("configmaps ")]
    assert "[vaultferry-public-keys]" in line
    assert line.endswith("[get]")
