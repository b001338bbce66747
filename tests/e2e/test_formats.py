"""How a credential is laid out, and what a change of that costs."""

import pytest

from tests.e2e.acts import patch_spec, ready, stalled
from tests.e2e.audit import AuditLog
from tests.e2e.tenant import Body, Tenant, eventually

pytestmark = pytest.mark.usefixtures("operator")

CHANGE = ["patch secrets", "update vaultsecrets/status"]
FIELDS = {"access_key_id", "secret_access_key"}
VARIABLES = {
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "AWS_SECRET_ACCESS_KEY",
}


def storage(tenant: Tenant, *formats: str, **target: object) -> Body:
    """Return a key for a storage in fsn1, laid out in these formats."""
    values = {"access_key_id": "AB1" * 6, "secret_access_key": "c" * 40}
    return tenant.manifest(
        "backup",
        tenant.seal("backup", **values),
        type="hetzner",
        location={"region": "fsn1", "bucket": "backup"},
        target={"formats": list(formats), **target},
    )


def settled(tenant: Tenant) -> Body:
    """Wait until the present generation is realised; return the VaultSecret."""

    def is_realised() -> bool:
        found = tenant.get("vaultsecret", "backup")
        generation: int = found["metadata"]["generation"]
        observed: int = found["status"]["observedGeneration"]
        return observed == generation

    eventually(is_realised)
    tenant.wait_ready("backup")
    return tenant.get("vaultsecret", "backup")


def test_several_formats_become_a_secret_with_exactly_their_keys(
    tenant: Tenant,
) -> None:
    template = {"url": "{{ location.endpoint }}/{{ location.bucket }}"}

    ready(tenant, storage(tenant, "env", "rclone", "fields", template=template))

    data = tenant.data("backup")
    assert data.keys() == FIELDS | VARIABLES | {"rclone.conf", "url"}
    assert data["AWS_ENDPOINT_URL_S3"] == "https://fsn1.your-objectstorage.com"
    assert data["url"] == "https://fsn1.your-objectstorage.com/backup"


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        (
            {"target": {"formats": ["env", "s3cmd", "fields"]}},
            FIELDS | VARIABLES | {".s3cfg"},
        ),
        ({"target": {"formats": ["fields"]}}, FIELDS),
        (
            {"target": {"formats": [], "template": {"id": "{{ access_key_id }}"}}},
            {"id"},
        ),
    ],
    ids=["one more", "one less", "a template instead"],
)
def test_another_set_of_formats_is_one_write_and_no_new_version(
    change: Body, keys: set[str], tenant: Tenant, audit: AuditLog
) -> None:
    ready(tenant, storage(tenant, "env", "fields"))
    since = audit.now()

    patch_spec(tenant, "backup", **change)

    after = settled(tenant)
    assert audit.calls(since, tenant.namespace) == CHANGE
    assert tenant.data("backup").keys() == keys
    assert after["status"]["version"] == 1


def test_another_location_is_one_write_and_no_new_version(
    tenant: Tenant, audit: AuditLog
) -> None:
    ready(tenant, storage(tenant, "env"))
    since = audit.now()

    patch_spec(tenant, "backup", location={"region": "nbg1"})

    after = settled(tenant)
    assert audit.calls(since, tenant.namespace) == CHANGE
    data = tenant.data("backup")
    assert data.keys() == VARIABLES
    assert data["AWS_ENDPOINT_URL_S3"] == "https://nbg1.your-objectstorage.com"
    assert after["status"]["version"] == 1


def test_a_login_to_a_registry_is_one_that_kubernetes_takes(tenant: Tenant) -> None:
    login = tenant.manifest(
        "registry",
        tenant.seal("registry", username="me", password="hunter2"),
        type="password",
        location={"registry": "ghcr.io"},
        target={
            "type": "kubernetes.io/dockerconfigjson",
            "formats": ["dockerconfigjson"],
        },
    )

    ready(tenant, login)

    assert tenant.get("secret", "registry")["type"] == "kubernetes.io/dockerconfigjson"
    assert tenant.data("registry").keys() == {".dockerconfigjson"}


def test_a_location_that_lacks_a_setting_is_told_by_its_name(tenant: Tenant) -> None:
    manifest = storage(tenant, "env")
    del manifest["spec"]["location"]

    tenant.apply(manifest)

    condition = stalled(tenant, "backup")
    assert condition["reason"] == "InvalidSpec"
    assert "type hetzner needs spec.location.region" in condition["message"]
    assert not tenant.exists("secret", "backup")
