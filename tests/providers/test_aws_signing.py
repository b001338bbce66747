"""Signatures, beside those of botocore and of AWS's own documentation."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.vaults.judges import Judge, judging
from vaultferry.providers._aws import Credentials, Scope, signed

SSM = Scope("eu-west-1", "ssm")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as started:
        yield started


@pytest.mark.parametrize("host", ["ssm.eu-west-1.amazonaws.com", "localhost:4566"])
@pytest.mark.parametrize(
    "keys",
    [
        ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        ["made-up", "made/up+=", "a/token+of==a/role"],
    ],
    ids=["of a user", "of a role"],
)
@pytest.mark.parametrize("body", ["", "{}", '{"Names": ["/é"]}'])
def test_botocore_signs_a_call_alike(
    judge: Judge, host: str, keys: list[str], body: str
) -> None:
    headers = {
        "Host": host,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonSSM.GetParameters",
    }
    wanted = judge.ask("aws_signed", headers, body, keys, SSM.region, SSM.service)["ok"]
    now = datetime.strptime(wanted["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    made = signed(headers, body.encode(), Credentials(*keys), SSM, now)

    assert made == wanted


def test_the_example_of_aws_is_signed_as_it_says() -> None:
    """`post-vanilla` of the test suite for Signature Version 4."""
    key, scope = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1"
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)

    made = signed(
        {"Host": "example.amazonaws.com"},
        b"",
        Credentials("AKIDEXAMPLE", key),
        Scope(scope, "service"),
        now,
    )

    assert made["Authorization"] == (
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature="
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    )


def test_keys_are_not_shown() -> None:
    assert "canary" not in repr(Credentials("canary-1", "canary-2", "canary-3"))
