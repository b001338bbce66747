"""What the options of `vaultferry run` make of the operator's settings."""

import asyncio

import pytest

from tests.cli.command import refusal, run
from tests.keyrings import root_key
from vaultferry.apiserver.server import ApiServer
from vaultferry.operator.settings import Settings

MODULE = "vaultferry.cli.run"


class Recorded:
    """Takes the place of the operator."""

    seen: list[Settings]

    def __init__(self, settings: Settings, server: ApiServer) -> None:
        del server
        self.seen.append(settings)

    async def run(self, stop: asyncio.Event) -> None:
        """End at once."""


async def nowhere() -> ApiServer:
    return ApiServer("http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no cluster, and nothing that is for good: the tests go on in here."""
    monkeypatch.setattr(f"{MODULE}.Operator", Recorded)
    monkeypatch.setattr(f"{MODULE}.as_process", nowhere)
    monkeypatch.setattr(f"{MODULE}.harden", lambda: None)
    monkeypatch.setattr(f"{MODULE}.logs.configure", lambda _: None)
    Recorded.seen = []


def started(*options: str, namespaces: str = "") -> Settings:
    result = run(
        "run", *options, ENCRYPTION_KEY=root_key(), VAULTFERRY_NAMESPACES=namespaces
    )
    assert result.exit_code == 0, result.output
    [settings] = Recorded.seen
    return settings


def test_without_a_namespace_all_of_the_cluster_is_served() -> None:
    settings = started()

    assert (settings.namespaces, settings.scopes) == ((), (None,))
    assert settings.connections == settings.workers + 5


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (("--namespace", "shop", "--namespace=backup", "--namespace", "shop"), ""),
        ((), "shop, backup,shop"),
        (("--namespace=shop", "--namespace=backup"), "other"),
    ],
    ids=["options", "environment", "options before the environment"],
)
def test_namespaces_are_named_by_options_or_the_environment(
    options: tuple[str, ...], environ: str
) -> None:
    settings = started(*options, namespaces=environ)

    assert settings.scopes == ("shop", "backup")
    assert settings.connections == settings.workers + 6


@pytest.mark.parametrize("named", ["", "*", "Shop", "shop/x", "-shop", "a" * 64])
def test_what_is_no_name_of_a_namespace_is_refused(named: str) -> None:
    assert "no name of a namespace" in refusal("run", "--namespace", named)
    assert "no name of a namespace" in refusal(
        "run", VAULTFERRY_NAMESPACES=f"a,{named}"
    )


def test_the_other_options_reach_the_settings() -> None:
    options = ("--port=0", "--workers=3", "--lease-namespace=here")

    settings = started(*options, "--metadata-prefix=example.com")

    assert (settings.port, settings.workers) == (0, 3)
    assert (settings.lease_namespace, settings.prefixes) == ("here", ("example.com",))


def test_the_installation_is_named_by_an_option_or_not_at_all() -> None:
    assert started().installation is None
    Recorded.seen.clear()
    assert started("--installation-id", "prod.eu-1").installation == "prod.eu-1"


@pytest.mark.parametrize("named", ["", "a b", "a/b", "a" * 65, "ü"])
def test_what_is_no_id_of_an_installation_is_refused(named: str) -> None:
    assert "at most 64 letters" in refusal("run", "--installation-id", named)
