import pytest

from tests.builders import (
    BEFORE,
    NEEDS_PERSON,
    NOW,
    WILL_RETRY,
    edited,
    realisation,
    realised,
    synced_secret,
    vault_secret,
    vault_secret_body,
)
from vaultferry.core.outcome import (
    Contended,
    Failed,
    Outcome,
    Progressing,
    Realised,
    RefreshFailed,
    Suspended,
    Unchanged,
)
from vaultferry.core.report import Realisation, status
from vaultferry.core.vaultsecret import FORCE_SYNC, VaultSecret


def asked(value: str, handled: str | None = None) -> VaultSecret:
    body = edited(vault_secret_body(), annotations={FORCE_SYNC: value})
    return VaultSecret.parse(body | {"status": {"lastHandledSync": handled}})


def test_a_first_sync_reports_all_there_is_to_know() -> None:
    resource = vault_secret()

    after = status(resource, Realised(), realisation(), NOW).dumped()

    del after["conditions"]
    assert after == {
        "observedGeneration": 1,
        "version": 1,
        "createdAt": NOW,
        "updatedAt": NOW,
        "syncedSecret": synced_secret().model_dump(by_alias=True),
        "realisedSpec": resource.spec_digest,
        "fields": ["token"],
        "fieldCount": 1,
        "provider": "sealed",
        "fingerprint": "f",
        "keyId": "k",
    }


@pytest.mark.parametrize(
    ("version", "updated"), [(1, BEFORE), (2, NOW)], ids=["same", "changed"]
)
def test_the_time_of_the_update_moves_with_the_version(
    version: int, updated: str
) -> None:
    after = status(realised(), Realised(), realisation(version=version), NOW)

    assert (after.created_at, after.updated_at) == (BEFORE, updated)


def test_a_failure_keeps_what_is_known_of_the_secret() -> None:
    before = realised().status

    after = status(realised(), RefreshFailed(WILL_RETRY), None, NOW)

    assert after.synced_secret == before.synced_secret
    assert after.condition("Fresh") is not None


def test_only_so_many_fields_are_listed() -> None:
    names = tuple(f"f{n}" for n in range(101))

    after = status(vault_secret(), Realised(), realisation(fields=names), NOW)

    assert after.fields == list(names[:100])
    assert after.field_count == 101


ENDS: dict[str, tuple[Outcome, Realisation | None, bool]] = {
    "realised": (Realised(), realisation(), True),
    "failed, retried": (Failed(WILL_RETRY), None, True),
    "failed, needs a person": (Failed(NEEDS_PERSON), None, True),
    "contended, and repaired": (Contended(), realisation(), True),
    "contended, and left": (Contended(), None, False),
    "under way": (Progressing(), None, False),
    "suspended": (Suspended(), None, False),
    "unchanged": (Unchanged(), None, False),
}


@pytest.mark.parametrize(("outcome", "right", "ended"), ENDS.values(), ids=ENDS)
def test_a_forced_sync_is_handled_once_an_attempt_ended(
    outcome: Outcome, right: Realisation | None, *, ended: bool
) -> None:
    after = status(asked("two", handled="one"), outcome, right, NOW)

    assert after.last_handled_sync == ("two" if ended else "one")


@pytest.mark.parametrize("value", ["one", "in bad form"])
def test_what_is_no_new_request_leaves_the_last_one(value: str) -> None:
    after = status(asked(value, handled="one"), Realised(), realisation(), NOW)

    assert after.last_handled_sync == "one"


def test_reporting_the_same_twice_writes_nothing() -> None:
    once = status(vault_secret(), Realised(), realisation(), BEFORE)

    twice = status(vault_secret(once.dumped()), Realised(), realisation(), NOW)

    assert twice == once
