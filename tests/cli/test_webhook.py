"""What the options of the webhook's commands make of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.command import CANARY, refusal, run
from tests.keyrings import keyring, root_key
from vaultferry.apiserver.server import ApiServer
from vaultferry.core.authority import paths
from vaultferry.webhook.certificates import CertificateUnusable
from vaultferry.webhook.settings import CertificateFiles, Settings

MODULE = "vaultferry.cli.webhook"


class Recorded:
    """Takes the place of the webhook."""

    seen: list[Settings]
    before: list[str]

    def __init__(self, settings: Settings, server: ApiServer) -> None:
        del server
        if settings.files and not settings.files.key.exists():
            raise CertificateUnusable
        self.seen.append(settings)

    async def run(self, stop: asyncio.Event) -> None:
        """End at once."""


async def nowhere() -> ApiServer:
    return ApiServer("http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no cluster, and nothing that is for good: the tests go on in here."""
    monkeypatch.setattr(f"{MODULE}.Webhook", Recorded)
    monkeypatch.setattr(f"{MODULE}.as_process", nowhere)
    monkeypatch.setattr(f"{MODULE}.harden", lambda: Recorded.before.append("harden"))
    monkeypatch.setattr(f"{MODULE}.logs.configure", lambda _: None)
    Recorded.seen, Recorded.before = [], []


def started(*options: str) -> Settings:
    result = run("webhook", *options, ENCRYPTION_KEY=root_key())
    assert result.exit_code == 0, result.output
    [settings] = Recorded.seen
    return settings


def printed(*options: str) -> Any:
    result = run("webhook-configuration", *options, ENCRYPTION_KEY=root_key())
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.output)["webhooks"][0]["clientConfig"]


def test_the_defaults_are_those_of_the_deployment() -> None:
    settings = started()

    assert (settings.port, settings.health_port) == (9443, 8080)
    assert settings.host == "vaultferry-webhook.vaultferry-system.svc"
    assert settings.files is None


def test_the_options_reach_the_settings(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()

    settings = started(
        "--port=1", "--health-port=2", "--host=x", "--tls-cert=c", f"--tls-key={key}"
    )

    assert (settings.port, settings.health_port, settings.host) == (1, 2, "x")
    assert settings.files == CertificateFiles(Path("c"), key)


@pytest.mark.parametrize("option", ["--tls-cert=c", "--tls-key=k"])
def test_a_certificate_and_its_key_belong_together(option: str) -> None:
    said = refusal("webhook", option, ENCRYPTION_KEY=root_key())

    assert said == "--tls-cert and --tls-key belong together"


def test_files_that_are_no_certificate_are_refused() -> None:
    options = ("--tls-cert=absent", "--tls-key=absent")

    said = refusal("webhook", *options, ENCRYPTION_KEY=root_key())

    assert said == "--tls-cert, --tls-key: no certificate with its key"


def test_it_hides_its_memory_before_anything_else() -> None:
    refusal("webhook")

    assert Recorded.before == ["harden"]


@pytest.mark.parametrize("command", ["webhook", "webhook-configuration"])
def test_without_a_root_key_there_is_none(command: str) -> None:
    assert "no root key" in refusal(command)


def test_the_api_server_is_led_to_the_service_or_to_a_url() -> None:
    path = paths(keyring())[0]

    assert printed()["service"] == {
        "namespace": "vaultferry-system",
        "name": "vaultferry-webhook",
        "port": 443,
        "path": path,
    }
    assert printed("--service=a/b")["service"]["namespace"] == "a"
    assert printed("--url=https://127.0.0.1:9443")["url"].endswith(f":9443{path}")


def test_with_cert_manager_no_authority_is_printed() -> None:
    assert "caBundle" in printed()
    assert "caBundle" not in printed("--cert-manager=here/there")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--service=name", "--service: NAMESPACE/NAME wanted"),
        ("--service=A/b", "--service: NAMESPACE/NAME wanted"),
        ("--cert-manager=name", "--cert-manager: NAMESPACE/NAME wanted"),
        ("--url=http://x", "--url: https://HOST or https://HOST:PORT wanted"),
        ("--url=https://x/path", "--url: https://HOST or https://HOST:PORT wanted"),
    ],
)
def test_an_address_that_is_none_is_refused(option: str, words: str) -> None:
    said = refusal("webhook-configuration", option, ENCRYPTION_KEY=root_key())

    assert words in said


def test_namespaces_can_be_named() -> None:
    options = ("--namespace=shop", "--namespace", "backup")
    result = run("webhook-configuration", *options, ENCRYPTION_KEY=root_key())

    [hook] = yaml.safe_load(result.output)["webhooks"]
    [named] = hook["namespaceSelector"]["matchExpressions"]
    assert named["values"] == ["backup", "shop"]


def test_what_is_no_namespace_is_refused_and_not_quoted() -> None:
    option = f"--namespace={CANARY}_"

    said = refusal("webhook-configuration", option, ENCRYPTION_KEY=root_key())

    assert "that is no name of a namespace" in said
