import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import SAMPLES, opened
from tests.formats.service import service
from vaultferry.core.errors import InvalidSpec, ValueInvalid
from vaultferry.formats import s3cmd

PIN = "1:778bd21e"

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
NASTY = st.lists(st.sampled_from(['"', "%", "$", "%%", "%(", ")s", "\\", "a"])).map(
    "".join
)
SOME = (PRINTABLE | NASTY).filter(bool)
S3 = [name for name in SAMPLES if s3cmd.takes(SAMPLES[name].kind)]


def dumped(real: Tools, data: dict[str, bytes]) -> dict[str, str]:
    """Return the options that s3cmd has after reading its configuration."""
    text = real.s3cmd(data, "--dump-config")
    return dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))


# Each example is a process.
@settings(deadline=None, max_examples=30)
@given(SOME, SOME, SOME)
@example('"a"', '"', '""')
@example("%(bucket)s", "%%", 'a"')
def test_s3cmd_finds_the_key(real: Tools, key_id: str, secret: str, token: str) -> None:
    values = {"access_key_id": key_id, "secret_access_key": secret}
    credential = opened("s3", {}, **values, session_token=token)

    try:
        data = s3cmd.render(credential)
    except ValueInvalid:
        assert any(v.startswith(("#", ";", "$")) for v in (key_id, secret, token))
        return

    found = dumped(real, data)
    assert found["access_key"] == key_id
    assert found["secret_key"] == secret
    assert found["access_token"] == token


@pytest.mark.parametrize("sample", S3)
def test_s3cmd_finds_the_service(sample: str, real: Tools) -> None:
    credential = SAMPLES[sample]

    found = dumped(real, s3cmd.render(credential))

    host = credential.settings["endpoint"].removeprefix("https://")
    is_path = credential.settings["addressingStyle"] == "path"
    assert found["host_base"] == host
    assert found["host_bucket"] == (host if is_path else f"%(bucket)s.{host}")
    assert found["bucket_location"] == credential.settings["region"]
    assert (found["use_https"], found["signature_v2"]) == ("True", "False")


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ({}, "s3.amazonaws.com"),
        ({"region": "eu-west-1"}, "s3.eu-west-1.amazonaws.com"),
        ({"region": "cn-north-1"}, "s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_s3cmd_finds_aws(location: dict[str, str], host: str, real: Tools) -> None:
    data = s3cmd.render(opened("s3", location))

    assert dumped(real, data)["host_base"] == host


def test_s3cmd_signs_with_the_key_for_the_region(real: Tools) -> None:
    with service() as asked:
        location = {"endpoint": asked.address, "region": "eu-north-7"}
        credential = opened("s3_compatible", location, access_key_id="some-id")

        said = real.s3cmd(s3cmd.render(credential), "ls")

    assert "s3://some-bucket" in said
    assert re.search(
        r"Credential=some-id/\d+/eu-north-7/s3/aws4_request", asked.authorizations[0]
    )


def test_an_endpoint_with_a_path_is_refused() -> None:
    credential = opened("s3_compatible", {"endpoint": "https://example.com/s3"})

    with pytest.raises(
        InvalidSpec, match=r"^format s3cmd takes no spec\.location\.end"
    ):
        s3cmd.render(credential)


@pytest.mark.parametrize("value", ["$HOME", "a b", "#a", "a\nb"])
def test_what_s3cmd_would_change_is_refused(value: str) -> None:
    credential = opened("wasabi", secret_access_key=value)

    with pytest.raises(ValueInvalid, match=r"^field secret_access_key has \d+ bytes t"):
        s3cmd.render(credential)
