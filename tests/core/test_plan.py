"""What a write makes of the Secret that is there, applied as the API server would."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NAME, OWNER, UID, Body, current, desired, secret_body, seen
from tests.patches import json_patched
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import Conflict, SecretImmutable, TypeDiffers
from vaultferry.core.metadata import record
from vaultferry.core.plan import Create, Keep, Patch, Write, is_ours, rival, write
from vaultferry.core.secret import (
    FINGERPRINT,
    LABEL,
    METADATA,
    VERSION,
    Content,
    Current,
    Desired,
    Seen,
    encoded,
)
from vaultferry.core.secret import OWNER as OWNER_KEY

OWN = {OWNER_KEY: OWNER, VERSION: "1", FINGERPRINT: "f"}
OURS = {
    "apiVersion": "vaultferry.dev/v1alpha1",
    "kind": "VaultSecret",
    "name": NAME,
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
THEIRS = {"apiVersion": "example.com/v1", "kind": "Other", "name": NAME, "uid": "1"}


def stored(data: dict[str, bytes] | None = None, **metadata: Any) -> Body:
    """Return a Secret that is ours as the API server keeps it."""
    labels, refs = {LABEL: "true"}, [OURS]
    ours = {"annotations": OWN, "labels": labels, "ownerReferences": refs}
    data = {"token": b"1"} if data is None else data
    return secret_body(**ours | metadata) | {"data": encoded(data)}


def read(body: Body) -> Current:
    return Current(Seen.parse(body), Content.parse(body))


def applied(how: Write, body: Body | None) -> Body:
    """Return the Secret after a write, with the next resourceVersion."""
    match how:
        case Create(manifest=manifest):
            made = dict(manifest)
            return made | {"metadata": made["metadata"] | _identity("1")}
        case Patch(operations=operations):
            changed: Body = json_patched(body or {}, operations)
            return changed | {"metadata": changed["metadata"] | _identity("8")}
        case Keep():
            return body or {}


def _identity(version: str) -> dict[str, str]:
    return {"uid": "uid-of-secret", "resourceVersion": version}


def made(wanted: Desired, body: Body | None = None) -> Body:
    """Return the Secret after one write."""
    return applied(write(wanted, read(body) if body else None), body)


def metadata_of(wanted: Desired, body: Body | None = None) -> Body:
    metadata: Body = made(wanted, body)["metadata"]
    return metadata


def test_what_is_absent_is_created_whole() -> None:
    body = made(desired(labels={"team": "a"}, annotations={"note": "b"}))

    record_of_both = record(["team"], ["note"])
    assert body["metadata"] == {
        "name": NAME,
        "namespace": "team",
        "labels": {"team": "a", LABEL: "true"},
        "annotations": {"note": "b", METADATA: record_of_both} | OWN,
        "ownerReferences": [OURS],
    } | _identity("1")
    assert body["type"] == "Opaque"
    assert body["data"] == {"token": "MQ=="}


def test_what_is_right_is_kept() -> None:
    body = stored()

    assert write(desired(), read(body)) == Keep(Seen.parse(body))


def test_a_patch_fails_where_the_secret_moved_meanwhile() -> None:
    how = write(desired({"token": b"2"}), read(stored()))

    assert isinstance(how, Patch)
    guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    assert how.operations[0] == guard


@pytest.mark.parametrize(
    "there", [{}, {"token": b"2"}, {"token": b"1", "more": b"1"}, {"other": b"1"}]
)
def test_data_becomes_exactly_what_is_wanted(there: dict[str, bytes]) -> None:
    body = made(desired(), stored(there))

    assert body["data"] == {"token": "MQ=="}


def test_data_that_was_not_read_is_written() -> None:
    body = stored()
    unread = Current(Seen.parse(body))

    how = write(desired({"token": b"2"}), unread)

    assert applied(how, body)["data"] == {"token": "Mg=="}


def test_version_and_fingerprint_change_only_with_data() -> None:
    old = OWN | {FINGERPRINT: "another key's"}

    same = write(desired(), read(stored(annotations=old)))
    other = metadata_of(desired({"token": b"2"}), stored(annotations=old))

    assert isinstance(same, Keep)
    assert other["annotations"] == OWN


def test_unread_data_of_the_same_version_keeps_the_fingerprint() -> None:
    body = stored(annotations=OWN | {FINGERPRINT: "another key's"})

    how = write(desired(), Current(Seen.parse(body)))

    assert isinstance(how, Patch)
    assert applied(how, body) == body | {"metadata": body["metadata"] | _identity("8")}


@pytest.mark.parametrize("lost", [VERSION, FINGERPRINT])
def test_a_lost_annotation_of_ours_is_put_back(lost: str) -> None:
    there = {k: v for k, v in OWN.items() if k != lost}

    assert metadata_of(desired(), stored(annotations=there))["annotations"] == OWN


@pytest.mark.parametrize("version", ["2", "garbled", "0"])
def test_a_version_that_is_not_ours_is_written_with_the_data(version: str) -> None:
    there = stored(annotations=OWN | {VERSION: version})

    assert metadata_of(desired(), there)["annotations"] == OWN


def test_foreign_metadata_stays() -> None:
    theirs = {"example.com/x": "1", "note": "theirs"}
    there = stored(
        {},
        labels={LABEL: "true"} | theirs,
        annotations=OWN | theirs,
        ownerReferences=[THEIRS, OURS],
    )

    metadata = metadata_of(desired(), there)

    assert theirs.items() <= metadata["labels"].items()
    assert theirs.items() <= metadata["annotations"].items()
    assert metadata["ownerReferences"] == [THEIRS, OURS]


def test_keys_that_were_recorded_go_when_no_longer_wanted() -> None:
    both = {"kept": "1", "gone": "1"}
    there = stored(
        labels={LABEL: "true"} | both,
        annotations=OWN | both | {METADATA: record(["gone"], ["gone"])},
    )

    metadata = metadata_of(desired(), there)

    assert metadata["labels"] == {LABEL: "true", "kept": "1"}
    assert metadata["annotations"] == OWN | {"kept": "1"}


def test_recorded_keys_that_are_still_wanted_are_put_right() -> None:
    wanted = desired(labels={"team": "a"}, annotations={"note": "b"})
    there = stored(
        labels={"team": "changed"},
        annotations=OWN | {METADATA: record(["team", "gone"], ["note"])},
    )

    metadata = metadata_of(wanted, there)

    assert metadata["labels"] == {LABEL: "true", "team": "a"}
    record_now = {"note": "b", METADATA: record(["team"], ["note"])}
    assert metadata["annotations"] == OWN | record_now


def test_our_label_is_put_back() -> None:
    assert metadata_of(desired(), stored(labels={}))["labels"] == {LABEL: "true"}


def test_from_owner_to_orphan_only_the_owner_reference_goes() -> None:
    there = stored(ownerReferences=[THEIRS, OURS])

    how = write(desired(creationPolicy="Orphan"), read(there))

    expected = stored(ownerReferences=[THEIRS], resourceVersion="8")
    assert applied(how, there) == expected


def test_from_orphan_to_owner_only_the_owner_reference_comes() -> None:
    there = stored(ownerReferences=[THEIRS])

    body = made(desired(), there)

    assert body == stored(ownerReferences=[THEIRS, OURS], resourceVersion="8")


def test_the_reference_to_an_earlier_resource_of_the_name_is_replaced() -> None:
    earlier = OURS | {"uid": "earlier", "apiVersion": "vaultferry.dev/v1alpha0"}

    metadata = metadata_of(desired(), stored(ownerReferences=[earlier, THEIRS]))

    assert metadata["ownerReferences"] == [THEIRS, OURS]


CLAIMS = {
    "none is there": ([], "Owner", True),
    "only others are": ([THEIRS], "Owner", True),
    "an earlier one is": ([OURS | {"uid": "earlier"}], "Owner", True),
    "it is there": ([OURS], "Owner", False),
    "none is wanted": ([], "Orphan", False),
    "it is to go": ([OURS], "Orphan", False),
}


@pytest.mark.parametrize(("refs", "policy", "claims"), CLAIMS.values(), ids=CLAIMS)
def test_a_patch_that_puts_an_owner_reference_claims_the_secret(
    refs: list[Body], policy: str, *, claims: bool
) -> None:
    there = stored({}, ownerReferences=refs)

    how = write(desired(creationPolicy=policy), read(there))

    assert isinstance(how, Patch)
    assert how.claims is claims


NOT_US = {
    "another kind": OURS | {"kind": "VaultConnection"},
    "another group": OURS | {"apiVersion": "example.com/v1"},
    "another name": OURS | {"name": "other"},
    "nothing at all": {},
}


@pytest.mark.parametrize("ref", NOT_US.values(), ids=NOT_US)
def test_other_references_stay(ref: Body) -> None:
    assert (
        metadata_of(desired(), stored(ownerReferences=[ref]))
        == (stored(ownerReferences=[ref, OURS], resourceVersion="8")["metadata"])
    )


@pytest.mark.parametrize("annotations", [{}, {OWNER_KEY: "other/app"}])
def test_a_secret_that_is_not_ours_is_never_touched(annotations: Body) -> None:
    there = current(annotations=annotations)

    assert not is_ours(there.seen, OWNER)
    with pytest.raises(Conflict, match="Secret app exists and is not ours"):
        write(desired(), there)


@pytest.mark.parametrize("allow", ["adopt", "adopt=app", "merge, adopt=a*"])
def test_a_secret_that_consents_becomes_ours_and_keeps_foreign_metadata(
    allow: str,
) -> None:
    there = stored(
        {"token": b"0", "foreign": b"2"},
        annotations={ALLOW: allow, OWNER_KEY: "team/other"},
        labels={"team": "a"},
        ownerReferences=[THEIRS],
    )

    body = made(desired(), there)

    assert body["data"] == encoded({"token": b"1"})
    metadata = body["metadata"]
    assert metadata["annotations"] == OWN | {ALLOW: allow}
    assert metadata["labels"] == {"team": "a", LABEL: "true"}
    assert metadata["ownerReferences"] == [THEIRS, OURS]


@pytest.mark.parametrize("allow", ["merge", "adopt=other", "adopt!"])
def test_other_consent_does_not_make_it_ours(allow: str) -> None:
    with pytest.raises(Conflict, match=r"annotate it with .*/allow: adopt=app"):
        write(desired(), current(annotations={ALLOW: allow}))


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({}, None),
        ({OWNER_KEY: OWNER}, None),
        ({OWNER_KEY: "elsewhere/other"}, None),
        ({OWNER_KEY: "team"}, None),
        ({OWNER_KEY: "team/../../other"}, None),
        ({OWNER_KEY: "team/.."}, None),
        ({OWNER_KEY: "team/" + "a" * 254}, None),
        ({OWNER_KEY: "team/a.b"}, "a.b"),
        ({OWNER_KEY: "team/other"}, "other"),
    ],
)
def test_a_rival_is_another_owner_in_the_namespace(
    annotations: Body, name: str | None
) -> None:
    assert rival(seen(annotations=annotations), OWNER) == name


def test_a_secret_of_another_type_is_never_touched() -> None:
    there = read(stored({}))

    with pytest.raises(TypeDiffers, match=r"has type Opaque, wanted example.com/other"):
        write(desired(type="example.com/other"), there)


def test_the_data_of_an_immutable_secret_is_never_touched() -> None:
    there = read(stored({"token": b"2"}) | {"immutable": True})

    with pytest.raises(SecretImmutable, match="delete it, and it is made anew"):
        write(desired(), there)


def test_the_metadata_of_an_immutable_secret_can_be_repaired() -> None:
    there = stored(labels={}) | {"immutable": True}

    assert made(desired(), there)["metadata"]["labels"] == {LABEL: "true"}


def test_writes_do_not_show_what_they_write() -> None:
    wanted = desired({"token": b"canary"})
    writes = [write(wanted, None), write(wanted, read(stored()))]

    assert [repr(how) for how in writes if "token" in repr(how)] == []


def test_a_secret_is_ours_by_its_annotation_alone() -> None:
    assert is_ours(seen(annotations={OWNER_KEY: OWNER}), OWNER)
    assert not is_ours(seen(labels={LABEL: "true"}, ownerReferences=[OURS]), OWNER)


KEYS = st.sampled_from(["a", "b", "c/d", "vaultferry.dev/x"])
PAIRS = st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=3)
DATA = st.dictionaries(KEYS, st.sampled_from([b"", b"1", b"\xff"]), max_size=3)
REFS = st.lists(st.sampled_from([OURS, THEIRS, *NOT_US.values()]), max_size=3)
TARGETS = st.fixed_dictionaries(
    {},
    optional={
        "labels": PAIRS,
        "annotations": PAIRS,
        "creationPolicy": st.sampled_from(["Owner", "Orphan"]),
    },
)
RECORDS = st.builds(record, st.sets(KEYS), st.sets(KEYS)) | st.just("garbled")
ANNOTATIONS = st.builds(
    lambda foreign, ours: foreign | ours | {OWNER_KEY: OWNER},
    PAIRS,
    st.fixed_dictionaries(
        {},
        optional={
            METADATA: RECORDS,
            VERSION: st.sampled_from(["1", "2", "x"]),
            FINGERPRINT: st.sampled_from(["f", "g"]),
        },
    ),
)
SECRETS = st.none() | st.builds(
    lambda data, labels, annotations, refs: stored(
        data, labels=labels, annotations=annotations, ownerReferences=refs
    ),
    DATA,
    PAIRS,
    ANNOTATIONS,
    REFS,
)


@given(DATA, TARGETS, SECRETS)
def test_one_write_is_enough(data: Any, target: Any, there: Body | None) -> None:
    wanted = desired(data, **target)

    body = made(wanted, there)

    assert isinstance(write(wanted, read(body)), Keep)
    assert Content.parse(body).data == data
    assert wanted.labels.items() <= body["metadata"]["labels"].items()
    assert wanted.annotations.items() <= body["metadata"]["annotations"].items()


@given(TARGETS, TARGETS, SECRETS)
def test_only_what_was_recorded_is_ever_taken_away(
    before: Any, after: Any, there: Body | None
) -> None:
    first = made(desired(**before), there)
    second = made(desired(**after), first)

    for kind in ("labels", "annotations"):
        lost = set(first["metadata"][kind]) - set(second["metadata"][kind])
        assert lost <= {*before.get(kind, {}), METADATA}
