import json
from math import inf
from typing import Any

import pytest

from tests.builders import (
    NAME,
    NAMESPACE,
    UID,
    Body,
    edited,
    secret_body,
    vault_secret_body,
)
from vaultferry.core.merge import mark
from vaultferry.core.secret import LABEL
from vaultferry.core.vaultsecret import FORCE_SYNC
from vaultferry.views import Key, Secrets, VaultSecrets

KEY = Key(NAMESPACE, NAME)
OTHER = Key(NAMESPACE, "other")


def view(*bodies: Body) -> VaultSecrets:
    vaultsecrets = VaultSecrets()
    for body in bodies:
        vaultsecrets.put(body)
    return vaultsecrets


def version(number: int, **metadata: Any) -> Body:
    return edited(vault_secret_body(), resourceVersion=str(number), **metadata)


def secret(number: int, **metadata: Any) -> Body:
    return secret_body(resourceVersion=str(number), **metadata)


def test_a_key_reads_as_people_write_it() -> None:
    assert str(Key.of(vault_secret_body())) == "team/app"


def test_an_unknown_resource_is_not_there() -> None:
    assert view().get(KEY) is None


@pytest.mark.parametrize(
    ("change", "since"),
    [
        ({}, 1.0),
        ({"labels": {"team": "shop"}}, 1.0),
        ({"generation": 2}, 2.0),
        ({"annotations": {FORCE_SYNC: "now"}}, 2.0),
        ({"uid": "another"}, 2.0),
    ],
)
def test_a_resource_is_wanted_as_it_is_since_somebody_changed_what_is_wanted(
    change: dict[str, Any], since: float
) -> None:
    times = iter([1.0, 2.0])
    vaultsecrets = VaultSecrets(lambda: next(times))
    vaultsecrets.put(version(1))

    vaultsecrets.put(version(2, **change))

    assert vaultsecrets.came(KEY) == since
    assert vaultsecrets.came(OTHER) == -inf


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(1, 2, 2), (2, 1, 2), (9, 10, 10), (10, 9, 10), (1, 1, 1)],
)
def test_of_two_states_the_newer_is_kept(first: int, second: int, kept: int) -> None:
    vaultsecrets = view(version(first))

    news = vaultsecrets.put(version(second))

    resource = vaultsecrets.get(KEY)
    assert resource
    assert resource.resource_version == str(kept)
    assert news is (second > first)


def test_what_others_manage_is_not_kept() -> None:
    managed = edited(vault_secret_body(), managedFields=[{"manager": "x" * 100_000}])
    vaultsecrets = view(managed)

    assert "xxx" not in str(vars(vaultsecrets))


def sealed_with(number: int, *tokens: str) -> Body:
    spec = {"type": "opaque", "sealed": {str(i): t for i, t in enumerate(tokens)}}
    return version(number) | {"spec": spec}


def test_resources_are_counted_by_the_keys_of_their_tokens() -> None:
    one, two = (f"vf1.fernet.strict.0badc0de-{epoch}.AAAA" for epoch in (1, 2))
    other = edited(sealed_with(1, one), name="other")
    vaultsecrets = view(sealed_with(1, one), other)
    assert vaultsecrets.by_key_ids == {("0badc0de-1",): 2}

    vaultsecrets.put(sealed_with(2, one, two, two))
    both = ("0badc0de-1", "0badc0de-2")
    assert vaultsecrets.by_key_ids == {("0badc0de-1",): 1, both: 1}

    vaultsecrets.drop(KEY)
    vaultsecrets.drop(Key(NAMESPACE, "other"))
    assert vaultsecrets.by_key_ids == {}


def test_a_resource_without_tokens_counts_for_no_key() -> None:
    assert view(version(1) | {"spec": None}).by_key_ids == {(): 1}


def test_a_status_that_was_written_is_seen_at_once() -> None:
    vaultsecrets = view(version(1))
    answer = version(2, generation=1)["metadata"]

    vaultsecrets.put_status(KEY, answer, {"version": 3})

    resource = vaultsecrets.get(KEY)
    assert resource
    assert (resource.resource_version, resource.status.version) == ("2", 3)
    assert resource.spec.type == "token"


def test_a_status_does_not_undo_what_came_later() -> None:
    vaultsecrets = view(version(3, generation=2))

    vaultsecrets.put_status(KEY, version(2)["metadata"], {"version": 3})

    resource = vaultsecrets.get(KEY)
    assert resource
    assert (resource.generation, resource.status.version) == (2, None)


def test_a_status_of_what_is_gone_brings_nothing_back() -> None:
    vaultsecrets = view()

    vaultsecrets.put_status(KEY, version(2)["metadata"], {})

    assert len(vaultsecrets) == 0


