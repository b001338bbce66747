from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.cli.command import CANARY, Sealer
from tests.keyrings import keyring
from vaultferry.core.errors import TokenNotOpened
from vaultferry.core.sealing import Place


def test_seal_prints_a_whole_manifest(sealer: Sealer) -> None:
    result = sealer.run(*sealer.file("a", b"1"), *sealer.file("b", b"2"))

    manifest = yaml.safe_load(result.stdout)
    tokens = manifest["spec"].pop("sealed")
    assert manifest == {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"namespace": "backup", "name": "app"},
        "spec": {"type": "opaque"},
    }
    assert list(tokens) == ["a", "b"]


def test_every_value_opens_at_its_place_and_only_there(sealer: Sealer) -> None:
    result = sealer.run(*sealer.file("a", b"1"))

    token = yaml.safe_load(result.stdout)["spec"]["sealed"]["a"]
    assert keyring().open(token, Place("backup", "app", "a")) == b"1"
    with pytest.raises(TokenNotOpened):
        keyring().open(token, Place("backup", "app", "b"))


def test_raw_prints_one_token_on_one_line(sealer: Sealer) -> None:
    shown = sealer.run("--raw", "--field-file", "a=-", stdin=b"value").stdout

    token = shown.removesuffix("\n")
    assert keyring().open(token, Place("backup", "app", "a")) == b"value"


@pytest.mark.parametrize("scope", ["namespace", "cluster"])
def test_a_wider_scope_opens_under_another_name(sealer: Sealer, scope: str) -> None:
    shown = sealer.run("--raw", "--scope", scope, *sealer.file("a", b"1")).stdout

    assert shown.startswith(f"vf1.hpke-x25519.{scope}.")
    assert keyring().open(shown.rstrip(), Place("backup", "other", "b")) == b"1"


def test_the_type_and_method_stand_in_the_manifest(sealer: Sealer) -> None:
    fields = (*sealer.file("username", b"u"), *sealer.file("password", b"p"))
    options = ("--type", "password", "--auth-method", "password")

    spec = yaml.safe_load(sealer.run(*options, *fields).stdout)["spec"]

    assert list(spec) == ["type", "authMethod", "sealed"]
    assert (spec["type"], spec["authMethod"]) == ("password", "password")


@pytest.mark.parametrize("name", ["y", "n", "no", "null", "1e3", "1.5", "0x1f", "1_0"])
def test_names_that_look_like_other_things_are_quoted(
    sealer: Sealer, name: str
) -> None:
    shown = sealer.run(*sealer.file(name, b"1")).stdout

    assert f"    '{name}': vf1." in shown or f'    "{name}": vf1.' in shown


TYPES = {
    "a missing field": (
        ("--type", "password", "--field", "username"),
        "missing: password; type password takes username, password",
    ),
    "an unknown field": (
        ("--type", "token", "--field", "token", "--field", "tokens"),
        "unknown: tokens; type token takes token",
    ),
    "an unknown field alone": (
        ("--type", "password", "--raw", "--field", "user"),
        "unknown: user; type password takes username, password",
    ),
    "an unknown method": (
        ("--type", "password", "--auth-method", "magic", "--field", "a"),
        "--auth-method: type password takes password",
    ),
    "a method of opaque": (
        ("--auth-method", "password", "--field", "a"),
        "--auth-method: type opaque takes none",
    ),
    "two raw fields": (
        ("--raw", "--field", "a", "--field", "b"),
        "--raw prints one token; 2 fields given",
    ),
    "no field": (
        (),
        "nothing to seal: give --field NAME or --field-file NAME=PATH",
    ),
    "nobody to ask": (
        ("--type", "token"),
        "field token: no terminal to ask on; use --field-file",
    ),
}


@pytest.mark.parametrize(("arguments", "line"), TYPES.values(), ids=TYPES)
def test_fields_that_do_not_fit_are_refused(
    sealer: Sealer, arguments: tuple[str, ...], line: str
) -> None:
    assert sealer.refusal(*arguments) == line


def test_values_that_contradict_each_other_are_refused(sealer: Sealer) -> None:
    key_id = sealer.file("access_key_id", b"ASIA" + b"Q2" * 8)
    secret = sealer.file("secret_access_key", CANARY.encode())

    line = sealer.refusal("--type", "s3", *key_id, *secret)

    assert line.startswith("field access_key_id is of a temporary key (ASIA): seal its")


def test_a_value_that_its_only_field_cannot_have_is_refused(sealer: Sealer) -> None:
    field = sealer.file("sas_url", CANARY.encode())
    options = ("--type", "azure_blob", "--auth-method", "azure_sas_url", "--raw")

    assert "sas_url has 14 bytes that are no https://" in sealer.refusal(
        *options, *field
    )


