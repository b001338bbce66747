"""`vaultferry webhook` and `vaultferry webhook-configuration`."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import click

from vaultferry.cli.namespace import Namespace
from vaultferry.cli.process import LEVELS, run_until_stopped
from vaultferry.cli.reach import as_process
from vaultferry.cli.refusal import OptionsOnly, Refused
from vaultferry.cli.rootkey import read_keyring
from vaultferry.operator import logs
from vaultferry.operator.hardening import harden
from vaultferry.webhook import configuration as webhook_manifest
from vaultferry.webhook.app import Webhook
from vaultferry.webhook.certificates import CertificateUnusable
from vaultferry.webhook.settings import (
    DEFAULT_HOST,
    NAME,
    NAMESPACE,
    CertificateFiles,
    Settings,
)

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PAIR = re.compile(rf"{_LABEL}/{_LABEL}(\.{_LABEL})*")
_URL = re.compile(r"https://[-.:\[\]a-zA-Z0-9]+")

_PORT = click.IntRange(0, 65535)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=OptionsOnly)
@click.option(
    "--port",
    default=9443,
    show_default=True,
    type=_PORT,
    help="Where the API server asks; 0 takes a free one of loopback.",
)
@click.option(
    "--health-port",
    default=8080,
    show_default=True,
    type=_PORT,
    help="Where /livez, /readyz and /metrics are served; 0 takes one of loopback.",
)
@click.option(
    "--host",
    default=DEFAULT_HOST,
    show_default=True,
    help="The name or address in the certificate that the webhook makes itself.",
)
@click.option("--tls-cert", type=_FILE, help="Use this certificate instead.")
@click.option("--tls-key", type=_FILE, help="The key of that certificate.")
@click.option("--log-level", default="info", show_default=True, type=LEVELS)
def webhook(
    log_level: str, tls_cert: Path | None, tls_key: Path | None, **given: Any
) -> None:
    """Run the webhook that seals plaintext on its way into the cluster.

    The root key comes from ENCRYPTION_KEY or ENCRYPTION_KEY_FILE.
    """
    harden()
    keyring = read_keyring(os.environ)
    files = _files(tls_cert, tls_key)
    logs.configure(log_level)
    run_until_stopped(_run(Settings(keyring, files=files, **given)))


async def _run(settings: Settings) -> None:
    try:
        process = Webhook(settings, await as_process())
    except CertificateUnusable:
        raise Refused("--tls-cert, --tls-key: no certificate with its key") from None
    await process.run(asyncio.Event())


def _files(certificate: Path | None, key: Path | None) -> CertificateFiles | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise Refused("--tls-cert and --tls-key belong together")
    return CertificateFiles(certificate, key)


@click.command(cls=OptionsOnly)
@click.option(
    "--service",
    default=f"{NAMESPACE}/{NAME}",
    show_default=True,
    metavar="NAMESPACE/NAME",
    help="The Service of the webhook.",
)
@click.option("--url", help="Where the webhook is instead, such as https://host:9443.")
@click.option(
    "--cert-manager",
    "certificate",
    metavar="NAMESPACE/NAME",
    help="The Certificate of cert-manager whose authority is to be trusted.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    type=Namespace(),
    help="A namespace to be asked in, instead of all; may be repeated.",
)
def webhook_configuration(
    service: str, url: str | None, certificate: str | None, namespaces: tuple[str, ...]
) -> None:
    """Print what makes the API server ask the webhook.

    It holds a path that makes whoever knows it able to ask the webhook: apply it, and
    keep it nowhere. Do so again after each change of the root keys or the epoch.
    """
    keyring = read_keyring(os.environ)
    address = _service(service) if url is None else _url(url)
    if certificate is not None:
        _split("--cert-manager", certificate)
    body = webhook_manifest.manifest(keyring, address, certificate, namespaces)
    click.echo(webhook_manifest.text(body), nl=False)


def _service(text: str) -> dict[str, Any]:
    namespace, name = _split("--service", text)
    return {"service": {"namespace": namespace, "name": name, "port": 443}}


def _url(text: str) -> dict[str, Any]:
    if _URL.fullmatch(text) is None:
        raise Refused("--url: https://HOST or https://HOST:PORT wanted, without a path")
    return {"url": text}


def _split(option: str, text: str) -> tuple[str, str]:
    if _PAIR.fullmatch(text) is None:
        raise Refused(f"{option}: NAMESPACE/NAME wanted")
    namespace, _, name = text.partition("/")
    return namespace, name
