import pytest
from pydantic import ValidationError

from vaultferry.core.location import SETTINGS, Location


def test_what_is_given_is_named_as_in_the_spec() -> None:
    location = Location.model_validate({"region": "fsn1", "addressingStyle": "path"})

    assert location.given() == {"region": "fsn1", "addressingStyle": "path"}
    assert Location().given() == {}


def test_every_setting_has_a_name() -> None:
    assert SETTINGS == (
        "account",
        "addressingStyle",
        "bucket",
        "endpoint",
        "namespace",
        "region",
        "registry",
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.example.com",
        "http://minio.storage.svc:9000",
        "https://127.0.0.1:10000/shop",
        "https://example.com/storage/v1/s3/",
    ],
)
def test_an_endpoint_is_an_address(endpoint: str) -> None:
    assert Location(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("endpoint", "s3.example.com"),
        ("endpoint", "ftp://s3.example.com"),
        ("endpoint", "https://canary:canary@s3.example.com"),
        ("endpoint", "https://s3.example.com?token=canary"),
        ("endpoint", "https://s3.example.com\n"),
        ("endpoint", "https://s3.example.com/a b"),
        ("region", "EU\n[default]"),
        ("region", "eu\n"),
        ("account", "0f/canary"),
        ("namespace", "axax."),
        ("bucket", "canary/canary"),
        ("registry", "user:canary@ghcr.io"),
        ("addressingStyle", "canary"),
    ],
)
def test_what_is_no_setting_is_refused_and_not_quoted(setting: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Location.model_validate({setting: text})

    assert "canary" not in str(caught.value)
