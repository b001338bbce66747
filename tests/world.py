"""One VaultSecret, a stand-in API server and a Reconciler between them."""

from typing import Any

from tests.builders import NAME, NAMESPACE, NOW, Body, edited, vault_secret_body
from tests.keyrings import keyring
from tests.running import run
from tests.standin import StandIn
from vaultferry.connections import Connections
from vaultferry.core.events import Event
from vaultferry.core.keyring import Keyring
from vaultferry.core.secret import Content
from vaultferry.core.urgency import Lane
from vaultferry.core.vaultsecret import Status, VaultSecret
from vaultferry.places import DEFAULT_ROOM, Around, PlaceKey, Places
from vaultferry.reconcile import Reconciler, Result, Surroundings
from vaultferry.sourcing import VaultSource
from vaultferry.views import Key, Secrets, VaultSecrets

KEY = Key(NAMESPACE, NAME)


class World:
    """What surrounds a reconciliation; a watch tells the views when asked to."""

    room = DEFAULT_ROOM

    def __init__(self, ring: Keyring | None = None, **spec: Any) -> None:
        self.cluster = StandIn()
        self.now = 1_000.0
        self.wall = NOW
        self.events: list[Event] = []
        self.repairs = 0
        self.seconds = 0.0
        self.due: list[PlaceKey] = []
        self.woken: list[tuple[Key, Lane]] = []
        self.told: list[Key] = []
        self.kept: list[Key] = []
        self.counted: list[str] = []
        self.start(ring)
        self.apply(vault_secret_body(**spec))

    def start(self, ring: Keyring | None = None) -> None:
        """Start the operator anew: its memory is empty, its views are complete."""
        self.vaultsecrets = VaultSecrets(lambda: self.now)
        self.connections = Connections()
        self.secrets = Secrets(self.vaultsecrets, self.connections.opening)
        self.places = Places(
            lambda place, _: self.due.append(place),
            lambda key, lane: self.woken.append((key, lane)),
            self.told.append,
            Around(
                lambda: self.now,
                lambda: self.seconds,
                self.counted.append,
                room=self.room,
            ),
        )
        around = Surroundings(
            now=lambda: self.wall,
            clock=lambda: self.now,
            chance=lambda: 1.0,
            post=self._post,
            repaired=self._count_repair,
            keep=self.kept.append,
            prefixes=("app.kubernetes.io",),
        )
        self.reconcile = Reconciler(
            self.cluster,
            self.vaultsecrets,
            self.secrets,
            ring or keyring(),
            around,
            VaultSource(
                self.connections,
                self.places,
                self.vaultsecrets.came,
                lambda: self.now,
            ),
        )
        self.watch()

    def _count_repair(self) -> None:
        self.repairs += 1

    def apply(self, body: Body) -> None:
        """Create or replace the VaultSecret, as a user does."""
        self.cluster.store(self.cluster.vaultsecrets, body)
        self.watch()

    def edit(self, spec: Body | None = None, **metadata: Any) -> None:
        """Edit the VaultSecret: a changed spec is a new generation."""
        body = edited(self.body, **metadata)
        if spec is not None:
            body["spec"] |= spec
            body["metadata"]["generation"] += 1
        self.apply(body)

    def edit_secret(self, data: Body | None = None, **metadata: Any) -> None:
        """Change the Secret, as somebody else does."""
        body = edited(self.cluster.secrets[KEY], **metadata)
        body["data"] = body["data"] if data is None else data
        self.cluster.store(self.cluster.secrets, body)
        self.watch()

    def delete_secret(self) -> None:
        """Delete the Secret, as somebody else does."""
        del self.cluster.secrets[KEY]
        self.watch()

    def watch(self) -> None:
        """Let the watches catch up."""
        for body in self.cluster.vaultsecrets.values():
            self.vaultsecrets.put(body)
        for body in self.cluster.secrets.values():
            self.secrets.put({"metadata": body["metadata"]})
        for key in self.secrets.keys() - self.cluster.secrets.keys():
            if seen := self.secrets.get(key):
                self.secrets.drop(key, seen.uid, int(seen.resource_version))

    def step(self) -> Result:
        """Reconcile once, and let the watches catch up."""
        self.cluster.calls.clear()
        result = run(self.reconcile(KEY))
        self.watch()
        return result

    @property
    def calls(self) -> list[str]:
        """The calls of the last step."""
        return self.cluster.calls

    @property
    def body(self) -> Body:
        return self.cluster.vaultsecrets[KEY]

    @property
    def status(self) -> Status:
        return VaultSecret.parse(self.body).status

    @property
    def says(self) -> dict[str, str]:
        """The reasons of the conditions by type, those that are False with a !."""
        return {
            c.type: c.reason if c.status == "True" else f"!{c.reason}"
            for c in self.status.conditions
        }

    @property
    def data(self) -> dict[str, bytes]:
        return dict(Content.parse(self.cluster.secrets[KEY]).data)

    def _post(self, resource: VaultSecret, event: Event) -> None:
        assert resource.name == NAME
        self.events.append(event)
