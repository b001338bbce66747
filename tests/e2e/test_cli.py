"""The command as a credential service's API, on a real API server."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.command import run
from tests.e2e.acts import foreign_secret, patch_spec, raw_data, stalled
from tests.e2e.operator import Operator
from tests.e2e.tenant import Tenant, eventually
from tests.leaks.canary import Canary, canary
from tests.leaks.scanner import Scanner
from vaultferry.cli.remote import MANAGER

pytestmark = pytest.mark.usefixtures("operator")

ACTS = ("create", "update", "list", "status", "delete")


@dataclass
class Person:
    """Somebody at a terminal with a kubeconfig and the operator's public key."""

    tenant: Tenant
    folder: Path
    kubeconfig: Path
    said: str = ""

    def run(self, act: str, *arguments: str, stdin: bytes = b"") -> Result:
        """Run a command of the cluster, in the tenant's namespace."""
        place = ("-n", self.tenant.namespace, "--kubeconfig", str(self.kubeconfig))
        result = run(act, *place, *arguments, stdin=stdin)
        self.said += result.output
        return result

    def done(self, act: str, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command that must succeed; return what it prints for scripts."""
        result = self.run(act, *arguments, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def refused(self, code: int, act: str, *arguments: str) -> str:
        """Run a command that must be refused; return its one line."""
        result = self.run(act, *arguments)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        [line] = result.stderr.splitlines()
        return line.removeprefix("Error: ")

    def values(self, **values: bytes) -> Sequence[str]:
        """Return the options for these values."""
        key = self.folder / "key.pub"
        key.write_text(str(self.tenant.keyring.public_key()))
        options = ["--public-key", str(key)]
        for field, value in values.items():
            (self.folder / field).write_bytes(value)
            options += ["--field-file", f"{field}={self.folder / field}"]
        return options

    def create(self, name: str, **values: bytes) -> str:
        return self.done("create", name, *self.values(**values))


@pytest.fixture
def person(tenant: Tenant, tmp_path: Path) -> Person:
    return Person(tenant, tmp_path, tenant.plane.kubeconfig)


@pytest.fixture
def stranger(tenant: Tenant, tmp_path: Path) -> Person:
    """Somebody without any right."""
    return Person(tenant, tmp_path, tenant.plane.kubeconfig_for_user("stranger"))


def test_what_is_created_becomes_a_secret(person: Person) -> None:
    said = person.create("db", a=b"one", b=b"two\n")

    assert said == f"created {person.tenant.namespace}/db\n"
    person.tenant.wait_ready("db")
    assert raw_data(person.tenant, "db") == {"a": b"one", "b": b"two\n"}


def test_without_a_key_the_cluster_is_asked_for_it(person: Person) -> None:
    person.values(a=b"one")
    file = ("--field-file", f"a={person.folder / 'a'}")

    person.done("create", "db", *file, "--wait", "60")
    assert raw_data(person.tenant, "db") == {"a": b"one"}

    (person.folder / "a").write_bytes(b"two")
    person.done("update", "db", *file, "--wait", "60")
    assert raw_data(person.tenant, "db") == {"a": b"two"}


def test_a_type_is_created_with_its_fields(person: Person) -> None:
    options = person.values(username=b"u", password=b"p")

    person.done("create", "db", "--type", "password", *options)

    person.tenant.wait_ready("db")
    assert person.tenant.get("secret", "db")["type"] == "kubernetes.io/basic-auth"


def test_settings_come_with_create_and_change_with_update(person: Person) -> None:
    s3 = ("--type", "s3")
    values = person.values(
        access_key_id=b"AKIA2345678901234567", secret_access_key=b"x" * 40
    )
    of_create = ("--display-name", "Orders", "--description", "of the shop")
    where = ("--location", "region=eu-central-1", "--location", "bucket=orders")
    person.done("create", "db", *s3, *values, *of_create, *where, "--format", "env")
    person.tenant.wait_ready("db")
    before = raw_data(person.tenant, "db")

    person.done("update", "db", "--location", "region=eu-west-1", "--display-name", "x")

    spec = person.tenant.get("vaultsecret", "db")["spec"]
    assert (spec["displayName"], spec["description"]) == ("x", "of the shop")
    assert spec["location"] == {"region": "eu-west-1", "bucket": "orders"}
    assert spec["target"]["formats"] == ["env"]
    assert before["AWS_REGION"] == b"eu-central-1"
    eventually(lambda: raw_data(person.tenant, "db")["AWS_REGION"] == b"eu-west-1")
    key = "AWS_SECRET_ACCESS_KEY"
    assert raw_data(person.tenant, "db")[key] == before[key]


def test_settings_and_values_change_in_one_update(person: Person) -> None:
    person.create("db", a=b"one")

    person.done("update", "db", *person.values(a=b"two"), "--format", "json")

    eventually(
        lambda: b'"two"' in raw_data(person.tenant, "db").get("credentials.json", b"")
    )
    assert person.tenant.get("vaultsecret", "db")["metadata"]["generation"] == 2


def test_a_second_create_of_a_name_is_refused_and_changes_nothing(
    person: Person,
) -> None:
    person.create("db", a=b"one")
    before = person.tenant.get("vaultsecret", "db")["spec"]

    line = person.refused(3, "create", "db", *person.values(a=b"two"))

    assert line == "VaultSecret db exists: `vaultferry update` overwrites it"
    assert person.tenant.get("vaultsecret", "db")["spec"] == before


def test_an_update_overwrites_all_values_and_keeps_none(person: Person) -> None:
    person.create("db", a=b"one", b=b"two")
    person.tenant.wait_ready("db")

    person.done("update", "db", *person.values(a=b"three"))

    eventually(lambda: raw_data(person.tenant, "db") == {"a": b"three"})
    body = person.tenant.get("vaultsecret", "db")
    assert list(body["spec"]["sealed"]) == ["a"]
    assert "annotations" not in body["metadata"]


def test_an_update_keeps_to_the_type_of_what_is_there(person: Person) -> None:
    options = person.values(username=b"u", password=b"p")
    person.done("create", "db", "--type", "password", *options)

    line = person.refused(2, "update", "db", *person.values(password=b"q"))

    assert line == "missing: username; type password takes username, password"


def test_what_else_stands_in_the_spec_stays_with_an_update(person: Person) -> None:
    person.create("db", a=b"one")
    patch_spec(person.tenant, "db", displayName="Orders", target={"labels": {"x": "y"}})

    person.done("update", "db", *person.values(a=b"two"))

    spec = person.tenant.get("vaultsecret", "db")["spec"]
    assert spec["displayName"] == "Orders"
    assert spec["target"]["labels"] == {"x": "y"}


def test_what_the_command_writes_has_its_field_manager(person: Person) -> None:
    person.create("db", a=b"one")
    person.done("update", "db", *person.values(a=b"two"))

    text = person.tenant.kubectl("get", "vfs/db", "--show-managed-fields", "-o", "json")
    fields = json.loads(text)["metadata"]["managedFields"]
    spec = {f["manager"] for f in fields if "f:spec" in f["fieldsV1"]}
    assert spec == {MANAGER}


def test_a_list_has_names_and_their_number_and_nothing_else(person: Person) -> None:
    for name in ("one", "two"):
        person.create(name, a=b"1")

    assert json.loads(person.done("list", "-o", "json")) == {
        "names": ["one", "two"],
        "total": 2,
    }
    result = person.run("list")
    assert (result.stdout, result.stderr) == ("one\ntwo\n", "2 VaultSecrets\n")


def test_all_namespaces_are_listed_where_that_is_asked_for(person: Person) -> None:
    person.create("db", a=b"1")

    names = json.loads(person.done("list", "-A", "-o", "json"))["names"]

    assert f"{person.tenant.namespace}/db" in names


def test_a_status_tells_what_there_is_to_know_but_no_token(person: Person) -> None:
    person.create("db", a=b"one")
    person.tenant.wait_ready("db")

    told = json.loads(person.done("status", "db", "-o", "json"))
    text = person.done("status", "db")

    assert told["ready"] is True
    assert told["status"]["fields"] == ["a"]
    assert "Ready      True, Synced: The Secret realises the resource.\n" in text
    assert "Version    1\n" in text
    assert "vf1." not in json.dumps(told) + text


def test_who_waits_is_told_when_it_is_ready(person: Person) -> None:
    options = person.values(a=b"one")

    result = person.run("create", "db", *options, "--wait", "60")

    assert (result.exit_code, result.stderr) == (0, "Ready\n")
    assert raw_data(person.tenant, "db") == {"a": b"one"}

    person.done("update", "db", *person.values(a=b"two"), "--wait", "60")
    assert raw_data(person.tenant, "db") == {"a": b"two"}


def test_who_waits_in_vain_is_told_why(person: Person) -> None:
    foreign_secret(person.tenant, "db")

    result = person.run("create", "db", *person.values(a=b"1"), "--wait", "60")

    assert result.exit_code == 1
    assert result.stderr.startswith("not Ready: Conflict: ")


def test_who_waits_is_let_go_after_a_while(person: Person, operator: Operator) -> None:
    with operator.stopped():
        result = person.run("create", "db", *person.values(a=b"1"), "--wait", "1")

    assert result.exit_code == 1
    assert result.stderr == "not Ready: nobody looked at it\n"


def test_what_is_not_ready_is_told_by_the_exit_code(person: Person) -> None:
    person.tenant.apply(
        person.tenant.manifest("db", person.tenant.seal("elsewhere", a="1"))
    )
    stalled(person.tenant, "db")

    result = person.run("status", "db")

    assert result.exit_code == 1
    assert "Stalled    True, TokenNotOpened: " in result.stdout
    assert result.stderr == "not Ready\n"


def test_what_others_wrote_into_a_status_does_not_steer_a_terminal(
    person: Person,
) -> None:
    person.create("db", a=b"one")
    person.tenant.wait_ready("db")
    patch_spec(person.tenant, "db", suspend=True)
    change = json.dumps({"status": {"keyId": "\x07red"}})
    person.tenant.kubectl(
        "patch", "vfs/db", "--subresource=status", "--type=merge", "-p", change
    )

    assert "\x07" not in person.run("status", "db").stdout


def test_a_delete_is_at_once_and_for_good(person: Person) -> None:
    person.create("db", a=b"one")
    person.tenant.wait_ready("db")

    said = person.done("delete", "db", "-o", "json")

    place = {"namespace": person.tenant.namespace, "name": "db"}
    assert json.loads(said) == {**place, "result": "deleted"}
    assert not person.tenant.exists("vaultsecret", "db")
    eventually(lambda: not person.tenant.exists("secret", "db"))


@pytest.mark.parametrize("act", ["update", "status", "delete"])
def test_what_is_not_there_is_told_by_a_code_of_its_own(
    person: Person, act: str
) -> None:
    options = person.values(a=b"1") if act == "update" else []

    assert "VaultSecret db does not exist" in person.refused(3, act, "db", *options)


def test_a_namespace_that_is_not_there_is_told(person: Person) -> None:
    options = person.values(a=b"1")

    line = person.refused(3, "create", "db", *options, "-n", "not-there")

    assert line.startswith("there is no namespace ")


@pytest.mark.parametrize("act", ACTS)
def test_who_has_no_right_is_told_which(stranger: Person, act: str) -> None:
    name = [] if act == "list" else ["db"]
    options = stranger.values(a=b"1") if act in {"create", "update"} else []

    line = stranger.refused(4, act, *name, *options)

    words = f"vaultsecrets.vaultferry.dev in namespace {stranger.tenant.namespace}"
    assert line.startswith("you may not ")
    assert line.endswith(words)


def test_the_namespace_of_the_context_is_the_default(person: Person) -> None:
    config = person.folder / "kubeconfig"
    config.write_bytes(person.kubeconfig.read_bytes())
    namespace = f"--namespace={person.tenant.namespace}"
    arguments = ("config", f"--kubeconfig={config}", "set-context", "--current")
    person.tenant.plane.kubectl(*arguments, namespace)
    person.create("db", a=b"1")

    result = run("list", "--kubeconfig", str(config))

    assert (result.exit_code, result.stdout) == (0, "db\n")


def jwt(end: str) -> bytes:
    parts = ({"alg": "none"}, {"sub": end, "exp": 4102444800})
    encoded = [urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    return b".".join([*encoded, b"c2ln"])


def test_the_end_of_a_token_shows_in_status_and_metrics(
    person: Person, operator: Operator
) -> None:
    person.done("create", "api", "--type", "token", *person.values(token=jwt("a")))
    person.tenant.wait_ready("api")

    assert "Expires    2100-01-01T00:00:00Z\n" in person.done("status", "api")
    assert 'vaultferry_expiring{within="30d"} 0.0\n' in operator.get("/metrics")


def test_no_value_is_seen_where_commands_fail_or_succeed(person: Person) -> None:
    secrets = [canary("first"), canary("second", "newlines")]
    first, second = ({"a": secret.value} for secret in secrets)
    person.create("db", **first)
    person.refused(3, "create", "db", *person.values(**second))
    person.done("update", "db", *person.values(**second), "-o", "json")
    person.tenant.wait_ready("db")
    for act in ("status", "list", "delete"):
        name = [] if act == "list" else ["db"]
        person.run(act, *name, "-o", "json")
    for act in ACTS:
        person.run(act, secrets[0].text, secrets[1].text)

    planted = Canary("planted", f"created {person.tenant.namespace}/db".encode())
    assert Scanner(secrets).scan(person.said.encode()) == []
    assert Scanner([planted]).scan(person.said.encode())


def bind(tenant: Tenant, user: str, *verbs: str) -> None:
    """Give a user these rights on VaultSecrets of the namespace, and no other."""
    resource = "--resource=vaultsecrets.vaultferry.dev"
    tenant.kubectl("create", "role", user, f"--verb={','.join(verbs)}", resource)
    tenant.kubectl("create", "rolebinding", user, f"--role={user}", f"--user={user}")


RIGHTS = {
    "create": ("create",),
    "update": ("get", "patch"),
    "list": ("list",),
    "status": ("get",),
    "delete": ("delete",),
}


@pytest.mark.parametrize("act", RIGHTS)
def test_a_command_needs_only_the_rights_that_its_page_names(
    person: Person, tmp_path: Path, act: str
) -> None:
    name = f"only-{act}"
    bind(person.tenant, name, *RIGHTS[act])
    clerk = Person(
        person.tenant, tmp_path, person.tenant.plane.kubeconfig_for_user(name)
    )
    if act != "create":
        person.create("db", a=b"1")
        person.tenant.wait_ready("db")
    options = person.values(a=b"1") if act in {"create", "update"} else []
    named = [] if act == "list" else ["db"]

    assert eventually(lambda: clerk.run(act, *named, *options).exit_code != 4, 15) < 15
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    rights = ", ".join(f"`{verb}`" for verb in RIGHTS[act])
    assert re.search(rf"^\| `{act}( NAME)?` \|.* \| {rights} \|$", page, re.MULTILINE)
