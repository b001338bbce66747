"""No webhook, a slow one, strangers and new keys: nothing leaks, nothing else stops."""

import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.controlplane import ControlPlane
from tests.e2e import webhook as webhooks
from tests.e2e.acts import patch_spec, refusal
from tests.e2e.audit import AuditLog
from tests.e2e.plaintext import WAYS, holding, plain, send, synced
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.webhook import Webhook, ask
from vaultferry.core.keyring import Keyring
from vaultferry.core.rotation import MANAGER, Rewrite, needed
from vaultferry.webhook.configuration import TIMEOUT_SECONDS

CANARY = "vfCnary7-plaintext-of-this-test-k9"


@contextmanager
def unreachable(plane: ControlPlane, webhook: Webhook) -> Iterator[None]:
    """Have the API server ask where nobody is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        plane.kubectl("apply", "-f", "-", stdin=webhook.manifest(url))
        try:
            webhooks.wait_until_refused(plane)
            yield
        finally:
            webhooks.have_asked(plane, webhook)


@contextmanager
def off(plane: ControlPlane, webhook: Webhook) -> Iterator[None]:
    """Have the API server ask nobody."""
    plane.kubectl("delete", "mutatingwebhookconfiguration", webhooks.NAME)
    try:
        webhooks.wait_until_refused(plane)
        yield
    finally:
        webhooks.have_asked(plane, webhook)


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
        tries = [("client-side", "db"), ("server-side", "new")]
        # Each of them takes the 5 s that the API server waits for an answer.
        for way, name in tries[: 1 if how == "stuck" else 2]:
            manifest = json.dumps(plain(tenant, name, a=value))
            said = refusal(tenant, *WAYS[way], stdin=manifest)
            assert "is plaintext and nothing here seals it" in said
            assert value not in said
        took = time.monotonic() - began
        patch_spec(tenant, "db", displayName="changed meanwhile")
        sealed = tenant.manifest("sealed", tenant.seal("sealed", a="x"))
        synced(tenant, "client-side", sealed)
        tenant.kubectl("delete", "vaultsecret", "sealed")
        assert took < 6 * TIMEOUT_SECONDS

    now = tenant.get("vaultsecret", "db")
    assert was["spec"]["sealed"] == now["spec"]["sealed"]
    assert not tenant.exists("vaultsecret", "new")
    assert holding(etcd_dir, value) == []
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
    for way in WAYS:
        synced(tenant, way, plain(tenant, way, a="x"))

    seen = []
    try:
        for keys, applied in (
            (f"{root_key},{newer}", False),
            (f"{newer},{root_key}", False),
            (f"{newer},{root_key}", True),
            (newer, False),
        ):
            webhook.restart(keys)
            if applied:
                webhooks.have_asked(plane, webhook)
                time.sleep(1)
            seen.append("vf1.fernet.strict." in tenant.kubectl(*create, stdin=manifest))
            if applied:
                rotated = [rotate(tenant, way, newer, root_key) for way in WAYS]
                for way in WAYS:
                    send(tenant, way, plain(tenant, way, a="x"))
                kept = [tenant.get("vaultsecret", way)["spec"] for way in WAYS]
    finally:
        webhook.restart(root_key)
        webhooks.have_asked(plane, webhook)

    assert seen == [True, True, True, True]
    assert [spec["sealed"] for spec in kept] == rotated


def rotate(tenant: Tenant, name: str, *root_keys: str) -> dict[str, str]:
    """Move a VaultSecret to the newest key as `vaultferry rotate` does."""
    shown = ("get", "vaultsecret", name, "-o", "json", "--show-managed-fields")
    wanted = needed(Keyring.parse(root_keys), json.loads(tenant.kubectl(*shown)))
    assert isinstance(wanted, Rewrite)
    manager = ("--type=merge", f"--field-manager={MANAGER}")
    text = json.dumps(wanted.patch)
    tenant.kubectl("patch", f"vfs/{name}", *manager, f"--patch={text}")
    tokens: dict[str, str] = wanted.patch["spec"]["sealed"]
    return tokens
