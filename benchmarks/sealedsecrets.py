"""Sealed Secrets: SealedSecrets under a key that is made here.

The format is the public one of kubeseal: two bytes of length, an AES key under
RSA-OAEP (SHA-256, the label is the place), then AES-GCM with a nonce of zeros.
"""

import base64
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from benchmarks import objects
from benchmarks.bench import Bench
from benchmarks.objects import Key
from benchmarks.rivals import Program, Rival, install
from benchmarks.settings import Versus
from benchmarks.watching import is_true

GROUP = "bitnami.com/v1alpha1"
OPTIONS = ("--kubeclient-qps=-1", "--key-renew-period=0")
"""Without a limit; the default is five requests a second."""

_BITS = 4096
_ADDRESSES = ("--listen-addr=127.0.0.1:0", "--listen-metrics-addr=127.0.0.1:0")
_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


def rival(bench: Bench, versus: Versus) -> Rival:
    """Prepare it on a control plane."""
    user, kubeconfig = install(bench.plane, "sealed", versus.crds)
    space = user.split(":")[2]
    private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    options = OPTIONS if versus.options is None else versus.options
    command = [str(versus.binary), *_ADDRESSES, *options]
    host, port = bench.plane.server.removeprefix("https://").split(":")
    public = private.public_key()
    return Rival(
        program=Program(
            command=as_in_a_pod(command, account_dir(bench, kubeconfig)),
            environ={
                "KUBERNETES_SERVICE_HOST": host,
                "KUBERNETES_SERVICE_PORT": port,
                "POD_NAMESPACE": space,
            },
            log=bench.folder / "sealed.log",
        ),
        user=user,
        group=GROUP,
        plural="sealedsecrets",
        done=is_true("Synced"),
        shared=[(objects.secrets_of(space), key_secret(private))],
        manifest=lambda key, content: manifest(public, key, content),
    )


def account_dir(bench: Bench, kubeconfig: Path) -> Path:
    """Write token and authority as a pod finds them; return the folder."""
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    folder = bench.folder / "serviceaccount"
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(user["token"])
    assert bench.plane.ca_file is not None
    (folder / "ca.crt").write_bytes(bench.plane.ca_file.read_bytes())
    return folder


def as_in_a_pod(command: list[str], account: Path) -> list[str]:
    """Return a command that sees a pod's account where a pod has it.

    The controller has no option for a kubeconfig. The mount is seen by it alone, and
    it stays the same process: signals and /proc reach the controller.
    """
    script = (
        "mount -t tmpfs tmpfs /run && "
        f"mkdir -p {_ACCOUNT_DIR} && "
        f"cp {shlex.quote(str(account))}/* {_ACCOUNT_DIR} && "
        'exec "$@"'
    )
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    return [*alone, "sh", "-c", script, "sh", *command]


def key_secret(private: rsa.RSAPrivateKey) -> dict[str, Any]:
    """Return the Secret in which the controller looks for its key."""
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    content = {"tls.key": pem, "tls.crt": _certificate(private)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": "bench-key",
            "labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"},
        },
        "data": objects.encoded(content),
    }


def manifest(
    public: rsa.RSAPublicKey, key: Key, content: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return a SealedSecret with the same values as ours."""
    sealed = {
        name: base64.b64encode(seal(public, key, value)).decode()
        for name, value in content.items()
    }
    return {
        "apiVersion": GROUP,
        "kind": "SealedSecret",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {"encryptedData": sealed},
    }


def seal(public: rsa.RSAPublicKey, key: Key, value: bytes) -> bytes:
    """Encrypt a value for a place, strictly."""
    session = os.urandom(32)
    label = f"{key.namespace}/{key.name}".encode()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
    wrapped = public.encrypt(session, oaep)
    # A session key is used once, so that the format can do without a nonce.
    body = AESGCM(session).encrypt(bytes(12), value, None)
    return len(wrapped).to_bytes(2) + wrapped + body


def _certificate(private: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(private, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
