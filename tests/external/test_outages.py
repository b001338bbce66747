"""What becomes of many VaultSecrets while their vaults fail, each in another way.

All fail at the same time, so that the whole takes as long as one.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from tests.e2e import infisical as of_infisical
from tests.e2e.acts import patch
from tests.e2e.audit import AuditLog
from tests.e2e.infisical import Infisical, infisical
from tests.e2e.operator import Operator
from tests.e2e.table import Row
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import (
    TOKEN,
    Doppler,
    connection,
    doppler,
    fetched,
    stale,
    token_secret,
)
from tests.vaults.doppler_state import Token
from tests.vaults.faults import Fault, bad_gateway, too_many, truncated
from tests.vaults.process import Running

CAMPAIGN = "CAMPAIGN" in os.environ
# The campaign waits for what is due by itself; else all is asked for at once, and what
# was asked for is noted by one more write.
USERS, SECONDS, ASKED = (50, 300.0, 0) if CAMPAIGN else (4, 15.0, 1)
# A call, another one 5 s later, and then one a minute, while it is told after one.
CALLS = 2 + int(max(75.0, SECONDS) // 60)
# Each looks again ever more rarely; no call comes of that.
RECONCILED = 12
# The first one may be on a connection that was kept, and is then repeated. A lock is
# met by a call and a login, and then waited out.
MOST = {"reset": CALLS + 1, "locked": 2}
FRESH_SECONDS = 10.0

JSON = {"content-type": "application/json"}
VALUES = {"A": "made-up-1", "B": "made-up-2"}
REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
LOCKED_SECONDS = 300.0

Outage = AbstractContextManager[None]


@dataclass(frozen=True)
class Failing:
    """A vault that holds the values, and fails in one way."""

    reason: str
    process: Running
    connection: Body
    outage: Callable[[], Outage]


Start = Callable[[Tenant], AbstractContextManager[Failing]]


@contextmanager
def doing(vault: Doppler, *faults: Fault) -> Iterator[None]:
    vault.process.do(*faults)
    yield
    vault.process.do()


@contextmanager
def empty(vault: Doppler) -> Iterator[None]:
    vault.put({})
    yield
    vault.put(VALUES)


@contextmanager
def expired(vault: Doppler) -> Iterator[None]:
    vault.revoke()
    yield
    vault.state.tokens[TOKEN] = Token(config="shop/prd")
    vault.process.put(vault.state)


@contextmanager
def locked(vault: Infisical, tenant: Tenant) -> Iterator[None]:
    """Have the identity locked by somebody else when the operator has to log in."""
    vault.lock()
    vault.revoke()
    vault.process.forget()
    yield
    vault.process.set_clock(LOCKED_SECONDS)
    if not CAMPAIGN:
        # Who does not want to wait as long as locks last stores another client secret.
        vault.identity.client_secret = "another-made-up-secret"
        vault.tell()
        another = {"stringData": {"token": vault.identity.client_secret}}
        patch(tenant, "secret", "client-secret", another)


def down(vault: Doppler) -> Outage:
    return vault.process.refusing()


def faulty(*faults: Fault) -> Callable[[Doppler], Outage]:
    return lambda vault: doing(vault, *faults)


def in_doppler(reason: str, outage: Callable[[Doppler], Outage]) -> Start:
    """Return what starts a Doppler that fails so."""

    @contextmanager
    def start(_: Tenant) -> Iterator[Failing]:
        with doppler(VALUES) as vault:
            way = partial(outage, vault)
            yield Failing(reason, vault.process, connection(vault), way)

    return start


@contextmanager
def in_infisical(tenant: Tenant) -> Iterator[Failing]:
    """Start an Infisical that locks the identity."""
    of_infisical.client_secret(tenant)
    with infisical() as vault:
        vault.put("/app", **VALUES)
        way, to_it = partial(locked, vault, tenant), of_infisical.connection(vault)
        yield Failing("AuthenticationFailed", vault.process, to_it, way)


HUGE = Fault(status=200, headers=JSON, body="{", size=100 * 1024 * 1024)
OUTAGES: Mapping[str, Start] = {
    "down": in_doppler("Unreachable", down),
    "reset": in_doppler("Unreachable", faulty(Fault(reset=True))),
    "hanging": in_doppler("Unreachable", faulty(Fault(hang=True))),
    "too-many": in_doppler("RateLimited", faulty(too_many())),
    "wait": in_doppler("RateLimited", faulty(too_many(retry_after=20))),
    "html": in_doppler("Unreachable", faulty(bad_gateway())),
    "truncated": in_doppler("Unreachable", faulty(truncated())),
    "huge": in_doppler("Unreachable", faulty(HUGE)),
    "bodiless": in_doppler("Unreachable", faulty(Fault(status=200, headers=JSON))),
    "empty": in_doppler("FieldMissing", empty),
    "expired": in_doppler("AuthenticationFailed", expired),
    "locked": in_infisical,
}


@dataclass(frozen=True)
class World:
    """A vault for each way to fail, and its users."""

    tenant: Tenant
    vaults: Mapping[str, Failing]

    def users(self, kind: str = "vaultsecrets") -> dict[str, list[Body]]:
        """Return the users of each vault, or their Secrets."""
        listed = json.loads(self.tenant.kubectl("get", kind, "-o", "json"))["items"]
        found: dict[str, list[Body]] = {name: [] for name in OUTAGES}
        for body in listed:
            name = body["metadata"]["name"].rpartition("-")[0]
            if name in found:
                found[name].append(body)
        return found

    def become(self, rows: Mapping[str, Collection[Row]], seconds: float) -> None:
        """Wait until what all users of a vault say is among what they may say."""
        eventually(partial(self._are, rows), seconds)

    def ask(self) -> None:
        """Ask for newer values of all."""
        word = "vaultferry.dev/force-sync=1"
        self.tenant.kubectl("annotate", "vaultsecrets", "--all", word)

    def _are(self, rows: Mapping[str, Collection[Row]]) -> bool:
        return all(
            Row.of(body) in rows[name]
            for name, users in self.users().items()
            for body in users
        )


@pytest.fixture
def world(operator: Operator, tenant: Tenant) -> Iterator[World]:
    del operator
    token_secret(tenant)
    with ExitStack() as stack:
        starts = OUTAGES.items()
        vaults = {name: stack.enter_context(start(tenant)) for name, start in starts}
        for name, vault in vaults.items():
            tenant.apply(_named(vault.connection, name))
        users = [
            fetched(tenant, f"{name}-{i}", name, fieldsFrom=[{}], refreshInterval="1m")
            for name in OUTAGES
            for i in range(USERS)
        ]
        tenant.apply({"apiVersion": "v1", "kind": "List", "items": users})
        there = World(tenant, vaults)
        there.become({name: [REALISED] for name in OUTAGES}, 120)
        yield there
        tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def test_whatever_fails_the_secrets_stay_and_hardly_anything_is_called_or_written(
    world: World, operator: Operator, audit: AuditLog
) -> None:
    secrets = world.users("secrets")
    for vault in world.vaults.values():
        vault.process.forget()
    since, reconciled = audit.now(), reconciles(operator)
    with ExitStack() as stack:
        for vault in world.vaults.values():
            stack.enter_context(vault.outage())
        began = time.time()
        if ASKED:
            world.ask()
        failing = {name: [stale(v.reason)] for name, v in world.vaults.items()}
        world.become(failing, 150)
        time.sleep(max(0.0, began + SECONDS - time.time()))
        world.become(failing, 1)
        calls = {name: len(v.process.requests()) for name, v in world.vaults.items()}
        lasted = reconciles(operator) - reconciled
        # Before they end, and not long before: an empty place answers well all along.
        ended = time.time()
    took = recovered(world, ended)
    written = writes(world, audit, since)

    print(f"calls {calls}, {lasted} reconciliations, writes {written}, fresh {took}")
    assert {name: n for name, n in calls.items() if n > MOST.get(name, CALLS)} == {}
    assert lasted <= RECONCILED * USERS * len(OUTAGES)
    assert {name: n for name, n in written.items() if n > 2 + ASKED} == {}
    assert {name: each for name, each in took.items() if each > FRESH_SECONDS} == {}
    assert world.users("secrets") == secrets


def recovered(world: World, since: float) -> dict[str, float]:
    """Wait until all is fresh; return the seconds from a vault's first good answer."""
    fresh: dict[str, float] = {}

    def are_fresh() -> bool:
        for name, users in world.users().items():
            if {Row.of(body) for body in users} == {REALISED}:
                fresh.setdefault(name, time.time())
        return len(fresh) == len(OUTAGES)

    # A place that is empty is looked at again after five minutes.
    eventually(are_fresh, 400)
    return {
        name: round(fresh[name] - first_good(vault, since), 1)
        for name, vault in world.vaults.items()
    }


def first_good(vault: Failing, since: float) -> float:
    """Return when a vault answered well after it had failed."""
    later = [e for e in vault.process.requests() if e.at > since and not e.fault]
    return next(e.at for e in later if e.status in {200, 304})


def writes(world: World, audit: AuditLog, since: int) -> dict[str, int]:
    """Return how often the status of a VaultSecret was written, at most, by vault."""
    made = audit.requests(since, namespace=world.tenant.namespace)
    counted = Counter(e.name for e in made if e.resource == "vaultsecrets/status")
    assert not [e for e in made if e.resource == "secrets" and e.verb != "get"]
    return {name: max(counted[f"{name}-{i}"] for i in range(USERS)) for name in OUTAGES}


def reconciles(operator: Operator) -> int:
    """Return how many reconciliations there were."""
    return int(operator.metric("reconciles_total"))


def _named(manifest: Body, name: str) -> Body:
    manifest["metadata"]["name"] = name
    return manifest
