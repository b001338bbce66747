"""The story of what a store keeps: what is called, what is written, what is left."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from tests.builders import (
    CANARY,
    NAME,
    NAMESPACE,
    NOW,
    Body,
    edited,
    realisation,
    sealed,
    vault_secret_body,
)
from tests.keyrings import keyring
from tests.running import run
from tests.standin import StandIn
from vaultferry.connections import Connections
from vaultferry.core import stored
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import (
    ApiForbidden,
    ApiUnavailable,
    Conflict,
    ConnectionNotReady,
    NotLeading,
    RateLimited,
    StoreRefused,
    Unreachable,
)
from vaultferry.core.events import Event
from vaultferry.core.outcome import Realised
from vaultferry.core.report import status
from vaultferry.core.stored import FINALIZER
from vaultferry.core.vaultsecret import FORCE_SYNC, Status, VaultSecret
from vaultferry.places import Around as PlacesAround
from vaultferry.places import Places
from vaultferry.storing import GIVE_UP_SECONDS, Around, Installation, Storer
from vaultferry.views import Key, VaultSecrets

KEY = Key(NAMESPACE, NAME)
WAY = Key(NAMESPACE, "store")
PATH = f"/kept/{NAMESPACE}/{NAME}"
TOKEN = f"{PATH}/token"
OURS = dict(stored.tags("uid-of-kube-system", NAMESPACE, NAME))
DOWN = Unreachable("the vault cannot be reached")


@dataclass
class Parameters:
    """A store in memory, and a session to it."""

    kept: dict[str, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, list[Exception]] = field(default_factory=dict)

    @property
    def store(self) -> "Parameters":
        return self

    @property
    def values(self) -> dict[str, bytes]:
        return {name: value for name, (value, _) in self.kept.items()}

    async def tags(self, name: str) -> Mapping[str, str] | None:
        self._called("tags", name)
        return self.kept[name][1] if name in self.kept else None

    async def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        self._called("read", *names)
        return {name: self.kept[name][0] for name in names}

    async def create(self, name: str, value: bytes, tags: Mapping[str, str]) -> None:
        self._called("create", name)
        assert name not in self.kept
        self.kept[name] = (value, tags)

    async def replace(self, name: str, value: bytes) -> None:
        self._called("replace", name)
        self.kept[name] = (value, self.kept[name][1])

    async def delete(self, names: Sequence[str]) -> None:
        self._called("delete", *names)
        for name in names:
            del self.kept[name]

    async def fetch(self, place: str, known: object) -> Any:
        raise NotImplementedError

    async def check(self) -> None:
        self.calls.append("check")

    def _called(self, call: str, *names: str) -> None:
        short = [name.removeprefix(f"{PATH}/") for name in names]
        self.calls.append(f"{call} {','.join(short)}")
        if waiting := self.faults.get(call):
            raise waiting.pop(0)


def way_body(**section: Any) -> Body:
    known = {"region": "eu-west-1", "pathPrefix": "/kept", "store": True}
    known |= {"credentialsSecretRef": {"name": "keys"}}
    metadata: Body = {"namespace": NAMESPACE, "name": "store", "uid": "uid-of-store"}
    metadata |= {"generation": 1, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"awsSsm": known | section}}


class World:
    """One VaultSecret that is realised, a store, and a Storer between them."""

    def __init__(self, **spec: Any) -> None:
        self.cluster = StandIn()
        self.parameters = Parameters()
        self.now = 1_000.0
        self.events: list[Event] = []
        self.told: list[Key] = []
        self.known = True
        self.way: Body | None = way_body()
        self.ways = 1
        body = vault_secret_body(**{"storeRef": {"name": "store"}} | spec)
        body["metadata"]["uid"] = "uid-of-app"
        self.cluster.store(self.cluster.vaultsecrets, body)
        self.start()
        self.realise()

    def start(self) -> None:
        """Start the operator anew: its memory is empty, its views are complete."""
        self.vaultsecrets = VaultSecrets()
        self.connections = Connections()
        self.places = Places(
            lambda *_: None,
            lambda *_: None,
            self.told.append,
            PlacesAround(lambda: self.now, lambda: 0.0, lambda _: None),
        )
        self.storer = Storer(
            self.cluster,
            keyring(),
            self.vaultsecrets,
            self.connections,
            self.places,
            Installation(self.cluster, None),
            Around(
                clock=lambda: self.now,
                now=lambda: NOW,
                chance=lambda: 1.0,
                post=lambda _, event: self.events.append(event),
                check_leads=self.cluster.check_leads,
                is_known=lambda _: self.known,
            ),
        )
        if self.way:
            self.connect(self.way)
        self.watch()

    def connect(self, body: Body, *, opened: bool = True) -> None:
        """Have the connection in view as it is now, and open."""
        self.ways += 1
        self.way = edited(body, resourceVersion=str(self.ways))
        self.connections.put(self.way)
        if opened:
            self.places.connect(WAY, self.ways, self.parameters, self.now)

    def disconnect(self) -> None:
        """Have the connection gone."""
        self.connections.drop(WAY, "uid-of-store")
        self.places.disconnect(WAY)
        self.way = None

    def watch(self) -> None:
        for body in self.cluster.vaultsecrets.values():
            self.vaultsecrets.put(body)

    def edit(self, spec: Body | None = None, **metadata: Any) -> None:
        body = edited(self.body, **metadata)
        if spec is not None:
            body["spec"] = {k: v for k, v in (body["spec"] | spec).items() if v}
            body["metadata"]["generation"] += 1
        self.cluster.store(self.cluster.vaultsecrets, body)
        self.watch()

    def realise(self) -> None:
        """Have the Secret right, as the reconciler does."""
        resource = VaultSecret.parse(self.body)
        version = (resource.status.version or 0) + 1
        after = status(resource, Realised(), realisation(version=version), NOW)
        body = edited(self.body) | {"status": after.dumped()}
        self.cluster.store(self.cluster.vaultsecrets, body)
        self.watch()

    def change(self, **values: str) -> None:
        """Have other values, and the Secret right."""
        tokens = {field: sealed(value, field) for field, value in values.items()}
        self.edit({"type": "opaque", "sealed": tokens})
        self.realise()

    def delete(self) -> None:
        """Delete the VaultSecret: it is there as long as a finalizer is."""
        if not self.finalizers:
            del self.cluster.vaultsecrets[KEY]
            return
        self.edit({}, deletionTimestamp=NOW)

    def step(self) -> float:
        """Look after what is kept once."""
        self.cluster.calls.clear()
        self.parameters.calls.clear()
        return run(self.storer(KEY))

    @property
    def calls(self) -> list[str]:
        """What the API server was asked for in the last step."""
        return [each for each in self.cluster.calls if each != "check leads"]

    @property
    def body(self) -> Body:
        return self.cluster.vaultsecrets[KEY]

    @property
    def status(self) -> Status:
        return VaultSecret.parse(self.body).status

    @property
    def finalizers(self) -> list[str]:
        found: list[str] = self.body["metadata"].get("finalizers") or []
        return found

    @property
    def said(self) -> str | None:
        """The reason that the condition has, with a ! where it is False."""
        found = self.status.condition("Stored")
        if found is None:
            return None
        return found.reason if found.status == "True" else f"!{found.reason}"


def kept(**spec: Any) -> World:
    """Return a world whose values are in the store, and nothing happened since."""
    world = World(**spec)
    assert world.step() == inf
    assert world.said == "Stored"
    world.events.clear()
    return world


# Kept


def test_values_are_kept_with_our_tags_after_the_finalizer_and_the_status_say_so() -> (
    None
):
    world = World()

    assert world.step() == inf

    assert world.parameters.kept == {TOKEN: (CANARY.encode(), OURS)}
    assert world.parameters.calls == ["tags token", "create token"]
    assert world.calls == [
        "patch finalizers",
        "get namespace",
        "update status",
        "update status",
    ]
    assert world.finalizers == [FINALIZER]
    assert world.status.stored is not None
    assert world.status.stored.model_dump() == {
        "connection": "uid-of-store",
        "namespace": NAMESPACE,
        "name": "store",
        "address": "https://ssm.eu-west-1.amazonaws.com",
        "path": PATH,
        "fields": ["token"],
        "version": 1,
        "last_handled_sync": None,
    }
    assert world.events == []


def test_looking_again_and_a_restart_are_no_call_at_all() -> None:
    world = kept()
    world.step()
    assert (world.calls, world.parameters.calls) == ([], [])

    world.start()

    assert world.step() == inf
    assert (world.calls, world.parameters.calls) == ([], [])


def test_a_generation_that_changes_no_value_is_one_status_write() -> None:
    world = kept()
    world.edit({"displayName": "App"})

    world.step()

    assert (world.calls, world.parameters.calls) == (["update status"], [])
    said = world.status.condition("Stored")
    assert said
    assert said.observed_generation == 2


def test_only_what_differs_is_written_and_what_is_left_out_goes() -> None:
    world = World()
    world.change(a="1", b="2", c="3")
    world.step()
    world.change(a="1", b="changed", d="4")

    world.step()

    assert world.parameters.values == {
        f"{PATH}/a": b"1",
        f"{PATH}/b": b"changed",
        f"{PATH}/d": b"4",
    }
    assert [c for c in world.parameters.calls if not c.startswith("tags")] == [
        "read a,b",
        "replace b",
        "create d",
        "delete c",
    ]
    assert world.status.stored
    assert world.status.stored.fields == ["a", "b", "d"]


def test_nothing_is_done_before_the_secret_is_right_or_while_suspended() -> None:
    world = kept()
    world.edit({"sealed": {"token": sealed("another")}})
    assert world.step() == inf
    assert (world.calls, world.parameters.calls) == ([], [])

    world.realise()
    world.edit({"suspend": True})
    assert world.step() == inf
    assert world.parameters.values == {TOKEN: CANARY.encode()}

    world.edit({"suspend": False})
    world.step()
    assert world.parameters.values == {TOKEN: b"another"}


def test_a_forced_sync_compares_and_mends_what_somebody_changed_there() -> None:
    world = kept()
    world.parameters.kept[TOKEN] = (b"somebody else's", OURS)
    world.step()
    assert world.parameters.calls == []

    world.edit(annotations={FORCE_SYNC: "1"})
    world.step()

    assert world.parameters.values == {TOKEN: CANARY.encode()}
    world.step()
    assert world.parameters.calls == []


def test_a_finalizer_that_somebody_took_away_is_set_again() -> None:
    world = kept()
    world.edit(finalizers=["example.com/theirs"])

    world.step()

    assert world.calls == ["patch finalizers"]
    assert world.finalizers == ["example.com/theirs", FINALIZER]


def test_a_connection_that_is_made_anew_is_looked_at_and_nothing_is_written() -> None:
    world = kept()
    world.disconnect()
    body = way_body()
    body["metadata"]["uid"] = "uid-of-another"
    world.connect(body)

    world.step()

    assert world.parameters.calls == ["tags token", "read token"]
    assert world.status.stored
    assert world.status.stored.connection == "uid-of-another"
    assert world.events == []


def test_a_resource_without_a_store_is_no_call() -> None:
    world = World(storeRef=None)

    assert world.step() == inf
    assert (world.calls, world.parameters.calls) == ([], [])


# Not ours


@pytest.mark.parametrize(
    "tags",
    [
        {},
        OURS | {stored.INSTALLATION: "another-cluster"},
        OURS | {stored.NAMESPACE: "another-tenant"},
        OURS | {stored.NAME: "another"},
    ],
)
def test_what_has_other_tags_is_neither_read_nor_written_nor_taken_away(
    tags: Mapping[str, str],
) -> None:
    world = World()
    world.change(a="1", token="2")
    world.parameters.kept[TOKEN] = (b"theirs", tags)

    world.step()

    assert world.said == "!Conflict"
    assert world.parameters.kept == {TOKEN: (b"theirs", tags)}
    assert world.parameters.calls == ["tags a", "tags token"]
    assert [event.reason for event in world.events] == ["Conflict"]
    world.delete()
    world.step()
    assert world.parameters.kept == {TOKEN: (b"theirs", tags)}
    assert KEY not in world.cluster.vaultsecrets


def test_where_it_is_ours_again_trouble_is_over() -> None:
    world = World()
    world.parameters.kept[TOKEN] = (b"theirs", {})
    world.step()
    del world.parameters.kept[TOKEN]
    world.now += 300

    world.step()

    assert world.said == "Stored"
    assert [event.reason for event in world.events] == ["Conflict", "Recovered"]


# What cannot be


def test_what_is_too_large_is_said_before_any_call() -> None:
    world = World()
    world.change(big="x" * 4097)

    world.step()

    assert (world.said, world.parameters.calls) == ("!NotStorable", [])
    assert world.calls == ["update status"]
    assert world.finalizers == []


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"store": False}, "!StoreInvalid"),
        ({"pathPrefix": None}, "!StoreInvalid"),
        ({"region": 7}, "!StoreInvalid"),
    ],
)
def test_a_connection_that_is_no_store_is_said(section: Body, said: str) -> None:
    world = World()
    world.connect(way_body(**section))

    world.step()

    assert (world.said, world.parameters.calls) == (said, [])


def test_a_vault_that_keeps_nothing_is_no_store() -> None:
    world = World()
    body = way_body()
    body["spec"] = {
        "doppler": {
            "project": "shop",
            "config": "prd",
            "tokenSecretRef": {"name": "token"},
        }
    }
    world.connect(body)

    world.step()

    assert world.said == "!StoreInvalid"


def test_a_connection_of_another_namespace_is_used_by_its_access() -> None:
    world = World(storeRef={"name": "store", "namespace": "vaults"})
    way = Key("vaults", "store")
    body = edited(way_body(), namespace="vaults")
    world.connections.put(edited(body, resourceVersion="2"))
    world.places.connect(way, 1, world.parameters, world.now)
    world.step()
    assert world.said == "!ConnectionMissing"

    team = {"matchLabels": {"team": "a"}}
    body["spec"]["access"] = {"namespaceSelector": team, "keys": ["/elsewhere/**"]}
    world.connections.put(edited(body, resourceVersion="3"))
    for labels in (None, {"team": "b"}):
        if labels:
            world.connections.namespaces.put(NAMESPACE, labels)
        world.step()
        assert world.said == "!ConnectionMissing"

    world.connections.namespaces.put(NAMESPACE, {"team": "a"})
    world.now += 3600.0
    world.step()
    assert world.said == "!StoreInvalid"

    body["spec"]["access"] = {"namespaces": ["te*"], "keys": ["/elsewhere/**"]}
    world.connections.put(edited(body, resourceVersion="4"))
    world.places.connect(way, 2, world.parameters, world.now)
    world.step()
    assert world.said == "!StoreInvalid"
    assert world.parameters.kept == {}

    body["spec"]["access"] = {"namespaces": ["te*"], "keys": ["/kept/**"]}
    world.connections.put(edited(body, resourceVersion="5"))
    world.places.connect(way, 3, world.parameters, world.now)
    world.step()
    assert world.parameters.values == {TOKEN: CANARY.encode()}


def test_a_store_that_is_down_is_said_only_where_it_lasts() -> None:
    world = World()
    world.parameters.faults["tags"] = [DOWN]
    wait = world.step()
    assert (world.said, world.told) == (None, [WAY])
    # So it is asked whether it answers, as soon as it may be.
    assert world.places.heard(WAY) == -inf

    for _ in range(9):
        world.now += wait
        wait = world.step()
    assert world.said == "!Unreachable"
    assert world.parameters.calls == []

    world.connect(way_body())
    assert world.step() == inf
    assert world.said == "Stored"


def test_a_store_that_answers_again_is_used_at_once() -> None:
    world = World()
    world.parameters.faults["tags"] = [DOWN]
    wait = world.step()
    for _ in range(9):
        world.now += wait
        wait = world.step()
    assert wait > 60

    run(world.places.check(WAY))

    assert world.step() == inf
    assert world.said == "Stored"


def test_being_asked_too_often_is_no_fault_of_the_connection() -> None:
    world = World()
    world.parameters.faults["create"] = [RateLimited("too often")]

    wait = world.step()

    assert (wait, world.told, world.places.health(WAY)) == (1.0, [], None)
    world.now += wait
    world.step()
    assert world.said == "Stored"


def test_before_its_time_nothing_is_tried_again_unless_something_changes() -> None:
    world = World()
    world.parameters.faults["create"] = [StoreRefused("no"), StoreRefused("no")]
    world.step()
    assert world.said == "!StoreRefused"

    assert 0 < world.step() <= 1
    assert world.parameters.calls == []

    world.change(token="another")
    world.step()
    assert world.parameters.calls == ["tags token", "create token"]


def test_who_leads_no_more_writes_nothing_there() -> None:
    world = World()
    world.cluster.faults["check leads"] = [NotLeading("the lease ran out")]

    world.step()

    assert world.parameters.kept == {}
    assert world.parameters.calls == ["tags token"]


def test_the_installation_has_to_be_known() -> None:
    world = World()
    world.cluster.faults["get namespace"] = [ApiForbidden("no")] * 2

    world.step()
    assert world.parameters.calls == []
    world.now += 100
    world.step()

    said = world.status.condition("Stored")
    assert said
    assert (said.reason, "--installation-id" in said.message) == ("ApiForbidden", True)


def test_an_installation_that_is_configured_is_not_asked_for() -> None:
    world = World()
    world.storer.installation = Installation(world.cluster, "mine")

    world.step()

    assert world.parameters.kept[TOKEN][1] == OURS | {stored.INSTALLATION: "mine"}


def test_nothing_is_done_before_the_connections_are_known() -> None:
    world = World()
    world.known = False

    assert world.step() == 1.0
    assert (world.calls, world.parameters.calls) == ([], [])


def test_until_the_store_is_open_nothing_is_said_to_be_there() -> None:
    world = World()
    world.places.disconnect(WAY)

    assert world.step() == 1.0

    assert (world.status.stored, world.said, world.parameters.calls) == (None, None, [])


# Elsewhere, and nowhere


def test_another_path_is_used_after_the_first_was_cleaned() -> None:
    world = kept()
    world.connect(way_body(pathPrefix="/other"))

    world.step()

    assert world.parameters.values == {
        f"/other/{NAMESPACE}/{NAME}/token": CANARY.encode()
    }
    called = [call.partition(" ")[0] for call in world.parameters.calls]
    assert called == ["tags", "delete", "tags", "create"]


def test_the_place_stays_in_use_while_it_cannot_be_cleaned() -> None:
    world = kept()
    world.parameters.faults["delete"] = [StoreRefused("no")]
    world.connect(way_body(pathPrefix="/other"))

    world.step()

    assert world.said == "!StoreRefused"
    assert world.parameters.values == {TOKEN: CANARY.encode()}
    assert world.status.stored
    assert world.status.stored.path == PATH


def test_without_storeref_nothing_of_it_stays() -> None:
    world = kept()
    world.edit({"storeRef": None})

    assert world.step() == inf

    assert world.parameters.kept == {}
    assert (world.status.stored, world.said, world.finalizers) == (None, None, [])
    assert world.calls == ["update status", "patch finalizers"]
    assert world.step() == inf
    assert world.calls == []


def test_deleted_nothing_of_it_stays_and_no_status_is_written() -> None:
    world = kept()
    world.delete()

    assert world.step() == inf

    assert world.parameters.kept == {}
    assert KEY not in world.cluster.vaultsecrets
    assert world.calls == ["patch finalizers"]


@pytest.mark.parametrize("how", ["gone", "going", "elsewhere", "no token"])
def test_where_the_way_is_gone_what_is_left_is_told(how: str) -> None:
    world = kept()
    going = edited(way_body(), deletionTimestamp=NOW)
    if how == "gone":
        world.disconnect()
    elif how == "going":
        world.connect(going)
    elif how == "elsewhere":
        world.connect(way_body(region="eu-west-2"))
    else:
        world.connections.judge(WAY, ConnectionNotReady("Secret keys does not exist"))
    world.delete()

    world.step()

    assert world.parameters.values == {TOKEN: CANARY.encode()}
    assert KEY not in world.cluster.vaultsecrets
    [event] = world.events
    assert (event.reason, PATH in event.message) == ("LeftInStore", True)


def test_a_store_that_refuses_for_ten_minutes_is_left() -> None:
    world = kept()
    world.delete()
    world.parameters.faults["delete"] = [StoreRefused("no")] * 100
    began = world.now
    while KEY in world.cluster.vaultsecrets:
        assert world.events == []
        assert world.now - began <= GIVE_UP_SECONDS + 300
        world.now += world.step()
        if world.now - began < GIVE_UP_SECONDS:
            assert KEY in world.cluster.vaultsecrets
        if world.now == inf:
            break

    [event] = world.events
    assert (event.reason, "StoreRefused" in event.message) == ("LeftInStore", True)


def test_an_api_server_that_fails_is_no_reason_to_leave_anything() -> None:
    world = kept()
    world.start()
    world.delete()
    world.cluster.faults["get namespace"] = [ApiUnavailable("down")] * 100
    for _ in range(12):
        world.now += world.step()
    assert KEY in world.cluster.vaultsecrets

    world.cluster.faults.clear()
    world.step()

    assert (world.parameters.kept, world.events) == ({}, [])
    assert KEY not in world.cluster.vaultsecrets


# Whatever ends it


@pytest.mark.parametrize("call", ["create", "replace", "delete", "read", "tags"])
def test_ended_at_any_call_it_comes_to_the_same_end(call: str) -> None:
    world = World()
    world.change(a="1", b="2", c="3")
    world.step()
    world.change(a="1", b="changed", d="4", e="5")
    world.parameters.faults[call] = [StoreRefused("ended here")]
    world.step()

    world.parameters.faults.clear()
    world.start()
    assert world.step() == inf

    names = {f"{PATH}/{name}" for name in "abde"}
    assert ({*world.parameters.kept}, world.said) == (names, "Stored")
    assert world.parameters.values[f"{PATH}/b"] == b"changed"


class Killed(BaseException):
    """The process is gone."""


CALLS = ("get_vaultsecret", "get_namespace", "patch_finalizers", "update_status")
ASKED = ("tags", "read", "create", "replace", "delete")


def killed(world: World, at: int, *, done: bool) -> bool:
    """Look until all is done, or the process is killed; return whether it was.

    Args:
        world: what is looked after.
        at: at which call, from 0, of all that is sent.
        done: whether what was asked for at last was done.
    """
    numbers = iter(range(1_000))
    calls: list[tuple[object, str]] = [(world.cluster, name) for name in CALLS]
    calls += [(world.parameters, name) for name in ASKED]
    for of, name in calls:
        setattr(of, name, dying(world, getattr(of, name), numbers, at, done=done))
    try:
        while world.step() < inf:
            world.watch()
    except Killed:
        return True
    finally:
        for of, name in calls:
            delattr(of, name)
    return False


def dying(
    world: World,
    method: Callable[..., Awaitable[Any]],
    numbers: Iterator[int],
    at: int,
    *,
    done: bool,
) -> Callable[..., Awaitable[Any]]:
    """Return a call by which the process is killed if it is the one of that number."""

    async def called(*given: Any) -> Any:
        number = next(numbers)
        if number == at and not done:
            raise Killed
        answer = await method(*given)
        check_known(world)
        if number == at:
            raise Killed
        return answer

    return called


def check_known(world: World) -> None:
    """Check that all of ours that is in the store is held, and named by the status."""
    ours = {n for n, (_, tags) in world.parameters.kept.items() if tags == OURS}
    if not ours:
        return
    assert world.finalizers == [FINALIZER]
    there = world.status.stored
    assert there
    assert ours <= {f"{there.path}/{field}" for field in there.fields}


LIVES: dict[str, Callable[[World], None]] = {
    "stored": lambda world: world.change(a="0", b="0", c="0", d="0"),
    "changed": lambda world: world.change(a="1", b="changed", d="4"),
    "moved": lambda world: world.connect(way_body(pathPrefix="/other")),
    "taken out": lambda world: world.edit({"storeRef": None}),
    "deleted": lambda world: world.delete(),
}


def lived(life: str) -> World:
    """Return a world in which something has just happened, beside something foreign."""
    world = World()
    world.parameters.kept[f"{PATH}/foreign"] = (b"theirs", {})
    if life != "stored":
        world.change(a="1", b="2", c="3")
        assert world.step() == inf
    LIVES[life](world)
    return world


def end(world: World) -> object:
    there = world.cluster.vaultsecrets.get(KEY)
    told = VaultSecret.parse(there).status.stored if there else None
    return world.parameters.kept, there and world.finalizers, told


@pytest.mark.parametrize("done", [False, True], ids=["unsent", "done"])
@pytest.mark.parametrize("life", LIVES)
def test_killed_at_any_call_all_there_is_is_known_and_the_end_is_the_same(
    life: str, *, done: bool
) -> None:
    whole = lived(life)
    assert not killed(whole, 1_000, done=False)

    for at in range(100):
        world = lived(life)
        if not killed(world, at, done=done):
            break
        check_known(world)
        world.start()
        assert not killed(world, 1_000, done=False)
        assert end(world) == end(whole)
        world.start()
        world.step()
        assert (world.calls, world.parameters.calls) == ([], [])
    assert at > 3


def test_deleted_in_the_middle_all_that_may_be_there_goes() -> None:
    world = World()
    world.change(a="1", b="2")
    world.parameters.faults["create"] = [StoreRefused("ended here")]
    world.step()
    assert world.status.stored
    assert world.status.stored.fields == ["a", "b"]
    world.parameters.kept[f"{PATH}/a"] = (b"1", OURS)

    world.start()
    world.delete()
    world.step()

    assert (world.parameters.kept, KEY in world.cluster.vaultsecrets) == ({}, False)


@pytest.mark.parametrize("call", ["patch finalizers", "update status"])
def test_what_changed_meanwhile_is_read_and_written_again(call: str) -> None:
    world = World()
    world.cluster.meanwhile[call] = lambda: world.cluster.store(
        world.cluster.vaultsecrets, edited(world.body, labels={"a": "b"})
    )

    assert world.step() == inf

    assert (world.said, world.finalizers) == ("Stored", [FINALIZER])
    assert world.body["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize("call", ["patch finalizers", "update status"])
def test_what_changes_too_often_is_looked_at_soon(call: str) -> None:
    world = World()
    world.cluster.faults[call] = [Stale()] * 3

    assert world.step() == 1.0
    assert world.step() == inf
    assert world.said == "Stored"


@pytest.mark.parametrize("call", ["patch finalizers", "update status"])
def test_who_is_deleted_meanwhile_is_left_to_what_comes_next(call: str) -> None:
    world = World()

    def gone() -> None:
        body = edited(world.body, deletionTimestamp=NOW)
        world.cluster.store(world.cluster.vaultsecrets, body)
        world.watch()

    world.cluster.meanwhile[call] = gone
    assert world.step() == inf
    assert (world.parameters.kept, world.said) == ({}, None)
    world.step()

    assert world.parameters.kept == {}


@pytest.mark.parametrize("error", [Absent(), Stale()])
def test_a_failure_that_cannot_be_said_is_said_later(error: Exception) -> None:
    world = World()
    world.parameters.faults["create"] = [StoreRefused("no")] * 2
    world.cluster.faults["update status"] = []
    world.step()
    world.edit({"displayName": "x"})
    world.cluster.faults["update status"] = [error] * 3

    assert 0 < world.step() < inf


def test_a_resource_that_is_gone_is_no_call() -> None:
    world = kept()
    world.vaultsecrets.drop(KEY)

    assert world.step() == inf
    assert (world.calls, world.parameters.calls) == ([], [])


def test_no_value_is_in_what_is_said() -> None:
    world = World()
    world.parameters.faults["create"] = [Conflict("somebody has just made it")]
    world.step()
    world.parameters.kept[TOKEN] = (b"theirs", {})
    world.now += 300
    world.step()

    shown = repr((world.body["status"], world.events, world.storer))
    assert CANARY not in shown
