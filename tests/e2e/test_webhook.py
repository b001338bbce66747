"""Plaintext is sealed on its way in, stays nowhere, and needs no webhook to be safe."""

import http.client
import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.controlplane import ControlPlane
from tests.e2e import webhook as webhooks
from tests.e2e.acts import identity, patch_spec, refusal
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.webhook import Webhook

WAYS: dict[str, tuple[str, ...]] = {
    "client-side": ("apply", "--filename=-"),
    "server-side": ("apply", "--server-side", "--filename=-"),
}
either_way = pytest.mark.parametrize("way", WAYS)

CANARY = "vfCnary7-plaintext-of-this-test-k9"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture(scope="module")
def webhook(
    control_plane: ControlPlane,
    operator: Operator,
    root_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Webhook]:
    """A webhook that the API server asks, beside the operator."""
    del operator
    if control_plane.faults is None:
        pytest.skip("the API server of somebody else's cluster does not reach it")
    folder = tmp_path_factory.mktemp("webhook")
    with webhooks.running(control_plane, folder, root_key) as started:
        yield started


def plain(tenant: Tenant, name: str = "db", **values: Any) -> Body:
    """Return a manifest with plaintext in it."""
    manifest = tenant.manifest(name, {}, credentials=values)
    del manifest["spec"]["sealed"]
    return manifest


def send(tenant: Tenant, way: str, manifest: Body) -> str:
    return tenant.kubectl(*WAYS[way], stdin=json.dumps(manifest))


def synced(tenant: Tenant, way: str, manifest: Body) -> Body:
    """Apply, wait until that generation is realised, and return the VaultSecret."""
    send(tenant, way, manifest)
    name = manifest["metadata"]["name"]

    def is_realised() -> bool:
        body = tenant.get("vaultsecret", name)
        realised = body["status"]["observedGeneration"]
        return bool(realised == body["metadata"]["generation"])

    eventually(is_realised)
    tenant.wait_ready(name)
    return tenant.get("vaultsecret", name)


def stored(tenant: Tenant, name: str = "db") -> Body:
    """Return the spec and the metadata that a change would show in."""
    body = tenant.get("vaultsecret", name)
    metadata = body["metadata"]
    kept = {
        k: metadata[k] for k in ("uid", "generation", "annotations") if k in metadata
    }
    return {"spec": body["spec"], "metadata": kept}


@pytest.mark.usefixtures("webhook")
@either_way
def test_plaintext_becomes_a_token_and_a_secret(way: str, tenant: Tenant) -> None:
    body = synced(tenant, way, plain(tenant, user="u", password=CANARY))

    assert body["spec"].keys() == {"type", "sealed"}
    assert {t[:18] for t in body["spec"]["sealed"].values()} == {"vf1.fernet.strict."}
    assert CANARY not in json.dumps(body)
    assert tenant.data("db") == {"user": "u", "password": CANARY}


@pytest.mark.usefixtures("webhook")
@either_way
def test_the_same_plaintext_applied_three_times_changes_nothing(
    way: str, tenant: Tenant, audit: AuditLog
) -> None:
    manifest = plain(tenant, user="u", password=CANARY)
    before = synced(tenant, way, manifest)
    was, secret = stored(tenant), identity(tenant, "secret", "db")
    since = audit.now()

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


@pytest.mark.usefixtures("webhook")
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


@pytest.mark.usefixtures("webhook")
@either_way
def test_a_key_taken_out_is_gone_from_the_tokens_and_the_secret(
    way: str, tenant: Tenant
) -> None:
    synced(tenant, way, plain(tenant, user="u", password=CANARY))

    body = synced(tenant, way, plain(tenant, user="u"))

    assert body["spec"]["sealed"].keys() == {"user"}
    assert tenant.data("db") == {"user": "u"}


@pytest.mark.usefixtures("webhook")
@either_way
def test_tokens_of_ones_own_take_the_place_of_plaintext(
    way: str, tenant: Tenant
) -> None:
    synced(tenant, way, plain(tenant, user="u", password=CANARY))
    own = tenant.manifest("db", tenant.seal("db", user="own"))

    body = synced(tenant, way, own)

    assert body["spec"]["sealed"] == own["spec"]["sealed"]
    assert tenant.data("db") == {"user": "own"}


