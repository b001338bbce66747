import pytest

from tests.builders import (
    NEEDS_PERSON,
    NOW,
    WILL_RETRY,
    realised,
    seen,
    vault_secret,
)
from vaultferry.core.errors import Conflict, Failure
from vaultferry.core.outcome import (
    Failed,
    Outcome,
    RefreshFailed,
    RepairFailed,
    TakenOver,
    of_failure,
)
from vaultferry.core.report import status
from vaultferry.core.secret import Seen
from vaultferry.core.vaultsecret import VaultSecret

TAKEN = Conflict("Secret app exists and is not ours")

AS_WRITTEN = seen()
MOVED = seen(resourceVersion="8")
ANOTHER = seen(uid="another")

ROWS: dict[str, tuple[Failure, Seen | None, Outcome]] = {
    "Secret as written": (WILL_RETRY, AS_WRITTEN, RefreshFailed(WILL_RETRY)),
    "as written, source": (NEEDS_PERSON, AS_WRITTEN, RefreshFailed(NEEDS_PERSON)),
    "moved": (WILL_RETRY, MOVED, RepairFailed(WILL_RETRY)),
    "moved, source": (
        NEEDS_PERSON,
        MOVED,
        RepairFailed(NEEDS_PERSON, source_failed=True),
    ),
    "gone": (WILL_RETRY, None, RepairFailed(WILL_RETRY)),
    "another of its name": (TAKEN, ANOTHER, RepairFailed(TAKEN)),
    "taken over": (TAKEN, MOVED, TakenOver(TAKEN)),
    "taken over as it was written": (TAKEN, AS_WRITTEN, TakenOver(TAKEN)),
}


@pytest.mark.parametrize(("failure", "there", "row"), ROWS.values(), ids=ROWS)
def test_a_failure_after_the_first_sync_depends_on_the_secret(
    failure: Failure, there: Seen | None, row: Outcome
) -> None:
    assert of_failure(realised(), failure, there) == row


@pytest.mark.parametrize("there", [None, AS_WRITTEN, MOVED])
def test_before_the_first_sync_every_failure_is_one_of_the_sync(
    there: Seen | None,
) -> None:
    assert of_failure(vault_secret(), TAKEN, there) == Failed(TAKEN)


@pytest.mark.parametrize("name", ["moved", "moved, source", "gone", "taken over"])
def test_the_next_failure_is_of_the_same_row(name: str) -> None:
    failure, there, row = ROWS[name]
    said = failing(realised(), row)

    assert of_failure(said, failure, there) == row


def test_what_was_not_ready_is_not_ready_by_a_failure() -> None:
    said = failing(realised(), RepairFailed(NEEDS_PERSON))

    assert of_failure(said, NEEDS_PERSON, AS_WRITTEN) == Failed(NEEDS_PERSON)


def failing(resource: VaultSecret, row: Outcome) -> VaultSecret:
    """Return a VaultSecret whose status says how an attempt ended."""
    said = status(resource, row, None, NOW)
    return vault_secret(said.dumped())


def test_a_secret_that_was_found_right_is_as_good_as_written() -> None:
    right = MOVED.identity

    assert of_failure(realised(), WILL_RETRY, MOVED, right) == RefreshFailed(WILL_RETRY)


def test_a_status_without_a_secret_calls_for_a_repair() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Synced"}]}
    ready["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    spec_digest = vault_secret().spec_digest
    resource = vault_secret({**ready, "realisedSpec": spec_digest})

    assert of_failure(resource, WILL_RETRY, AS_WRITTEN) == RepairFailed(WILL_RETRY)
