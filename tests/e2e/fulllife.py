"""A life in which everything happens, each value in it a canary."""

import json
import subprocess
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, product
from typing import Any

from cryptography.fernet import Fernet

from tests.controlplane import ControlPlaneError
from tests.e2e import rights
from tests.e2e.acts import (
    patch,
    patch_spec,
    raw_data,
    restart_apiserver,
    token,
    wait_for_no_leftovers,
    wait_reason,
)
from tests.e2e.tenant import Body, Tenant, eventually
from tests.leaks.canary import ECHOED, SECRET, TAILS, TOLD, Canary, canary
from vaultferry.core.consent import ALLOW
from vaultferry.core.encoding import pack
from vaultferry.core.keyring import Keyring
from vaultferry.core.merge import mark
from vaultferry.core.rootkey import RootKey
from vaultferry.core.sealing import Place
from vaultferry.core.suites import PRODUCT, Suite, derive


@dataclass
class Life:
    """What a tenant and a clumsy administrator do, and the canaries in it."""

    tenant: Tenant
    root_key: str
    said: list[str] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    """What must be nowhere but in the data of Secrets."""

    told: list[Canary] = field(default_factory=list)
    """What stands in a spec, an annotation or an answer of the API server: the
    operator must not repeat it."""

    echoed: list[Canary] = field(default_factory=list)
    """What the API server itself quotes to the one who sent it, and in its audit log:
    a JSON type that is wrong, or a misspelt key of an object that exists."""

    reasons: set[str] = field(default_factory=set)
    _tails: Iterator[str] = field(default_factory=lambda: cycle(TAILS))

    def live(self) -> None:
        """Go through all of it."""
        self._keys()
        self._create_and_change()
        self._drift()
        self._conflict()
        self._merge()
        self._adopt()
        self._lay_out()
        self._bad_tokens()
        self._refused()
        self._api_refuses_the_secret()
        self._right_is_missing()
        self._outage()
        self._notes_by_hand()
        self._end()

    def secret(self, name: str) -> str:
        """Make up a value that must come to light nowhere."""
        return self._new(self.canaries, name, SECRET)

    def repeated(self, name: str) -> str:
        """Make up a value that the operator is told, and must not repeat."""
        return self._new(self.told, name, TOLD)

    def quoted(self, name: str) -> str:
        """Make up a value that the API server will quote."""
        return self._new(self.echoed, name, ECHOED)

    def _new(self, canaries: list[Canary], name: str, kind: tuple[str, str]) -> str:
        made = canary(name, next(self._tails), kind)
        canaries.append(made)
        return made.text

    def say(self, *arguments: str, stdin: str | None = None) -> bool:
        """Run kubectl in the namespace, and keep what it prints; tell if it went."""
        done = subprocess.run(
            ["kubectl", "-n", self.tenant.namespace, *arguments],
            env=self.tenant.plane.env(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += [done.stdout, done.stderr]
        return done.returncode == 0

    def apply(self, manifest: Body, *flags: str) -> bool:
        """Apply a manifest, and keep what kubectl prints; tell whether it went."""
        return self.say("apply", *flags, "-f", "-", stdin=json.dumps(manifest))

    def fails(self, manifest: Body, reason: str) -> None:
        """Apply a manifest that is stored and cannot be realised."""
        assert self.apply(manifest)
        name = manifest["metadata"]["name"]
        eventually(lambda: self.tenant.reason(name) is not None)
        assert self.tenant.reason(name) == reason, name
        self.reasons.add(reason)

    def _sealed(self, name: str, **values: str) -> dict[str, str]:
        sealed = self.tenant.seal(name, **values)
        self.told += [
            Canary(f"token of {name}", t[-40:].encode()) for t in sealed.values()
        ]
        return sealed

    def _keys(self) -> None:
        """Take the root key and what is derived from it for canaries as well."""
        raw, namespace = urlsafe_b64decode(self.root_key), self.tenant.namespace
        root = RootKey(raw)
        key_id = self.tenant.keyring.key_id
        private = pack(PRODUCT, "private-key", Suite.HPKE_X25519, key_id)
        self.canaries += [
            Canary("root key as text", self.root_key.encode()),
            Canary("root key", raw),
            Canary("private key", derive(raw, private)),
            Canary(
                "fingerprint key", root.derive("fingerprint", key_id, namespace, "db")
            ),
        ]

    def _create_and_change(self) -> None:
        tenant, names = self.tenant, ("db", "api", "login")
        for turn in ("created", "changed"):
            opaque = {f"f{n}": self.secret(f"{turn} {n}") for n in range(len(TAILS))}
            raw = canary(f"{turn} bytes")
            self.canaries.append(
                Canary(f"{turn} bytes", b"\xff\xfe" + raw.value + b"\0\xfe")
            )
            sealed = self._sealed("db", **opaque)
            place = Place(tenant.namespace, "db", "raw")
            sealed["raw"] = token(tenant, place, self.canaries[-1].value)
            value = {"token": self.secret(f"{turn} token")}
            login = {
                "username": self.secret(f"{turn} user"),
                "password": self.secret(f"{turn} password"),
            }
            assert self.apply(tenant.manifest("db", sealed))
            api = self._sealed("api", **value)
            assert self.apply(tenant.manifest("api", api, type="token"))
            both = self._sealed("login", **login)
            assert self.apply(tenant.manifest("login", both, type="password"))
            for name in names:
                tenant.wait_ready(name)
            assert raw_data(tenant, "db")["raw"] == self.canaries[-4].value
            assert tenant.data("login") == login
        for name in names:
            assert self.say("describe", "vaultsecret", name)
            assert self.say("describe", "secret", name)
        assert self.say("get", "vaultsecrets.vaultferry.dev", "-o", "wide")

    def _drift(self) -> None:
        before = raw_data(self.tenant, "db")
        for key in ("f0", "added"):
            value = self.secret(f"written over {key}")
            patch(self.tenant, "secret", "db", {"stringData": {key: value}})
            eventually(lambda: raw_data(self.tenant, "db") == before)
        assert self.say("delete", "secret", "db")
        eventually(lambda: self.tenant.exists("secret", "db"))

    def _conflict(self) -> None:
        self._foreign("theirs", self.secret("somebody else's"))
        sealed = self._sealed("theirs", password=self.secret("in conflict"))
        self.fails(self.tenant.manifest("theirs", sealed), "Conflict")
        assert self.say("describe", "vaultsecret", "theirs")
        value = self.secret("of another type")
        sealed = self._sealed("typed", password=value)
        owner = {"vaultferry.dev/owner": f"{self.tenant.namespace}/typed"}
        self._foreign("typed", value, annotations=owner)
        manifest = self.tenant.manifest(
            "typed", sealed, target={"type": "example.com/credential"}
        )
        self.fails(manifest, "TypeDiffers")

    def _merge(self) -> None:
        """Share a Secret, quarrel about its keys, and leave it."""
        tenant, target = self.tenant, {"name": "shared", "creationPolicy": "Merge"}
        sealed = self._sealed("merged", v=self.secret("merged"))
        manifest = tenant.manifest("merged", sealed, target=target)
        self.fails(manifest, "TargetMissing")
        self._foreign("shared", self.secret("beside merged keys"))
        wait_reason(tenant, "merged", "NotAllowed")
        self.reasons.add("NotAllowed")
        self._note("shared", ALLOW, "merge")
        tenant.wait_ready("merged")
        record = mark(f"{tenant.namespace}/merged")
        self._note("shared", record, self.repeated("record"))
        wait_reason(tenant, "merged", "Conflict")
        value = self.secret("written over a merged key")
        patch(tenant, "secret", "shared", {"stringData": {"v": value}})
        wait_reason(tenant, "merged", "Conflict")
        self._note("shared", ALLOW, self.repeated("consent"))
        wait_reason(tenant, "merged", "NotAllowed")
        assert self.say("describe", "vaultsecret", "merged")
        assert self.say("delete", "vaultsecret", "merged")
        self._foreign(
            "lent", self.secret("of a lent one"), annotations={ALLOW: "merge"}
        )
        target = {"name": "lent", "creationPolicy": "Merge"}
        with self._quoting_policy("lent"):
            quoted = self._sealed("lent", v=self.repeated("quoted when merged"))
            manifest = tenant.manifest("lent", quoted, target=target)
            self.fails(manifest, "ApiRejected")

    def _adopt(self) -> None:
        self._foreign("adopted", self.secret("before it was adopted"))
        sealed = self._sealed("adopted", v=self.secret("adopting"))
        self.fails(self.tenant.manifest("adopted", sealed), "Conflict")
        self._note("adopted", ALLOW, "adopt")
        self.tenant.wait_ready("adopted")

    def _note(self, secret: str, key: str, text: str) -> None:
        """Write an annotation of a Secret by hand."""
        note = {"metadata": {"annotations": {key: text}}}
        patch(self.tenant, "secret", secret, note)

    def _foreign(self, name: str, value: str, **metadata: Any) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.tenant.namespace, **metadata},
            "data": {"password": b64encode(value.encode()).decode()},
        }
        assert self.say("create", "-f", "-", stdin=json.dumps(manifest))

    def _lay_out(self) -> None:
        """Lay values out, also where a format or a template cannot."""
        tenant = self.tenant

        def target(*formats: str, text: str) -> Body:
            template = {"file": f"{self.repeated('in a template')} {text}"}
            return {"target": {"formats": [*formats], "template": template}}

        cases: dict[str, tuple[Body, str]] = {
            "laid-out": (target("json", "yaml", text="{{ f0 | url }} {{ f1 }}"), ""),
            "not-laid-out": (target("dotenv", text="{{ f0 }}"), "ValueInvalid"),
            "ill-written": (target("fields", text="{{ f0 | no }}"), "InvalidSpec"),
            "clashing": (target("fields", text=""), "KeyInvalid"),
        }
        for name, (spec, reason) in cases.items():
            fields = [f"f{n}" for n in range(len(TAILS))]
            fields += ["file"] if reason == "KeyInvalid" else []
            values = {field: self.secret(f"{name} {field}") for field in fields}
            manifest = tenant.manifest(name, self._sealed(name, **values), **spec)
            if reason:
                self.fails(manifest, reason)
            else:
                assert self.apply(manifest)
                tenant.wait_ready(name)
            assert self.say("describe", "vaultsecret", name)

    def _bad_tokens(self) -> None:
        """Break tokens in every way; some hold plaintext that the API server took."""
        tenant, key_id = self.tenant, self.tenant.keyring.key_id
        other = Keyring.parse([Fernet.generate_key().decode()])
        good = self._sealed("altered", v=self.secret("altered"))["v"]
        altered = good[:-20] + good[-20:-10].swapcase() + good[-10:]
        elsewhere = self._sealed("elsewhere", v=self.secret("of another place"))["v"]
        unknown = Tenant(tenant.plane, tenant.namespace, other)
        bad = {
            "altered": (altered, "TokenNotOpened"),
            "spelt": (good + "=", "TokenMalformed"),
            "moved": (elsewhere, "TokenNotOpened"),
            "unknown": (
                unknown.seal("unknown", v=self.secret("unknown"))["v"],
                "UnknownKeyId",
            ),
            "prefixed": (f"vf1.{self.repeated('after vf1.')}", "TokenMalformed"),
            "payload": (
                f"vf1.fernet.strict.{key_id}.{self.repeated('as payload')}!",
                "TokenMalformed",
            ),
            "suite": (
                f"vf1.{self.repeated('as suite')}.strict.{key_id}.AAAA",
                "TokenMalformed",
            ),
        }
        for name, (text, reason) in bad.items():
            self.fails(tenant.manifest(name, {"v": text}), reason)
        empty = self._sealed("empty", v="", w=self.secret("beside an empty one"))
        self.fails(tenant.manifest("empty", empty), "ValueInvalid")

    def _refused(self) -> None:
        """Put plaintext wherever the schema has it refused, at first and later on."""
        wrong: dict[str, Wrong] = {**_WRONG_VALUES, **_WRONG_TYPES, **_MISSPELT}
        for (what, spec), target, flag in product(wrong.items(), _TARGETS, _FLAGS):
            value = self.quoted if _is_quoted(what, target, flag) else self.secret
            manifest = self.tenant.manifest(target, {})
            del manifest["spec"]["sealed"]
            manifest["spec"] |= spec(partial(value, f"{what}, {target}, {flag}"))
            assert not self.apply(manifest, flag), (what, target, flag)

    def _api_refuses_the_secret(self) -> None:
        """Have the API server quote values in what it answers to the operator."""
        label = f"{self.repeated('label')} !"
        sealed = self._sealed("labelled", v=self.secret("with a bad label"))
        manifest = self.tenant.manifest(
            "labelled", sealed, target={"labels": {"team": label}}
        )
        self.fails(manifest, "ApiRejected")
        with self._quoting_policy("quoted"):
            quoted = self._sealed("quoted", v=self.repeated("quoted by the server"))
            self.fails(self.tenant.manifest("quoted", quoted), "ApiRejected")

    @contextmanager
    def _quoting_policy(self, name: str) -> Iterator[None]:
        """Have a policy refuse the Secret of that name and quote what it holds."""
        policy = f"quotes-{self.tenant.namespace}"
        for manifest in _policy(policy, self.tenant.namespace, name):
            self.tenant.plane.create(manifest)
        eventually(lambda: self._is_refused(name))
        yield
        kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        self.tenant.kubectl("delete", kinds, policy)

    def _is_refused(self, name: str) -> bool:
        trial = ("--from-literal=v=trial", "--dry-run=server")
        try:
            self.tenant.kubectl("create", "secret", "generic", name, *trial)
        except ControlPlaneError as error:
            return b64encode(b"trial").decode() in str(error)
        return False

    def _right_is_missing(self) -> None:
        tenant, plane = self.tenant, self.tenant.plane
        with rights.without(plane, "secrets", "create", "patch"):
            sealed = self._sealed("forbidden", v=self.secret("forbidden"))
            self.fails(tenant.manifest("forbidden", sealed), "ApiForbidden")
            value = self.secret("cannot be repaired")
            patch(tenant, "secret", "api", {"stringData": {"token": value}})
            wait_reason(tenant, "api", "ApiForbidden")
        tenant.wait_ready("forbidden")
        tenant.wait_ready("api")

    def _outage(self) -> None:
        """Have the API server die while a Secret is edited, and come back."""
        tenant, before = self.tenant, raw_data(self.tenant, "db")
        value = self.secret("written in an outage")
        # Now, so that the edit is followed by the outage at once.
        wait_for_no_leftovers(tenant.plane)
        patch(tenant, "secret", "db", {"stringData": {"f0": value}})
        restart_apiserver(tenant.plane)
        eventually(lambda: raw_data(tenant, "db") == before, seconds=60)
        sealed = self._sealed("after", v=self.secret("after an outage"))
        assert self.apply(tenant.manifest("after", sealed))
        tenant.wait_ready("after", seconds=60)

    def _notes_by_hand(self) -> None:
        """Write canaries where the operator reads, and keeps what it finds."""
        tenant = self.tenant
        for key in ("note", "vaultferry.dev/metadata", "vaultferry.dev/fingerprint"):
            value = self.repeated(f"annotation {key}")
            patch(tenant, "secret", "db", {"metadata": {"annotations": {key: value}}})
        asked = {"vaultferry.dev/force-sync": self.repeated("force-sync")}
        patch(tenant, "vaultsecret", "db", {"metadata": {"annotations": asked}})
        owner = {"vaultferry.dev/owner": self.repeated("owner")}
        patch(tenant, "secret", "login", {"metadata": {"annotations": owner}})
        wait_reason(tenant, "login", "Conflict")

    def _end(self) -> None:
        """Suspend, leave, come back and go."""
        tenant = self.tenant
        sealed = self._sealed("kept", v=self.secret("kept"))
        orphan = tenant.manifest("kept", sealed, target={"creationPolicy": "Orphan"})
        assert self.apply(orphan)
        tenant.wait_ready("kept")
        assert self.say("delete", "vaultsecret", "kept")
        assert self.apply(orphan)
        tenant.wait_ready("kept")
        patch_spec(tenant, "kept", suspend=True)
        again = self._sealed("kept", v=self.secret("while suspended"))
        patch_spec(tenant, "kept", sealed=again)
        wait_reason(tenant, "kept", "Suspended")
        self.reasons.add("Suspended")
        assert self.say("delete", "vaultsecret", "api")
        eventually(lambda: not tenant.exists("secret", "api"), seconds=20)


