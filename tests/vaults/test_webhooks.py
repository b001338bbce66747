"""Webhooks of the fakes: sent on a change, joined as the vendor does, and signed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.running import run
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import State as DopplerState
from tests.vaults.infisical import Infisical
from tests.vaults.infisical_state import Folder, Project, Secret
from tests.vaults.infisical_state import State as InfisicalState
from tests.vaults.server import Server
from tests.vaults.vault import Vault
from tests.vaults.webhooks import Hook
from vaultferry import providers
from vaultferry.operator.push import Webhooks, serving
from vaultferry.pushing import Signer, Signers
from vaultferry.views import Key

KEY = Key("team", "shop")
SECRET = "made-up-signing-secret"


def doppler(hook: Hook, value: str) -> DopplerState:
    return DopplerState(configs={"shop/prd": {"A": value}}, webhooks=[hook])


def infisical(hook: Hook, value: str) -> InfisicalState:
    folder = Folder(secrets={"A": Secret(value=value)})
    project = Project(id="made-up", environments={"dev": {"/app": folder}})
    return InfisicalState(
        projects={"shop": project}, webhooks=[hook], webhook_seconds=0.2
    )


CASES: dict[str, tuple[type[Vault[Any]], str, Callable[[Hook, str], Any]]] = {
    "doppler": (Doppler, "shop/prd", doppler),
    "infisical": (Infisical, "shop/dev/app", infisical),
}


def heard(
    name: str, secret: str, values: list[str], wanted: int
) -> tuple[list[Key], list[str]]:
    """Change a value again and again; return who was pushed, and the answers."""
    kind, place, made = CASES[name]
    webhook = providers.load(name).PROVIDER.webhook
    assert webhook is not None
    signers = Signers(is_served=True)
    signers.put(KEY, 1, Signer(webhook.verify, SECRET.encode()))
    pushed: list[Key] = []
    counted: list[str] = []

    async def story() -> None:
        listener = Webhooks(signers.verify, pushed.append, counted.append)
        async with serving(0, listener) as port, Server(kind()) as server:
            url = f"http://127.0.0.1:{port}/push/team/shop"
            hook = Hook(url=url, place=place, secret=secret)
            for value in values:
                server.vault.load(made(hook, value).model_dump_json().encode())
            for _ in range(1_000):
                if len(counted) >= wanted:
                    break
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)  # For what must not come.

    run(story())
    return pushed, counted


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_told_and_what_stayed_is_not(name: str) -> None:
    assert heard(name, SECRET, ["1", "1"], 1) == ([KEY], ["taken"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("secret", ["", "another"])
def test_without_the_right_secret_it_is_not_believed(name: str, secret: str) -> None:
    assert heard(name, secret, ["1"], 1) == ([], ["refused"])


def test_changes_that_are_near_to_each_other_are_told_once_by_infisical() -> None:
    assert heard("infisical", SECRET, ["1", "2", "3"], 1)[1] == ["taken"]
