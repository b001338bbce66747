"""What is no proper answer is no answer, and its words are not repeated."""

import json
from typing import Any

import pytest

from tests.builders import CANARY, Body, edited, secret_body
from vaultferry.core.answers import (
    Absent,
    Denied,
    Expired,
    Stale,
    event,
    page,
    refused,
)
from vaultferry.core.errors import ApiForbidden, ApiUnavailable

KINDS = ("ADDED", "MODIFIED", "DELETED")
MARK = {"resourceVersion": "9"}


def without(name: str) -> Body:
    metadata = secret_body()["metadata"]
    return {"metadata": {k: v for k, v in metadata.items() if k != name}}


BROKEN: dict[str, Any] = {
    "no metadata": {},
    "metadata that are none": {"metadata": CANARY},
    "no namespace": without("namespace"),
    "no name": without("name"),
    "no uid": without("uid"),
    "no version": without("resourceVersion"),
    "a name that is none": edited(secret_body(), name=[CANARY]),
    "a version that is no number": edited(secret_body(), resourceVersion=CANARY),
    "a version that is no text": edited(secret_body(), resourceVersion=9),
    "a version in other digits": edited(secret_body(), resourceVersion="\u0663"),
}


def told(kind: str, body: object) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_tells_what_happened_to_which_version_of_what(kind: str) -> None:
    assert event(told(kind, secret_body())) == (kind, secret_body())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_an_event_that_does_not_is_none(kind: str, body: Body) -> None:
    with pytest.raises(ApiUnavailable) as caught:
        event(told(kind, body))

    assert CANARY not in str(caught.value)


def test_a_bookmark_tells_only_a_version() -> None:
    assert event(told("BOOKMARK", {"metadata": MARK})) == (
        "BOOKMARK",
        {"metadata": MARK},
    )


@pytest.mark.parametrize("version", [None, "", CANARY, "-1"])
def test_a_bookmark_that_tells_none_is_none(version: str | None) -> None:
    with pytest.raises(ApiUnavailable):
        event(told("BOOKMARK", {"metadata": {"resourceVersion": version}}))


@pytest.mark.parametrize(
    ("code", "error"),
    [(410, Expired), (404, Absent), (409, Stale), ("410", ApiUnavailable)],
)
def test_an_error_that_a_watch_tells_has_a_number(
    code: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        event(told("ERROR", {"code": code}))


def test_a_page_tells_objects_its_version_and_where_it_goes_on() -> None:
    listed = {"metadata": MARK | {"continue": "x"}, "items": [secret_body()]}

    assert page(listed) == ([secret_body()], "9", "x")
    assert page({"metadata": MARK, "items": None}) == ([], "9", "")


@pytest.mark.parametrize("body", [*BROKEN.values(), CANARY], ids=[*BROKEN, "text"])
def test_a_page_with_what_is_no_object_is_none(body: object) -> None:
    with pytest.raises(ApiUnavailable):
        page({"metadata": MARK, "items": [secret_body(), body]})


@pytest.mark.parametrize("items", [CANARY, 1, {"a": 1}], ids=str)
def test_a_page_whose_items_are_no_list_is_none(items: object) -> None:
    with pytest.raises(ApiUnavailable):
        page({"metadata": MARK, "items": items})


def test_a_page_without_a_version_is_none() -> None:
    with pytest.raises(ApiUnavailable):
        page({"items": []})


@pytest.mark.parametrize(
    "details", [CANARY, [], {"causes": CANARY}, {"causes": [CANARY]}], ids=str
)
def test_a_refusal_by_somebody_in_between_is_a_refusal(details: object) -> None:
    text = json.dumps({"details": details}).encode()

    assert type(refused(403, text)) is ApiForbidden
    assert type(refused(409, text)) is Stale


def test_only_the_words_of_our_own_webhook_are_repeated() -> None:
    def said(message: str) -> Exception:
        return refused(422, json.dumps({"message": message}).encode())

    ours = 'admission webhook "seal.vaultferry.dev" denied the request: '

    assert isinstance(said(f"{ours}why"), Denied)
    assert str(said(f"{ours}why")) == "why"
    for other in (f"{CANARY}: {ours}{CANARY}", ours.replace("seal", "x") + CANARY):
        assert not isinstance(said(other), Denied)
        assert CANARY not in str(said(other))


def test_an_object_in_no_namespace_is_one_where_that_is_expected() -> None:
    body = {"metadata": MARK | {"name": "shop", "uid": "u"}}
    listed = {"metadata": MARK, "items": [body]}

    assert event(told("ADDED", body), is_wide=True) == ("ADDED", body)
    assert page(listed, is_wide=True)[0] == [body]
    with pytest.raises(ApiUnavailable):
        event(told("ADDED", body))
    with pytest.raises(ApiUnavailable):
        page(listed)
