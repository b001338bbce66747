import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import SAMPLES, opened
from vaultferry.core.errors import ValueInvalid
from vaultferry.formats import aws_config

PIN = "1:eb589919"

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
S3 = [name for name in SAMPLES if aws_config.takes(SAMPLES[name].kind)]


@settings(deadline=None)
@given(PRINTABLE, PRINTABLE, PRINTABLE)
def test_boto_finds_the_key(real: Tools, key_id: str, secret: str, token: str) -> None:
    values = {"access_key_id": key_id, "secret_access_key": secret}
    credential = opened("s3", {}, **values, session_token=token)

    try:
        data = aws_config.render(credential)
    except ValueInvalid:
        assert any(value.startswith(("#", ";")) for value in (key_id, secret, token))
        return

    found = real.boto("boto_credentials", data)
    assert found == {
        "key_id": key_id,
        "secret_key": secret,
        "session_token": token,
    }


@pytest.mark.parametrize("sample", S3)
def test_boto_finds_the_service(sample: str, real: Tools) -> None:
    credential = SAMPLES[sample]

    found = real.boto("boto_client", aws_config.render(credential))

    assert found["region"] == credential.settings["region"]
    assert found["endpoint"] == credential.settings["endpoint"]
    wanted = "when_supported" if credential.kind.name == "s3" else "when_required"
    assert found["request_checksums"] == wanted
    assert found["response_checksums"] == wanted


@pytest.mark.parametrize(
    ("kind", "location", "url"),
    [
        (
            "s3",
            {"region": "eu-west-1"},
            "https://some-bucket.s3.amazonaws.com/some-key",
        ),
        ("tigris", {}, "https://some-bucket.t3.storage.dev/some-key"),
        (
            "s3_compatible",
            {"endpoint": "http://minio:9000"},
            "http://minio:9000/some-bucket/some-key",
        ),
        (
            "s3_compatible",
            {"endpoint": "https://s3.example.com", "addressingStyle": "virtual"},
            "https://some-bucket.s3.example.com/some-key",
        ),
        (
            "oracle_object_storage_s3",
            {"namespace": "axax", "region": "eu-oslo-1"},
            "https://axax.compat.objectstorage.eu-oslo-1.oraclecloud.com/some-bucket/some-key",
        ),
    ],
)
def test_boto_puts_the_bucket_where_the_type_has_it(
    kind: str, location: dict[str, str], url: str, real: Tools
) -> None:
    data = aws_config.render(opened(kind, location))

    assert real.boto("boto_client", data)["url"] == url


def test_a_key_for_aws_needs_no_location(real: Tools) -> None:
    values = {"access_key_id": "AKIA", "secret_access_key": "s"}
    credential = opened("s3", {}, **values)
    bare = {k: v for k, v in credential.values.items() if k in values}

    data = aws_config.render(type(credential)(credential.kind, bare))

    assert data["config"] == b"[default]\n"
    assert real.boto("boto_credentials", data)["session_token"] is None


@pytest.mark.parametrize("value", ["a b", "#a", ";a", "a\nb", "ä"])
def test_what_some_reader_would_change_is_refused(value: str) -> None:
    credential = opened("wasabi", secret_access_key=value)

    with pytest.raises(ValueInvalid, match=r"^field secret_access_key has \d+ bytes t"):
        aws_config.render(credential)
