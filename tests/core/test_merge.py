"""Whose keys are in a shared Secret, and what a write makes of them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.builders import NAME, OWNER, Body, secret_body, vault_secret
from vaultferry.core.consent import ALLOW
from vaultferry.core.desired import Credential
from vaultferry.core.errors import Conflict, NotAllowed, SecretImmutable
from vaultferry.core.merge import (
    Apply,
    Found,
    is_merging,
    manager,
    mark,
    nothing,
    recorded,
    unrecorded,
    write,
)
from vaultferry.core.plan import Keep
from vaultferry.core.secret import OWNER as OWNER_KEY
from vaultferry.core.secret import Seen, encoded

US = manager(OWNER)
MERGING = vault_secret(target={"creationPolicy": "Merge"})
CREDENTIAL = Credential({"token": b"1"}, 2, "f")
RECORD = '{"name":"app","version":2,"fingerprint":"f"}'
DATA = {"token": b"1", "theirs": b"2"}


def entry(*keys: str, by: str = US, operation: str = "Apply") -> Body:
    """Return what the API server remembers of a field manager."""
    fields: Body = {".": {}} | {f"f:{key}": {} for key in keys}
    return {"manager": by, "operation": operation, "fieldsV1": {"f:data": fields}}


def shared(
    data: Mapping[str, bytes] = DATA,
    notes: Mapping[str, str] | None = None,
    managed: list[Body] | None = None,
    **body: Any,
) -> Body:
    """Return a Secret with a key of ours and one of somebody else."""
    known = {ALLOW: "merge", mark(OWNER): RECORD}
    entries = [entry("token"), entry("theirs", by="kubectl", operation="Update")]
    metadata: Body = {
        "annotations": known if notes is None else dict(notes),
        "managedFields": entries if managed is None else managed,
    }
    return secret_body(**metadata) | {"data": encoded(data)} | body


def written(body: Body, credential: Credential = CREDENTIAL) -> Apply | Keep:
    return write(MERGING, credential, Found.parse(body, US))


def test_the_manager_and_the_record_are_named_after_namespace_and_name() -> None:
    # The first 32 hexadecimal digits of the SHA-256 of "team/app".
    digest = "e46f7d74783804faa2021a16921c53e9"

    assert manager("team/app") == f"vaultferry-{digest}"
    assert mark("team/app") == f"merge.vaultferry.dev/{digest}"


@pytest.mark.parametrize(
    ("target", "merges"),
    [(None, False), ({}, False), ({"creationPolicy": "Owner"}, False)],
)
def test_only_the_policy_makes_it_merge(target: Body | None, *, merges: bool) -> None:
    assert is_merging(vault_secret(target=target or {})) is merges
    assert is_merging(MERGING)


def test_what_is_right_is_kept() -> None:
    assert isinstance(written(shared()), Keep)


@pytest.mark.parametrize(
    "body",
    [
        shared({"theirs": b"2"}, managed=[]),
        shared({"token": b"0", "theirs": b"2"}),
        shared({"token": b"1", "old": b"0"}, managed=[entry("token", "old")]),
        shared(notes={ALLOW: "merge"}),
        shared(notes={ALLOW: "merge", mark(OWNER): '{"version":1}'}),
        shared({}, managed=[]),
    ],
    ids=["gone", "another value", "left over", "no record", "another version", "empty"],
)
def test_what_differs_is_applied_with_exactly_our_keys(body: Body) -> None:
    how = written(body)

    assert isinstance(how, Apply)
    assert how.manifest == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": NAME,
            "namespace": "team",
            "uid": "uid-of-secret",
            "resourceVersion": "7",
            "annotations": {mark(OWNER): RECORD},
        },
        "data": {"token": "MQ=="},
    }


@pytest.mark.parametrize("value", [b"1", b"2"], ids=["equal", "another"])
@pytest.mark.parametrize(
    "managed",
    [
        [],
        [entry("token", by="kubectl-edit", operation="Update")],
        [entry("token", by="another")],
        [entry("token", operation="Update")],
        [entry("theirs")],
        [{"manager": US, "operation": "Apply"}],
    ],
)
def test_a_key_that_we_have_not_set_is_theirs_whatever_it_holds(
    value: bytes, managed: list[Body]
) -> None:
    with pytest.raises(Conflict, match="keys of somebody else: token;") as caught:
        written(shared({"token": value}, managed=managed))

    assert "MQ" not in str(caught.value)


@pytest.mark.parametrize("allow", ["", "adopt", "merge=other", "merge!"])
def test_without_consent_nothing_is_written(allow: str) -> None:
    with pytest.raises(NotAllowed, match=r"annotate it with .*/allow: merge=app"):
        written(shared(notes={ALLOW: allow}))


@pytest.mark.parametrize(
    "kind",
    [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
    ],
)
def test_a_type_with_a_power_of_its_own_is_refused(kind: str) -> None:
    with pytest.raises(NotAllowed, match=f"has type {kind}"):
        written(shared(type=kind))


def test_any_other_type_will_do() -> None:
    assert isinstance(written(shared(type="kubernetes.io/tls")), Keep)


@pytest.mark.parametrize("owner", ["team/app", "team/other"])
def test_a_secret_that_a_resource_makes_is_not_merged_into(owner: str) -> None:
    with pytest.raises(Conflict, match=f"made by VaultSecret {owner}"):
        written(shared(notes={ALLOW: "merge", OWNER_KEY: owner}))


def test_a_copy_from_another_namespace_is_nobodys() -> None:
    notes = {ALLOW: "merge", OWNER_KEY: "elsewhere/app", mark(OWNER): RECORD}

    assert isinstance(written(shared(notes=notes)), Keep)


def test_an_immutable_secret_says_so_only_where_it_differs() -> None:
    assert isinstance(written(shared(immutable=True)), Keep)
    with pytest.raises(SecretImmutable, match="app is immutable"):
        written(shared({}, managed=[], immutable=True))


def test_our_part_is_seen_as_a_secret_of_our_own() -> None:
    part = Found.parse(shared(), US).own_part(MERGING)

    assert (part.seen.version, part.seen.fingerprint) == (2, "f")
    assert part.content is not None
    assert part.content.data == {"token": b"1"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"app"', "null", "[" * 100_000, '{"version":true}', "{}"],
    ids=lambda text: text[:10],
)
def test_a_garbled_record_counts_nothing(text: str) -> None:
    part = Found.parse(shared(notes={mark(OWNER): text}), US).own_part(MERGING)

    assert part.seen.version is None


def seen(**notes: str) -> Seen:
    return Seen.parse(secret_body(annotations=notes))


def test_a_record_tells_whose_it_is() -> None:
    other = json.dumps({"name": "other"})
    notes = {mark(OWNER): RECORD, mark("team/other"): other, "note": RECORD}

    assert sorted(recorded(seen(**notes))) == ["app", "other"]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (mark("elsewhere/app"), RECORD),
        (mark("team/other"), RECORD),
        (mark(OWNER), "{"),
        (mark(OWNER), "{}"),
        (mark("team/../other"), '{"name":"../other"}'),
        (mark("team/None"), "{}"),
        (mark(OWNER), '{"name":["app"]}'),
        ("merge.vaultferry.dev/x", RECORD),
    ],
)
def test_a_record_of_another_place_is_none(key: str, text: str) -> None:
    assert list(recorded(seen(**{key: text}))) == []


def test_an_apply_of_nothing_names_the_very_secret_that_was_seen() -> None:
    manifest = nothing(seen(note="1"))

    assert manifest["metadata"] == {
        "name": NAME,
        "namespace": "team",
        "uid": "uid-of-secret",
        "resourceVersion": "7",
    }
    assert manifest.keys() == {"apiVersion", "kind", "metadata"}


def test_a_record_is_taken_away_from_the_very_secret_that_was_seen() -> None:
    digest = mark(OWNER).rpartition("/")[2]
    path = f"/metadata/annotations/merge.vaultferry.dev~1{digest}"

    assert unrecorded(seen(), OWNER) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "remove", "path": path},
    ]


def test_nothing_that_holds_values_shows_them() -> None:
    found = Found.parse(shared(), US)

    assert "MQ==" not in f"{found!r}{written(shared({}, managed=[]))!r}"
    assert "b'1'" not in f"{found!r}"
