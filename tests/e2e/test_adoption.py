"""A Secret that exists becomes ours by its consent, and only so."""

import pytest

from tests.e2e.acts import foreign_secret, patch, ready
from tests.e2e.table import REALISED, becomes, needs_person, settles
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.consent import ALLOW

pytestmark = pytest.mark.usefixtures("operator")

ADOPT = {"metadata": {"annotations": {ALLOW: "adopt=d?"}}}
OWNER = "vaultferry.dev/owner"


def test_a_secret_that_consents_becomes_ours(tenant: Tenant) -> None:
    foreign_secret(tenant, "db", labels={"team": "a"}, annotations={"note": "b"})
    tenant.apply(tenant.manifest("db", tenant.seal("db", v="one")))
    becomes(tenant, "db", needs_person("Conflict"))

    patch(tenant, "secret", "db", ADOPT)

    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    assert tenant.data("db") == {"v": "one"}
    metadata = tenant.get("secret", "db")["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"]["note"] == "b"
    assert metadata["annotations"][OWNER] == f"{tenant.namespace}/db"
    tenant.kubectl("delete", "vaultsecret", "db")
    eventually(lambda: not tenant.exists("secret", "db"))


def test_an_orphan_policy_adopts_and_leaves_it(tenant: Tenant) -> None:
    foreign_secret(tenant, "db", annotations={ALLOW: "adopt"})
    target = {"creationPolicy": "Orphan"}

    ready(tenant, tenant.manifest("db", tenant.seal("db", v="one"), target=target))
    tenant.kubectl("delete", "vaultsecret", "db")

    assert "ownerReferences" not in tenant.get("secret", "db")["metadata"]
    assert tenant.data("db") == {"v": "one"}


def test_a_secret_of_another_type_is_not_adopted(tenant: Tenant) -> None:
    foreign_secret(tenant, "db", annotations={ALLOW: "adopt"})
    target = {"type": "example.com/credential"}

    tenant.apply(tenant.manifest("db", tenant.seal("db", v="one"), target=target))

    becomes(tenant, "db", needs_person("TypeDiffers"))
    assert tenant.data("db") == {"password": "not ours"}


def test_a_secret_of_another_living_resource_is_not_adopted(tenant: Tenant) -> None:
    tenant.synced("db", v="one")
    patch(tenant, "secret", "db", {"metadata": {"annotations": {ALLOW: "adopt"}}})
    target = {"name": "db", "creationPolicy": "Orphan"}

    tenant.apply(tenant.manifest("new", tenant.seal("new", v="two"), target=target))

    becomes(tenant, "new", needs_person("Conflict"))
    settles(tenant, "db", ready=True)
    assert tenant.data("db") == {"v": "one"}


def test_a_secret_that_was_kept_goes_to_its_heir(tenant: Tenant) -> None:
    target = {"name": "db", "creationPolicy": "Orphan"}
    ready(tenant, tenant.manifest("old", tenant.seal("old", v="one"), target=target))
    tenant.kubectl("delete", "vaultsecret", "old")
    patch(tenant, "secret", "db", {"metadata": {"annotations": {ALLOW: "adopt=new"}}})

    ready(tenant, tenant.manifest("new", tenant.seal("new", v="two"), target=target))

    assert tenant.data("db") == {"v": "two"}


def test_a_secret_that_consents_goes_to_its_heir_when_its_owner_ends(
    tenant: Tenant,
) -> None:
    target = {"name": "db", "creationPolicy": "Orphan"}
    ready(tenant, tenant.manifest("old", tenant.seal("old", v="one"), target=target))
    patch(tenant, "secret", "db", {"metadata": {"annotations": {ALLOW: "adopt=new"}}})
    tenant.apply(tenant.manifest("new", tenant.seal("new", v="two"), target=target))
    becomes(tenant, "new", needs_person("Conflict"))

    tenant.kubectl("delete", "vaultsecret", "old")

    becomes(tenant, "new", REALISED)
    assert tenant.data("db") == {"v": "two"}


def test_a_secret_that_does_not_consent_stays_that_of_an_owner_that_ended(
    tenant: Tenant,
) -> None:
    target = {"name": "db", "creationPolicy": "Orphan"}
    ready(tenant, tenant.manifest("old", tenant.seal("old", v="one"), target=target))
    tenant.apply(tenant.manifest("new", tenant.seal("new", v="two"), target=target))
    becomes(tenant, "new", needs_person("Conflict"))

    tenant.kubectl("delete", "vaultsecret", "old")

    settles(tenant, "new", ready=False)
    assert tenant.reason("new") == "Conflict"
    assert tenant.data("db") == {"v": "one"}
