"""A value of a vault is seen in its Secret only, whatever the vaults answer.

All vaults at once, with made-up values and tokens that are searched for in every form,
while the operator says all that it can. Two of them also by logins as a ServiceAccount:
whose tokens the API server makes up, so these are learned from what the vaults saw.
"""

import json
import secrets
import socket
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e import accounts
from tests.e2e import infisical as of_infisical
from tests.e2e import parameters as of_aws
from tests.e2e.operator import OPTIONS, Operator
from tests.e2e.sinks import Sinks
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import (
    connect,
    connection,
    connection_to_connect,
    doppler,
)
from tests.external.test_push import sent, url
from tests.leaks.canary import Canary, canary
from tests.leaks.scanner import PIECE, Scanner
from tests.vaults import jwt, service_account
from tests.vaults.doppler_state import Token as DopplerToken
from tests.vaults.faults import HTML, SHOWN, Fault
from tests.vaults.infisical_state import Folder, Secret
from tests.vaults.onepassword_connect import Token as ConnectToken
from tests.vaults.onepassword_items import Item, ItemField, Place, id_of
from tests.vaults.process import Running
from tests.vaults.webhooks import signature
from vaultferry.core.keyring import Keyring

VAULTS = ("doppler", "infisical", "connect", "aws")
TELLING = ("doppler", "infisical")
# As a ServiceAccount, anew in each turn: so each fault is done to a login as well.
LOGINS = tuple(f"{vault}-login" for vault in TELLING)
FETCHED = (*VAULTS, *LOGINS)
KINDS = (*FETCHED, "account")
STORED = "stored"

AUTH = {"doppler": "oidc", "infisical": "kubernetesAuth"}
LOGS_IN = {
    "doppler": "/v3/auth/oidc",
    "infisical": "/api/v1/auth/kubernetes-auth/login",
}
# So begins what the tokens say that the operator may ask for, and no other token.
MINTED = urlsafe_b64encode(b'{"aud":["vaultferry.dev/')
TURNS = range(1, 40)

SINKS = [
    *["own log", "events", "status", "metadata", "metrics", "every object"],
    *["every object as YAML", "kubectl", "audit log", "etcd's database", "etcd's log"],
    *["command line", "files"],
]

JSON = {"content-type": "application/json"}


