import json

import pytest

from tests.cli.command import CANARY, refusal, run
from vaultferry import secrettypes


def said(*arguments: str) -> str:
    result = run("explain", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_all_types_are_listed_with_what_they_are() -> None:
    head, *rows = said().splitlines()

    assert head.split("  ")[0] == "TYPE"
    assert [row.split()[0] for row in rows] == list(secrettypes.names())
    assert rows[0].endswith("access to Azure Blob Storage")


def test_a_type_is_explained_with_an_example_that_fits() -> None:
    assert said("s3") == (
        "Type            s3\n"
        "Is              an access key for Amazon S3\n"
        "Secret of type  Opaque\n"
        "\n"
        "Method    s3_access_key (the default)\n"
        "Required  access_key_id, secret_access_key\n"
        "Optional  session_token\n"
        "\n"
        "  vaultferry create NAME --type s3 --field access_key_id "
        "--field secret_access_key\n"
    )


def test_a_type_of_any_fields_says_so() -> None:
    assert "It takes any fields that are legal keys of a Secret.\n" in said("opaque")


@pytest.mark.parametrize("name", secrettypes.names())
def test_scripts_are_told_the_fields_of_every_method(name: str) -> None:
    told = json.loads(said(name, "-o", "json"))

    kind = secrettypes.load(name)
    assert told["type"] == name
    assert told["secretType"] == kind.kubernetes_type
    assert {m: f["required"] for m, f in told["authMethods"].items()} == {
        method: list(fields.required) for method, fields in kind.methods.items()
    }


def test_scripts_are_told_all_types_at_once() -> None:
    told = json.loads(said("-o", "json"))

    assert [each["type"] for each in told] == list(secrettypes.names())
    azure = told[0]["authMethods"]
    assert [azure[method]["saysItsEnd"] for method in sorted(azure)] == [False, True]


def test_a_type_that_there_is_not_is_answered_with_all_and_not_quoted() -> None:
    assert refusal("explain", CANARY).startswith("no such type; known: azure_blob, b2")


def test_one_type_is_explained_at_a_time() -> None:
    assert refusal("explain", "s3", CANARY).endswith(
        "takes one name and options, no more"
    )
