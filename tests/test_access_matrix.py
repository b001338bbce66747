"""Who may use what: every kind of reference, from every namespace, for every key.

A cell is denied exactly where the policy says so, with the words of what is absent, in
the same step, and without a call to the vault.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from tests.builders import NAME, NAMESPACE, Body, connection_body, edited
from tests.test_connecting import CANARY, TOKEN, Office
from tests.test_vaults import SOURCE, VaultWorld
from tests.vault import Vault
from tests.world import World
from vaultferry.core.consent import ALLOW
from vaultferry.views import Key

VALUE = b"canary-of-the-vault"
HOME = "elsewhere"

# As Office needs it, whose connection is in the namespace of the builders.
Prepare = Callable[[World], None]


def labelled(**labels: str) -> Prepare:
    def label(world: World) -> None:
        world.connections.namespaces.put(NAMESPACE, labels)

    return label


def unlabelled(world: World) -> None:
    labelled(team="a")(world)
    labelled()(world)


def blind(world: World) -> None:
    labelled(team="a")(world)
    world.connections.namespaces.refusal = "no right"


def nothing(world: World) -> None:
    del world


@dataclass(frozen=True)
class Situation:
    """Where a connection is, and whom it is for."""

    access: Body | None
    """None: there is no connection."""

    home: str = HOME
    prepare: Prepare = nothing


def by_label(**selector: Any) -> Body:
    return {"namespaceSelector": selector}


TEAM = by_label(matchLabels={"team": "a"})
NOT_B = by_label(
    matchExpressions=[{"key": "team", "operator": "NotIn", "values": ["b"]}]
)

ALLOWED = {
    "its own": Situation({}, home=NAMESPACE),
    "its own, others named": Situation({"namespaces": ["x"]}, home=NAMESPACE),
    "named": Situation({"namespaces": ["x", NAMESPACE]}),
    "by glob": Situation({"namespaces": ["te*"]}),
    "everybody": Situation({"namespaces": ["*"]}),
    "by label": Situation(TEAM, prepare=labelled(team="a")),
    "by an expression": Situation(NOT_B, prepare=labelled()),
    "every label": Situation(by_label(), prepare=labelled()),
    "named, not by label": Situation(
        TEAM | {"namespaces": [NAMESPACE]}, prepare=labelled(team="b")
    ),
    "its own, not by label": Situation(TEAM, NAMESPACE, labelled(team="b")),
}

DENIED = {
    "absent connection": Situation(None),
    "absent connection of its own": Situation(None, home=NAMESPACE),
    "absent namespace": Situation(None, home="nowhere"),
    "nobody named": Situation({}),
    "another named": Situation({"namespaces": ["other"]}),
    "named in part": Situation({"namespaces": [NAMESPACE[:-1]]}),
    "named and more": Situation({"namespaces": [f"{NAMESPACE}-x"]}),
    "by another glob": Situation({"namespaces": [f"{NAMESPACE}-*"]}),
    "in capitals": Situation({"namespaces": [NAMESPACE.upper()]}),
    "by another label": Situation(TEAM, prepare=labelled(team="b")),
    "by no label": Situation(TEAM, prepare=labelled()),
    "a label that is gone": Situation(TEAM, prepare=unlabelled),
    "not by an expression": Situation(NOT_B, prepare=labelled(team="b")),
    "labels that nobody may see": Situation(TEAM, prepare=blind),
    "every label that nobody may see": Situation(by_label(), prepare=blind),
    "not understood": Situation({"namespaces": 7}),
}

SITUATIONS = ALLOWED | DENIED

READ = {
    "all": ["**"],
    "by name": ["shop/prd/API_TOKEN"],
    "by glob": ["x/**", "shop/*/API_*"],
}

BESIDE = {
    "another of the place": ["shop/prd/OTHER_TOKEN"],
    "in small letters": ["shop/prd/api_token"],
}

UNREAD = {
    "none": [],
    "of another place": ["shop/dev/**"],
    "of one segment": ["*"],
}

KEYS: dict[str, list[str]] = READ | BESIDE | UNREAD

ABSENCE = {"there": {"API_TOKEN": VALUE}, "not there": {"OTHER": b"x"}}

FROM: dict[str, Body] = {
    "fieldMappings": {},
    "fieldsFrom": {
        "type": "opaque",
        "fieldMappings": None,
        "fieldsFrom": [{"include": ["API_TOKEN"]}],
    },
}


class Cell(VaultWorld):
    """A VaultSecret that names a connection of some namespace."""

    def __init__(
        self,
        situation: Situation,
        keys: list[str],
        values: Mapping[str, bytes],
        spec: Body,
    ) -> None:
        self.situation, self.keys = situation, keys
        name = {"connectionRef": {"name": "vault", "namespace": situation.home}}
        super().__init__(values, **(SOURCE | name | spec))

    def open(self, **spec: Any) -> None:
        access = self.situation.access
        self.situation.prepare(self)
        if access is None:
            return
        way = connection_body(access=access | {"keys": self.keys}, **spec)
        self.connections.put(edited(way, namespace=self.situation.home))
        key = Key(self.situation.home, "vault")
        self.places.connect(key, "version", self.vault, 0.0)

    def seen(self) -> tuple[Any, ...]:
        """Return all that a tenant can tell apart: words, steps, calls, writes."""
        first = self.step()
        calls = list(self.calls)
        conditions = [
            (c.type, c.status, c.reason, c.message) for c in self.status.conditions
        ]
        return first.name, calls, conditions, self.vault.calls, self.due


def cell(situation: str, keys: str, absence: str, how: str) -> Cell:
    return Cell(SITUATIONS[situation], KEYS[keys], ABSENCE[absence], FROM[how])


CELLS = list(product(SITUATIONS, KEYS, ABSENCE, FROM))


@pytest.mark.parametrize(("situation", "keys", "absence", "how"), CELLS)
def test_a_key_of_a_connection_is_had_exactly_where_all_allow_it(
    situation: str, keys: str, absence: str, how: str
) -> None:
    world = cell(situation, keys, absence, how)
    world.settle()

    is_had = situation in ALLOWED and keys in READ and absence == "there"
    lacks = "!FieldMissing" if situation in ALLOWED else "!ConnectionMissing"
    assert world.says["Ready"] == ("Synced" if is_had else lacks)
    assert (KEY_OF_SECRET in world.cluster.secrets) is is_had
    # Who takes all of a place asks for it, if anything there may be read.
    asks = keys in READ or (how == "fieldsFrom" and keys in BESIDE)
    assert bool(world.vault.calls) is (situation in ALLOWED and asks)


KEY_OF_SECRET = Key(NAMESPACE, NAME)


@pytest.mark.parametrize(
    ("situation", "keys", "absence", "how"),
    [each for each in CELLS if each[0] in DENIED],
)
def test_a_connection_that_is_not_for_a_namespace_looks_as_if_it_were_absent(
    situation: str, keys: str, absence: str, how: str
) -> None:
    home = SITUATIONS[situation].home
    absent = Cell(Situation(None, home), ["**"], {}, FROM[how])

    assert cell(situation, keys, absence, how).seen() == absent.seen()


@pytest.mark.parametrize(
    ("keys", "how"),
    [*product(UNREAD, FROM), *((each, "fieldMappings") for each in BESIDE)],
)
def test_whether_a_key_that_is_not_allowed_exists_does_not_show(
    keys: str, how: str
) -> None:
    there, absent = (cell("named", keys, each, how).seen() for each in ABSENCE)
    # Allowed, and absent: that takes a call, and ends in the same words.
    asked = cell("named", "all", "not there", how)
    asked.settle()
    conditions = [(c.reason, c.message) for c in asked.status.conditions]

    assert there == absent
    assert there[3:] == ([], [])
    assert conditions == [each[2:] for each in there[2]]


@pytest.mark.parametrize("absence", ABSENCE)
def test_a_key_beside_one_that_is_allowed_is_not_had_with_it(absence: str) -> None:
    references = ("OTHER", "API_TOKEN")
    mapped = [{"fieldName": each, "reference": each} for each in references]
    spec = {"type": "opaque", "fieldMappings": mapped}
    values = {"OTHER": b"x", **ABSENCE[absence]}
    world = Cell(SITUATIONS["named"], ["shop/prd/OTHER"], values, spec)
    world.settle()

    assert world.vault.calls == ["shop/prd"]
    assert world.says["Ready"] == "!FieldMissing"
    assert "API_TOKEN" in world.status.conditions[0].message


def test_an_import_is_judged_by_where_its_values_are_from() -> None:
    world = cell("named", "by name", "there", "fieldMappings")
    world.vault.origins = {"API_TOKEN": "shop/dev/API_TOKEN"}
    world.settle()
    absent = cell("named", "by name", "not there", "fieldMappings")
    absent.settle()

    messages = [w.status.conditions[0].message for w in (world, absent)]
    assert messages[0] == messages[1]
    assert "dev" not in messages[0]


def test_with_its_label_a_namespace_loses_what_it_had() -> None:
    world = cell("by label", "all", "there", "fieldMappings")
    world.settle()
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}
    labelled()(world)
    world.step()

    assert world.says == {"Ready": "Synced", "Fresh": "!ConnectionMissing"}
    assert world.data == {"token": VALUE}
    assert len(world.places) == 0
    before = list(world.vault.calls)
    world.fetch(7200.0)
    assert world.vault.calls == before

    labelled(team="a")(world)
    world.settle(1.0)
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


def test_before_its_labels_are_known_nothing_is_said_of_a_namespace() -> None:
    world = Cell(Situation(TEAM), ["**"], ABSENCE["there"], {})

    assert (world.step().name, world.calls) == ("waiting", [])
    assert (world.says, world.vault.calls) == ({}, [])

    labelled(team="a")(world)
    world.settle()
    assert world.says["Ready"] == "Synced"


def test_after_a_restart_labels_that_are_not_known_yet_change_nothing() -> None:
    world = cell("by label", "all", "there", "fieldMappings")
    world.settle()
    world.start()
    world.situation = Situation(TEAM)
    world.open()

    assert world.step().name in {"waiting", "nothing"}
    assert world.calls == []
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


def store(world: World, key: Key, **more: Any) -> None:
    """Make a Secret in the cluster and in view."""
    body: Body = {
        "metadata": {"namespace": key.namespace, "name": key.name},
        "type": "Opaque",
        "data": {"token": base64.b64encode(CANARY.encode()).decode()},
    }
    metadata = body["metadata"] | more.pop("metadata", {})
    world.cluster.store(world.cluster.secrets, body | {"metadata": metadata} | more)
    world.watch()


def allowing(text: str) -> Body:
    return {"metadata": {"annotations": {ALLOW: text}}}


# What a Secret is, and in which roles it may be used by which name.
SECRETS: dict[str, tuple[Body | None, set[str]]] = {
    "absent": (None, set()),
    "without consent": ({}, set()),
    "of the type of tokens": ({"type": "vaultferry.dev/token"}, {"token"}),
    "for tokens": (allowing("token"), {"token"}),
    "for the token of this connection": (allowing("token=vault"), {"token"}),
    "for the token of another": (allowing("token=other"), set()),
    "to be read": (allowing("read"), {"source"}),
    "to be read by this one": (allowing(f"read={NAME}"), {"source"}),
    "to be read by another": (allowing("read=other"), set()),
    "for both": (allowing("read, token"), {"source", "token"}),
    "not understood": (allowing("read token"), set()),
    "to be adopted": (allowing("adopt"), set()),
    "of a service account": (
        allowing("read, token") | {"type": "kubernetes.io/service-account-token"},
        set(),
    ),
    "of a bootstrap": (
        allowing("read, token") | {"type": "bootstrap.kubernetes.io/token"},
        set(),
    ),
    "of Helm": (allowing("read, token") | {"type": "helm.sh/release.v1"}, set()),
}

# Consents to everything, but is in another namespace.
DECOY = {"type": "vaultferry.dev/token"} | allowing("read, token, adopt, merge")

roles = pytest.mark.parametrize("secret", SECRETS)
places = pytest.mark.parametrize("decoy", [False, True], ids=["alone", "with a decoy"])


@roles
@places
def test_a_token_is_read_from_what_consents_in_the_connections_own_namespace(
    monkeypatch: pytest.MonkeyPatch, secret: str, *, decoy: bool
) -> None:
    office = Office(monkeypatch)
    body, allowed = SECRETS[secret]
    if body is not None:
        store(office, TOKEN, **body)
    if decoy:
        store(office, Key(HOME, TOKEN.name), **DECOY)
    office.look()

    is_used = "token" in allowed
    assert office.tokens == ([CANARY.encode()] if is_used else [])
    assert office.vault.calls == (["check"] if is_used else [])
    reason = ("True", "Verified") if is_used else ("False", "ConnectionNotReady")
    assert office.said == reason
    assert CANARY not in str(office.cluster.connections)


@roles
@places
def test_values_are_read_from_a_secret_that_consents_in_the_same_namespace(
    secret: str, *, decoy: bool
) -> None:
    world = World()
    spec = world.body["spec"]
    del spec["sealed"]
    world.edit(spec={"secretRef": {"name": "source"}})
    body, allowed = SECRETS[secret]
    if body is not None:
        store(world, Key(NAMESPACE, "source"), **body)
    if decoy:
        store(world, Key(HOME, "source"), **DECOY)
    world.step()

    is_used = "source" in allowed
    reason = "!SourceMissing" if body is None else "!SourceNotAllowed"
    assert world.says["Ready"] == ("Synced" if is_used else reason)
    assert (KEY_OF_SECRET in world.cluster.secrets) is is_used


@pytest.mark.parametrize(
    ("there", "is_written"),
    [
        (None, True),
        ({}, False),
        (allowing("read, token"), False),
        (allowing("adopt=other"), False),
        (
            {"metadata": {"annotations": {"vaultferry.dev/owner": f"{HOME}/{NAME}"}}},
            False,
        ),
        (
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": "vaultferry"}}},
            False,
        ),
        (allowing("adopt"), True),
        (allowing(f"adopt={NAME}"), True),
    ],
)
@places
def test_a_secret_is_written_where_it_is_ours_or_nobodys(
    there: Body | None, *, is_written: bool, decoy: bool
) -> None:
    world = World()
    if there is not None:
        store(world, KEY_OF_SECRET, **there)
    if decoy:
        store(world, Key(HOME, NAME), **DECOY)
    others = world.cluster.secrets.get(Key(HOME, NAME))
    world.step()

    assert world.says["Ready"] == ("Synced" if is_written else "!Conflict")
    assert (world.data == {"token": CANARY.encode()}) is not is_written
    assert world.cluster.secrets.get(Key(HOME, NAME)) == others


def test_the_vault_of_the_matrix_is_one_that_counts() -> None:
    world = cell("its own", "all", "there", "fieldMappings")
    world.settle()

    assert isinstance(world.vault, Vault)
    assert world.vault.calls == ["shop/prd"]