@dataclass
class Life:
    """One namespace with a credential from each vault."""

    tenant: Tenant
    processes: dict[str, Running] = field(default_factory=dict)
    empty: list[Callable[[], None]] = field(default_factory=list)
    """What takes the value out of each vault."""

    connections: list[Body] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    kept: list[Canary] = field(default_factory=list)
    """Sealed values that a store keeps as well, another one in each turn."""

    store_holds: Callable[[], list[str]] = list
    """Returns what the store keeps of us."""

    shown: list[str] = field(default_factory=list)
    """The tokens that vaults were shown."""

    turns: int = 0

    def __post_init__(self) -> None:
        self.values = {kind: canary(f"value of {kind}") for kind in VAULTS}
        stored, logged_in = (*VAULTS, "account"), ("infisical", *LOGINS)
        self.tokens = {kind: canary(f"token of {kind}") for kind in stored}
        self.given = {kind: canary(f"token given to {kind}") for kind in logged_in}
        self.hooks = {kind: canary(f"webhook of {kind}") for kind in TELLING}

    @property
    def canaries(self) -> list[Canary]:
        known = (self.values, self.tokens, self.given, self.hooks)
        named = [each for one in known for each in one.values()]
        return [*named, Canary("a minted token", MINTED), *self.kept]

    @property
    def minted(self) -> list[str]:
        """The tokens that the API server made up, which nobody could know before."""
        return [token for token in self.shown if f".{MINTED.decode()}" in token]

    @property
    def ends(self) -> list[bytes]:
        """How their signatures begin and end, for who says no more of one."""
        signatures = [token.rpartition(".")[2].encode() for token in self.minted]
        return [end for each in signatures for end in (each[:PIECE], each[-PIECE:])]

    def learn(self) -> None:
        """Ask the vaults which tokens they were shown."""
        self.shown = [t for each in self.processes.values() for t in each.shown()]

    def say(self, *bodies: Body) -> None:
        """Apply objects; keep what was said."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
        self.said.append(self.tenant.apply(listed))

    def store(self, *bodies: Body) -> None:
        """Create Secrets; applying them would leave what is in them in annotations."""
        for body in bodies:
            created = self.tenant.kubectl("create", "-f", "-", stdin=json.dumps(body))
            self.said.append(created)

    def token(self, kind: str, value: str, key: str = "token", **more: str) -> Body:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": TOKENS.get(kind, kind)},
            "type": "vaultferry.dev/token",
            "stringData": {key: value, **more},
        }

    def vault_secrets(self) -> list[Body]:
        """Return the VaultSecrets, to be synced by a new word."""
        made = []
        for kind in KINDS:
            mapped = [{"fieldName": "token", "reference": REFERENCES[of(kind)]}]
            way = {"connectionRef": {"name": kind}, "fieldMappings": mapped}
            body = self.tenant.manifest(kind, {}, **way)
            del body["spec"]["sealed"]
            made.append(body)
        made.append(self._stored())
        for body in made:
            word = {"vaultferry.dev/force-sync": f"turn-{self.turns}"}
            body["metadata"]["annotations"] = word
        return made

    def _stored(self) -> Body:
        """Return a VaultSecret with a value that is new in each turn."""
        self.kept.append(canary(f"value that is stored in turn {self.turns}"))
        sealed = self.tenant.seal(STORED, token=self.kept[-1].text)
        return self.tenant.manifest(STORED, sealed, storeRef={"name": STORED})

    def tell(self, operator: Operator) -> list[int]:
        """Send webhooks, signed well and by somebody else; return their answers."""
        words = " ".join(each.text for each in self.canaries)
        body = json.dumps({"type": "config.secrets.update", "note": words}).encode()
        answers = []
        for kind, by in product(TELLING, (self.hooks["doppler"].text, words)):
            signed = f"sha256={signature(by, body)}"
            headers = {f"x-{kind}-signature": signed, "x-echo": words}
            answers.append(sent(url(operator, self.tenant, kind), headers, body))
        return answers

    def turn(self, fault: Fault | None) -> None:
        """Have all asked anew by new sessions, while a fault is done to all calls."""
        self.turns += 1
        for each in self.processes.values():
            each.do(*([fault] if fault else []))
            each.forget()
        # Another spec: so the connection is opened again, and no pause is kept.
        for body in self.connections:
            body["spec"]["access"] = {"keys": ["**", f"turn/{self.turns}"]}
            as_another(body, self.turns)
        self.say(*self.connections, *self.vault_secrets())
        eventually(self._is_handled)

    def _is_handled(self) -> bool:
        statuses = [body.get("status") or {} for body in self._listed("vaultsecrets")]
        said = [each.get("lastHandledSync") for each in statuses]
        is_asked = all(map(self._is_asked, self.processes))
        return said == [f"turn-{self.turns}"] * len((*KINDS, STORED)) and is_asked

    def _is_asked(self, vault: str) -> bool:
        asked = {entry.path for entry in self.processes[vault].requests()}
        return LOGS_IN[vault] in asked if vault in LOGS_IN else bool(asked)

    def _listed(self, kind: str) -> list[Body]:
        text = self.tenant.kubectl("get", kind, "-o", "json")
        items: list[Body] = json.loads(text)["items"]
        return items


TOKENS = {
    "doppler": "doppler-token",
    "infisical": "client-secret",
    "connect": "connect-token",
    "aws": "aws-reader",
    "account": "account-token",
}
REFERENCES = {
    "doppler": "TOKEN",
    "infisical": "TOKEN",
    "connect": "op://Shop/Login/token",
    "aws": "token",
    "account": "op://Shop/Login/token",
}


def of(kind: str) -> str:
    """Return the vault that a connection is to."""
    return kind.partition("-")[0]


def as_another(body: Body, turn: int) -> None:
    """Have a connection that is to log in anew be another identity."""
    name = body["metadata"]["name"]
    if name in LOGINS:
        vault = of(name)
        body["spec"][vault][AUTH[vault]]["identityId"] = f"{name}-{turn}"


def start(life: Life, stack: ExitStack) -> None:
    """Start the vaults, and store the tokens for them."""
    values = {kind: each.text for kind, each in life.values.items()}
    tokens = {kind: each.text for kind, each in life.tokens.items()}

    one = stack.enter_context(doppler({"TOKEN": values["doppler"]}))
    shown = f"dp.st.prd.{tokens['doppler']}"
    one.state.tokens = {shown: DopplerToken(config="shop/prd")}
    one.state.keys = accounts.keys(life.tenant.plane)
    given = f"dp.said.{life.given['doppler-login'].text}"
    known = accounts.in_doppler(life.tenant, given)
    one.state.identities = {f"doppler-login-{turn}": known for turn in TURNS}
    one.process.put(one.state)
    life.empty.append(lambda: one.put({}))

    two = stack.enter_context(of_infisical.infisical())
    two.identity.token = life.given["infisical"].text
    two.identity.client_secret = tokens["infisical"]
    two.state.reviewer = accounts.reviewer(life.tenant.plane)
    may = accounts.in_infisical(life.tenant, life.given["infisical-login"].text)
    two.state.identities |= {f"infisical-login-{turn}": may for turn in TURNS}
    two.folders["/app"] = Folder(secrets={"TOKEN": Secret(value=values["infisical"])})
    two.tell()
    life.empty.append(lambda: two.put("/app"))

    login = Item(
        id=id_of("login"),
        title="Login",
        fields=[ItemField(label="token", value=values["connect"])],
    )
    shop = Place(id=id_of("shop"), name="Shop", items=[login])
    three = stack.enter_context(connect(shop))
    three.state.tokens = {tokens["connect"]: ConnectToken(vaults=[shop.id])}
    three.put()

    def emptied() -> None:
        three.state.vaults[0].items.clear()
        three.put()

    life.empty.append(emptied)

    four = stack.enter_context(of_aws.parameter_store())
    prefix = f"/{life.tenant.namespace}"
    four.put({f"{prefix}/token": values["aws"]})
    life.empty.append(lambda: four.delete(f"{prefix}/token"))
    where = f"{prefix}-store/{life.tenant.namespace}/{STORED}"
    life.store_holds = lambda: [e["Value"] for e in four.all(where).values()]

    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"127.0.0.1:{server.getsockname()[1]}"
    account = service_account.token(nobody, email=tokens["account"])
    life.tokens["account"] = Canary("token of account", account.encode())

    processes = (one.process, two.process, three.process, four.process)
    life.processes = dict(zip(VAULTS, processes, strict=True))
    accounts.account(life.tenant)
    life.connections = [
        connection(one),
        of_infisical.connection(two),
        connection_to_connect(three),
        of_aws.connection(four, prefix),
        accounts.to_doppler(one),
        accounts.to_infisical(two),
        account_connection(),
        of_aws.connection(four, f"{prefix}-store", store=True),
    ]
    for kind, body in zip(TELLING, life.connections, strict=False):
        body["spec"][kind]["webhookSecretRef"] = {"name": f"hook-of-{kind}"}
        life.store(life.token(f"hook-of-{kind}", life.hooks[kind].text))
    for name, body in zip((*KINDS, STORED), life.connections, strict=True):
        body["metadata"]["name"] = name
    life.store(
        life.token("doppler", shown),
        life.token("infisical", tokens["infisical"]),
        life.token("connect", tokens["connect"]),
        life.token(
            "aws", tokens["aws"], "secret_access_key", access_key_id="AKIAMADEUP"
        ),
        life.token("account", account),
    )


def account_connection() -> Body:
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "account"},
        "spec": {
            "onePasswordServiceAccount": {"tokenSecretRef": {"name": "account-token"}}
        },
    }


def faults(life: Life) -> Iterator[Fault]:
    """Yield every way in which a vault may fail, each with canaries in its answer."""
    echoed = {each.name: each.text for each in life.canaries} | {"shown": SHOWN}
    body = json.dumps({"error": "Failed", "message": echoed, "messages": [echoed]})
    words = " ".join(echoed.values())
    headers = {**JSON, "x-echo": words, "www-authenticate": words, "etag": words}
    for status in (400, 404, 422, 429, 500, 503):
        yield Fault(status=status, body=body, headers=headers)
    # AWS says most of it by 400, and Infisical by names of errors.
    for kind in ("AccessDeniedException", "ThrottlingException", "ExpiredToken"):
        named = json.dumps({"__type": kind, "error": kind, "message": words})
        yield Fault(status=400, body=named, headers=JSON)
    yield Fault(status=429, headers={"retry-after": words}, body=words)
    yield Fault(status=302, headers={"location": f"https://{words[:40]}.example/"})
    html = {"content-type": "text/html"}
    yield Fault(status=502, headers=html, body=HTML.replace("502", words))
    yield Fault(status=200, headers=html, body=f"<html>{words}")
    yield Fault(status=200, headers=JSON, body=body[:-20])
    yield Fault(status=200, headers=JSON, body=body)
    yield Fault(status=200, headers=JSON, body=json.dumps(words))
    yield Fault(cut=20)
    yield Fault(reset=True)
    for status in (403, 401):
        yield Fault(status=status, body=body, headers=headers)


@dataclass(frozen=True)
class Seen:
    """A life, and the content of every sink before and after it ended."""

    life: Life
    sinks: Mapping[str, bytes]
    data: Mapping[str, Mapping[str, str]]
    stored: Sequence[str]
    """The values of the store after the first turn."""

    told: Sequence[int]
    """How webhooks were answered."""


@pytest.fixture(scope="module")
def seen(
    cluster: ControlPlane,
    operator: Operator,
    keyring: Keyring,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    if cluster.audit_log is None or cluster.etcd_dir is None:
        pytest.skip("audit log and etcd of somebody else's cluster cannot be read")
    folder = tmp_path_factory.mktemp("home")
    namespace = f"leaks-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", namespace)
    life = Life(Tenant(cluster, namespace, keyring))
    begin = cluster.audit_log.stat().st_size
    with operator.stopped(), ExitStack() as stack:
        accounts.allow_tokens(cluster)
        stack.callback(accounts.take_away, cluster)
        talkative = talking(operator, folder)
        start(life, stack)
        talkative.start()
        stack.callback(talkative.stop)
        life.turn(None)
        eventually(lambda: all(life.tenant.exists("secret", k) for k in FETCHED))
        data = {kind: life.tenant.data(kind) for kind in FETCHED}
        eventually(lambda: len(life.store_holds()) > 0)
        stored = life.store_holds()
        told = life.tell(talkative)
        for fault in faults(life):
            life.turn(fault)
        reading = Sinks(cluster, talkative, folder, begin, life.said)
        parts = [reading.read()]
        for process in life.processes.values():
            process.do()
        for empty in life.empty:
            empty()
        life.turn(None)
        parts.append(reading.read())
        end(life)
        parts.append(reading.read())
        life.learn()
    yield Seen(life, joined(parts), data, stored, told)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def talking(operator: Operator, folder: Path) -> Operator:
    """Return an operator that says as much as it can, and leaves files in a folder."""
    places = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME"), str(folder))
    talkative = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1", "RUST_LOG": "trace"}
    return Operator(
        kubeconfig=operator.kubeconfig,
        log=folder.with_suffix(".log"),
        environ={**operator.environ, **talkative, **places},
        options=OPTIONS,
    )


def end(life: Life) -> None:
    """Delete it all, the connections first."""
    for kind in ("vaultconnections", "vaultsecrets", "secrets"):
        deleted = life.tenant.kubectl("delete", f"{kind}", "--all")
        life.said.append(deleted)
    eventually(lambda: not any(life.tenant.exists("secret", k) for k in FETCHED))


def joined(parts: Sequence[Mapping[str, bytes]]) -> dict[str, bytes]:
    return {name: b"\n".join(part[name] for part in parts) for name in parts[0]}


def test_each_value_arrived_in_its_secret(seen: Seen) -> None:
    values = {kind: {"token": seen.life.values[of(kind)].text} for kind in FETCHED}

    assert seen.data == values
    assert seen.stored == [seen.life.kept[0].text]


def test_a_webhook_was_taken_and_those_that_were_forged_were_not(seen: Seen) -> None:
    assert seen.told == [202, 404, 404, 404]


def test_in_each_turn_tokens_were_minted_and_all_that_were_given_were_shown(
    seen: Seen,
) -> None:
    life = seen.life
    whose = Counter(jwt.read(token)["sub"] for token in life.minted)
    given = [each.text for each in life.given.values()]

    assert whose.keys() == {accounts.subject(life.tenant)}
    assert whose.total() >= len(LOGINS) * life.turns
    assert [text for text in given if text not in " ".join(life.shown)] == []


@pytest.mark.parametrize(
    "reason",
    [
        "AuthenticationFailed",
        "FieldMissing",
        "PlaceForbidden",
        "PlaceMissing",
        "RateLimited",
        "Unreachable",
    ],
)
def test_every_failure_was_met(seen: Seen, reason: str) -> None:
    assert f'"{reason}"'.encode() in seen.sinks["own log"]


@pytest.mark.parametrize("sink", SINKS)
def test_no_value_and_no_token_is_found(seen: Seen, sink: str) -> None:
    hits = Scanner(seen.life.canaries).scan(seen.sinks[sink])

    assert [hit.around for hit in hits] == []
    assert [end for end in seen.life.ends if end in seen.sinks[sink]] == []


@pytest.mark.parametrize("sink", ["own log", "status", "metadata", "audit log"])
def test_what_is_no_secret_is_found(seen: Seen, sink: str) -> None:
    planted = Canary("namespace", seen.life.tenant.namespace.encode())
    text = {"status": b"AuthenticationFailed"}.get(sink, planted.value)

    assert Scanner([Canary(sink, text)]).scan(seen.sinks[sink])
    assert b'"level": "debug"' in seen.sinks["own log"]
