"""Plaintext is sealed on its way in, stays nowhere, and needs no webhook to be safe."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e import webhook as webhooks
from tests.e2e.acts import identity, patch_spec, refusal
from tests.e2e.audit import AuditLog
from tests.e2e.plaintext import WAYS, holding, plain, send, synced
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.webhook import accepted, create_raw

pytestmark = pytest.mark.usefixtures("webhook")

either_way = pytest.mark.parametrize("way", WAYS)

CANARY = "vfCnary7-plaintext-of-this-test-k9"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def stored(tenant: Tenant, name: str = "db") -> Body:
    """Return the spec and the metadata that a change would show in."""
    body = tenant.get("vaultsecret", name)
    metadata = body["metadata"]
    kept = {
        k: metadata[k] for k in ("uid", "generation", "annotations") if k in metadata
    }
    return {"spec": body["spec"], "metadata": kept}


@either_way
def test_plaintext_becomes_a_token_and_a_secret(way: str, tenant: Tenant) -> None:
    body = synced(tenant, way, plain(tenant, user="u", password=CANARY))

    assert body["spec"].keys() == {"type", "sealed"}
    assert {t[:18] for t in body["spec"]["sealed"].values()} == {"vf1.fernet.strict."}
    assert CANARY not in json.dumps(body)
    assert tenant.data("db") == {"user": "u", "password": CANARY}


@either_way
def test_the_same_plaintext_applied_three_times_changes_nothing(
    way: str, tenant: Tenant, audit: AuditLog
) -> None:
    manifest = plain(tenant, user="u", password=CANARY)
    synced(tenant, way, manifest)
    was, secret = stored(tenant), identity(tenant, "secret", "db")
    since = audit.now()
    # Where the status is of a later second than the object, the API server sorts its
    # field managers anew, once: the apply changes spec, the webhook changes it back.
    send(tenant, way, manifest)
    before = tenant.get("vaultsecret", "db")

    for _ in range(3):
        send(tenant, way, manifest)
    flags = ("--server-side",) if way == "server-side" else ()
    difference = tenant.kubectl(
        "diff", *flags, "--filename=-", stdin=json.dumps(manifest)
    )

    assert audit.calls(since, tenant.namespace) == []
    assert difference == ""
    assert stored(tenant) == was
    assert tenant.get("vaultsecret", "db")["status"] == before["status"]
    assert (
        identity(tenant, "vaultsecret", "db")[1]
        == (before["metadata"]["resourceVersion"])
    )
    assert identity(tenant, "secret", "db") == secret


@either_way
def test_as_much_as_fits_into_the_api_server_is_sealed_and_kept(
    way: str, tenant: Tenant
) -> None:
    values = {f"k{i}": f"{i}" * 8_000 for i in range(10, 32)}
    manifest = plain(tenant, **values)
    was = synced(tenant, way, manifest)

    send(tenant, way, manifest)

    assert len(json.dumps(manifest)) > 256 * 1024
    assert tenant.get("vaultsecret", "db")["spec"] == was["spec"]
    assert tenant.data("db") == values


@either_way
def test_a_value_that_changed_is_the_only_token_that_does(
    way: str, tenant: Tenant
) -> None:
    was = synced(tenant, way, plain(tenant, user="u", password="one"))

    now = synced(tenant, way, plain(tenant, user="u", password="two"))

    before, after = was["spec"]["sealed"], now["spec"]["sealed"]
    assert before["user"] == after["user"]
    assert before["password"] != after["password"]
    assert (was["status"]["version"], now["status"]["version"]) == (1, 2)
    assert tenant.data("db") == {"user": "u", "password": "two"}


@either_way
def test_a_key_taken_out_is_gone_from_the_tokens_and_the_secret(
    way: str, tenant: Tenant
) -> None:
    synced(tenant, way, plain(tenant, user="u", password=CANARY))

    body = synced(tenant, way, plain(tenant, user="u"))

    assert body["spec"]["sealed"].keys() == {"user"}
    assert tenant.data("db") == {"user": "u"}


def test_a_patch_with_plaintext_is_the_whole_truth_too(tenant: Tenant) -> None:
    synced(tenant, "server-side", plain(tenant, user="u", password=CANARY))

    for kind, change in (
        ("merge", {"spec": {"credentials": {"user": "merged"}}}),
        ("json", [{"op": "add", "path": "/spec/credentials", "value": {"new": "n"}}]),
    ):
        text = json.dumps(change)
        tenant.kubectl("patch", "vfs/db", f"--type={kind}", f"--patch={text}")

    assert tenant.get("vaultsecret", "db")["spec"]["sealed"].keys() == {"new"}
    eventually(lambda: tenant.data("db") == {"new": "n"})


@either_way
def test_tokens_of_ones_own_take_the_place_of_plaintext(
    way: str, tenant: Tenant
) -> None:
    synced(tenant, way, plain(tenant, user="u", password=CANARY))
    own = tenant.manifest("db", tenant.seal("db", user="own"))

    body = synced(tenant, way, own)

    assert body["spec"]["sealed"] == own["spec"]["sealed"]
    assert tenant.data("db") == {"user": "own"}


def test_plaintext_takes_the_place_of_ones_own_tokens(tenant: Tenant) -> None:
    for way in WAYS:
        name = f"db-{way}"
        own = tenant.manifest(name, tenant.seal(name, user="own", more="m"))
        synced(tenant, way, own)

        synced(tenant, way, plain(tenant, name, user="u"))

        assert tenant.data(name) == {"user": "u"}


def test_server_side_apply_after_client_side_leaves_no_plaintext(
    tenant: Tenant,
) -> None:
    manifest = plain(tenant, user="u", password=CANARY)
    was = synced(tenant, "client-side", manifest)

    # It still says who set the plaintext, so whoever comes next has to insist.
    force = ("--server-side", "--force-conflicts", "--filename=-")
    for flags in (force, ("--filename=-",), force):
        tenant.kubectl("apply", *flags, stdin=json.dumps(manifest))

    now = tenant.get("vaultsecret", "db")
    assert was["spec"] == now["spec"]
    assert was["metadata"]["generation"] == now["metadata"]["generation"]
    assert LAST_APPLIED in now["metadata"]["annotations"]
    assert CANARY not in json.dumps(now)


def test_what_looks_unusual_is_a_warning_without_the_value(tenant: Tenant) -> None:
    manifest = plain(tenant, access_key_id=CANARY, secret_access_key=CANARY)
    manifest["spec"]["type"] = "s3"
    done = subprocess.run(
        ["kubectl", "create", "--dry-run=server", "--filename=-"],
        env=tenant.plane.env(),
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "Warning: field access_key_id has 34 bytes" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_dry_run_stores_nothing_and_shows_no_value(tenant: Tenant) -> None:
    manifest = json.dumps(plain(tenant, a=CANARY))

    shown = tenant.kubectl(
        "create", "--dry-run=server", "-o", "yaml", "--filename=-", stdin=manifest
    )

    assert "vf1.fernet.strict." in shown
    assert CANARY not in shown
    assert not tenant.exists("vaultsecret", "db")


WRONG: dict[str, tuple[Body, str]] = {
    "an empty value": ({"credentials": {"a": ""}}, "field a of spec.credentials has 0"),
    "a number": ({"credentials": {"a": 7}}, "field a of spec.credentials is no text"),
    "a text": ({"credentials": CANARY}, "spec.credentials is no map of fields to"),
    "nothing": ({"credentials": {}}, "spec.credentials is no map of fields to texts"),
    "a long value": (
        {"credentials": {"a": CANARY * 1000}},
        "bytes of text, 1 to 32768 wanted",
    ),
    "two sources": (
        {"credentials": {"a": CANARY}, "sealed": {"a": "vf1.x"}},
        "has both spec.credentials and spec.sealed: leave one of them out",
    ),
    "a field of no such type": (
        {"type": "token", "credentials": {"password": CANARY}},
        "missing: token; type token takes token",
    ),
    "a value that cannot be": (
        {
            "type": "s3",
            "credentials": {"access_key_id": f"{CANARY}\n", "secret_access_key": "s"},
        },
        "bytes that are not one line of text",
    ),
    "a key that is none": (
        {"credentials": {"a b": CANARY}},
        "is no legal key of a Secret",
    ),
    "too much in all": (
        {"credentials": {f"k{i}": "v" * 32_000 for i in range(13)}},
        "holds more than 524288 characters in all: split the credential",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_sealed_is_refused_without_the_value(
    case: str, tenant: Tenant
) -> None:
    spec, words = WRONG[case]
    manifest = plain(tenant) | {"spec": {"type": "opaque", **spec}}

    ways = [("create", "--validate=false"), ("apply", "--server-side")]
    # Server-side apply itself quotes a wrong JSON type, before anybody is asked.
    for way in ways[: 1 if case in {"a number", "a text"} else 2]:
        said = refusal(tenant, *way, "--filename=-", stdin=json.dumps(manifest))
        assert words in said
        assert CANARY not in said
    assert not tenant.exists("vaultsecret", "db")


def test_a_name_that_is_still_to_be_made_up_is_refused(tenant: Tenant) -> None:
    manifest = plain(tenant, a=CANARY)
    manifest["metadata"] = {"generateName": "db-", "namespace": tenant.namespace}

    said = refusal(tenant, "create", "--filename=-", stdin=json.dumps(manifest))

    assert "has metadata.generateName, and a value is sealed for a name" in said


def misspelt(tenant: Tenant) -> dict[str, Body]:
    """Return manifests whose plaintext stands where the API server drops it."""
    good = tenant.manifest("db", tenant.seal("db", a="x"))
    spec = good["spec"]
    here = {"password": CANARY}
    metadata = good["metadata"]
    return {
        "a misspelt key": good | {"spec": {**spec, "credential": here}},
        "a capital": good | {"spec": {**spec, "Credentials": here}},
        "a text": good | {"spec": {**spec, "password": CANARY}},
        "beside the spec": good | {"credentials": here},
        "in the metadata": good | {"metadata": {**metadata, "credentials": here}},
        "beside plaintext": plain(tenant, a="x")
        | {"spec": {"type": "opaque", "credentials": {"a": "x"}, "credential": here}},
    }


CASES = ("a misspelt key", "a capital", "a text", "beside the spec", "in the metadata")


@pytest.mark.parametrize("case", [*CASES, "beside plaintext"])
def test_client_side_apply_does_not_store_what_the_api_server_drops(
    case: str, tenant: Tenant, etcd_dir: Path
) -> None:
    value = f"vfCnary7{secrets.token_hex(12)}"
    text = json.dumps(misspelt(tenant)[case]).replace(CANARY, value)

    said = refusal(tenant, "apply", "--validate=false", "-f", "-", stdin=text)

    assert "check the spelling" in said
    assert value not in said
    assert not tenant.exists("vaultsecret", "db")
    assert holding(etcd_dir, value) == []


def remembered(tenant: Tenant, fields: int, notes: int) -> str:
    """Return a manifest with long tokens and long notes."""
    tokens = {f"k{i}": f"vf1.{'A' * 10_000}" for i in range(fields)}
    attributes = {f"k{i}": '"v\\{}' + "v" * 1_000 for i in range(notes)}
    return json.dumps(tenant.manifest("db", tokens, attributes=attributes))


def test_what_client_side_apply_remembers_of_a_large_manifest_can_be_looked_at(
    tenant: Tenant,
) -> None:
    apply = ("apply", "--dry-run=server", "--filename=-")

    assert "created" in tenant.kubectl(*apply, stdin=remembered(tenant, 17, 35))
    said = refusal(tenant, *apply, stdin=remembered(tenant, 1, 60))
    assert "beside tokens: use `kubectl apply --server-side`" in said
    server_side = (*apply, "--server-side")
    assert "applied" in tenant.kubectl(*server_side, stdin=remembered(tenant, 1, 60))


def test_what_was_remembered_before_the_policy_blocks_nobody(tenant: Tenant) -> None:
    note = json.dumps({"spec": {"credential": {"a": "old mistake"}}})
    manifest = tenant.manifest("db", tenant.seal("db", a="x"))
    manifest["metadata"]["annotations"] = {LAST_APPLIED: note}
    assert not accepted(lambda: create_raw(tenant.plane, manifest))
    with without_policy(tenant.plane):
        eventually(lambda: accepted(lambda: create_raw(tenant.plane, manifest)))

    patch_spec(tenant, "db", displayName="still to be changed")

    assert tenant.get("vaultsecret", "db")["spec"]["displayName"]


@contextmanager
def without_policy(plane: ControlPlane) -> Iterator[None]:
    """Have the policy not bound meanwhile."""
    kind = "validatingadmissionpolicybindings"
    plane.kubectl("delete", kind, "--all")
    try:
        yield
    finally:
        webhooks.install(plane)
