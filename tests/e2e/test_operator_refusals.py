"""What the operator refuses: a reason of its own, a field's name, never a value."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.e2e.acts import ready, stalled, token, wait_reason
from tests.e2e.operator import Operator
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope

CANARY = "canary-58c2"
Make = Callable[[Tenant], str]


def elsewhere(tenant: Tenant, **place: str) -> str:
    """Return a token of another place."""
    here = {"namespace": tenant.namespace, "name": "db", "field": "password"}
    return token(tenant, Place(**here | place), CANARY.encode())


def other_name(tenant: Tenant) -> str:
    return elsewhere(tenant, name="other")


def other_namespace(tenant: Tenant) -> str:
    return elsewhere(tenant, namespace="other")


def other_field(tenant: Tenant) -> str:
    return elsewhere(tenant, field="other")


def tampered(tenant: Tenant) -> str:
    good = elsewhere(tenant)
    middle = len(good) // 2 + 20
    other = "A" if good[middle] != "A" else "B"
    return f"{good[:middle]}{other}{good[middle + 1 :]}"


def widened(tenant: Tenant) -> str:
    return elsewhere(tenant, name="other").replace(".strict.", ".cluster.")


def of_another_key(tenant: Tenant) -> str:
    stranger = Keyring.parse([Fernet.generate_key().decode()])
    place = Place(tenant.namespace, "db", "password")
    return stranger.public_key().seal(CANARY.encode(), Scope.STRICT, place)


def of_another_epoch(tenant: Tenant) -> str:
    """Return a token whose epoch was changed; its key id is of the right key."""
    head, _, tail = elsewhere(tenant).partition("-1.")
    return f"{head}-2.{tail}"


def malformed(tenant: Tenant) -> str:
    del tenant
    return f"vf1.{CANARY}"


def of_an_unknown_suite(tenant: Tenant) -> str:
    return elsewhere(tenant).replace("hpke-x25519", "rot13")


def not_canonical(tenant: Tenant) -> str:
    return f"{elsewhere(tenant)}="


def empty_inside(tenant: Tenant) -> str:
    return token(tenant, Place(tenant.namespace, "db", "password"), b"")


REFUSED: dict[Make, str] = {
    other_name: "TokenNotOpened",
    other_namespace: "TokenNotOpened",
    other_field: "TokenNotOpened",
    tampered: "TokenNotOpened",
    widened: "TokenNotOpened",
    of_another_epoch: "TokenNotOpened",
    of_another_key: "UnknownKeyId",
    malformed: "TokenMalformed",
    of_an_unknown_suite: "TokenMalformed",
    not_canonical: "TokenMalformed",
    empty_inside: "ValueInvalid",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
@pytest.mark.usefixtures("operator")
def test_a_token_that_does_not_open_makes_no_secret(make: Make, tenant: Tenant) -> None:
    bad = make(tenant)

    tenant.apply(tenant.manifest("db", {"password": bad}))
    condition = stalled(tenant, "db")

    assert condition["reason"] == tenant.reason("db") == REFUSED[make]
    assert "password" in condition["message"]
    assert not_shown(condition["message"], bad)
    assert not tenant.exists("secret", "db")


def not_shown(message: str, bad: str) -> bool:
    return CANARY not in message and bad.rpartition(".")[2] not in message


@pytest.mark.usefixtures("operator")
def test_an_unknown_key_id_is_named(tenant: Tenant) -> None:
    bad = of_another_key(tenant)

    tenant.apply(tenant.manifest("db", {"password": bad}))

    assert bad.split(".")[3] in stalled(tenant, "db")["message"]


@pytest.mark.parametrize(
    "make", [other_name, of_another_key, malformed], ids=lambda make: make.__name__
)
def test_a_token_that_does_not_open_leaves_the_last_good_secret(
    make: Make, tenant: Tenant, operator: Operator
) -> None:
    before = tenant.synced("db", password="hunter2")

    tenant.apply(tenant.manifest("db", {"password": make(tenant)}))
    stalled(tenant, "db")

    assert tenant.data("db") == {"password": "hunter2"}
    status = tenant.get("vaultsecret", "db")["status"]
    assert status["syncedSecret"] == before["status"]["syncedSecret"]
    assert status["version"] == 1
    assert CANARY not in operator.log.read_text()


@pytest.mark.usefixtures("operator")
def test_one_bad_field_of_several_keeps_all_back(tenant: Tenant) -> None:
    sealed = tenant.seal("db", user="alice") | {"password": other_name(tenant)}

    tenant.apply(tenant.manifest("db", sealed))

    message = stalled(tenant, "db")["message"]
    assert "password" in message
    assert "user" not in message
    assert not tenant.exists("secret", "db")


@pytest.mark.usefixtures("operator")
def test_trouble_has_an_event_and_so_has_its_end(tenant: Tenant) -> None:
    tenant.apply(tenant.manifest("db", {"password": other_name(tenant)}))
    stalled(tenant, "db")

    tenant.synced("db", password="hunter2")

    def events() -> str:
        of = "--field-selector=involvedObject.name=db"
        return tenant.kubectl("get", "events", of, "-o", "jsonpath={..reason}")

    eventually(lambda: sorted(events().split()) == ["Recovered", "TokenNotOpened"])


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize(
    "key",
    [
        "argocd.argoproj.io/hook",
        "vaultferry.dev/owner",
        "kubernetes.io/x",
        "a.example/b",
    ],
)
@pytest.mark.usefixtures("operator")
def test_metadata_that_is_not_allowed_is_refused_and_named(
    key: str, where: str, tenant: Tenant
) -> None:
    sealed = tenant.seal("db", password="hunter2")

    tenant.apply(tenant.manifest("db", sealed, target={where: {key: CANARY}}))
    condition = stalled(tenant, "db")

    assert condition["reason"] == "MetadataNotAllowed"
    assert key in condition["message"]
    assert CANARY not in condition["message"]
    assert not tenant.exists("secret", "db")


@pytest.mark.usefixtures("operator")
def test_metadata_that_is_allowed_arrives(tenant: Tenant) -> None:
    sealed = tenant.seal("db", password="hunter2")
    wanted = {"team": "storage", "app.kubernetes.io/part-of": "shop"}

    ready(tenant, tenant.manifest("db", sealed, target={"labels": wanted}))

    assert tenant.get("secret", "db")["metadata"]["labels"].items() >= wanted.items()


@pytest.mark.usefixtures("operator")
def test_a_label_that_the_api_server_refuses_is_a_reason_without_its_value(
    tenant: Tenant,
) -> None:
    sealed = tenant.seal("db", password="hunter2")

    target = {"labels": {"team": f"not legal, {CANARY}"}}
    tenant.apply(tenant.manifest("db", sealed, target=target))
    condition = stalled(tenant, "db")

    assert condition["reason"] == "ApiRejected"
    assert CANARY not in condition["message"]


@pytest.mark.usefixtures("operator")
def test_a_stalled_resource_is_ready_once_it_is_right(tenant: Tenant) -> None:
    tenant.apply(tenant.manifest("db", {"password": other_name(tenant)}))
    wait_reason(tenant, "db", "TokenNotOpened")

    after = tenant.synced("db", password="hunter2")

    assert tenant.data("db") == {"password": "hunter2"}
    assert [c["type"] for c in after["status"]["conditions"]] == ["Ready"]
    assert after["status"]["version"] == 1


KEYS: dict[str, dict[str, str]] = {
    "missing": {},
    "empty": {"ENCRYPTION_KEY": ""},
    "malformed": {"ENCRYPTION_KEY": f"{CANARY}-no-key"},
    "one byte short": {"ENCRYPTION_KEY": "x" * 43},
    "constant": {"ENCRYPTION_KEY": "A" * 43 + "="},
    "of two, one malformed": {
        "ENCRYPTION_KEY": f"{Fernet.generate_key().decode()},{CANARY}"
    },
    "absent file": {"ENCRYPTION_KEY_FILE": f"/nowhere/{CANARY}"},
    "both": {"ENCRYPTION_KEY": CANARY, "ENCRYPTION_KEY_FILE": CANARY},
}


@pytest.mark.parametrize("case", KEYS)
def test_without_a_good_root_key_the_operator_ends_at_once_in_one_line(
    case: str, tmp_path: Path
) -> None:
    done = run(tmp_path, **KEYS[case])

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "ENCRYPTION_KEY" in done.stderr
    for text in (CANARY, *(v for v in KEYS[case].values() if v)):
        assert text not in done.stderr


def test_a_file_without_a_good_root_key_ends_the_operator_alike(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"\xff" + CANARY.encode())

    done = run(tmp_path, ENCRYPTION_KEY_FILE=str(key))

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert CANARY not in done.stderr


def run(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the operator without a cluster: it must not come as far as that."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ENCRYPTION_KEY")}
    return subprocess.run(
        [sys.executable, "-m", "vaultferry", "run", "--port=0"],
        env={**kept, "KUBECONFIG": str(folder / "none"), **environ},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