def test_a_resource_that_was_deleted_is_forgotten() -> None:
    vaultsecrets = view(version(1))

    vaultsecrets.drop(KEY, UID)

    assert (vaultsecrets.get(KEY), len(vaultsecrets)) == (None, 0)
    assert vaultsecrets.using(KEY) == ()


@pytest.mark.parametrize(("key", "uid"), [(KEY, "another"), (OTHER, UID)])
def test_a_late_deletion_does_not_take_the_next_one(key: Key, uid: str) -> None:
    vaultsecrets = view(version(1))

    vaultsecrets.drop(key, uid)

    assert vaultsecrets.get(KEY)


def test_resources_are_found_by_their_target() -> None:
    named = vault_secret_body(target={"name": NAME})
    vaultsecrets = view(version(1), edited(named, name="other"))

    assert set(vaultsecrets.using(KEY)) == {KEY, OTHER}
    assert vaultsecrets.using(Key("elsewhere", NAME)) == ()


def test_a_target_that_moved_is_found_at_its_new_name_only() -> None:
    vaultsecrets = view(version(1))
    moved = edited(vault_secret_body(target={"name": "other"}), resourceVersion="2")

    vaultsecrets.put(moved)

    assert vaultsecrets.using(OTHER) == (KEY,)
    assert vaultsecrets.using(KEY) == ()


def test_a_resource_without_a_spec_targets_its_own_name() -> None:
    vaultsecrets = view(vault_secret_body() | {"spec": None})

    assert vaultsecrets.using(KEY) == (KEY,)


def saying(number: int, name: str = NAME, **says: str) -> Body:
    conditions = [{"type": kind, "status": status} for kind, status in says.items()]
    body = edited(vault_secret_body(), name=name, resourceVersion=str(number))
    return body | {"status": {"conditions": conditions}}


def test_what_resources_say_of_themselves_is_counted() -> None:
    vaultsecrets = view(
        saying(1, "a", Ready="True"),
        saying(2, "b", Ready="True", Fresh="False"),
        saying(3, "c"),
        saying(4, Ready="False", Stalled="True", Unheard="True"),
    )
    assert vaultsecrets.saying("Ready", "True") == 2
    assert vaultsecrets.saying("Ready", "False") == 1

    vaultsecrets.put(saying(5, Ready="True"))
    vaultsecrets.put(saying(4, Ready="False"))
    vaultsecrets.drop(Key(NAMESPACE, "b"))

    assert vaultsecrets.saying("Ready", "True") == 2
    assert vaultsecrets.saying("Ready", "False") == 0
    assert vaultsecrets.saying("Fresh", "False") == 0
    assert vaultsecrets.saying("Stalled", "True") == 0
    assert vaultsecrets.saying("Unheard", "True") == 0


MERGE = {"name": "shared", "creationPolicy": "Merge"}
SHARED = Key(NAMESPACE, "shared")


def test_who_merges_shares_the_secret_that_it_merges_into() -> None:
    secrets = Secrets(view(vault_secret_body(target=MERGE)))

    assert secrets.shared(KEY) == SHARED


@pytest.mark.parametrize("bodies", [[], [vault_secret_body()]], ids=["gone", "there"])
def test_who_has_left_keys_in_a_secret_shares_that(bodies: list[Body]) -> None:
    secrets = Secrets(view(*bodies))
    assert secrets.shared(KEY) is None

    secrets.put(secret(7, name="shared", annotations={mark(str(KEY)): "{}"}))

    assert secrets.shared(KEY) == SHARED


@pytest.mark.parametrize(
    ("policy", "uid", "waiting"),
    [
        ("Orphan", UID, (OTHER,)),
        ("Owner", None, (OTHER,)),
        ("Merge", UID, ()),
        ("Orphan", "another", ()),
    ],
)
def test_of_one_that_is_gone_those_are_told_that_it_kept_waiting(
    policy: str, uid: str | None, waiting: tuple[Key, ...]
) -> None:
    other = edited(vault_secret_body(target={"name": NAME}), name="other")
    mine = vault_secret_body(target={"creationPolicy": policy})
    elsewhere = edited(vault_secret_body(), name="elsewhere")
    vaultsecrets = view(mine, other, elsewhere)

    assert vaultsecrets.drop(KEY, uid) == waiting


def test_a_target_is_kept_with_or_without_our_label() -> None:
    secrets = Secrets(view(version(1)))

    assert secrets.put(secret(7))
    assert (secrets.get(KEY) is not None, len(secrets)) == (True, 1)


def test_a_secret_with_our_label_is_kept_whoever_wants_it() -> None:
    secrets = Secrets(view())

    assert secrets.put(secret(7, labels={LABEL: "true"}))
    assert secrets.keys() == {KEY}


