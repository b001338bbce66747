"""Plaintext becomes tokens, and only the live VaultSecret is ever compared with."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest

from tests.admission import Body, applied, opened, plain, review, stored
from tests.builders import NAME, NAMESPACE
from tests.keyrings import keyring
from tests.patches import json_patched
from vaultferry.core import admission
from vaultferry.core.admission import Malformed, Request, Sealing
from vaultferry.core.errors import InvalidSpec, NeedsPerson, ValueInvalid
from vaultferry.core.lastapplied import ANNOTATION
from vaultferry.core.sealing import Place, Scope

CANARY = "canary-value"


def unchecked(spec: Mapping[str, Any], values: Mapping[str, bytes]) -> list[str]:
    del spec
    return [f"{len(values)} values"]


def sealing(
    body: Body, before: Body | None = None, live: Body | None = None, **more: Any
) -> Sealing:
    request = Request.parse(review(body, before, **more))
    return admission.seal(request, keyring(), live, unchecked)


def result(body: Body, before: Body | None = None, live: Body | None = None) -> Body:
    """Return the VaultSecret as it is stored."""
    changed: Body = json_patched(body, sealing(body, before, live).operations)
    return changed


def at(place: Place, value: str = CANARY, scope: Scope = Scope.STRICT) -> str:
    return keyring().seal_at_rest(value.encode(), scope, place)


HERE = Place(NAMESPACE, NAME, "a")


def test_plaintext_becomes_strict_tokens_for_its_place() -> None:
    spec = result(plain(a=CANARY, b="ä漢"))["spec"]

    assert spec.keys() == {"type", "sealed"}
    assert opened(spec) == {"a": CANARY.encode(), "b": "ä漢".encode()}
    assert {t.split(".")[2] for t in spec["sealed"].values()} == {"strict"}


def test_a_token_that_holds_the_value_is_kept() -> None:
    old = stored({"a": at(HERE)})

    made = sealing(plain({"sealed": old["spec"]["sealed"]}, a=CANARY), old, old)

    assert made.operations[1]["value"] == old["spec"]["sealed"]
    assert (made.sealed, made.kept, made.remarks) == (0, 1, ["1 values"])


def test_only_what_changed_is_sealed_anew() -> None:
    old = stored({"a": at(HERE), "b": at(Place(NAMESPACE, NAME, "b"), "before")})

    made = sealing(plain(a=CANARY, b="after"), old, old)

    tokens = made.operations[1]["value"]
    assert tokens["a"] == old["spec"]["sealed"]["a"]
    assert opened({"sealed": tokens})["b"] == b"after"
    assert (made.sealed, made.kept) == (1, 1)


def test_plaintext_is_the_whole_truth() -> None:
    old = stored({"a": at(HERE), "b": at(Place(NAMESPACE, NAME, "b"))})

    spec = result(plain({"sealed": old["spec"]["sealed"]}, a=CANARY), old, old)["spec"]

    assert spec["sealed"].keys() == {"a"}


ELSEWHERE = {
    "another namespace": Place("other", NAME, "a"),
    "another name": Place(NAMESPACE, "other", "a"),
    "another field": Place(NAMESPACE, NAME, "b"),
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_token_of_another_place_is_never_kept(place: Place) -> None:
    old = stored({"a": at(place)})

    made = sealing(plain(a=CANARY), old, old)

    assert made.operations[1]["value"]["a"] != old["spec"]["sealed"]["a"]
    assert made.kept == 0


@pytest.mark.parametrize("token", ["", "vf1.x", "canary", 7, None])
def test_what_is_no_token_is_never_kept(token: Any) -> None:
    old = stored({"a": token})

    assert sealing(plain(a=CANARY), old, old).kept == 0


def test_a_token_in_the_request_is_never_compared_with() -> None:
    claimed = stored({"a": at(HERE)})
    live = stored({"a": at(HERE, "what it really is")})
    body = plain({"sealed": claimed["spec"]["sealed"]}, a=CANARY)

    for known in (live, None):
        made = sealing(body, claimed, known)

        assert made.kept == 0
        assert made.operations[1]["value"]["a"] != claimed["spec"]["sealed"]["a"]


@pytest.mark.parametrize("uid", ["uid-of-another", None, 7])
def test_a_live_vaultsecret_with_another_uid_is_not_compared_with(uid: Any) -> None:
    old = stored({"a": at(HERE)})

    assert sealing(plain(a=CANARY), old, stored({"a": at(HERE)}, uid=uid)).kept == 0


def test_a_live_vaultsecret_without_tokens_is_no_hindrance() -> None:
    old = stored({})
    del old["spec"]["sealed"]

    assert sealing(plain(a=CANARY), old, old).sealed == 1
    assert sealing(plain(a=CANARY), old, {"metadata": old["metadata"]}).sealed == 1


def test_plaintext_beside_tokens_of_ones_own_is_refused() -> None:
    old = stored({"a": at(HERE)})
    both = plain({"sealed": {"a": at(HERE)}}, a=CANARY)

    for before in (None, old):
        with pytest.raises(InvalidSpec, match="leave one of them out"):
            sealing(both, before, old)


def test_what_has_no_plaintext_is_left_alone() -> None:
    old = stored({"a": at(HERE)})

    assert sealing(old, old).operations == []
    assert sealing(old | {"spec": {}}, old).operations == []
    assert sealing({"metadata": old["metadata"]}, old).operations == []
    assert sealing(old | {"spec": "text"}, old).operations == []


@pytest.mark.parametrize("source", admission.OTHER_SOURCES)
def test_tokens_go_when_another_source_takes_their_place(source: str) -> None:
    old = stored({"a": at(HERE)})
    moved = old | {"spec": {**old["spec"], source: {"name": "x"}}}

    assert result(moved, old)["spec"] == {"type": "opaque", source: {"name": "x"}}


@pytest.mark.parametrize("source", admission.OTHER_SOURCES)
def test_tokens_of_ones_own_stay_for_the_api_server_to_refuse(source: str) -> None:
    old = stored({"a": at(HERE)})
    both = {"type": "opaque", "sealed": {"a": at(HERE)}, source: {"name": "x"}}

    assert sealing(old | {"spec": both}, old).operations == []
    assert sealing({**old, "spec": {source: {}}}, old).operations == []


WRONG: dict[str, tuple[Any, str]] = {
    "a text": (CANARY, "no map of fields"),
    "null": (None, "no map of fields"),
    "a list": ([CANARY], "no map of fields"),
    "nothing": ({}, "no map of fields"),
    "a number": ({"a": 7}, "field a of spec.credentials is no text"),
    "an object": ({"a": {"b": CANARY}}, "field a of spec.credentials is no text"),
    "an empty value": ({"a": ""}, "field a of spec.credentials has 0 bytes"),
    "half a character": ({"a": "\ud800"}, "field a of spec.credentials has 0 bytes"),
    "a long value": (
        {"a": "ä" * 16_385},
        "field a of spec.credentials has 32770 bytes of text, 1 to 32768 wanted",
    ),
    "a blank in a key": ({"b": "x", f"{CANARY} ": "x"}, "field 2 of 2 is no legal key"),
    "a long key": ({CANARY * 99: "x"}, "field 1 of 1 is no legal key of a Secret"),
    "65 fields": ({f"k{i}": CANARY for i in range(65)}, "has 65 fields, at most 64"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_sealed_is_refused_without_the_value(case: str) -> None:
    credentials, words = WRONG[case]

    with pytest.raises(NeedsPerson) as refusal:
        sealing(plain({"credentials": credentials}))

    assert words in str(refusal.value)
    assert CANARY not in str(refusal.value)


def test_the_longest_values_are_sealed() -> None:
    credentials = {f"k{i}": "v" * 32_768 for i in range(64)}

    assert sealing(plain({"credentials": credentials})).sealed == 64


def test_the_type_checks_the_values() -> None:
    def refusing(spec: Mapping[str, Any], values: Mapping[str, bytes]) -> list[str]:
        assert (spec["type"], values) == ("opaque", {"a": CANARY.encode()})
        raise ValueInvalid("field a cannot be")

    request = Request.parse(review(plain(a=CANARY)))

    with pytest.raises(ValueInvalid, match="field a cannot be"):
        admission.seal(request, keyring(), None, refusing)


def test_without_a_name_nothing_can_be_bound_to_it() -> None:
    body = plain(a=CANARY)
    del body["metadata"]["name"]

    with pytest.raises(InvalidSpec, match=r"give it metadata\.name"):
        sealing(body)


def test_what_client_side_apply_remembers_is_cleaned_in_the_same_patch() -> None:
    body = applied(plain(a=CANARY))

    stored_body = result(body)

    annotations = stored_body["metadata"]["annotations"]
    assert annotations.keys() == {ANNOTATION, "other"}
    assert CANARY not in str(stored_body)
    assert '"sealed":{"a":""}' in annotations[ANNOTATION]


def test_what_client_side_apply_remembers_stays_where_it_is_clean() -> None:
    for manifest in ({"kind": "VaultSecret", "spec": {"type": "opaque"}}, {"a": 1}):
        body = applied(plain(a=CANARY), manifest)

        assert len(sealing(body).operations) == 2


def test_annotations_that_are_none_are_no_hindrance() -> None:
    body = plain(a=CANARY)

    for annotations in (None, {}, {ANNOTATION: 7}):
        body["metadata"]["annotations"] = annotations
        assert len(sealing(body).operations) == 2


def test_only_a_change_with_plaintext_needs_the_live_vaultsecret() -> None:
    old = stored({"a": at(HERE)})

    def compares(body: Body, before: Body | None) -> bool:
        return Request.parse(review(body, before)).compares

    assert compares(plain(a=CANARY), old)
    assert not compares(plain(a=CANARY), None)
    assert not compares(old, old)


FORGED: dict[str, Any] = {
    "uid": ["", None, 7, "u" * 65],
    "operation": ["DELETE", "CONNECT", "", None],
    "namespace": ["", "../x", "a/b", "A", None, 7],
    "resource": [None, {}, {"group": "", "resource": "secrets"}, "vaultsecrets"],
    "object": [None, [], "text", {}, {"metadata": []}, {"metadata": {"name": "a/b"}}],
    "oldObject": ["text", [1], 7],
    "subResource": ["status"],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in FORGED.items() for value in values],
)
def test_what_the_api_server_does_not_send_is_malformed(field: str, value: Any) -> None:
    body = plain(a=CANARY)
    forged = review(body) | {"request": review(body)["request"] | {field: value}}

    if field == "object" and value == {}:
        forged["request"][field] = {"spec": {}}
    with pytest.raises(Malformed):
        Request.parse(forged)


@pytest.mark.parametrize("text", [None, [], "text", 7, {}, {"request": []}])
def test_what_is_no_review_is_malformed(text: Any) -> None:
    with pytest.raises(Malformed):
        Request.parse(text)


def test_answers_carry_the_uid_and_the_words() -> None:
    request = Request.parse(review(plain(a=CANARY)))

    assert admission.allowed(request) == {"uid": "of-the-review", "allowed": True}
    assert admission.refused(request, HTTPStatus.UNPROCESSABLE_ENTITY, "Why.") == {
        "uid": "of-the-review",
        "allowed": False,
        "status": {"code": 422, "message": "Why."},
    }


def test_nothing_that_holds_values_shows_them() -> None:
    request = Request.parse(review(plain(a=CANARY)))

    assert CANARY not in repr(request)
    assert "vf1" not in repr(sealing(plain(a=CANARY)))
