"""A VaultSecret moves from any source to any other, and the values with it."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations, product

import pytest

from tests.e2e.acts import foreign_secret, refusal
from tests.e2e.plaintext import WAYS, plain, send, synced
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import Doppler, connection, doppler, fetched, token_secret
from vaultferry.core.consent import ALLOW

pytestmark = pytest.mark.usefixtures("webhook", "vault")

CANARY = "vfCnary7-plaintext-of-this-test-k9"


def of_secret(tenant: Tenant) -> Body:
    if not tenant.exists("secret", "source"):
        foreign_secret(tenant, "source", annotations={ALLOW: "read=db"})
    return plain(tenant) | {"spec": {"type": "opaque", "secretRef": {"name": "source"}}}


@pytest.fixture(scope="module")
def shop() -> Iterator[Doppler]:
    """A vault."""
    with doppler(KEPT_THERE) as started:
        yield started


@pytest.fixture
def vault(shop: Doppler, tenant: Tenant) -> None:
    """A connection of the tenant to the vault."""
    token_secret(tenant)
    tenant.apply(connection(shop))


def of_vault(tenant: Tenant) -> Body:
    everything = fetched(tenant, "db", fieldsFrom=[{}])
    return plain(tenant) | {"spec": everything["spec"]}


@dataclass(frozen=True)
class Source:
    """A source of values: its manifest, where it is stored, what it gives."""

    manifest: Callable[[Tenant], Body]
    stored_as: str
    values: dict[str, str]
    beside: frozenset[str] = frozenset()
    """What else is then in the spec."""


KEPT_THERE = {"KEPT": "in the vault"}
PLAIN = {"password": CANARY, "gone": "with the source"}
OWN = {"password": "sealed", "own": "o"}
SOURCES = {
    "credentials": Source(lambda tenant: plain(tenant, **PLAIN), "sealed", PLAIN),
    "sealed": Source(
        lambda tenant: tenant.manifest("db", tenant.seal("db", **OWN)), "sealed", OWN
    ),
    "secretRef": Source(of_secret, "secretRef", {"password": "not ours"}),
    "connectionRef": Source(
        of_vault, "connectionRef", KEPT_THERE, frozenset({"fieldsFrom"})
    ),
}

MOVES = list(permutations(SOURCES, 2))
OTHER_WAYS = list(permutations(WAYS, 2))

# After server-side apply, client-side apply takes nothing out: a test of its own.
KEPT = ("credentials", "sealed", "server-side", "client-side")
MOVES_BY_OTHER_WAYS = [
    (*move, *ways)
    for move, ways in product(MOVES, OTHER_WAYS)
    if (*move, *ways) != KEPT
]

# The other way of applying does not know that the source of before is to go. From
# tokens it does: the webhook takes them out.
REFUSED = {
    (before, after)
    for before, after in MOVES
    if before in {"secretRef", "connectionRef"}
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("before", "after"), MOVES, ids=map("-to-".join, MOVES))
def test_the_values_are_those_of_the_new_source_alone(
    before: str, after: str, way: str, tenant: Tenant
) -> None:
    was = started(tenant, way, before)

    synced(tenant, way, SOURCES[after].manifest(tenant))

    holds_nothing_but(tenant, after, was)


@pytest.mark.parametrize(
    ("before", "after", "way", "other"),
    MOVES_BY_OTHER_WAYS,
    ids=map("-to-".join, MOVES_BY_OTHER_WAYS),
)
def test_a_move_by_another_way_of_applying_works_or_says_which_command_does(
    before: str, after: str, way: str, other: str, tenant: Tenant
) -> None:
    was = started(tenant, way, before)
    manifest = SOURCES[after].manifest(tenant)

    if (before, after) in REFUSED:
        said = refusal(tenant, *WAYS[other], stdin=json.dumps(manifest))
        assert CANARY not in said
        assert "has two sources for the values" in said
        [command] = re.findall(r"`kubectl (replace) -f FILE`", said)
        tenant.kubectl(command, "-f", "-", stdin=json.dumps(manifest))
    else:
        send(tenant, other, manifest)

    holds_nothing_but(tenant, after, was)


def test_client_side_apply_after_server_side_takes_no_field_out_but_replace_does(
    tenant: Tenant,
) -> None:
    before, after, way, other = KEPT
    was = started(tenant, way, before)
    manifest = SOURCES[after].manifest(tenant)

    send(tenant, other, manifest)
    fields = tenant.get("vaultsecret", "db")["spec"]["sealed"].keys()
    tenant.kubectl("replace", "-f", "-", stdin=json.dumps(manifest))

    assert fields == PLAIN.keys() | OWN.keys()
    holds_nothing_but(tenant, after, was)


def test_plaintext_by_server_side_apply_after_client_side_takes_force_once(
    tenant: Tenant,
) -> None:
    was = started(tenant, "client-side", "credentials")
    text = json.dumps(SOURCES["credentials"].manifest(tenant))

    said = refusal(tenant, *WAYS["server-side"], stdin=text)
    [flag] = re.findall(r"`(--force-conflicts)` flag", said)
    tenant.kubectl(*WAYS["server-side"], flag, stdin=text)
    tenant.kubectl(*WAYS["server-side"], stdin=text)

    assert CANARY not in said
    holds_nothing_but(tenant, "credentials", was)
    assert tenant.get("vaultsecret", "db")["metadata"]["generation"] == 1


def started(tenant: Tenant, way: str, source: str) -> str:
    """Have a VaultSecret with this source that is Ready; return its uid."""
    body = synced(tenant, way, SOURCES[source].manifest(tenant))
    assert tenant.data("db") == SOURCES[source].values
    uid: str = body["metadata"]["uid"]
    return uid


def holds_nothing_but(tenant: Tenant, source: str, uid: str) -> None:
    """Wait until spec and Secret are those of this source; plaintext is nowhere."""
    wanted = SOURCES[source]
    eventually(lambda: tenant.data("db") == wanted.values)
    tenant.wait_ready("db")
    shown = ("vaultsecret", "db", "-o", "json", "--show-managed-fields")
    text = tenant.kubectl("get", *shown)
    body = json.loads(text)
    assert body["spec"].keys() == {"type", wanted.stored_as, *wanted.beside}
    assert body["metadata"]["uid"] == uid
    assert CANARY not in text