def test_other_secrets_are_not_kept() -> None:
    secrets = Secrets(view())

    assert not secrets.put(secret(7))
    assert secrets.get(KEY) is None


def test_a_secret_that_no_longer_matters_is_let_go() -> None:
    secrets = Secrets(view())
    secrets.put(secret(7, labels={LABEL: "true"}))

    secrets.put(secret(8))

    assert secrets.keys() == frozenset()


@pytest.mark.parametrize(("number", "news"), [(6, False), (7, False), (10, True)])
def test_of_two_secrets_the_newer_is_kept(number: int, *, news: bool) -> None:
    secrets = Secrets(view(version(1)))
    secrets.put(secret(7))

    assert secrets.put(secret(number)) is news

    kept = secrets.get(KEY)
    assert kept
    assert kept.resource_version == str(max(7, number))


@pytest.mark.parametrize(("uid", "left"), [("uid-of-secret", 0), ("another", 1)])
def test_only_the_secret_that_is_gone_is_forgotten(uid: str, left: int) -> None:
    secrets = Secrets(view(version(1)))
    secrets.put(secret(7))

    secrets.drop(KEY, uid, 8)
    secrets.drop(OTHER, uid, 8)

    assert len(secrets) == left


def recorded(number: int, *owners: str, **metadata: Any) -> Body:
    notes = {mark(owner): json.dumps({"name": owner[5:]}) for owner in owners}
    return secret(number, annotations=notes, **metadata)


def test_a_secret_with_a_record_is_kept_whoever_wants_it() -> None:
    secrets = Secrets(view())

    assert secrets.put(recorded(7, "team/app", "team/other"))

    assert [seen.name for seen in secrets.recorded(KEY)] == [NAME]
    assert secrets.recorders() == {KEY, OTHER}


def test_a_record_that_is_gone_is_no_longer_found() -> None:
    secrets = Secrets(view())
    secrets.put(recorded(7, "team/app", "team/other"))

    secrets.put(recorded(8, "team/other"))
    assert (secrets.recorded(KEY), secrets.recorders()) == ([], {OTHER})
    secrets.drop(KEY, "uid-of-secret", 9)
    assert (secrets.recorded(OTHER), secrets.recorders()) == ([], set())


def test_a_record_that_was_copied_to_another_namespace_is_not_ours() -> None:
    secrets = Secrets(view())
    secrets.put(recorded(7, "team/app", namespace="elsewhere"))

    assert (secrets.recorded(KEY), secrets.recorders()) == ([], set())


@pytest.mark.parametrize(("users", "news"), [(1, False), (2, True)])
def test_what_one_of_several_wrote_is_news_to_the_others(
    users: int, *, news: bool
) -> None:
    named = vault_secret_body(target={"name": NAME})
    bodies = [version(1), edited(named, name="other")]
    secrets = Secrets(view(*bodies[:users]))
    secrets.put(secret(7))

    assert secrets.put(secret(7)) is news
    assert not secrets.put(secret(6))


@pytest.mark.parametrize(("number", "news"), [(7, False), (8, False), (9, True)])
def test_what_was_read_before_a_deletion_does_not_undo_it(
    number: int, *, news: bool
) -> None:
    secrets = Secrets(view(version(1)))
    secrets.drop(KEY, "uid-of-secret", 8)

    assert secrets.put(secret(number)) is news
    assert (secrets.get(KEY) is not None) is news


def test_not_every_deletion_is_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vaultferry.views._MOST_ENDS", 1)
    secrets = Secrets(view(version(1), version(1, name="other")))

    secrets.drop(KEY, "uid-of-secret", 8)
    secrets.drop(OTHER, "uid-of-secret", 8)

    assert secrets.put(secret(7))


def expiring(number: int, name: str = NAME, end: str | None = None) -> Body:
    return version(number, name=name) | {"status": {"expiresAt": end}}


def test_the_ends_of_credentials_are_counted() -> None:
    vaultsecrets = view(
        expiring(1, "a", "1970-01-01T00:00:07Z"),
        expiring(2, "b", "1970-01-01T00:00:09Z"),
        expiring(3, "c"),
    )

    assert [vaultsecrets.expired_by(when) for when in (6.0, 7.0, 9.0)] == [0, 1, 2]


def test_an_end_goes_with_the_credential_and_with_the_resource() -> None:
    vaultsecrets = view(expiring(1, end="1970-01-01T00:00:07Z"))
    assert vaultsecrets.expiry(KEY)

    vaultsecrets.put(expiring(2))
    assert vaultsecrets.expiry(KEY) is None

    vaultsecrets.put(expiring(3, end="1970-01-01T00:00:07Z"))
    vaultsecrets.drop(KEY)
    assert vaultsecrets.expired_by(7.0) == 0
