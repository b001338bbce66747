import base64
import re

import pytest

from tests.formats.conftest import Tools
from tests.formats.samples import SAMPLES, opened
from tests.formats.service import service
from vaultferry.formats import env

PIN = "1:3ebc49d0"

S3 = [name for name in SAMPLES if SAMPLES[name].kind.s3]


def variables(data: dict[str, bytes]) -> dict[str, str]:
    return {name: value.decode() for name, value in data.items()}


@pytest.mark.parametrize("sample", S3)
def test_boto_finds_key_and_service(sample: str, real: Tools) -> None:
    credential = SAMPLES[sample]
    found_env = variables(env.render(credential))

    key = real.boto("boto_credentials", {}, **found_env)
    found = real.boto("boto_client", {}, **found_env)

    texts = credential.texts()
    assert credential.kind.s3 is not None
    assert key == {
        "key_id": texts[credential.kind.s3.key_id],
        "secret_key": texts[credential.kind.s3.secret_key],
        "session_token": texts.get("session_token"),
    }
    assert found["region"] == credential.settings["region"]
    assert found["endpoint"] == credential.settings["endpoint"]
    wanted = "when_supported" if credential.kind.name == "s3" else "when_required"
    assert found["request_checksums"] == wanted
    assert found["response_checksums"] == wanted


def test_both_names_of_the_region_are_there() -> None:
    data = env.render(opened("hetzner", {"region": "fsn1"}))

    assert data["AWS_REGION"] == data["AWS_DEFAULT_REGION"] == b"fsn1"


def test_a_key_for_aws_has_no_address_and_no_region_of_its_own() -> None:
    data = env.render(opened("s3", {}))

    assert data.keys() == {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    }


def test_backblazes_command_logs_in_with_the_key(real: Tools) -> None:
    key = {"application_key_id": "some-id", "application_key": "some-key"}
    data = variables(env.render(opened("b2", {}, **key)))

    with service() as asked:
        # It lets nobody in, but then it has seen the key.
        real.b2_login(B2_ENVIRONMENT=asked.address, **data)

    basic = re.fullmatch(r"Basic (.*)", asked.authorizations[0])
    assert basic is not None
    assert base64.b64decode(basic[1]) == b"some-id:some-key"


def test_a_key_of_b2_is_one_of_s3_where_the_region_is_known() -> None:
    assert env.render(opened("b2", {})).keys() == {
        "B2_APPLICATION_KEY",
        "B2_APPLICATION_KEY_ID",
    }
    data = env.render(opened("b2", {"region": "us-west-004"}))
    assert data["AWS_ACCESS_KEY_ID"] == data["B2_APPLICATION_KEY_ID"]
    assert data["AWS_ENDPOINT_URL_S3"] == b"https://s3.us-west-004.backblazeb2.com"


def test_adlfs_finds_the_key_of_an_account(real: Tools) -> None:
    key = base64.b64encode(bytes(64)).decode()
    data = env.render(opened("azure_blob", account_name="shop", account_key=key))

    found = real.read("azure_variables", {}, **variables(data))

    assert found == {"account": "shop", "key": key, "token": None}


def test_adlfs_finds_a_signature(real: Tools) -> None:
    url = "https://shop.blob.core.windows.net/backup?sv=1&sig=a%2Bb"
    data = env.render(opened("azure_blob", {}, "azure_sas_url", sas_url=url))

    found = real.read("azure_variables", {}, **variables(data))

    assert found["account"] == "shop"
    assert found["token"].removeprefix("?") == "sv=1&sig=a%2Bb"


def test_the_key_of_an_account_is_there_for_the_azure_cli_as_well() -> None:
    data = env.render(opened("azure_blob", account_name="shop", account_key="k"))

    assert data["AZURE_STORAGE_ACCOUNT"] == data["AZURE_STORAGE_ACCOUNT_NAME"]
    assert data["AZURE_STORAGE_KEY"] == data["AZURE_STORAGE_ACCOUNT_KEY"]


@pytest.mark.parametrize(
    ("host", "account"),
    [
        ("shop.blob.core.windows.net", b"shop"),
        ("backup.example.com", None),
        ("127.0.0.1:10000", None),
    ],
)
def test_a_signature_is_there_with_its_account_if_that_is_told(
    host: str, account: bytes | None
) -> None:
    url = f"https://{host}/backup?sv=1&sig=a%2Bb"

    data = env.render(opened("azure_blob", {}, "azure_sas_url", sas_url=url))

    assert data["AZURE_STORAGE_SAS_TOKEN"] == b"sv=1&sig=a%2Bb"
    assert data.get("AZURE_STORAGE_ACCOUNT") == account