Wrong = Callable[[Callable[[], str]], Mapping[str, Any]]

_TARGETS = ("new", "db")
_FLAGS = ("--server-side=false", "--server-side=true", "--dry-run=server")

_WRONG_VALUES: dict[str, Wrong] = {
    "plaintext in sealed": lambda value: {"sealed": {"v": value()}},
    "credentials": lambda value: {"credentials": {"v": value()}},
    "both": lambda value: {"credentials": {"v": value()}, "sealed": {"v": "vf1.x"}},
    "token too long": lambda value: {"sealed": {"v": "vf1." + value() * 1100}},
    "value too long": lambda value: {"credentials": {"v": value() * 700}},
    "too many": lambda value: {"sealed": {f"k{n}": value() for n in range(65)}},
    "too much": lambda value: {
        "sealed": {f"k{n}": "vf1." + value() * 600 for n in range(20)}
    },
    "field of another type": lambda value: {"type": "token", "sealed": {"v": value()}},
}

_WRONG_TYPES: dict[str, Wrong] = {
    "text for a map": lambda value: {"sealed": value()},
    "list for a map": lambda value: {"credentials": [value()]},
    "map for a text": lambda value: {"sealed": {"v": {"value": value()}}},
    "list for a text": lambda value: {"credentials": {"v": [value()]}},
}

_MISSPELT: dict[str, Wrong] = {
    "misspelt": lambda value: {"sealed": {"v": "vf1.x"}, "selaed": {"v": value()}},
}


def _is_quoted(what: str, target: str, flag: str) -> bool:
    """Tell whether the API server quotes what it refuses there."""
    by_server = flag == "--server-side=true"
    if what in _WRONG_TYPES:
        return by_server or target == "db"
    return what in _MISSPELT and target == "db" and not by_server


def _policy(policy: str, namespace: str, name: str) -> Iterator[Body]:
    versions = {"apiVersion": "admissionregistration.k8s.io/v1"}
    secrets = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["secrets"],
        "operations": ["CREATE", "UPDATE"],
    }
    yield {
        **versions,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": policy},
        "spec": {
            "matchConstraints": {"resourceRules": [secrets]},
            "matchConditions": [
                {
                    "name": "one",
                    "expression": f"object.metadata.namespace == '{namespace}' && "
                    f"object.metadata.name == '{name}'",
                }
            ],
            "validations": [
                {
                    "expression": "false",
                    "messageExpression": "string(object.data['v'])",
                }
            ],
        },
    }
    yield {
        **versions,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy},
        "spec": {"policyName": policy, "validationActions": ["Deny"]},
    }
