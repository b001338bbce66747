from typing import Any

import pytest

from tests.builders import NOW, connection, connection_body
from vaultferry.core import access, health
from vaultferry.core.errors import InvalidSpec, Unreachable
from vaultferry.core.vaultconnection import Access, VaultConnection

LATER = "2026-11-22T12:00:00Z"


def reported(resource: VaultConnection, failure: Unreachable | None) -> VaultConnection:
    """Return a connection after its status was written."""
    status = health.status(resource, failure, NOW).dumped()
    return VaultConnection.parse(connection_body() | {"status": status})


@pytest.mark.parametrize(
    ("named", "lets"),
    [
        ([], False),
        (["app"], True),
        (["ap*"], True),
        (["*"], True),
        (["other", "app"], True),
        (["apps", "a"], False),
    ],
)
def test_a_namespace_uses_a_connection_that_names_it(
    named: list[str], *, lets: bool
) -> None:
    assert access.lets(connection(access={"namespaces": named}), "app", None) is lets


def test_a_connection_is_for_its_own_namespace() -> None:
    assert access.lets(connection(), connection().namespace, None)


@pytest.mark.parametrize(
    ("keys", "covers"),
    [
        (["**"], True),
        (["shop/prd/DB_*"], True),
        (["shop/*/*"], True),
        (["shop/*"], False),
        (["other/**"], False),
        ([], False),
    ],
)
def test_a_reference_is_covered_by_a_glob_over_its_segments(
    keys: list[str], *, covers: bool
) -> None:
    assert access.covers(Access(keys=keys), "shop/prd/DB_URL") is covers


def test_without_a_word_every_reference_is_covered() -> None:
    assert access.covers(connection().spec.access, "shop/prd/DB_URL")


@pytest.mark.parametrize("spec", [{"access": "all"}, {"access": {"keys": "**"}}])
def test_a_spec_that_is_not_understood_is_said_so(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.access"):
        access.lets(connection(**spec), "app", None)


def test_a_connection_that_answers_is_ready() -> None:
    status = health.status(connection(), None, NOW)

    [ready] = status.conditions
    assert (ready.type, ready.status, ready.reason) == ("Ready", "True", "Verified")
    assert (status.observed_generation, ready.observed_generation) == (1, 1)


def test_a_connection_that_fails_says_why() -> None:
    status = health.status(connection(), Unreachable("no answer"), NOW)

    [ready] = status.conditions
    assert (ready.status, ready.reason) == ("False", "Unreachable")
    assert ready.message == "no answer"


@pytest.mark.parametrize("failure", [None, Unreachable("no answer")])
def test_the_same_is_written_once(failure: Unreachable | None) -> None:
    before = reported(connection(), failure)
    after = health.status(before, failure, LATER)

    assert after == before.status


def test_a_change_is_written_with_its_time() -> None:
    before = reported(connection(), None)
    after = health.status(before, Unreachable("no answer"), LATER)

    [ready] = after.conditions
    assert ready.last_transition_time == LATER


def test_only_a_good_status_of_this_generation_is_believed() -> None:
    assert not health.is_known(connection())
    assert health.is_known(reported(connection(), None))
    assert not health.is_known(reported(connection(), Unreachable("no")))

    moved = connection_body()
    moved["metadata"]["generation"] = 2
    moved["status"] = health.status(connection(), None, NOW).dumped()
    assert not health.is_known(VaultConnection.parse(moved))


@pytest.mark.parametrize(
    ("canonical", "covers"),
    [
        ("DevOps/App/key", True),
        ("devops/app/KEY", True),
        ("DevOps/Web/key", False),
        ("devops/app/", True),
        ("devops/web/", False),
        ("devops/", True),
        ("", True),
        ("other/", False),
    ],
)
def test_of_a_vault_that_ignores_case_keys_are_the_same_in_any(
    canonical: str, *, covers: bool
) -> None:
    may = Access(keys=["DevOps/App/**"])

    assert access.covers(may, canonical, caseless=True) is covers


def test_nothing_begins_so_where_nothing_may_be_read() -> None:
    assert not access.covers(Access(keys=[]), "")
