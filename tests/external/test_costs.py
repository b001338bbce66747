"""What external vaults are asked for, however many VaultSecrets use them.

In CI it is a few; `make campaign` has a thousand, and waits for refreshes.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.e2e import infisical as folders
from tests.e2e.acts import ready, ready_count
from tests.e2e.audit import AuditLog
from tests.e2e.crowd import crowd, together
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import (
    Doppler,
    connected,
    connection,
    doppler,
    fetched,
    sync,
    token_secret,
)

IS_LONG = "CAMPAIGN" in os.environ
COUNT = 1000 if IS_LONG else 50
FOLDERS = 10
LISTS = "/api/v4/secrets"
VALUES = {"DB_USER": "app", "DB_PASSWORD": "made-up"}
MAPPED = [
    {"fieldName": "username", "reference": "DB_USER"},
    {"fieldName": "password", "reference": "DB_PASSWORD"},
]
INTERVALS = ("1m", "5m", "1h", "0s")
# A new resource takes what was asked for so short a time before it came.
JUST_SECONDS = 10


@pytest.fixture
def vault(operator: Operator, tenant: Tenant) -> Iterator[Doppler]:
    """A Doppler, and a connection to it."""
    del operator
    with doppler(VALUES) as started:
        token_secret(tenant)
        with connected(tenant, connection(started)):
            yield started


@pytest.fixture
def vault_of_folders(operator: Operator, tenant: Tenant) -> Iterator[folders.Infisical]:
    """An Infisical with ten folders, and a connection to it."""
    del operator
    with folders.infisical() as started:
        for number in range(FOLDERS):
            started.put(f"/team-{number}", **VALUES)
        folders.client_secret(tenant)
        with connected(tenant, folders.connection(started)):
            yield started


def create(tenant: Tenant, manifests: Sequence[Body]) -> float:
    """Create VaultSecrets; return how many seconds it took until all were Ready."""
    began = time.monotonic()
    made(tenant, manifests)
    wait_ready(tenant, len(manifests))
    return time.monotonic() - began


def made(tenant: Tenant, manifests: Sequence[Body]) -> None:
    async def acts() -> None:
        async with crowd(tenant.plane) as people:
            await together(people.create(each) for each in manifests)

    asyncio.run(acts())


def wait_ready(tenant: Tenant, count: int) -> float:
    """Wait until so many are Ready; return how many seconds that took."""
    return eventually(lambda: ready_count(tenant) >= count, seconds=120)


def calls_within(seconds: float) -> int:
    """Return how often a place may be asked while new resources come all the time."""
    return 1 + int(seconds / JUST_SECONDS)


def test_all_that_use_a_config_cost_one_call_and_a_restart_none(
    tenant: Tenant, vault: Doppler, operator: Operator, audit: AuditLog
) -> None:
    since = audit.now()
    manifests = [
        fetched(
            tenant,
            f"db-{number}",
            type="password",
            fieldMappings=MAPPED,
            refreshInterval=INTERVALS[number % len(INTERVALS)],
        )
        for number in range(COUNT)
    ]
    took = create(tenant, manifests)
    asked = vault.downloads()
    print(f"{COUNT} in {took:.1f} s by {len(asked)} calls: {asked}")
    assert asked.count(200) == 1
    # The shortest of the intervals may end meanwhile.
    assert len(asked) <= calls_within(took) + 1 + took // 60
    wrote = audit.calls(since, tenant.namespace)
    assert sorted(wrote) == sorted(
        ["create secrets", "update vaultsecrets/status"] * COUNT
    )

    since, before = audit.now(), time.monotonic()
    with operator.stopped():
        vault.process.forget()
    # It is at work again when it has done this.
    last = fetched(tenant, "last", type="password", fieldMappings=MAPPED)
    ready(tenant, last)
    print(f"restarted in {time.monotonic() - before:.1f} s: {vault.downloads()}")
    # One for the last, and what the shortest interval asks for.
    assert len(vault.downloads()) <= 3
    # What is read is the token.
    did = sorted(audit.calls(since, tenant.namespace))
    assert did == ["create secrets", "get secrets", "update vaultsecrets/status"]


def test_what_is_unchanged_costs_a_conditional_call_and_no_write(
    tenant: Tenant, vault: Doppler, audit: AuditLog
) -> None:
    create(
        tenant,
        [
            fetched(
                tenant,
                f"db-{number}",
                type="password",
                fieldMappings=MAPPED,
                refreshInterval="0s",
            )
            for number in range(COUNT)
        ],
    )
    vault.process.forget()
    since = audit.now()
    sync(tenant, "db-7", "now")

    def handled() -> bool:
        status: Body = tenant.get("vaultsecret", "db-7")["status"]
        return status.get("lastHandledSync") == "now"

    eventually(handled)

    assert vault.downloads() == [304]
    # Who asks for newer values has the Secret looked at, and is told; nobody else.
    did = audit.calls(since, tenant.namespace)
    assert did == ["get secrets", "update vaultsecrets/status"]


@pytest.mark.skipif(not IS_LONG, reason="takes minutes: make campaign")
def test_refreshes_of_a_thousand_are_a_call_each_and_no_write(
    tenant: Tenant, vault: Doppler, audit: AuditLog
) -> None:
    create(
        tenant,
        [
            fetched(
                tenant,
                f"db-{number}",
                type="password",
                fieldMappings=MAPPED,
                refreshInterval="1m" if number % 2 else "2m",
            )
            for number in range(COUNT)
        ],
    )
    vault.process.forget()
    since = audit.now()
    time.sleep(185)

    print(f"in three minutes: {vault.downloads()}")
    assert vault.downloads() in ([304] * 3, [304] * 4)
    assert audit.calls(since, tenant.namespace) == []


def test_all_that_use_ten_folders_cost_ten_calls(
    tenant: Tenant, vault_of_folders: folders.Infisical, operator: Operator
) -> None:
    manifests = [
        folders.fetched(
            tenant,
            f"db-{number}",
            type="password",
            fieldMappings=[
                each | {"reference": f"/team-{number % FOLDERS}/{each['reference']}"}
                for each in MAPPED
            ],
        )
        for number in range(COUNT)
    ]

    # They come together, however long it takes until there is time for the last one.
    with operator.stopped():
        made(tenant, manifests)
        vault_of_folders.process.forget()
    took = wait_ready(tenant, COUNT)

    asked = vault_of_folders.asked(LISTS)
    print(f"{COUNT} in {took:.1f} s by {len(asked)} lists")
    assert asked == [200] * FOLDERS
    assert vault_of_folders.asked(folders.LOGIN) == [200]
