"""The sealing webhook as a child process, and what has the API server ask it."""

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.controlplane import ControlPlane, ControlPlaneError
from tests.e2e.operator import NAMESPACE, ROOT
from tests.e2e.tenant import Body, eventually
from vaultferry.core.lastapplied import ANNOTATION
from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.vaultsecret import PLURAL

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:vaultferry-webhook"
FOLDER = ROOT / "deploy" / "webhook"
NAME = "vaultferry-webhook"

ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname = False
ANYBODY.verify_mode = ssl.CERT_NONE

_START_SECONDS = 60
_STOP_SECONDS = 20


@dataclass
class Webhook:
    """A webhook that can be stopped and started again, on the same port."""

    plane: ControlPlane
    log: Path
    root_key: str
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    health_port: int = 0
    port: int = 0
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where it serves, without the path."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it serves; its log goes on in the same file."""
        before = self.log.stat().st_size if self.log.exists() else 0
        options = ["--host=127.0.0.1", f"--port={self.port}", "--health-port=0"]
        options += ["--log-level=debug", *self.options]
        account = self.plane.kubeconfig_for_service_account(NAMESPACE, NAME)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vaultferry", "webhook", *options],
                env={
                    **os.environ,
                    "KUBECONFIG": str(account),
                    "ENCRYPTION_KEY": self.root_key,
                    **self.environ,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._read_ports(before):
            gone = self.process.poll() is not None
            assert not gone, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> int:
        """Stop it as Kubernetes would; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_STOP_SECONDS)
        self.process = None
        return code

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it down meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def restart(self, root_key: str) -> None:
        """Stop it and start it with another root key, or with several."""
        self.stop()
        self.root_key = root_key
        self.start()

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """Have it accept connections and answer nothing meanwhile."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def get(self, path: str) -> str:
        """Return what the health endpoint answers."""
        url = f"http://127.0.0.1:{self.health_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def manifest(self, url: str | None = None, *more: str) -> str:
        """Return the configuration that a person would apply."""
        options = ["--url", url or self.url, *more]
        done = subprocess.run(
            [sys.executable, "-m", "vaultferry", "webhook-configuration", *options],
            env={**os.environ, "ENCRYPTION_KEY": self.root_key},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def path(self) -> str:
        """Return the path that only the API server knows."""
        [webhook] = yaml.safe_load(self.manifest())["webhooks"]
        url: str = webhook["clientConfig"]["url"]
        return url.removeprefix(self.url)

    def _read_ports(self, before: int) -> bool:
        text = self.log.read_bytes()[before:].decode()
        found = re.search(r'"port": (\d+), "webhook_port": (\d+)', text)
        if found:
            self.health_port, self.port = int(found[1]), int(found[2])
        return found is not None


def install(plane: ControlPlane) -> None:
    """Install account, rights and policy as a person would, and wait for that."""
    for name in ("serviceaccount", "rbac", "policy"):
        plane.kubectl("apply", "-f", str(FOLDER / f"{name}.yaml"))
    eventually(lambda: not _takes_anything(plane))


@contextmanager
def asked_webhook(
    plane: ControlPlane, folder: Path, root_key: str, **environ: str
) -> Iterator[Webhook]:
    """Run a webhook that the API server asks, until left."""
    install(plane)
    webhook = Webhook(plane, folder / "webhook.log", root_key, environ)
    webhook.start()
    try:
        with asked(plane, webhook):
            yield webhook
    finally:
        if webhook.process is not None:
            webhook.stop()
        plane.kubectl("delete", "-f", str(FOLDER / "policy.yaml"))


@contextmanager
def asked(plane: ControlPlane, webhook: Webhook) -> Iterator[None]:
    """Have the API server ask it meanwhile."""
    have_asked(plane, webhook)
    try:
        yield
    finally:
        plane.kubectl("delete", "mutatingwebhookconfiguration", NAME)
        wait_until_refused(plane)


def have_asked(plane: ControlPlane, webhook: Webhook) -> None:
    """Have the API server ask it from now on."""
    plane.kubectl("apply", "-f", "-", stdin=webhook.manifest())
    wait_until_sealed(plane)


@contextmanager
def started_with(webhook: Webhook, options: tuple[str, ...]) -> Iterator[None]:
    """Have it started with more options meanwhile; who asks it has to be told."""
    webhook.stop()
    webhook.options = options
    webhook.start()
    try:
        yield
    finally:
        webhook.stop()
        webhook.options = ()
        webhook.start()
        have_asked(webhook.plane, webhook)


def trusted(plane: ControlPlane) -> bytes:
    """Return the authorities that the API server trusts, PEM; nothing for none."""
    kind = "mutatingwebhookconfiguration"
    [hook] = json.loads(plane.kubectl("get", kind, NAME, "-o", "json"))["webhooks"]
    return b64decode(hook["clientConfig"].get("caBundle", ""))


def wait_until_sealed(plane: ControlPlane) -> None:
    """Wait until the API server asks a webhook that answers."""
    eventually(lambda: _seals(plane))


def wait_until_refused(plane: ControlPlane) -> None:
    """Wait until the API server asks no webhook that answers."""
    eventually(lambda: not _seals(plane))


def _seals(plane: ControlPlane) -> bool:
    """Tell whether plaintext is taken; nothing is stored."""
    manifest = (
        "{apiVersion: vaultferry.dev/v1alpha1, kind: VaultSecret, "
        "metadata: {name: trial, namespace: default}, "
        "spec: {type: opaque, credentials: {a: b}}}"
    )
    return accepted(
        lambda: plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=manifest)
    )


def _takes_anything(plane: ControlPlane) -> bool:
    """Tell whether what client-side apply remembers is not looked at."""
    metadata = {"name": "trial", "namespace": "default"}
    manifest = {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {**metadata, "annotations": {ANNOTATION: "{}"}},
        "spec": {"type": "opaque", "sealed": {"a": "vf1.x"}},
    }
    return accepted(lambda: create_raw(plane, manifest, "?dryRun=All"))


def create_raw(plane: ControlPlane, manifest: Body, query: str = "") -> None:
    """Create a VaultSecret as it is; kubectl itself would mend that annotation."""
    namespace = manifest["metadata"]["namespace"]
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}{query}"
    raw = ("--raw", path, "--filename=-")
    plane.kubectl("create", *raw, stdin=json.dumps(manifest))


def accepted(act: Callable[[], object]) -> bool:
    """Tell whether the API server takes what is sent."""
    try:
        act()
    except ControlPlaneError:
        return False
    return True


def ask(webhook: Webhook, path: str, text: bytes) -> tuple[int, bytes]:
    """Ask as any pod can, without a certificate or a token."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", webhook.port, context=ANYBODY, timeout=10
    )
    try:
        connection.request("POST", path, body=text)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
