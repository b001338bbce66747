"""Bad input is refused by the API server itself, without the value."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.e2e import pairs
from tests.e2e.acts import fresh, refusal
from tests.e2e.tenant import Body, Tenant
from vaultferry.admission import refused
from vaultferry.core.keyring import Keyring

pytestmark = pytest.mark.usefixtures("cluster")

CANARY = "canary-7d1f"
TOKEN = "vf1.hpke-x25519.strict.00000000-1.AAAA"
SEALED = {"password": TOKEN}
KIB = 1024


@pytest.fixture(scope="module")
def shared(cluster: ControlPlane, keyring: Keyring) -> Iterator[Tenant]:
    """One namespace for all cases: what is refused leaves nothing behind."""
    with fresh(cluster, keyring) as tenant:
        yield tenant


def vaultsecret(tenant: Tenant, **spec: Any) -> Body:
    """Return a VaultSecret with exactly this spec."""
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"name": "db", "namespace": tenant.namespace},
        "spec": spec,
    }


def opaque(**more: Any) -> Body:
    return {"type": "opaque", "sealed": SEALED, **more}


def target(**target: Any) -> Body:
    return opaque(target=target)


def sealed(**fields: Any) -> Body:
    return {"type": "opaque", "sealed": fields}


def filler(size: int) -> str:
    """Return what passes for a token, of that many characters."""
    return "vf1." + "A" * (size - 4)


def says_check(body: Body) -> list[str]:
    """Return the fields that `vaultferry check` would name, which need no API server.

    A field within a list or a map is named by that alone.
    """
    paths = [fault.path for fault in refused(body)]
    return [".".join(map(str, path[:2])) for path in paths]


SEAL = "run `vaultferry seal`"
NO_TOKEN = "every value under sealed starts with vf1. and is made by `vaultferry seal`"
ILLEGAL_KEY = "no legal key of a Secret: use letters"
REFUSED_TYPE = "type is refused: use Opaque, kubernetes.io/basic-auth, kubernetes.io/do"
NO_ADDRESS = "has an endpoint that is no address: write https://host or https://host:po"

WAY = {"connectionRef": {"name": "vault"}}


def mapped(*fields: str, **more: Any) -> Body:
    """Return the spec of a token from a vault, with these fields mapped."""
    mappings = [{"fieldName": field, "reference": "KEY"} for field in fields]
    return {"type": "token", **WAY, "fieldMappings": mappings, **more}


REFUSED: dict[str, tuple[Body, str]] = {
    "a store for values from a vault": (
        mapped("token", storeRef={"name": "store"}),
        "spec.storeRef goes with spec.sealed or spec.credentials: leave it out",
    ),
    "a store for values from a Secret": (
        {
            "type": "token",
            "secretRef": {"name": "other"},
            "storeRef": {"name": "store"},
        },
        "spec.storeRef goes with spec.sealed or spec.credentials: leave it out",
    ),
    "a connection without mappings": (
        {"type": "token", **WAY},
        "spec.connectionRef goes with spec.fieldMappings, which say where",
    ),
    "mappings without a connection": (
        opaque(fieldsFrom=[{}]),
        "spec.connectionRef goes with spec.fieldMappings, which say where",
    ),
    "a connection beside tokens": (
        opaque(**WAY, fieldsFrom=[{}]),
        "has two sources for the values: keep one of spec.sealed, spec.secretRef and",
    ),
    "all fields for a type that has its own": (
        {"type": "token", **WAY, "fieldsFrom": [{}]},
        "spec.fieldsFrom is for type opaque only: name each field in",
    ),
    "a field that is not mapped": (
        mapped("username", type="password"),
        "spec.fieldMappings of type password takes exactly username, password",
    ),
    "a field mapped that there is not": (
        mapped("token", "extra"),
        "spec.fieldMappings of type token takes exactly token",
    ),
    "an interval that is too short": (
        mapped("token", refreshInterval="59s"),
        "spec.refreshInterval is 0s for never, else at least 1m",
    ),
    "no spec": ({}, "spec.type: Required value"),
    "no type": ({"sealed": SEALED}, "spec.type: Required value"),
    "unknown type": (
        opaque(type=CANARY),
        'supported values: "azure_blob", "b2", ',
    ),
    "no source": ({"type": "opaque"}, SEAL),
    "sealed without fields": (sealed(), "at least 1 propert"),
    "an empty value": (sealed(a=""), NO_TOKEN),
    "plaintext in sealed": (sealed(a=CANARY), NO_TOKEN),
    "plaintext beside a token": (sealed(a=TOKEN, b=CANARY), NO_TOKEN),
    "a token in capitals": (sealed(a=f"VF1.{CANARY}"), NO_TOKEN),
    "a field unknown to token": (
        {"type": "token", "sealed": {"token": TOKEN, "extra": TOKEN}},
        "spec.sealed of type token takes exactly token",
    ),
    "a field missing for token": (
        {"type": "token", "sealed": {"tokens": TOKEN}},
        "spec.sealed of type token takes exactly token",
    ),
    "a field missing for password": (
        {"type": "password", "sealed": {"password": TOKEN}},
        "spec.sealed of type password takes exactly username, password",
    ),
    "a field unknown to password": (
        {"type": "password", "sealed": {"username": TOKEN, "passwd": TOKEN}},
        "spec.sealed of type password takes exactly username, password",
    ),
    "64 long fields for a type of two": (
        {"type": "s3", "sealed": {f"{i:0>253}": TOKEN for i in range(64)}},
        "spec.sealed of type s3 takes exactly access_key_id, secret_access_key, and",
    ),
    "a method of another type": (
        {"type": "token", "authMethod": "password", "sealed": {"token": TOKEN}},
        "type token takes spec.authMethod token",
    ),
    "another type's method for password": (
        {
            "type": "password",
            "authMethod": "token",
            "sealed": {"username": TOKEN, "password": TOKEN},
        },
        "type password takes spec.authMethod password",
    ),
    "a method for opaque": (
        opaque(authMethod="token"),
        "type opaque takes no spec.authMethod: leave it out",
    ),
    "an unknown method": (
        opaque(authMethod="magic"),
        'supported values: "azure_account_key", "azure_sas_url", ',
    ),
    "credentials": ({"type": "opaque", "credentials": {"a": CANARY}}, SEAL),
    "credentials beside sealed": (opaque(credentials={"a": CANARY}), SEAL),
    "a key with a slash": (sealed(**{"a/b": TOKEN}), ILLEGAL_KEY),
    "a key with a blank": (sealed(**{"a b": TOKEN}), ILLEGAL_KEY),
    "an empty key": (sealed(**{"": TOKEN}), ILLEGAL_KEY),
    "the key .": (sealed(**{".": TOKEN}), ILLEGAL_KEY),
    "the key ..": (sealed(**{"..": TOKEN}), ILLEGAL_KEY),
    "a key beginning with ..": (sealed(**{"..a": TOKEN}), ILLEGAL_KEY),
    "a key not ASCII": (sealed(schlüssel=TOKEN), ILLEGAL_KEY),
    "a key with a line break": (sealed(**{"a\n": TOKEN}), ILLEGAL_KEY),
    "a key of 254 characters": (sealed(**{"k" * 254: TOKEN}), ILLEGAL_KEY),
    "65 fields": (
        sealed(**{f"k{i}": TOKEN for i in range(65)}),
        "must have at most 64 items",
    ),
    "a token over 48 KiB": (
        sealed(a=filler(48 * KIB) + CANARY),
        "may not be more than 49152",
    ),
    **{
        f"target type {refused}": (target(type=refused), REFUSED_TYPE)
        for refused in (
            "kubernetes.io/service-account-token",
            "bootstrap.kubernetes.io/token",
            "helm.sh/release.v1",
            "kubernetes.io/dockercfg",
            "kubernetes.io/tls2",
            "sub.kubernetes.io/x",
            "node.k8s.io/x",
            "plain",
        )
    },
    **{
        f"{kind} without its keys": (
            sealed(a=TOKEN) | {"target": {"type": f"kubernetes.io/{kind}", **more}},
            f"spec.target.type kubernetes.io/{kind} needs {keys} under spec.sealed",
        )
        for kind, keys, more in (
            ("basic-auth", "username or password", {}),
            ("basic-auth", "username or password", {"formats": ["fields"]}),
            ("dockerconfigjson", ".dockerconfigjson", {}),
            ("ssh-auth", "ssh-privatekey", {}),
            ("tls", "tls.crt and tls.key", {}),
        )
    },
    "tls with one of its keys": (
        sealed(**{"tls.crt": TOKEN}) | {"target": {"type": "kubernetes.io/tls"}},
        "spec.target.type kubernetes.io/tls needs tls.crt and tls.key under",
    ),
    "a format twice": (target(formats=["fields", "fields"]), "uplicate"),
    "an unknown format": (target(formats=["ini"]), 'supported values: "aws-config"'),
    "no format": (target(formats=[]), "has neither formats nor a template: name a"),
    "no format and no template": (
        target(formats=[], template={}),
        "has neither formats nor a template: name a",
    ),
    "a template under an illegal key": (
        target(template={"a/b": "{{ password }}"}),
        "has a name that is no legal key of a Secret",
    ),
    "17 templates": (
        target(template={f"k{i}": "" for i in range(17)}),
        "must have at most 16 items",
    ),
    "a template over 16 KiB": (
        target(template={"a": "a" * (16 * KIB + 1)}),
        "may not be more than 16384",
    ),
    **{
        f"the endpoint {endpoint}": (
            pairs.FITTING["s3 alone"] | {"location": {"endpoint": endpoint}},
            NO_ADDRESS,
        )
        for endpoint in (
            "s3.example.com",
            f"https://{CANARY}:{CANARY}@s3.example.com",
            f"https://s3.example.com?{CANARY}",
            "https://s3.example.com\n",
        )
    },
    "a region in capitals": (
        pairs.FITTING["s3 alone"] | {"location": {"region": "EU"}},
        "should match",
    ),
    "an unknown policy": (
        target(creationPolicy="Keep"),
        'supported values: "Owner", "Orphan", "Merge"',
    ),
    **{
        f"to merge with {field}": (
            target(creationPolicy="Merge", **{field: value}),
            "has creationPolicy Merge, so type, labels and annotations are those of",
        )
        for field, value in (
            ("type", "Opaque"),
            ("labels", {"a": "b"}),
            ("annotations", {"a": "b"}),
        )
    },
    "a target name in capitals": (target(name="DB"), "should match"),
    "a target name of 254": (target(name="d" * 254), "may not be more than 253"),
    "an empty target name": (target(name=""), "at least 1 chars long"),
    "a long description": (
        opaque(description="d" * 2001),
        "may not be more than 2000",
    ),
    "a long display name": (
        opaque(displayName="d" * 254),
        "may not be more than 253",
    ),
    "65 attributes": (
        opaque(attributes={f"k{i}": "v" for i in range(65)}),
        "must have at most 64 items",
    ),
    "a long attribute": (
        opaque(attributes={"a": "v" * 1025}),
        "may not be more than 1024",
    ),
}

WAYS: dict[str, tuple[str, ...]] = {
    "apply": ("apply", "--filename=-"),
    "server-side apply": ("apply", "--server-side", "--filename=-"),
    "create": ("create", "--filename=-"),
    "without validation": ("create", "--validate=false", "--filename=-"),
}

# The words of the API server itself quote these, and they are no place for a value.
QUOTED = {"unknown type"}

WRONG_JSON: dict[str, tuple[Body, str]] = {
    "sealed as text": (opaque(sealed=CANARY), 'must be of type object: "string"'),
    "sealed as a list": (opaque(sealed=[CANARY]), 'must be of type object: "array"'),
    "a number for a token": (sealed(a=7), 'must be of type string: "integer"'),
    "an object for a token": (sealed(a={"b": CANARY}), "spec.sealed.a"),
    "suspend as text": (opaque(suspend="yes"), 'must be of type boolean: "string"'),
    "spec as text": (opaque(target="db"), 'must be of type object: "string"'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_what_to_write_instead(
    case: str, shared: Tenant
) -> None:
    spec, words = REFUSED[case]
    text = json.dumps(vaultsecret(shared, **spec))

    for way, arguments in WAYS.items():
        message = refusal(shared, *arguments, stdin=text)

        assert words in message, way
        assert CANARY not in message or case in QUOTED, way
        assert len(message) < 2 * KIB, way
        assert says_check(vaultsecret(shared, **spec))[0] in message, way
    assert not shared.exists("vaultsecret", "db")


@pytest.mark.parametrize("case", pairs.FITTING)
def test_the_fields_of_a_type_and_method_are_accepted(
    case: str, shared: Tenant
) -> None:
    text = json.dumps(vaultsecret(shared, **pairs.FITTING[case]))

    shared.kubectl(*WAYS["create"], "--dry-run=server", stdin=text)
    assert says_check(vaultsecret(shared, **pairs.FITTING[case])) == []


@pytest.mark.parametrize("case", pairs.WRONG)
def test_what_does_not_fit_a_type_and_method_is_refused(
    case: str, shared: Tenant
) -> None:
    spec, words = pairs.WRONG[case]
    text = json.dumps(vaultsecret(shared, **spec))

    message = refusal(shared, *WAYS["create"], stdin=text)

    assert words in message
    assert pairs.VALUE not in message
    assert says_check(vaultsecret(shared, **spec))[0] in message
    assert not shared.exists("vaultsecret", "db")


# Server-side apply is not among them: it quotes what has a wrong type, for every kind
# there is, before any schema or rule of ours is asked. docs/security.md says so.
@pytest.mark.parametrize("way", ["apply", "create", "without validation"])
@pytest.mark.parametrize("case", WRONG_JSON)
def test_a_wrong_json_type_is_refused_and_not_quoted(
    case: str, way: str, shared: Tenant
) -> None:
    spec, words = WRONG_JSON[case]
    text = json.dumps(vaultsecret(shared, **spec))

    message = refusal(shared, *WAYS[way], stdin=text)

    assert words in message
    assert CANARY not in message


@pytest.mark.parametrize("way", ["server-side apply", "create"])
def test_tokens_over_512_kib_in_all_are_refused(way: str, shared: Tenant) -> None:
    spec = sealed(**{f"k{i}": filler(48 * KIB) for i in range(11)})
    text = json.dumps(vaultsecret(shared, **spec))

    message = refusal(shared, *WAYS[way], stdin=text)

    assert "holds more than 524288 characters in all: split the credential" in message


def test_plaintext_is_not_quoted_when_it_is_patched_in(tenant: Tenant) -> None:
    tenant.kubectl(
        "create", "-f", "-", stdin=json.dumps(vaultsecret(tenant, **opaque()))
    )

    for change, words in (
        ({"sealed": {"password": CANARY}}, NO_TOKEN),
        ({"credentials": {"password": CANARY}}, SEAL),
        ({"sealed": None, "credentials": {"password": CANARY}}, SEAL),
        ({"sealed": {"password": {"a": CANARY}}}, "must be of type string"),
    ):
        text = json.dumps({"spec": change})
        message = refusal(tenant, "patch", "vfs/db", "--type=merge", "-p", text)
        assert words in message
        assert CANARY not in message


def test_a_json_patch_is_refused_alike(tenant: Tenant) -> None:
    tenant.kubectl(
        "create", "-f", "-", stdin=json.dumps(vaultsecret(tenant, **opaque()))
    )
    change = [{"op": "add", "path": "/spec/sealed/password", "value": CANARY}]

    text = json.dumps(change)
    message = refusal(tenant, "patch", "vfs/db", "--type=json", "-p", text)

    assert NO_TOKEN in message
    assert CANARY not in message


@pytest.mark.parametrize("way", ["apply", "server-side apply", "create"])
def test_a_misspelt_field_is_refused_by_a_strict_client(
    way: str, shared: Tenant
) -> None:
    text = json.dumps(vaultsecret(shared, **opaque(credential={"a": CANARY})))

    message = refusal(shared, *WAYS[way], stdin=text)

    assert "spec.credential" in message
    assert CANARY not in message


def test_a_misspelt_field_is_never_stored(tenant: Tenant) -> None:
    spec = opaque(credential={"a": CANARY})
    text = json.dumps(vaultsecret(tenant, **spec))

    tenant.kubectl(*WAYS["without validation"], stdin=text)

    assert CANARY not in json.dumps(tenant.get("vaultsecret", "db"))


BASIC: Body = {"type": "password", "sealed": {"username": TOKEN, "password": TOKEN}}

IMMUTABLE: dict[str, tuple[Body, Body, str]] = {
    "type": (
        {"type": "token", "sealed": {"token": TOKEN}},
        {"type": "opaque"},
        "spec.type cannot change: make a new VaultSecret",
    ),
    "a new target name": (
        opaque(),
        {"target": {"name": "other"}},
        "spec.target.name cannot change: make a new VaultSecret",
    ),
    "another target name": (
        target(name="one"),
        {"target": {"name": "two"}},
        "spec.target.name cannot change: make a new VaultSecret",
    ),
    "no target name any more": (
        target(name="one"),
        {"target": None},
        "spec.target.name cannot change: make a new VaultSecret",
    ),
    "a new target type": (
        opaque(),
        {"target": {"type": "example.com/one"}},
        "spec.target.type cannot change: make a new VaultSecret",
    ),
    "another target type": (
        target(type="example.com/one"),
        {"target": {"type": "example.com/two"}},
        "spec.target.type cannot change: make a new VaultSecret",
    ),
    "no target type any more": (
        target(type="example.com/one"),
        {"target": {"type": None}},
        "spec.target.type cannot change: make a new VaultSecret",
    ),
    "another target type than a password has": (
        BASIC,
        {"target": {"type": "Opaque"}},
        "spec.target.type cannot change: make a new VaultSecret",
    ),
    **{
        f"a policy from {before} to {after}": (
            target(creationPolicy=before) if before else opaque(),
            {"target": {"creationPolicy": after}},
            "spec.target.creationPolicy cannot change to or from Merge: make a new",
        )
        for before, after in (
            (None, "Merge"),
            ("Owner", "Merge"),
            ("Orphan", "Merge"),
            ("Merge", "Owner"),
            ("Merge", "Orphan"),
            ("Merge", None),
        )
    },
}


@pytest.mark.parametrize("case", IMMUTABLE)
def test_what_is_immutable_cannot_change(case: str, tenant: Tenant) -> None:
    before, change, words = IMMUTABLE[case]
    text = json.dumps(vaultsecret(tenant, **before))
    tenant.kubectl("create", "--filename=-", stdin=text)

    text = json.dumps({"spec": change})
    message = refusal(tenant, "patch", "vfs/db", "--type=merge", "-p", text)

    assert words in message


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (opaque(), {"target": {"name": "db", "type": "Opaque"}}),
        (BASIC, {"target": {"name": "db", "type": "kubernetes.io/basic-auth"}}),
        (target(name="db", type="Opaque"), {"target": None}),
        (opaque(), {"target": {"creationPolicy": "Orphan"}}),
        (target(creationPolicy="Orphan"), {"target": {"creationPolicy": "Owner"}}),
        (target(creationPolicy="Merge"), {"target": {"formats": ["fields"]}}),
    ],
    ids=[
        "explicit",
        "explicit for password",
        "implicit",
        "to Orphan",
        "to Owner",
        "still to merge",
    ],
)
def test_what_changes_nothing_immutable_is_accepted(
    before: Body, change: Body, tenant: Tenant
) -> None:
    text = json.dumps(vaultsecret(tenant, **before))
    tenant.kubectl("create", "--filename=-", stdin=text)

    text = json.dumps({"spec": change})
    tenant.kubectl("patch", "vfs/db", "--type=merge", "-p", text)

    assert tenant.get("vaultsecret", "db")["metadata"]["generation"] == 2


ACCEPTED: dict[str, Body] = {
    "from a vault": mapped("token", refreshInterval="1h30m"),
    "kept in a store as well": opaque(
        storeRef={"name": "store", "namespace": "elsewhere"}
    ),
    "from a vault and never again": mapped("token", refreshInterval="0s"),
    "all keys of a place": {
        "type": "opaque",
        "connectionRef": {"name": "vault", "namespace": "elsewhere"},
        "fieldsFrom": [
            {
                "path": "p" * 1024,
                "include": ["DB_*"] * 64,
                "exclude": ["*_URL"] * 64,
                "rename": [{"from": "DB_*", "to": "db.*"}] * 64,
            }
        ],
    },
    "64 fields of a vault": {
        "type": "opaque",
        **WAY,
        "fieldMappings": [
            {
                "fieldName": f"{i:0>253}",
                "reference": "r" * 1024,
                "property": "p" * 253,
                "decoding": "base64",
            }
            for i in range(64)
        ],
    },
    "the least": opaque(),
    "token": {"type": "token", "authMethod": "token", "sealed": {"token": TOKEN}},
    "password": {**BASIC, "authMethod": "password"},
    "64 fields": sealed(**{f"k{i}": TOKEN for i in range(64)}),
    "a token of 48 KiB": sealed(a=filler(48 * KIB)),
    "512 KiB in all": sealed(**{f"k{i}": filler(32 * KIB) for i in range(16)}),
    "legal keys": sealed(**dict.fromkeys(["k" * 253, "-._aZ9", ".a", "a..b"], TOKEN)),
    "a type of one's own": target(type="example.com/credential"),
    "basic-auth of one's own": (
        {"type": "opaque", "sealed": {"password": TOKEN}}
        | {"target": {"type": "kubernetes.io/basic-auth"}}
    ),
    "templates up to the limits": target(
        formats=[],
        template={f"{i:k>253}": "{{ password }}" + "a" * 16_370 for i in range(16)},
    ),
    "tls": sealed(**{"tls.crt": TOKEN, "tls.key": TOKEN})
    | {"target": {"type": "kubernetes.io/tls"}},
    "tls from templates": target(
        type="kubernetes.io/tls",
        template={"tls.crt": "{{ password }}", "tls.key": "{{ password }}"},
    ),
    "a login to a registry": BASIC
    | {
        "location": {"registry": "ghcr.io"},
        "target": {
            "type": "kubernetes.io/dockerconfigjson",
            "formats": ["dockerconfigjson"],
        },
    },
    "to merge": target(creationPolicy="Merge", labels={}, annotations={}),
    "a long target name": target(name="d" * 253),
    "the longest texts": opaque(
        description="ä" * 2000,
        displayName="d" * 253,
        entityId="e" * 253,
        attributes={f"k{i}": "v" * 1024 for i in range(64)},
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_good_input_is_accepted_up_to_the_limits(case: str, shared: Tenant) -> None:
    text = json.dumps(vaultsecret(shared, **ACCEPTED[case]))

    for way in ("server-side apply", "create"):
        shared.kubectl(*WAYS[way], "--dry-run=server", stdin=text)
    assert says_check(vaultsecret(shared, **ACCEPTED[case])) == []


@pytest.mark.parametrize("name", ["DB", "d_b", "-db", "d" * 254, "d b"])
def test_a_name_that_is_no_dns_subdomain_is_refused(name: str, shared: Tenant) -> None:
    manifest = vaultsecret(shared, **opaque())
    manifest["metadata"]["name"] = name

    message = refusal(shared, *WAYS["create"], stdin=json.dumps(manifest))

    assert "metadata.name" in message


def test_a_new_resource_is_never_taken_for_current(shared: Tenant) -> None:
    text = json.dumps(vaultsecret(shared, **opaque(), status={"version": 7}))

    made = json.loads(
        shared.kubectl(
            *WAYS["without validation"], "--dry-run=server", "-o", "json", stdin=text
        )
    )

    assert made["status"] == {"observedGeneration": -1}
