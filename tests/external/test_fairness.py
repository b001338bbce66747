"""While all that very many take from a vault is another now, nobody waits for that."""

import asyncio
import base64
import os
from collections.abc import Iterator

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh, ready_count
from tests.e2e.crowd import (
    crowd,
    percentile,
    reported,
    secrets,
    together,
    vaultsecrets,
    waiting,
)
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.test_fairness import (
    BACKLOG,
    COUNT,
    NEW,
    PROMISED_SECONDS,
    SYNC,
    named,
    show,
    waits,
)
from tests.e2e.vaults import (
    Doppler,
    connection,
    doppler,
    fetched,
    token_secret,
    verified,
)
from vaultferry.core.keyring import Keyring

pytestmark = pytest.mark.skipif(
    "CAMPAIGN" not in os.environ, reason="takes minutes: make campaign"
)

MAPPED = [
    {"fieldName": "username", "reference": "DB_USER"},
    {"fieldName": "password", "reference": "DB_PASSWORD"},
]


def values(word: str) -> dict[str, str]:
    return {"DB_USER": "app", "DB_PASSWORD": word}


def manifest(tenant: Tenant, name: str, home: Tenant) -> Body:
    found = fetched(tenant, name, type="password", fieldMappings=MAPPED)
    found["spec"]["connectionRef"]["namespace"] = home.namespace
    return found


@pytest.fixture(scope="module")
def crowded(
    cluster: ControlPlane, keyring: Keyring, operator: Operator
) -> Iterator[tuple[Tenant, Doppler]]:
    """A namespace where very many VaultSecrets take values from one Doppler."""
    with doppler(values("first")) as vault, fresh(cluster, keyring) as tenant:
        token_secret(tenant)
        verified(tenant, connection(vault, access={"namespaces": ["*"]}))
        done = reported(operator) + COUNT

        async def create() -> None:
            async with crowd(cluster) as people:
                await together(
                    people.create(manifest(tenant, name, tenant))
                    for name in named("db", COUNT)
                )

        asyncio.run(create())
        eventually(lambda: reported(operator) >= done, seconds=300)
        assert ready_count(tenant) == COUNT
        print(f"{COUNT} by {len(vault.downloads())} calls")
        yield tenant, vault


def is_new(secret: Body) -> bool:
    value: str = secret["data"]["password"]
    return base64.b64decode(value) == b"second"


def test_a_new_one_does_not_wait_for_ten_thousand_whose_values_all_changed(
    crowded: tuple[Tenant, Doppler], tenant: Tenant, operator: Operator
) -> None:
    home, vault = crowded
    vault.process.forget()

    async def loaded() -> tuple[dict[str, list[float]], list[float]]:
        async with crowd(home.plane) as people:
            path = vaultsecrets(home.namespace)
            await asyncio.to_thread(vault.put, values("second"))
            await together(
                people.patch(f"{path}/{name}", SYNC) for name in named("db", COUNT)
            )
            backlog = [await asyncio.to_thread(waiting, operator)]
            seconds = {}
            for case, whose in {"another": tenant, "the same": home}.items():
                made = {n: manifest(whose, n, home) for n in named("new", NEW)}
                seconds[f"new in {case} namespace"] = await waits(
                    people,
                    secrets(whose.namespace),
                    lambda name, made=made: people.create(made[name]),  # type: ignore[misc]
                    is_new,
                    list(made),
                )
                backlog.append(await asyncio.to_thread(waiting, operator))
            return seconds, backlog

    seconds, backlog = asyncio.run(loaded())

    print(f"keys that waited, before and after each of these: {backlog}")
    for case, each in seconds.items():
        show(case, each)
    late = {case: percentile(each, 99) for case, each in seconds.items()}
    assert {c: p99 for c, p99 in late.items() if p99 >= PROMISED_SECONDS} == {}
    assert min(backlog) >= BACKLOG, "void: there was nothing to wait for"
    eventually(lambda: waiting(operator) == 0, seconds=600)
    print(f"all of it by {len(vault.downloads())} calls: {vault.downloads()}")
    assert vault.downloads().count(200) == 1
