import pytest

from vaultferry.core.errors import InvalidSpec
from vaultferry.core.location import Location
from vaultferry.core.s3 import S3, Service

REGIONAL = S3("https://s3.{region}.example.com")
TENANT = S3("https://{namespace}.{region}.example.com", path_style=True)
GLOBAL = S3("https://s3.example.com", region="auto")
ANY = S3(region="us-east-1", path_style=True)
AWS = S3(is_aws=True)

CUSTOM = "http://127.0.0.1:9000"


def service(
    endpoint: str | None, region: str | None, *, path: bool = False, aws: bool = False
) -> Service:
    return Service(endpoint, region, path, aws)


@pytest.mark.parametrize(
    ("s3", "location", "expected"),
    [
        (REGIONAL, {"region": "a"}, service("https://s3.a.example.com", "a")),
        (REGIONAL, {"region": "a", "endpoint": CUSTOM}, service(CUSTOM, "a")),
        (
            TENANT,
            {"region": "a", "namespace": "n"},
            service("https://n.a.example.com", "a", path=True),
        ),
        (TENANT, {"region": "a", "endpoint": CUSTOM}, service(CUSTOM, "a", path=True)),
        (GLOBAL, {}, service("https://s3.example.com", "auto")),
        (ANY, {"endpoint": CUSTOM}, service(CUSTOM, "us-east-1", path=True)),
        (ANY, {"endpoint": CUSTOM, "region": "b"}, service(CUSTOM, "b", path=True)),
        (
            ANY,
            {"endpoint": CUSTOM, "addressing_style": "virtual"},
            service(CUSTOM, "us-east-1"),
        ),
        (AWS, {}, service(None, None, aws=True)),
        (AWS, {"region": "a", "endpoint": CUSTOM}, service(CUSTOM, "a", aws=True)),
    ],
)
def test_a_service_follows_from_a_location(
    s3: S3, location: dict[str, str], expected: Service
) -> None:
    assert s3.service("store", Location.model_validate(location)) == expected


@pytest.mark.parametrize(
    ("s3", "location", "missing"),
    [
        (REGIONAL, {}, ["region"]),
        (REGIONAL, {"endpoint": CUSTOM}, ["region"]),
        (TENANT, {}, ["namespace", "region"]),
        (TENANT, {"region": "a"}, ["namespace"]),
        (ANY, {}, ["endpoint"]),
        (S3(), {}, ["endpoint", "region"]),
    ],
)
def test_what_a_location_lacks_is_named(
    s3: S3, location: dict[str, str], missing: list[str]
) -> None:
    names = ", ".join(f"spec.location.{name}" for name in missing)

    with pytest.raises(InvalidSpec, match=f"^type store needs {names} for what spec"):
        s3.service("store", Location.model_validate(location))


def test_settings_are_what_is_known() -> None:
    assert REGIONAL.settings(Location(bucket="b")) == {
        "addressingStyle": "virtual",
        "bucket": "b",
    }
    assert REGIONAL.settings(Location(region="a")) == {
        "addressingStyle": "virtual",
        "endpoint": "https://s3.a.example.com",
        "region": "a",
    }
