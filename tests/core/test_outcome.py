import pytest

from tests.builders import NEEDS_PERSON, WILL_RETRY, realised, seen, vault_secret
from vaultferry.core.errors import Conflict, Failure
from vaultferry.core.outcome import (
    Failed,
    Outcome,
    RefreshFailed,
    RepairFailed,
    TakenOver,
    of_failure,
)
from vaultferry.core.secret import Seen

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


def test_a_secret_that_was_found_right_is_as_good_as_written() -> None:
    right = MOVED.identity

    assert of_failure(realised(), WILL_RETRY, MOVED, right) == RefreshFailed(WILL_RETRY)


def test_a_status_without_a_secret_calls_for_a_repair() -> None:
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": "Synced"}]}
    status["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    spec_digest = vault_secret().spec_digest
    resource = vault_secret({**status, "realisedSpec": spec_digest})

    assert of_failure(resource, WILL_RETRY, AS_WRITTEN) == RepairFailed(WILL_RETRY)