@pytest.mark.usefixtures("webhook")
def test_plaintext_takes_the_place_of_ones_own_tokens(tenant: Tenant) -> None:
    for way in WAYS:
        name = f"db-{way}"
        own = tenant.manifest(name, tenant.seal(name, user="own", more="m"))
        synced(tenant, way, own)

        synced(tenant, way, plain(tenant, name, user="u"))

        assert tenant.data(name) == {"user": "u"}


@pytest.mark.usefixtures("webhook")
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


@pytest.mark.usefixtures("webhook")
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
    "a key that is none": ({"credentials": {"a b": CANARY}}, "no legal key of a Secre"),
    "too much in all": (
        {"credentials": {f"k{i}": "v" * 32_000 for i in range(13)}},
        "holds more than 524288 characters in all: split the credential",
    ),
}


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_sealed_is_refused_without_the_value(
    case: str, tenant: Tenant
) -> None:
    spec, words = WRONG[case]
    manifest = plain(tenant) | {"spec": {"type": "opaque", **spec}}

    for way in (("create", "--validate=false"), ("apply", "--server-side")):
        # Server-side apply itself quotes a wrong JSON type, before anybody is asked.
        if way[0] == "apply" and case in {"a number", "a text"}:
            continue
        said = refusal(tenant, *way, "--filename=-", stdin=json.dumps(manifest))
        assert words in said
        assert CANARY not in said
    assert not tenant.exists("vaultsecret", "db")


@pytest.mark.usefixtures("webhook")
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


@pytest.mark.usefixtures("webhook")
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
    assert [p for p in _files(etcd_dir) if value.encode() in p.read_bytes()] == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def unreachable(plane: ControlPlane, webhook: Webhook) -> Iterator[None]:
    """Have the API server ask where nobody is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        plane.kubectl("apply", "-f", "-", stdin=webhook.manifest(url))
        webhooks.wait_until_refused(plane)
        yield
    plane.kubectl("apply", "-f", "-", stdin=webhook.manifest())
    webhooks.wait_until_sealed(plane)


@contextmanager
def off(plane: ControlPlane, webhook: Webhook) -> Iterator[None]:
    """Have the API server ask nobody."""
    plane.kubectl("delete", "mutatingwebhookconfiguration", webhooks.NAME)
    webhooks.wait_until_refused(plane)
    yield
    plane.kubectl("apply", "-f", "-", stdin=webhook.manifest())
    webhooks.wait_until_sealed(plane)


def outage(
    how: str, plane: ControlPlane, webhook: Webhook
) -> AbstractContextManager[None]:
    match how:
        case "off":
            return off(plane, webhook)
        case "unreachable":
            return unreachable(plane, webhook)
        case "stopped":
            return webhook.stopped()
        case _:
            return webhook.stuck()


@pytest.mark.parametrize("how", ["off", "stopped", "stuck", "unreachable"])
def test_an_outage_blocks_plaintext_and_nothing_else(
    how: str, tenant: Tenant, webhook: Webhook, etcd_dir: Path
) -> None:
    value = f"vfCnary7{secrets.token_hex(12)}"
    was = synced(tenant, "client-side", plain(tenant, a="before"))

    with outage(how, tenant.plane, webhook):
        began = time.monotonic()
        for way in WAYS.values():
            for name in ("db", "new"):
                manifest = json.dumps(plain(tenant, name, a=value))
                said = refusal(tenant, *way, stdin=manifest)
                assert "is plaintext and nothing here seals it" in said
                assert value not in said
        took = time.monotonic() - began
        patch_spec(tenant, "db", displayName="changed meanwhile")
        sealed = tenant.manifest("sealed", tenant.seal("sealed", a="x"))
        synced(tenant, "client-side", sealed)
        tenant.kubectl("delete", "vaultsecret", "sealed")
        # The API server waits 5 s for an answer.
        assert took < 4 * (5 + 10)

    now = tenant.get("vaultsecret", "db")
    assert was["spec"]["sealed"] == now["spec"]["sealed"]
    assert not tenant.exists("vaultsecret", "new")
    assert [p for p in _files(etcd_dir) if value.encode() in p.read_bytes()] == []
    synced(tenant, "client-side", plain(tenant, a=value))
    assert tenant.data("db") == {"a": value}


def review(tenant: Tenant, body: Body, **credentials: str) -> bytes:
    """Return what the API server would send for an update with plaintext."""
    spec = {"type": "opaque", "credentials": credentials}
    resource = {"group": "vaultferry.dev", "version": "v1alpha1"}
    request = {
        "uid": "forged",
        "operation": "UPDATE",
        "namespace": tenant.namespace,
        "name": body["metadata"]["name"],
        "resource": resource | {"resource": "vaultsecrets"},
        "userInfo": {"username": "admin", "groups": ["system:masters"]},
        "object": {**body, "spec": spec},
        "oldObject": body,
    }
    kind = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps({**kind, "request": request}).encode()


def ask(webhook: Webhook, path: str, text: bytes) -> tuple[int, bytes]:
    """Ask as any pod can, without a certificate or a token."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        "127.0.0.1", webhook.port, context=context, timeout=10
    )
    try:
        connection.request("POST", path, body=text)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_thousand_forged_requests_learn_and_change_nothing(
    tenant: Tenant, webhook: Webhook, audit: AuditLog
) -> None:
    body = synced(tenant, "client-side", plain(tenant, pin="4711"))
    right, wrong = (review(tenant, body, pin=guess) for guess in ("4711", "0000"))
    paths = ["/", "/seal", "/mutate", "/..", f"/{secrets.token_urlsafe(32)}"]
    since = audit.now()

    answers = {
        ask(webhook, paths[number % len(paths)], right if number % 2 else wrong)
        for number in range(1000)
    }

    assert answers == {(404, b"")}
    assert audit.requests(since, webhooks.ACCOUNT) == []
    assert tenant.get("vaultsecret", "db") == body
    assert "4711" not in webhook.log.read_text()


