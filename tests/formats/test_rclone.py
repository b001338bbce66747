import base64
import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import SAMPLES, opened
from tests.formats.service import service
from tests.formats.test_gcs_key_file import key_file
from vaultferry.core.errors import ValueInvalid
from vaultferry.formats import rclone

PIN = "1:4f92140d"

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
NASTY = st.lists(st.sampled_from(["`", '"', '"""', "%", "%(", ")s", "=", "a"])).map(
    "".join
)
SOME = (PRINTABLE | NASTY).filter(bool)
STORAGE = [name for name in SAMPLES if rclone.takes(SAMPLES[name].kind)]


def dumped(real: Tools, data: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return the remotes that rclone has after reading its configuration."""
    found: dict[str, dict[str, Any]] = json.loads(real.rclone(data, "config", "dump"))
    return found


# Each example is a process.
@settings(deadline=None, max_examples=50)
@given(SOME, SOME, SOME)
@example("`a`", '"""a"""', '"a"')
@example("`", '"""', "%(a")
def test_rclone_finds_the_key(
    real: Tools, key_id: str, secret: str, token: str
) -> None:
    values = {"access_key_id": key_id, "secret_access_key": secret}
    credential = opened("s3", {}, **values, session_token=token)

    try:
        data = rclone.render(credential)
    except ValueInvalid:
        values = {"a": key_id, "b": secret, "c": token}
        assert any(re.search(r"^[#;]|%\([^)]+\)s", v) for v in values.values())
        return

    found = dumped(real, data)["remote"]
    assert found["access_key_id"] == key_id
    assert found["secret_access_key"] == secret
    assert found["session_token"] == token


@pytest.mark.parametrize("sample", STORAGE)
def test_rclone_finds_the_bucket_and_the_service(sample: str, real: Tools) -> None:
    credential = SAMPLES[sample]

    found = dumped(real, rclone.render(credential))

    assert found["bucket"] == {"type": "alias", "remote": "remote:some-bucket"}
    if found["remote"]["type"] == "s3":
        assert found["remote"]["region"] == credential.settings["region"]
        assert found["remote"]["endpoint"] == credential.settings["endpoint"]


@pytest.mark.parametrize(
    ("kind", "method", "options"),
    [
        (
            "azure_blob",
            "azure_account_key",
            {"account": "made-up-account_name", "key": "made-up-account_key"},
        ),
        (
            "azure_blob",
            "azure_sas_url",
            {
                "sas_url": "https://shop.blob.core.windows.net/backup"
                "?sv=2026-01-01&sig=a%2Bb%3D"
            },
        ),
        (
            "b2",
            None,
            {"account": "made-up-application_key_id", "key": "made-up-application_key"},
        ),
        ("r2", None, {"provider": "Cloudflare", "no_check_bucket": "true"}),
        ("tigris", None, {"provider": "Other", "force_path_style": "false"}),
        ("s3_compatible", None, {"provider": "Other", "force_path_style": "true"}),
    ],
)
def test_rclone_finds_what_the_type_has(
    kind: str, method: str | None, options: dict[str, str], real: Tools
) -> None:
    found = dumped(real, rclone.render(opened(kind, None, method)))["remote"]

    assert found.items() >= options.items()


def test_rclone_finds_the_service_account(real: Tools) -> None:
    text = key_file()

    found = dumped(real, rclone.render(opened("gcs", service_account_json=text)))

    assert json.loads(found["remote"]["service_account_credentials"]) == json.loads(
        text
    )


def test_rclone_signs_with_the_key_for_the_region(real: Tools) -> None:
    with service() as asked:
        location = {"endpoint": asked.address, "region": "eu-north-7"}
        credential = opened("s3_compatible", location, access_key_id="some-id")

        said = real.rclone(rclone.render(credential), "lsf", "remote:")

    assert said == "some-bucket/\n"
    assert re.search(
        r"Credential=some-id/\d+/eu-north-7/s3/aws4_request", asked.authorizations[0]
    )


def test_rclone_logs_in_to_backblaze_with_the_key(real: Tools) -> None:
    key = {"application_key_id": "some-id", "application_key": "some-key"}
    data = rclone.render(opened("b2", **key))

    with service() as asked:
        # It lets nobody in, but then it has seen the key.
        real.rclone_login(data, f"--b2-endpoint={asked.address}")

    basic = base64.b64encode(b"some-id:some-key").decode()
    assert asked.authorizations[0] == f"Basic {basic}"


def test_without_a_bucket_there_is_one_remote(real: Tools) -> None:
    assert dumped(real, rclone.render(opened("tigris", {}))).keys() == {"remote"}


@pytest.mark.parametrize("value", ["a%(type)s", "a b", "#a", "a\nb"])
def test_what_rclone_would_change_is_refused(value: str) -> None:
    credential = opened("wasabi", secret_access_key=value)

    with pytest.raises(ValueInvalid, match=r"^field secret_access_key has \d+ bytes t"):
        rclone.render(credential)


@pytest.mark.parametrize("value", ['{"a": "%(type)s"}', "[" * 100_000, "{"])
def test_what_is_no_key_of_google_is_refused(value: str) -> None:
    credential = opened("gcs", service_account_json=value)

    with pytest.raises(ValueInvalid, match=r"^field service_account_json has \d+ byte"):
        rclone.render(credential)
