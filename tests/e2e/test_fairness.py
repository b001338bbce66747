"""While very many are synced anew, nobody else waits for them."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh, ready_count
from tests.e2e.crowd import (
    Crowd,
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
from vaultferry.core.keyring import Keyring

COUNT = 10_000
NEW = 100
PAUSE_SECONDS = 0.02
PROMISED_SECONDS = 2.0
BACKLOG = 300

VALUE = "hunter2"
SYNC = {"metadata": {"annotations": {"vaultferry.dev/force-sync": "now"}}}
EDIT = {"data": {"password": base64.b64encode(b"edited").decode()}}


@pytest.fixture(scope="module")
def crowded(
    cluster: ControlPlane, keyring: Keyring, operator: Operator
) -> Iterator[Tenant]:
    """A namespace with very many VaultSecrets, all Ready."""
    with fresh(cluster, keyring) as tenant:
        done = reported(operator) + COUNT

        async def create() -> None:
            async with crowd(cluster) as people:
                await together(
                    people.create(manifest(tenant, name)) for name in named("db", COUNT)
                )

        asyncio.run(create())
        eventually(lambda: reported(operator) >= done, seconds=300)
        assert ready_count(tenant) == COUNT
        yield tenant


def named(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(count)]


def manifest(tenant: Tenant, name: str) -> Body:
    return tenant.manifest(name, tenant.seal(name, password=VALUE))


def is_right(secret: Body) -> bool:
    value: str = secret["data"]["password"]
    return base64.b64decode(value) == VALUE.encode()


def is_handled(vaultsecret: Body) -> bool:
    status: Body = vaultsecret.get("status") or {}
    return status.get("lastHandledSync") == "now"


async def waits(
    people: Crowd,
    path: str,
    act: Callable[[str], Awaitable[None]],
    holds: Callable[[Body], bool],
    names: Sequence[str],
) -> list[float]:
    """Act on one after the other; return how long each took to show in a collection."""
    # From now on: what is there already takes the watch seconds to tell.
    since = await people.version(path)
    seen = asyncio.ensure_future(people.seen(path, since, names, holds))
    began = {}
    for name in names:
        began[name] = time.monotonic()
        await act(name)
        await asyncio.sleep(PAUSE_SECONDS)
    found = await seen
    return [found[name] - began[name] for name in names]


async def new_ones(people: Crowd, tenant: Tenant) -> list[float]:
    """Create VaultSecrets; return how long each was without its Secret."""
    names = named("new", NEW)
    manifests = {name: manifest(tenant, name) for name in names}
    act = lambda name: people.create(manifests[name])  # noqa: E731
    return await waits(people, secrets(tenant.namespace), act, is_right, names)


async def edited_ones(people: Crowd, tenant: Tenant) -> list[float]:
    """Edit Secrets; return how long each was not repaired."""
    path, edited = secrets(tenant.namespace), set[str]()

    def is_repaired(secret: Body) -> bool:
        if not is_right(secret):
            edited.add(secret["metadata"]["name"])
        return is_right(secret) and secret["metadata"]["name"] in edited

    act = lambda name: people.patch(f"{path}/{name}", EDIT)  # noqa: E731
    return await waits(people, path, act, is_repaired, named("new", NEW))


async def synced_ones(people: Crowd, tenant: Tenant) -> list[float]:
    """Ask for forced syncs; return how long each was not handled."""
    path = vaultsecrets(tenant.namespace)
    act = lambda name: people.patch(f"{path}/{name}", SYNC)  # noqa: E731
    return await waits(people, path, act, is_handled, named("new", NEW))


def show(what: str, seconds: Sequence[float]) -> None:
    p50, p99 = percentile(seconds, 50), percentile(seconds, 99)
    print(f"{what}: {p50:.3f} s (p50), {p99:.3f} s (p99)")


def test_nobody_waits_for_a_backlog_of_forced_syncs(
    crowded: Tenant, tenant: Tenant, operator: Operator, keyring: Keyring
) -> None:
    cases = {
        "new in another namespace": (new_ones, tenant),
        "new in the same namespace": (new_ones, crowded),
        "edited Secret in the same namespace": (edited_ones, crowded),
        "forced sync in another namespace": (synced_ones, tenant),
    }

    async def calm(other: Tenant) -> None:
        async with crowd(other.plane) as people:
            for acts in (new_ones, edited_ones, synced_ones):
                show(f"no backlog, {acts.__name__}", await acts(people, other))

    async def loaded() -> tuple[dict[str, list[float]], list[float]]:
        async with crowd(crowded.plane) as people:
            path = vaultsecrets(crowded.namespace)
            await together(
                people.patch(f"{path}/{name}", SYNC) for name in named("db", COUNT)
            )
            backlog = [await asyncio.to_thread(waiting, operator)]
            seconds = {}
            for case, (acts, whose) in cases.items():
                seconds[case] = await acts(people, whose)
                backlog.append(await asyncio.to_thread(waiting, operator))
            return seconds, backlog

    with fresh(crowded.plane, keyring) as other:
        asyncio.run(calm(other))
    seconds, backlog = asyncio.run(loaded())

    print(f"keys that waited, before and after each of these: {backlog}")
    for case, each in seconds.items():
        show(case, each)
    late = {case: percentile(each, 99) for case, each in seconds.items()}
    assert {c: p99 for c, p99 in late.items() if p99 >= PROMISED_SECONDS} == {}
    assert min(backlog) >= BACKLOG, "void: there was nothing to wait for"
    eventually(lambda: waiting(operator) == 0, seconds=600)