def test_one_raw_field_of_several_is_left_to_the_operator(sealer: Sealer) -> None:
    field = sealer.file("access_key_id", b"ASIA" + b"Q2" * 8)

    assert sealer.run("--raw", "--type", "s3", *field).stdout


def test_an_unknown_type_is_refused_with_those_known(sealer: Sealer) -> None:
    line = sealer.refusal("--type", "magic", "--field", "a")

    assert line.startswith("--type: no such type; known: ")
    assert ", password" in line


def test_one_field_of_a_type_is_enough_for_a_token(sealer: Sealer) -> None:
    field = sealer.file("password", b"1")

    assert sealer.run("--raw", "--type", "password", *field).stdout


@pytest.mark.parametrize(
    "namespace", ["Backup", "a.b", "-a", "a-", "n" * 64, "", "a\n"]
)
def test_a_namespace_that_cannot_be_is_refused(sealer: Sealer, namespace: str) -> None:
    line = sealer.refusal("--namespace", namespace, "--field", "a")

    assert line == "--namespace: no legal name of a namespace"


@pytest.mark.parametrize("name", ["App", "a..b", ".a", "a_b", "n" * 254, "", "a\n"])
def test_a_name_that_cannot_be_is_refused(sealer: Sealer, name: str) -> None:
    line = sealer.refusal("--name", name, "--field", "a")

    assert line == "--name: no legal name of a VaultSecret"


@pytest.mark.parametrize("name", ["a", "a.b-c.1", "n" * 253])
def test_a_name_that_can_be_is_taken(sealer: Sealer, name: str) -> None:
    shown = sealer.run("--name", name, *sealer.file("a", b"1")).stdout

    assert yaml.safe_load(shown)["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no public key"),
        (b"\xff", "cannot be read: not text"),
        (str(keyring().public_key())[:-4].encode(), "public key damaged"),
        (b"vfpk1.rot13.x.x", "unknown suite; known: hpke-x25519, hpke-mlkem768x25519"),
    ],
)
def test_a_bad_public_key_is_refused(
    sealer: Sealer, content: bytes, words: str
) -> None:
    sealer.write("key.pub", content)

    assert words in sealer.refusal("--field", "a")


def test_a_large_manifest_says_how_to_apply_it(sealer: Sealer) -> None:
    fields = [sealer.file(f"f{number}", bytes(32 * 1024)) for number in range(5)]

    result = sealer.run(*(text for field in fields for text in field))

    assert "use `kubectl apply --server-side`" in result.stderr


def test_an_ordinary_manifest_says_nothing(sealer: Sealer) -> None:
    assert sealer.run(*sealer.file("a", b"1")).stderr == ""


def test_more_than_a_map_holds_is_refused(sealer: Sealer) -> None:
    fields = [sealer.file(f"f{number}", bytes(32 * 1024)) for number in range(12)]

    line = sealer.refusal(*(text for field in fields for text in field))

    assert line.endswith("characters of tokens, at most 524288 in one map")


def test_a_key_of_an_unusual_shape_is_sealed_with_a_warning(sealer: Sealer) -> None:
    key_id = sealer.file("access_key_id", b"AKIA" + b"Q2" * 8)
    secret = sealer.file("secret_access_key", CANARY.encode())

    result = sealer.run("--type", "s3", *key_id, *secret)

    assert result.stderr == (
        "Warning: field secret_access_key has 14 bytes that look unusual: known are "
        "40 characters of base64\n"
    )
    assert "secret_access_key: vf1." in result.stdout


def signed(sealer: Sealer, days: int) -> tuple[str, ...]:
    """Return the options for a signed URL that expires in so many days."""
    end = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d")
    url = f"https://x.example/box?sig={CANARY}&se={end}"
    options = ("--type", "azure_blob", "--auth-method", "azure_sas_url")
    return *options, *sealer.file("sas_url", url.encode())


def test_a_url_that_has_expired_is_not_sealed(sealer: Sealer) -> None:
    line = sealer.refusal(*signed(sealer, days=-1))

    assert line.startswith("the credential expired at 20")


@pytest.mark.parametrize(("days", "warned"), [(5, True), (30, False)])
def test_a_url_that_expires_soon_is_sealed_with_a_warning(
    sealer: Sealer, days: int, *, warned: bool
) -> None:
    said = sealer.run(*signed(sealer, days)).stderr

    assert said.startswith("Warning: the credential expires at 20") is warned
