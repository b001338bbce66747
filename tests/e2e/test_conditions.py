"""The table of conditions, row by row, as the API server comes to have it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import rights
from tests.e2e.acts import foreign_secret, patch, patch_spec
from tests.e2e.operator import Operator
from tests.e2e.table import (
    REALISED,
    becomes,
    events,
    needs_person,
    retried,
    settles,
    wait_succeeds,
)
from tests.e2e.tenant import Body, Tenant, eventually

SUSPENDED = needs_person("Suspended")
OWNER = "vaultferry.dev/owner"
REPAIRED = ("Normal", "Recovered")

pytestmark = pytest.mark.usefixtures("operator")


def warned(tenant: Tenant, name: str, *expected: tuple[str, str]) -> None:
    """Check that exactly these events were posted, in their order."""
    eventually(lambda: len(events(tenant, name)) >= len(expected))
    assert events(tenant, name) == list(expected)


def edit(tenant: Tenant, name: str, **more: object) -> None:
    """Change a Secret by hand."""
    patch(tenant, "secret", name, {"stringData": {"v": "by hand"}, **more})


def repaired(tenant: Tenant, name: str) -> bool:
    return tenant.exists("secret", name) and tenant.data(name) == {"v": "one"}


@contextmanager
def no_room(tenant: Tenant) -> Iterator[None]:
    """Have a quota that is used up meanwhile."""
    tenant.kubectl("create", "quota", "none", "--hard=secrets=0")
    quota = ("get", "quota", "none", "-o", "json")
    eventually(lambda: "hard" in json.loads(tenant.kubectl(*quota))["status"])
    yield
    tenant.kubectl("delete", "quota", "none")


def test_a_first_sync_ends_realised_and_posts_no_event(tenant: Tenant) -> None:
    tenant.synced("db", v="one")

    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    warned(tenant, "db")


def test_an_ordinary_change_ends_realised_and_posts_no_event(tenant: Tenant) -> None:
    tenant.synced("db", v="one")

    tenant.synced("db", v="two")

    assert becomes(tenant, "db", REALISED)["status"]["version"] == 2
    settles(tenant, "db", ready=True)
    warned(tenant, "db")


def test_what_was_not_looked_at_yet_is_not_ready(
    tenant: Tenant, operator: Operator
) -> None:
    tenant.synced("old", v="one")

    with operator.stopped():
        tenant.apply(tenant.manifest("new", tenant.seal("new", v="one")))
        tenant.apply(tenant.manifest("old", tenant.seal("old", v="two")))
        unseen = tenant.get("vaultsecret", "new")["status"]
        assert [wait_succeeds(tenant, name, 1) for name in ("new", "old")] == [
            False
        ] * 2

    assert unseen == {"observedGeneration": -1}
    assert [wait_succeeds(tenant, name, 10) for name in ("new", "old")] == [True] * 2


def test_a_first_sync_that_needs_a_person_is_stalled(tenant: Tenant) -> None:
    tenant.apply(tenant.manifest("db", tenant.seal("other", v="one")))

    becomes(tenant, "db", needs_person("TokenNotOpened"))
    settles(tenant, "db", ready=False)
    assert not tenant.exists("secret", "db")
    warned(tenant, "db", ("Warning", "TokenNotOpened"))

    tenant.apply(tenant.manifest("db", tenant.seal("db", v="one")))

    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    warned(tenant, "db", ("Warning", "TokenNotOpened"), REPAIRED)


def test_a_changed_spec_that_needs_a_person_is_stalled_and_keeps_the_secret(
    tenant: Tenant,
) -> None:
    tenant.synced("db", v="one")

    patch_spec(tenant, "db", sealed=tenant.seal("other", v="two"))

    becomes(tenant, "db", needs_person("TokenNotOpened"))
    settles(tenant, "db", ready=False)
    assert tenant.data("db") == {"v": "one"}


def test_a_conflict_ends_when_the_other_secret_goes(tenant: Tenant) -> None:
    foreign_secret(tenant, "db")
    tenant.apply(tenant.manifest("db", tenant.seal("db", v="one")))

    becomes(tenant, "db", needs_person("Conflict"))
    settles(tenant, "db", ready=False)
    assert tenant.data("db") == {"password": "not ours"}

    tenant.kubectl("delete", "secret", "db")

    becomes(tenant, "db", REALISED)
    warned(tenant, "db", ("Warning", "Conflict"), REPAIRED)


def test_a_first_sync_without_a_right_is_retried_in_silence(tenant: Tenant) -> None:
    with rights.without(tenant.plane, "secrets", "create"):
        tenant.apply(tenant.manifest("db", tenant.seal("db", v="one")))

        body = becomes(tenant, "db", retried("ApiForbidden"), observed=False)
        assert body["status"]["observedGeneration"] == -1
        settles(tenant, "db", ready=False)

    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    warned(tenant, "db")


def test_a_first_sync_over_quota_is_retried_in_silence(tenant: Tenant) -> None:
    with no_room(tenant):
        tenant.apply(tenant.manifest("db", tenant.seal("db", v="one")))

        becomes(tenant, "db", retried("QuotaExceeded"), observed=False)
        settles(tenant, "db", ready=False)

    becomes(tenant, "db", REALISED)
    warned(tenant, "db")


def test_a_changed_spec_without_a_right_is_retried_and_keeps_the_secret(
    tenant: Tenant,
) -> None:
    tenant.synced("db", v="one")

    with rights.without(tenant.plane, "secrets", "patch"):
        patch_spec(tenant, "db", sealed=tenant.seal("db", v="two"))

        body = becomes(tenant, "db", retried("ApiForbidden"), observed=False)
        assert body["status"]["observedGeneration"] == 1
        settles(tenant, "db", ready=False)
        assert tenant.data("db") == {"v": "one"}

    becomes(tenant, "db", REALISED)
    assert tenant.data("db") == {"v": "two"}


def test_a_repair_without_a_right_is_retried(tenant: Tenant) -> None:
    tenant.synced("db", v="one")

    with rights.without(tenant.plane, "secrets", "patch"):
        edit(tenant, "db")

        becomes(tenant, "db", retried("ApiForbidden"))
        settles(tenant, "db", ready=False)
        assert tenant.data("db") == {"v": "by hand"}

    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    assert repaired(tenant, "db")
    warned(tenant, "db")


def test_a_deleted_secret_that_cannot_be_made_again_is_retried(tenant: Tenant) -> None:
    tenant.synced("db", v="one")

    with no_room(tenant):
        tenant.kubectl("delete", "secret", "db")

        becomes(tenant, "db", retried("QuotaExceeded"))
        settles(tenant, "db", ready=False)

    becomes(tenant, "db", REALISED)
    assert repaired(tenant, "db")


def test_a_repair_that_needs_a_person_is_stalled_until_the_secret_goes(
    tenant: Tenant,
) -> None:
    tenant.synced("db", v="one")

    edit(tenant, "db", immutable=True)

    becomes(tenant, "db", needs_person("SecretImmutable"))
    settles(tenant, "db", ready=False)
    assert tenant.data("db") == {"v": "by hand"}
    warned(tenant, "db", ("Warning", "SecretImmutable"))

    tenant.kubectl("delete", "secret", "db")

    becomes(tenant, "db", REALISED)
    assert repaired(tenant, "db")
    warned(tenant, "db", ("Warning", "SecretImmutable"), REPAIRED)


@pytest.mark.parametrize("owner", [None, "other/db"], ids=["nobody", "another"])
def test_a_secret_that_was_taken_over_is_left_alone(
    tenant: Tenant, owner: str | None
) -> None:
    tenant.synced("db", v="one")

    edit(tenant, "db", metadata={"annotations": {OWNER: owner}})

    becomes(tenant, "db", needs_person("Conflict"))
    settles(tenant, "db", ready=False)
    assert tenant.data("db") == {"v": "by hand"}
    warned(tenant, "db", ("Warning", "Conflict"))

    ours = {"annotations": {OWNER: f"{tenant.namespace}/db"}}
    patch(tenant, "secret", "db", {"metadata": ours})

    becomes(tenant, "db", REALISED)
    assert repaired(tenant, "db")
    warned(tenant, "db", ("Warning", "Conflict"), REPAIRED)


def test_a_suspended_resource_stays_as_it_was_and_its_secret_too(
    tenant: Tenant,
) -> None:
    tenant.synced("db", v="one")

    patch_spec(tenant, "db", suspend=True)

    becomes(tenant, "db", REALISED)
    edit(tenant, "db")
    settles(tenant, "db", ready=True)
    assert tenant.data("db") == {"v": "by hand"}

    patch_spec(tenant, "db", suspend=False)

    becomes(tenant, "db", REALISED)
    eventually(lambda: repaired(tenant, "db"))
    warned(tenant, "db")


def test_a_suspended_resource_whose_spec_changed_says_so(tenant: Tenant) -> None:
    tenant.synced("db", v="one")

    patch_spec(tenant, "db", suspend=True, sealed=tenant.seal("db", v="two"))

    becomes(tenant, "db", SUSPENDED)
    settles(tenant, "db", ready=False)
    assert tenant.data("db") == {"v": "one"}

    patch_spec(tenant, "db", suspend=False)

    becomes(tenant, "db", REALISED)
    assert tenant.data("db") == {"v": "two"}


def test_a_resource_suspended_from_its_first_day_makes_no_secret(
    tenant: Tenant,
) -> None:
    sealed = tenant.seal("db", v="one")
    tenant.apply(tenant.manifest("db", sealed, suspend=True))

    becomes(tenant, "db", SUSPENDED)
    settles(tenant, "db", ready=False)
    assert not tenant.exists("secret", "db")


def test_a_generation_that_means_nothing_is_one_status_write(tenant: Tenant) -> None:
    before = tenant.synced("db", v="one")["status"]
    secret = tenant.get("secret", "db")

    patch_spec(tenant, "db", description="of the shop")

    body = becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    assert body["metadata"]["generation"] == 2
    assert _but_generations(body["status"]) == _but_generations(before)
    assert tenant.get("secret", "db") == secret
    warned(tenant, "db")


def test_a_stalled_resource_stays_stalled_where_the_generation_means_nothing(
    tenant: Tenant,
) -> None:
    tenant.apply(tenant.manifest("db", tenant.seal("other", v="one")))
    becomes(tenant, "db", needs_person("TokenNotOpened"))

    patch_spec(tenant, "db", description="of the shop")

    becomes(tenant, "db", needs_person("TokenNotOpened"))
    settles(tenant, "db", ready=False)
    warned(tenant, "db", ("Warning", "TokenNotOpened"))


def test_nothing_is_written_for_what_is_being_deleted(tenant: Tenant) -> None:
    tenant.synced("db", v="one")
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    patch(tenant, "vaultsecret", "db", held)
    tenant.kubectl("delete", "vaultsecret", "db", "--wait=false")
    status = tenant.get("vaultsecret", "db")["status"]

    edit(tenant, "db")
    patch_spec(tenant, "db", sealed=tenant.seal("other", v="two"))

    settles(tenant, "db", ready=False)
    assert tenant.get("vaultsecret", "db")["status"] == status
    assert tenant.data("db") == {"v": "by hand"}
    patch(tenant, "vaultsecret", "db", {"metadata": {"finalizers": []}})
    eventually(lambda: not tenant.exists("secret", "db"))


def _but_generations(status: Body) -> Body:
    conditions = [
        {k: v for k, v in condition.items() if k != "observedGeneration"}
        for condition in status["conditions"]
    ]
    return {**status, "conditions": conditions, "observedGeneration": None}
