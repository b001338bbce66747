import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import opened
from vaultferry.core.errors import ValueInvalid
from vaultferry.formats import azure_connection_string

PIN = "1:02d00a43"

KEY = base64.b64encode(bytes(range(64))).decode()


@settings(deadline=None)
@given(st.binary(min_size=64, max_size=64))
def test_azures_sdk_finds_the_key(real: Tools, key: bytes) -> None:
    text = base64.b64encode(key).decode()
    credential = opened("azure_blob", {}, account_name="shop", account_key=text)

    found = real.read("azure", azure_connection_string.render(credential))

    assert found == {
        "account": "shop",
        "key": text,
        "url": "https://shop.blob.core.windows.net/",
    }


def test_azures_sdk_follows_an_endpoint(real: Tools) -> None:
    endpoint = "http://127.0.0.1:10000/shop"
    place = {"endpoint": endpoint}
    credential = opened("azure_blob", place, account_name="shop", account_key=KEY)

    found = real.read("azure", azure_connection_string.render(credential))

    assert (found["key"], found["url"]) == (KEY, f"{endpoint}/")


def test_azures_sdk_finds_the_signature(real: Tools) -> None:
    url = "https://shop.blob.core.windows.net/backup?sv=2026-01-01&sig=a%2Bb%3D"
    credential = opened("azure_blob", {}, "azure_sas_url", sas_url=url)

    found = real.read("azure", azure_connection_string.render(credential))

    assert found == {
        "account": "shop",
        "key": None,
        "url": "https://shop.blob.core.windows.net/?sv=2026-01-01&sig=a%2Bb%3D",
    }


@pytest.mark.parametrize("key", ["a;AccountName=b", "a\nb"])
def test_what_would_be_another_part_is_refused(key: str) -> None:
    credential = opened("azure_blob", {}, account_key=key)

    with pytest.raises(ValueInvalid, match=r"^field account_key has \d+ bytes that a "):
        azure_connection_string.render(credential)