def test_who_knows_the_path_is_soon_stopped_from_guessing(
    tenant: Tenant, webhook: Webhook
) -> None:
    body = synced(tenant, "client-side", plain(tenant, pin="4711"))
    path = webhook.path()

    answers = [
        json.loads(ask(webhook, path, review(tenant, body, pin=f"{guess:04}"))[1])
        for guess in range(40)
    ]

    codes = [a["response"].get("status", {}).get("code") for a in answers]
    assert 429 in codes
    assert codes.count(None) < 25
    assert tenant.get("vaultsecret", "db") == body


def test_without_its_one_right_it_refuses_to_change_what_is_there(
    tenant: Tenant, webhook: Webhook
) -> None:
    del webhook
    synced(tenant, "server-side", plain(tenant, a="x"))
    role = "clusterrolebinding/vaultferry-webhook"
    tenant.plane.kubectl("delete", role)
    try:

        def refused() -> bool:
            manifest = plain(tenant, a=CANARY)
            return not webhooks.accepted(lambda: send(tenant, "server-side", manifest))

        eventually(refused)
        manifest = json.dumps(plain(tenant, a=CANARY))
        said = refusal(tenant, *WAYS["server-side"], stdin=manifest)
    finally:
        webhooks.install(tenant.plane)

    assert "the operator lacks a right at the API server" in said
    assert CANARY not in said


def test_root_keys_are_rotated_without_a_gap(
    tenant: Tenant, webhook: Webhook, root_key: str
) -> None:
    newer = Fernet.generate_key().decode()
    plane = tenant.plane
    # The operator of these tests does not know the new key, and it need not.
    manifest = json.dumps(plain(tenant, a="x"))
    create = ("create", "--dry-run=server", "-o", "yaml", "--filename=-")

    seen = []
    for keys, applied in (
        (f"{newer},{root_key}", False),
        (f"{newer},{root_key}", True),
        (newer, False),
    ):
        webhook.root_key = keys
        webhook.stop()
        webhook.start()
        if applied:
            plane.kubectl("apply", "-f", "-", stdin=webhook.manifest())
            time.sleep(1)
        seen.append("vf1.fernet.strict." in tenant.kubectl(*create, stdin=manifest))

    webhook.root_key = root_key
    webhook.stop()
    webhook.start()
    plane.kubectl("apply", "-f", "-", stdin=webhook.manifest())
    webhooks.wait_until_sealed(plane)
    assert seen == [True, True, True]
