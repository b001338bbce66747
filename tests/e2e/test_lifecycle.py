"""From apply to deletion, as a person sees it."""

import pytest

from tests.e2e.tenant import Tenant, eventually

pytestmark = pytest.mark.usefixtures("operator")


def test_an_applied_vaultsecret_becomes_a_secret_with_exactly_its_values(
    tenant: Tenant,
) -> None:
    tenant.synced("db", user="alice", password="hunter2")

    assert tenant.data("db") == {"user": "alice", "password": "hunter2"}


def test_a_changed_value_replaces_the_old_one_and_counts_a_version(
    tenant: Tenant,
) -> None:
    tenant.synced("db", user="alice", password="hunter2")

    after = tenant.synced("db", user="alice", password="correct horse")

    assert tenant.data("db") == {"user": "alice", "password": "correct horse"}
    assert after["status"]["version"] == 2


def test_an_edited_secret_is_repaired_within_two_seconds(
    tenant: Tenant,
) -> None:
    tenant.synced("db", password="hunter2")

    tenant.kubectl("patch", "secret", "db", "-p", '{"stringData":{"password":"x"}}')

    eventually(lambda: tenant.data("db") == {"password": "hunter2"}, seconds=2)
