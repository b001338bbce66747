import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    BEFORE,
    NEEDS_PERSON,
    NOW,
    WILL_RETRY,
    edited,
    realisation,
    realised,
    realised_status,
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
from vaultferry.core.vaultsecret import FORCE_SYNC, Status, VaultSecret


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


def test_what_is_no_longer_known_is_taken_away() -> None:
    before = Status.model_validate(realised_status(vault_secret()) | {"keyId": "k"})
    after = before.model_copy(update={"key_id": None, "fields": []})

    assert before.dumped().keys() - after.dumped().keys() == {"keyId", "fields"}


def test_what_is_no_longer_known_inside_is_taken_away() -> None:
    connection = {"connection": {"uid": "1", "generation": 1}}
    source = {"sourceSecret": {"uid": "2", "resourceVersion": "3"}}
    before = Status.model_validate({"syncedFrom": connection})
    after = before.model_copy(
        update={
            "synced_from": Status.model_validate({"syncedFrom": source}).synced_from
        }
    )

    assert after.dumped()["syncedFrom"] == source


TEXT = st.sampled_from(["a", "b"])
NUMBER = st.integers(1, 3)
CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Ready", "Fresh"]),
            "status": st.sampled_from(["True", "False"]),
            "reason": TEXT,
            "lastTransitionTime": TEXT,
        },
        optional={"message": st.sampled_from(["", "a"]), "observedGeneration": NUMBER},
    ),
    max_size=2,
)
STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "conditions": CONDITIONS,
        "observedGeneration": st.integers(-1, 2),
        "version": NUMBER,
        "keyId": TEXT,
        "fields": st.lists(TEXT, max_size=2),
        "syncedFrom": st.fixed_dictionaries(
            {},
            optional={
                "connection": st.fixed_dictionaries(
                    {"uid": TEXT, "generation": NUMBER}
                ),
                "sourceSecret": st.fixed_dictionaries(
                    {"uid": TEXT, "resourceVersion": TEXT}
                ),
            },
        ),
        "stored": st.fixed_dictionaries(
            dict.fromkeys(("connection", "namespace", "name", "address", "path"), TEXT),
            optional={"fields": st.lists(TEXT, max_size=2)},
        ),
    },
).map(Status.model_validate)


@given(STATUSES)
def test_a_status_that_was_written_is_read_back_as_it_was(written: Status) -> None:
    """Else one that differs in nothing would be written again and again."""
    assert Status.model_validate(written.dumped()) == written
