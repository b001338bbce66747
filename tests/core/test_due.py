from typing import Any

import pytest

from tests.builders import (
    BEFORE,
    edited,
    realised,
    realised_status,
    seen,
    vault_secret,
    vault_secret_body,
)
from vaultferry.core.due import Need, is_synced, needed
from vaultferry.core.requests import REQUEST_ID
from vaultferry.core.secret import Seen
from vaultferry.core.vaultsecret import FORCE_SYNC, VaultSecret

AS_WRITTEN = seen()
MOVED = seen(resourceVersion="8")
LAYOUT = 1
UUID = "0b5a7d3e-6a55-4c8e-9c53-3f1f8f5a2d10"


def with_metadata(resource: VaultSecret, **metadata: Any) -> VaultSecret:
    """Return the same resource with other metadata."""
    status, spec = resource.status.dumped(), resource.raw_spec
    body = vault_secret_body(**spec) | {"status": status}
    return VaultSecret.parse(edited(body, **metadata))


def asked(
    value: str, resource: VaultSecret | None = None, by: str = FORCE_SYNC
) -> VaultSecret:
    return with_metadata(resource or realised(), annotations={by: value})


DONE = realised()
NEXT = with_metadata(DONE, generation=2)
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
CHANGED = vault_secret(realised_status(vault_secret()), target={"name": "other"})
PAUSED = realised(suspend=True)
PAUSED_CHANGED = vault_secret(realised_status(vault_secret()), type="x", suspend=True)
UNREADY = {"type": "Ready", "status": "False", "reason": "Conflict", "message": ""}
PAUSED_FAILED = vault_secret(
    realised_status(vault_secret())
    | {"conditions": [UNREADY | {"lastTransitionTime": BEFORE}]},
    suspend=True,
)
STALE = {"type": "Fresh", "status": "False", "reason": "UnknownKeyId", "message": ""}
NOT_FRESH = vault_secret(
    (before := realised_status(vault_secret()))
    | {
        "conditions": [
            *before["conditions"],
            STALE | {"lastTransitionTime": BEFORE},
        ]
    }
)
WITHOUT_SECRET = vault_secret(
    {k: v for k, v in realised_status(vault_secret()).items() if k != "syncedSecret"}
)

TABLE: dict[str, tuple[VaultSecret, Seen | None, Need]] = {
    "as it ought to be": (DONE, AS_WRITTEN, Need.NOTHING),
    "never synced": (vault_secret(), None, Need.REALISE),
    "spec changed": (CHANGED, AS_WRITTEN, Need.REALISE),
    "newer values could not be had": (NOT_FRESH, AS_WRITTEN, Need.REALISE),
    "only the generation moved": (NEXT, AS_WRITTEN, Need.RECOGNISE),
    "Secret moved": (DONE, MOVED, Need.COMPARE),
    "Secret gone": (DONE, None, Need.COMPARE),
    "Secret moved and generation too": (NEXT, MOVED, Need.COMPARE),
    "another Secret": (DONE, seen(uid="another"), Need.COMPARE),
    "status without Secret": (WITHOUT_SECRET, AS_WRITTEN, Need.COMPARE),
    "sync asked for": (asked("now"), AS_WRITTEN, Need.REALISE),
    "request id not handled": (asked(UUID, by=REQUEST_ID), AS_WRITTEN, Need.REALISE),
    "sync asked for in bad form": (asked("not now"), AS_WRITTEN, Need.NOTHING),
    "suspended": (PAUSED, AS_WRITTEN, Need.NOTHING),
    "suspended, Secret moved": (PAUSED, MOVED, Need.NOTHING),
    "suspended, Secret gone": (PAUSED, None, Need.NOTHING),
    "suspended, sync asked for": (asked("now", PAUSED), AS_WRITTEN, Need.NOTHING),
    "suspended just now": (
        with_metadata(PAUSED, generation=2),
        AS_WRITTEN,
        Need.RECOGNISE,
    ),
    "suspended, spec changed": (PAUSED_CHANGED, AS_WRITTEN, Need.SUSPEND),
    "suspended, not Ready since": (PAUSED_FAILED, None, Need.NOTHING),
    "suspended, never synced": (vault_secret(suspend=True), None, Need.SUSPEND),
    "being deleted": (with_metadata(DONE, **GOING), None, Need.NOTHING),
    "being deleted, never synced": (
        with_metadata(vault_secret(), **GOING),
        None,
        Need.NOTHING,
    ),
    "being deleted, suspended": (
        with_metadata(vault_secret(suspend=True), **GOING),
        None,
        Need.NOTHING,
    ),
}


@pytest.mark.parametrize(("resource", "there", "need"), TABLE.values(), ids=TABLE)
def test_what_is_needed_is_seen_without_reading_the_secret(
    resource: VaultSecret, there: Seen | None, need: Need
) -> None:
    assert needed(resource, there, LAYOUT) is need


def test_a_new_layout_is_written() -> None:
    assert needed(DONE, AS_WRITTEN, LAYOUT + 1) is Need.REALISE


@pytest.mark.parametrize(
    ("resource", "need"), [(DONE, Need.NOTHING), (NEXT, Need.RECOGNISE)]
)
def test_a_secret_that_moved_and_was_found_right_is_let_be(
    resource: VaultSecret, need: Need
) -> None:
    assert needed(resource, MOVED, LAYOUT, MOVED.identity) is need


def test_a_status_without_secret_is_realised_once_compared() -> None:
    right = AS_WRITTEN.identity

    assert needed(WITHOUT_SECRET, AS_WRITTEN, LAYOUT, right) is Need.REALISE


@pytest.mark.parametrize(
    ("there", "same"),
    [(AS_WRITTEN, True), (MOVED, False), (None, False)],
    ids=["as written", "moved", "absent"],
)
def test_synced_is_the_very_version_of_the_status(
    there: Seen | None, *, same: bool
) -> None:
    assert is_synced(DONE, there) is same
