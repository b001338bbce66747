from typing import Any

import pytest

from tests.builders import OWNER, current, vault_secret
from tests.keyrings import keyring
from vaultferry.core.keyring import Keyring
from vaultferry.core.secret import FINGERPRINT, VERSION, Content, Current
from vaultferry.core.secret import OWNER as OWNER_KEY
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.core.versions import count, unchanged

SAME, OTHER = {"token": b"1"}, {"token": b"2"}
RING = keyring(1)


def fingerprint(values: dict[str, bytes], ring: Keyring = RING) -> str:
    return ring.fingerprint(values, "team", "app")


def after(version: int | None, values: dict[str, bytes] | None) -> VaultSecret:
    """Return a resource whose status counts so far, with the values it had."""
    status: dict[str, Any] = {} if version is None else {"version": version}
    if values is not None:
        status["fingerprint"] = fingerprint(values)
    return vault_secret(status)


def holding(values: dict[str, bytes], version: int | str) -> Current:
    """Return the Secret as it was written with values of that version."""
    written = {VERSION: str(version), FINGERPRINT: fingerprint(values)}
    return current(values, annotations={OWNER_KEY: OWNER} | written)


def counted(resource: VaultSecret, there: Current | None, ring: Keyring = RING) -> int:
    return count(ring, resource, SAME, SAME, there).version


CASES: dict[str, tuple[VaultSecret, Current | None, int]] = {
    "the first": (after(None, None), None, 1),
    "the same again": (after(3, SAME), holding(SAME, 3), 3),
    "the same, Secret gone": (after(3, SAME), None, 3),
    "a change": (after(3, OTHER), holding(OTHER, 3), 4),
    "a change, Secret gone": (after(3, OTHER), None, 4),
    "a crash before the first status": (after(None, None), holding(SAME, 1), 1),
    "a crash between the two writes": (after(3, OTHER), holding(SAME, 4), 4),
    "a crash, then yet another change": (after(3, OTHER), holding(OTHER, 4), 4),
    "a restore without status": (after(None, None), holding(SAME, 9), 9),
    "a restore without status, changed": (after(None, None), holding(OTHER, 9), 1),
    "a restore of an older status": (after(3, SAME), holding(SAME, 9), 3),
    "a restore of a newer status": (after(9, SAME), holding(SAME, 3), 9),
    "a status that is one ahead": (after(4, SAME), holding(SAME, 3), 4),
    "a Secret whose version is garbled": (after(3, SAME), holding(SAME, "x"), 3),
    "no status, version garbled": (after(None, None), holding(SAME, "x"), 1),
    "a status without fingerprint": (after(3, None), holding(SAME, 3), 3),
    "without fingerprint, Secret differs": (after(3, None), holding(OTHER, 3), 4),
    "without fingerprint, Secret gone": (after(3, None), None, 4),
}


@pytest.mark.parametrize(("resource", "there", "version"), CASES.values(), ids=CASES)
def test_versions_count_the_changes_of_values(
    resource: VaultSecret, there: Current | None, version: int
) -> None:
    assert counted(resource, there) == version


def test_a_credential_has_data_and_fingerprint() -> None:
    credential = count(RING, after(None, None), SAME, {"env": b"1"}, None)

    assert credential.data == {"env": b"1"}
    assert credential.fingerprint == fingerprint(SAME)


@pytest.mark.parametrize("there", [None, holding(SAME, 3)], ids=["gone", "there"])
def test_rotation_alone_changes_no_version(there: Current | None) -> None:
    rotated = keyring(2, 1)

    credential = count(rotated, after(3, SAME), SAME, SAME, there)

    assert credential.version == 3
    assert credential.fingerprint == fingerprint(SAME, rotated)


GONE = keyring(2)


def test_where_the_key_is_gone_equal_data_is_the_same_version() -> None:
    assert counted(after(3, SAME), holding(SAME, 3), GONE) == 3


def test_a_restore_goes_on_counting_where_the_key_is_gone() -> None:
    assert counted(after(None, None), holding(SAME, 9), GONE) == 9
    assert counted(after(None, None), holding(OTHER, 9), GONE) == 1


def test_where_the_key_is_gone_other_data_is_a_change() -> None:
    assert counted(after(3, SAME), holding(OTHER, 3), GONE) == 4


@pytest.mark.parametrize(
    "there", [None, Current(current().seen)], ids=["gone", "not read"]
)
def test_where_nothing_can_be_compared_it_counts_as_a_change(
    there: Current | None,
) -> None:
    assert counted(after(3, SAME), there, GONE) == 4


def test_the_data_is_compared_not_the_values() -> None:
    there = Current(
        holding(SAME, 3).seen, Content("Opaque", {"env": b"1"}, immutable=False)
    )

    assert count(GONE, after(3, SAME), SAME, {"env": b"1"}, there).version == 3


@pytest.mark.parametrize(
    ("resource", "ring", "said"),
    [
        (after(None, None), RING, None),
        (after(3, OTHER), RING, False),
        (after(3, SAME), keyring(2, 1), True),
        (after(3, SAME), GONE, None),
    ],
    ids=["first", "changed", "rotated", "key gone"],
)
def test_whether_values_changed_is_known_while_the_key_is_there(
    resource: VaultSecret, ring: Keyring, *, said: bool | None
) -> None:
    assert unchanged(ring, resource, SAME) is said
