"""Plaintext that is sealed on its way in, or refused, is seen nowhere."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh
from tests.e2e.operator import Operator
from tests.e2e.plaintext import WAYS, plain
from tests.e2e.sinks import Sinks
from tests.e2e.tenant import Body, Tenant
from tests.e2e.webhook import Webhook, ask
from tests.leaks.canary import TAILS, Canary, canary
from tests.leaks.scanner import Scanner
from vaultferry.core import resealing
from vaultferry.core.keyring import Keyring

PLACES = (
    "own log",
    "events",
    "status",
    "metadata",
    "metrics",
    "every object",
    "every object as YAML",
    "kubectl",
    "audit log",
    "etcd's database",
    "etcd's log",
    "command line",
    "files",
)
"""Each is read; what is read there may well be little."""

NAMED = {"own log", "metadata", "every object", "kubectl", "audit log"} | {
    "every object as YAML",
    "etcd's database",
    "etcd's log",
}
"""The places that hold the name of the namespace, so that it is theirs that is read."""


@dataclass
class Life:
    """What somebody does with plaintext, each value in it a canary."""

    tenant: Tenant
    said: list[str] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    _tails: Iterator[str] = field(default_factory=lambda: cycle(TAILS))

    def live(self, webhook: Webhook) -> None:
        """Go through all of it."""
        for way, arguments in WAYS.items():
            self._change(f"db-{way}", arguments)
        self._say(self._plain("careless", "a"), "create", "--validate=false")
        self._say(self._plain("remembered", "a"), "create", "--save-config")
        self._bad()
        self._reseal()
        with webhook.stopped():
            self._say(self._plain("db-client-side", "a"), *WAYS["client-side"][:-1])
            self._say(self._plain("new", "a"), *WAYS["server-side"][:-1])
        self._bypass(webhook)

    def _change(self, name: str, arguments: tuple[str, ...]) -> None:
        """Make it, change values, add a field, take fields out; look at the change."""
        for fields in ("ab", "ab", "abc", "a"):
            manifest = self._plain(name, *fields)
            self._say(manifest, "diff", *arguments[1:-1])
            self._say(manifest, *arguments[:-1])
            self._say(manifest, *arguments[:-1], "--dry-run=server", "-oyaml")
        self.tenant.wait_ready(name)
        self.said.append(self.tenant.kubectl("get", f"vfs/{name}", "-oyaml"))
        self.said.append(self.tenant.kubectl("describe", f"vfs/{name}"))

    def _bad(self) -> None:
        """Write what is refused, for each reason."""
        long = self._plain("long", "a")
        long["spec"]["credentials"]["a"] *= 1000
        both = self._plain("both", "a")
        both["spec"]["sealed"] = {"a": "vf1.x"}
        typed = self._plain("typed", "a")
        typed["spec"]["type"] = "s3"
        nested = self._plain("nested", "a")
        nested["spec"]["credentials"] = {"a": nested["spec"]["credentials"]}
        misspelt = self._plain("misspelt", "a")
        misspelt["spec"]["credential"] = misspelt["spec"].pop("credentials")
        misspelt["spec"]["sealed"] = self.tenant.seal("misspelt", a="x")
        many = self._plain("many", *(f"k{i}" for i in range(65)))
        for body in (long, both, typed, nested, misspelt, many):
            for arguments in (("apply", "--validate=false"), ("create", "-oyaml")):
                self._say(body, *arguments)

    def _reseal(self) -> None:
        """Have a token sealed anew, and one of another place refused."""
        sealed = self.tenant.seal("here", a=self._value("resealed").text)
        for name in ("here", "elsewhere"):
            body = self.tenant.manifest(name, sealed)
            body["metadata"]["annotations"] = {resealing.ANNOTATION: "fernet"}
            self._say(body, "apply", "--server-side", "--dry-run=server", "-oyaml")

    def _bypass(self, webhook: Webhook) -> None:
        """Ask the webhook itself, with and without the path."""
        for path in ("/", webhook.path()):
            for text in (self._value("no JSON").text, self._plain("no", "a")):
                _, answer = ask(webhook, path, json.dumps(text).encode())
                self.said.append(answer.decode())

    def _value(self, name: str) -> Canary:
        made = canary(name, next(self._tails))
        self.canaries.append(made)
        return made

    def _plain(self, name: str, *fields: str) -> Body:
        values = {key: self._value(f"{name}, {key}").text for key in fields}
        return plain(self.tenant, name, **values)

    def _say(self, body: Body, *arguments: str) -> None:
        """Send a manifest, and keep what kubectl says to it."""
        done = subprocess.run(
            ["kubectl", "-n", self.tenant.namespace, *arguments, "--filename=-"],
            env=self.tenant.plane.env(),
            input=json.dumps(body).encode(),
            capture_output=True,
            check=False,
        )
        self.said.append((done.stdout + done.stderr).decode())
        if arguments[0] != "diff":
            self.accepted += done.returncode == 0
            self.refused += done.returncode != 0


@dataclass(frozen=True)
class Seen:
    """A life, and the content of every sink at its end."""

    life: Life
    sinks: dict[str, bytes]


@pytest.fixture(scope="module")
def seen(
    control_plane: ControlPlane, webhook: Webhook, operator: Operator, keyring: Keyring
) -> Iterator[Seen]:
    assert control_plane.audit_log is not None
    start = control_plane.audit_log.stat().st_size
    with fresh(control_plane, keyring) as tenant:
        life = Life(tenant)
        life.live(webhook)
        home = webhook.log.parent / "home"
        of_webhook = Sinks(control_plane, webhook, home, start, life.said).read()
        of_operator = Sinks(control_plane, operator, home, start, []).read()
        yield Seen(life, {k: v + of_operator[k] for k, v in of_webhook.items()})


@pytest.mark.parametrize("sink", PLACES)
def test_no_plaintext_is_found(seen: Seen, sink: str) -> None:
    hits = Scanner(seen.life.canaries).scan(seen.sinks[sink])

    assert [hit.around for hit in hits] == []


def test_every_sink_is_read(seen: Seen) -> None:
    assert seen.sinks.keys() == set(PLACES)
    name = seen.life.tenant.namespace.encode()
    assert {sink for sink, content in seen.sinks.items() if name in content} >= NAMED


def test_much_was_sealed_and_much_was_refused(seen: Seen) -> None:
    assert (seen.life.accepted, seen.life.refused) == (19, 15)
    assert any(
        "name: here\n" in s and "vf1.fernet.strict." in s for s in seen.life.said
    )
    assert any("sealed for another place, or altered" in s for s in seen.life.said)
    assert any("+    a: vf1.fernet.strict." in said for said in seen.life.said)
    assert seen.life.tenant.data("db-client-side").keys() == {"a"}
