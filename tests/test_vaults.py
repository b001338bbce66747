"""Values that come from a vault, against stand-ins for it and for the API server."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from tests.builders import NAME, NAMESPACE, connection_body, edited
from tests.running import run
from tests.vault import Vault
from tests.world import KEY, World
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    Unreachable,
)
from vaultferry.core.urgency import Lane
from vaultferry.views import Key

WAY = Key(NAMESPACE, "vault")
PLACE = "shop/prd"
CANARY = b"canary-of-the-vault"
SOURCE: dict[str, Any] = {
    "sealed": None,
    "connectionRef": {"name": "vault"},
    "fieldMappings": [{"fieldName": "token", "reference": "API_TOKEN"}],
}
ALL: dict[str, Any] = SOURCE | {"type": "opaque", "fieldMappings": None}


class VaultWorld(World):
    """A VaultSecret that takes its values from a vault."""

    def __init__(self, values: Mapping[str, bytes], **spec: Any) -> None:
        given = {key: value for key, value in spec.items() if value is not None}
        self.vault = Vault({PLACE: values})
        self.opened = 0
        super().__init__(**given)
        del self.body["spec"]["sealed"]
        self.apply(self.body)
        self.open()

    def open(self, **spec: Any) -> None:
        """Have the connection in view with that spec, and open."""
        self.opened += 1
        version = {"generation": self.opened, "resourceVersion": str(self.opened)}
        self.way = edited(connection_body(**spec), **version)
        self._connect()

    def restart(self) -> None:
        """Start the operator anew, as it is after its first list."""
        self.due.clear()
        self.vault.calls.clear()
        self.start()
        self._connect()

    def _connect(self) -> None:
        self.connections.put(self.way)
        self.places.connect(WAY, self.opened, self.vault, 0.0)

    def fetch(self, seconds: float = 0.0) -> None:
        """Let time pass, and fetch what is due then."""
        self.now += seconds
        self.seconds += seconds
        due, self.due = self.due, []
        for place in dict.fromkeys(due):
            if run(self.places(place)) < float("inf"):
                self.due.append(place)

    def settle(self, seconds: float = 0.0) -> str:
        """Reconcile, fetch what that asked for, and reconcile again."""
        self.step()
        self.fetch(seconds)
        return self.step().name


def synced(values: Mapping[str, bytes] | None = None, **spec: Any) -> VaultWorld:
    """Return a world whose Secret holds what the vault has."""
    there = {"API_TOKEN": b"one"} if values is None else values
    world = VaultWorld(there, **(SOURCE | spec))
    assert world.step().name == "waiting"
    assert world.calls == []
    world.fetch()
    assert world.step().name == "reported"
    assert world.calls == ["create secret", "update status"]
    return world


def test_the_values_of_a_vault_become_the_secret() -> None:
    world = synced()

    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}
    status = world.status
    assert (status.provider, status.key_id, status.version) == ("doppler", None, 1)
    way = status.synced_from.connection if status.synced_from else None
    assert way is not None
    assert (way.uid, way.generation) == ("uid-of-vault", 1)
    assert (world.step().name, world.calls) == ("nothing", [])
    assert world.vault.calls == [PLACE]


def test_a_first_sync_that_takes_long_says_so() -> None:
    world = VaultWorld({}, **SOURCE)
    assert world.step().again == pytest.approx(10.0)

    world.now += 11.0
    world.step()

    assert world.says == {"Ready": "!Progressing", "Reconciling": "Progressing"}
    assert (world.step().name, world.calls) == ("waiting", [])


def test_a_change_in_the_vault_arrives_and_is_no_repair() -> None:
    world = synced()
    world.vault.holds[PLACE] = {"API_TOKEN": b"two"}
    world.fetch(3600.0)
    assert world.woken[-1] == (KEY, Lane.ROUTINE)

    assert world.step().name == "reported"

    assert world.calls == ["patch secret", "update status"]
    assert world.data == {"token": b"two"}
    assert (world.status.version, world.repairs) == (2, 0)


def test_what_did_not_change_costs_no_call_to_the_api_server() -> None:
    world = synced()
    world.fetch(3600.0)

    assert len(world.vault.calls) == 2
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_restart_asks_neither_the_vault_nor_the_api_server() -> None:
    world = synced()
    world.restart()

    assert (world.step().name, world.calls) == ("nothing", [])
    world.fetch()
    assert world.vault.calls == []


def test_what_a_vault_first_answers_after_a_restart_is_compared_without_a_write() -> (
    None
):
    world = synced()
    world.restart()
    world.step()
    world.fetch(3600.0)
    assert world.vault.calls == [PLACE]

    world.step()
    assert "patch secret" not in world.calls
    assert "update status" not in world.calls
    assert (world.step().name, world.calls) == ("nothing", [])


def test_what_changed_while_the_operator_was_down_arrives() -> None:
    world = synced()
    world.vault.holds[PLACE] = {"API_TOKEN": b"two"}
    world.restart()
    world.step()
    world.fetch(3600.0)
    world.step()

    assert world.data == {"token": b"two"}


def test_a_secret_that_somebody_changed_is_repaired_with_the_values_at_hand() -> None:
    world = synced()
    world.edit_secret({"token": ""})

    assert world.step().name == "reported"
    assert world.data == {"token": b"one"}
    assert world.vault.calls == [PLACE]
    assert world.repairs == 1


def test_after_a_restart_a_repair_waits_for_the_vault() -> None:
    world = synced()
    world.restart()
    world.delete_secret()

    assert world.step().name == "waiting"
    world.fetch()
    world.step()

    assert world.data == {"token": b"one"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "FieldMissing"),
        ({"OTHER": b"x"}, "FieldMissing"),
        ({"API_TOKEN": b""}, "ValueInvalid"),
    ],
    ids=["nothing", "without the key", "an empty value"],
)
def test_what_a_vault_lost_stays_in_the_secret(
    values: dict[str, bytes], reason: str
) -> None:
    world = synced()
    world.vault.holds[PLACE] = values
    world.fetch(3600.0)
    world.step()

    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": f"!{reason}"}

    world.vault.holds[PLACE] = {"API_TOKEN": b"one"}
    world.fetch(3600.0)
    world.step()
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


@pytest.mark.parametrize("failure", [PlaceMissing("gone"), PlaceForbidden("not yours")])
def test_a_place_that_is_gone_or_forbidden_leaves_the_secret(failure: Failure) -> None:
    world = synced()
    world.vault.failure = failure
    world.fetch(3600.0)
    world.step()

    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": f"!{failure.reason}"}


def test_an_outage_costs_one_write_and_its_end_another() -> None:
    world = synced()
    world.vault.failure = Unreachable("away")
    writes = []
    for _ in range(20):
        world.fetch(60.0 if world.vault.calls[1:] else 3600.0)
        world.step()
        writes += world.calls

    assert writes == ["update status"]
    assert world.says == {"Ready": "Synced", "Fresh": "!Unreachable"}
    assert world.data == {"token": b"one"}

    world.vault.failure = None
    world.fetch(60.0)
    world.fetch(0.0)
    world.step()
    assert world.calls == ["update status"]
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


def test_a_blip_is_not_told() -> None:
    world = synced()
    world.vault.failure = Unreachable("away")
    world.fetch(3600.0)
    assert (world.step().name, world.calls) == ("nothing", [])

    world.vault.failure = None
    world.fetch(60.0)
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_first_sync_tells_of_the_first_failure() -> None:
    world = VaultWorld({}, **SOURCE)
    world.vault.failure = AuthenticationFailed("the vault does not take the token")
    world.settle()

    reason = "AuthenticationFailed"
    assert world.says == {
        "Ready": f"!{reason}",
        "Fresh": f"!{reason}",
        "Reconciling": reason,
    }


def test_a_key_that_is_not_there_needs_a_person_and_is_found_when_it_comes() -> None:
    world = VaultWorld({"OTHER": b"x"}, **SOURCE)
    world.settle()
    assert world.says == {"Ready": "!FieldMissing", "Stalled": "FieldMissing"}

    world.vault.holds[PLACE] = {"API_TOKEN": b"one"}
    world.fetch(3600.0)
    world.step()
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


def test_a_key_is_not_said_to_be_missing_by_an_answer_from_before_it_was_wanted() -> (
    None
):
    world = synced({"API_TOKEN": b"one"})
    world.vault.holds[PLACE] = {"API_TOKEN": b"one", "NEW": b"new"}
    world.now += 5.0
    world.edit(spec={"fieldMappings": [{"fieldName": "token", "reference": "NEW"}]})

    assert world.step().name == "waiting"
    world.fetch(1.0)
    world.step()

    assert world.data == {"token": b"new"}


def test_a_forced_sync_is_answered_by_what_the_vault_has_now() -> None:
    world = synced()
    world.vault.holds[PLACE] = {"API_TOKEN": b"two"}
    world.now += 5.0
    world.edit(annotations={"vaultferry.dev/force-sync": "now"})

    assert world.step().name == "waiting"
    world.fetch(1.0)
    world.step()

    assert world.data == {"token": b"two"}
    assert world.status.last_handled_sync == "now"


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"fieldMappings": [{"fieldName": "token", "reference": "OTHER"}]}},
        {"annotations": {"vaultferry.dev/force-sync": "now"}},
    ],
)
def test_an_answer_from_after_a_wish_will_do_however_late_there_is_time_for_that(
    change: dict[str, Any],
) -> None:
    world = synced({"API_TOKEN": b"one", "OTHER": b"two"})
    world.now += 20.0
    world.edit(**change)
    world.places.refresh(WAY)
    world.fetch(1.0)
    world.vault.calls.clear()

    world.now += 60.0

    assert world.step().name == "reported"
    assert world.vault.calls == []


def test_a_sync_that_is_asked_for_lets_those_without_a_secret_go_first() -> None:
    world = synced()
    assert world.woken == [(KEY, Lane.URGENT)]
    world.now += 5.0
    world.edit(annotations={"vaultferry.dev/force-sync": "now"})

    assert world.settle(1.0) == "reported"

    assert world.woken[1:] == [(KEY, Lane.ROUTINE)]


def test_a_sync_that_is_asked_for_with_another_spec_does_not_wait_for_others() -> None:
    world = synced()
    world.vault.holds[PLACE] = {"API_TOKEN": b"one", "OTHER": b"two"}
    world.now += 5.0
    mapped = [{"fieldName": "token", "reference": "OTHER"}]
    word = {"vaultferry.dev/force-sync": "now"}
    world.edit({"fieldMappings": mapped}, annotations=word)

    assert world.settle(1.0) == "reported"

    assert world.data == {"token": b"two"}
    assert world.woken[1:] == [(KEY, Lane.URGENT)]


@pytest.mark.parametrize("failure", [PlaceMissing("gone"), Unreachable("away")])
def test_a_forced_sync_asks_again_where_the_vault_failed(failure: Failure) -> None:
    world = synced()
    world.vault.failure = failure
    for _ in range(4):
        world.fetch(3600.0)
        world.step()
    assert world.says["Fresh"] == f"!{failure.reason}"
    world.vault.failure = None
    world.now += 400.0
    world.edit(annotations={"vaultferry.dev/force-sync": "now"})

    assert world.settle(1.0) == "reported"
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


@pytest.mark.parametrize(
    "waits", [(2.0, 2.0), (2.0, 2.0, 60.0, 60.0)], ids=["short", "long"]
)
def test_what_a_forced_sync_told_of_an_outage_stays_until_the_vault_answers(
    waits: tuple[float, ...],
) -> None:
    world = synced()
    world.vault.failure = Unreachable("away")
    world.now += 5.0
    world.edit(annotations={"vaultferry.dev/force-sync": "now"})
    world.settle(1.0)
    assert world.says == {"Ready": "Synced", "Fresh": "!Unreachable"}

    writes = []
    for seconds in waits:
        world.fetch(seconds)
        world.step()
        writes += world.calls
    assert writes == []
    assert world.says["Fresh"] == "!Unreachable"

    world.vault.failure = None
    while world.vault.calls[-1] != "check":
        world.fetch(20.0)
        run(world.places.check(WAY))
    world.fetch(1.0)
    world.step()
    assert world.calls == ["update status"]
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


@pytest.mark.parametrize("why", ["absent", "of another namespace", "not for us"])
def test_a_connection_that_is_absent_and_one_that_is_not_for_us_look_alike(
    why: str,
) -> None:
    world = VaultWorld({"API_TOKEN": b"one"}, **SOURCE)
    if why == "absent":
        world.connections.drop(WAY, "uid-of-vault")
        name = {"name": "vault", "namespace": "elsewhere"}
    else:
        body = edited(connection_body(), namespace="elsewhere")
        if why == "not for us":
            body["spec"]["access"] = {"namespaces": ["other"]}
        world.connections.put(body)
        name = {"name": "vault", "namespace": "elsewhere"}
    world.edit(spec={"connectionRef": name})
    world.settle()

    [ready, stalled] = world.status.conditions
    assert stalled.type == "Stalled"
    assert ready.message == (
        "VaultConnection elsewhere/vault does not exist, or is not for namespace "
        f"{NAMESPACE}"
    )
    assert world.vault.calls == []


def test_a_connection_of_another_namespace_serves_those_that_it_names() -> None:
    world = VaultWorld({"API_TOKEN": b"one"}, **SOURCE)
    body = edited(connection_body(), namespace="elsewhere")
    body["spec"]["access"] = {"namespaces": [NAMESPACE]}
    world.connections.put(body)
    world.places.connect(Key("elsewhere", "vault"), "v", world.vault, 0.0)
    world.edit(spec={"connectionRef": {"name": "vault", "namespace": "elsewhere"}})
    world.settle()

    assert world.data == {"token": b"one"}


def test_a_key_that_is_not_for_this_connection_is_absent_and_asked_for_by_nobody() -> (
    None
):
    absent = VaultWorld({}, **SOURCE)
    absent.settle()
    forbidden = VaultWorld({"API_TOKEN": b"one"}, **SOURCE)
    forbidden.open(access={"keys": ["shop/prd/DB_*"]})
    forbidden.settle()

    assert forbidden.vault.calls == []
    messages = [w.status.conditions[0].message for w in (absent, forbidden)]
    assert messages[0] == messages[1]


def test_a_connection_that_cannot_be_used_at_all_is_waited_for() -> None:
    world = VaultWorld({"API_TOKEN": b"one"}, **SOURCE)
    world.connections.judge(WAY, ConnectionNotReady("Secret token does not exist"))
    world.step()
    assert world.says["Ready"] == "!ConnectionNotReady"

    world.connections.judge(WAY, None)
    world.settle()
    assert world.says["Ready"] == "Synced"


def test_when_its_connection_is_deleted_the_secret_stays() -> None:
    world = synced()
    world.connections.drop(WAY, "uid-of-vault")
    world.step()

    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": "!ConnectionMissing"}


def test_a_property_and_an_encoding_are_taken_out_of_a_value() -> None:
    nested = b'{"db": {"password": "' + base64.b64encode(b"one") + b'"}}'
    mapping = {
        "fieldName": "token",
        "reference": "CONFIG",
        "property": "db.password",
        "decoding": "base64",
    }
    world = synced({"CONFIG": nested}, fieldMappings=[mapping])

    assert world.data == {"token": b"one"}


@pytest.mark.parametrize(
    ("several", "data"),
    [
        ({}, {"DB_URL": b"u", "DB_USER": b"me", "OTHER": b"x"}),
        ({"include": ["DB_*"]}, {"DB_URL": b"u", "DB_USER": b"me"}),
        ({"include": ["DB_*"], "exclude": ["*_URL"]}, {"DB_USER": b"me"}),
        (
            {"exclude": ["OTHER"], "rename": [{"from": "DB_*", "to": "db.*"}]},
            {"db.URL": b"u", "db.USER": b"me"},
        ),
    ],
    ids=["all", "some", "but", "renamed"],
)
def test_all_keys_of_a_place_become_the_secret(
    several: dict[str, Any], data: dict[str, bytes]
) -> None:
    values = {"DB_URL": b"u", "DB_USER": b"me", "OTHER": b"x"}
    world = synced(values, **(ALL | {"fieldsFrom": [several]}))

    assert world.data == data


def test_of_all_keys_those_are_taken_that_the_connection_is_for() -> None:
    world = VaultWorld({"DB_URL": b"u", "OTHER": b"x"}, **(ALL | {"fieldsFrom": [{}]}))
    world.open(access={"keys": ["shop/prd/DB_*"]})
    world.settle()

    assert world.data == {"DB_URL": b"u"}


@pytest.mark.parametrize("how", ["fieldMappings", "fieldsFrom"])
def test_what_a_place_has_from_elsewhere_is_judged_by_where_it_is_from(
    how: str,
) -> None:
    mapped = [
        {"fieldName": "A", "reference": "A"},
        {"fieldName": "B", "reference": "B"},
    ]
    spec = {how: mapped if how == "fieldMappings" else [{}]}
    world = VaultWorld({"A": b"1", "B": b"2"}, **(ALL | spec))
    world.vault.origins = {"A": "other/dev/A"}
    world.open(access={"keys": ["shop/**"]})
    world.settle()
    if how == "fieldsFrom":
        assert world.data == {"B": b"2"}
    else:
        assert world.says["Ready"] == "!FieldMissing"

    world.open(access={"keys": ["shop/**", "other/**"]})
    world.settle(2.0)
    assert world.data == {"A": b"1", "B": b"2"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [({}, "FieldMissing"), ({"a b": b"x"}, "KeyInvalid")],
    ids=["suddenly empty", "no key of a Secret"],
)
def test_a_place_that_has_nothing_for_a_secret_is_never_a_deletion(
    values: dict[str, bytes], reason: str
) -> None:
    world = synced({"A": b"1"}, **(ALL | {"fieldsFrom": [{}]}))
    world.vault.holds[PLACE] = values
    world.fetch(3600.0)
    world.step()

    assert world.data == {"A": b"1"}
    assert world.says["Fresh"] == f"!{reason}"


def test_a_field_that_is_mapped_wins_over_one_of_that_name_from_all() -> None:
    values = {"A": b"1", "B": b"2"}
    spec = {
        "fieldsFrom": [{}],
        "fieldMappings": [{"fieldName": "A", "reference": "B"}],
    }
    world = synced(values, **(ALL | spec))

    assert world.data == {"A": b"2", "B": b"2"}


def test_a_version_that_the_vault_does_not_keep_is_refused() -> None:
    mapping = [{"fieldName": "token", "reference": "API_TOKEN", "version": 2}]
    world = VaultWorld({"API_TOKEN": b"1"}, **(SOURCE | {"fieldMappings": mapping}))
    world.settle()

    assert world.says == {"Ready": "!ReferenceInvalid", "Stalled": "ReferenceInvalid"}
    [ready, _] = world.status.conditions
    assert ready.message == (
        "older versions of a config of Doppler cannot be had: leave version out"
    )


@pytest.mark.parametrize("reference", ["lower", "op://a/b/c", "A B", "../x"])
def test_a_reference_that_the_vault_does_not_understand_is_refused(
    reference: str,
) -> None:
    mapping = [{"fieldName": "token", "reference": reference}]
    world = VaultWorld({}, **(SOURCE | {"fieldMappings": mapping}))
    world.settle()

    assert world.says == {"Ready": "!ReferenceInvalid", "Stalled": "ReferenceInvalid"}
    assert world.vault.calls == []


@pytest.mark.parametrize("change", ["suspended", "deleted", "sealed"])
def test_a_resource_that_needs_its_place_no_more_leaves_it(change: str) -> None:
    world = synced()
    assert len(world.places) == 1
    if change == "suspended":
        world.edit(spec={"suspend": True})
    elif change == "deleted":
        world.vaultsecrets.drop(KEY)
    else:
        world.edit(spec={"connectionRef": None, "secretRef": {"name": "other"}})
    world.step()

    assert len(world.places) == 0


def test_a_connection_that_changed_is_noted_without_touching_the_secret() -> None:
    world = synced()
    body = edited(connection_body(), generation=2, resourceVersion="99")
    world.connections.put(body)
    world.places.connect(WAY, "anew", world.vault, 0.0)
    world.settle(1.0)
    world.now += 60.0
    world.step()

    way = world.status.synced_from.connection if world.status.synced_from else None
    assert way is not None
    assert way.generation == 2
    assert world.status.version == 1
    assert world.repairs == 0


def test_no_value_of_a_vault_is_shown() -> None:
    world = synced({"API_TOKEN": CANARY})
    world.vault.holds[PLACE] = {"API_TOKEN": b"", "X": CANARY}
    world.fetch(3600.0)
    world.step()

    shown = str(world.status), str(world.events), repr(world.reconcile)
    assert CANARY.decode() not in str(shown)
    assert NAME in str(shown)


def test_of_a_store_only_what_is_kept_for_its_namespace_is_asked_for() -> None:
    section = {
        "region": "eu-west-1",
        "pathPrefix": "/kept",
        "store": True,
        "credentialsSecretRef": {"name": "keys"},
    }
    names = (f"{NAMESPACE}/app/token", f"{NAMESPACE}s/app/token", "other/app/token")
    mapped = [
        {"fieldName": f"f{number}", "reference": name}
        for number, name in enumerate(names)
    ]
    world = VaultWorld({}, **(ALL | {"fieldMappings": mapped, "fieldsFrom": [{}]}))
    world.open(doppler=None, awsSsm=section)
    own = f"/kept/{NAMESPACE}/app/token"
    world.vault.holds = {own: {own: CANARY}}

    assert world.settle() == "FieldMissing"

    assert world.vault.calls == [own]
    assert world.says == {"Ready": "!FieldMissing", "Stalled": "FieldMissing"}


def test_who_waits_for_a_vault_that_failed_before_it_was_asked_waits_in_peace() -> None:
    world = synced()
    world.vault.failure = Unreachable("away")
    world.open()
    run(world.places.check(WAY))
    world.woken.clear()
    for _ in range(20):
        world.step()
        world.fetch(0.01)

    assert len(world.woken) <= 2
    world.vault.failure = None
    world.fetch(60.0)
    world.step()
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}
    assert world.step().name == "nothing"
