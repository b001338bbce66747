"""A dry-run gets tokens of the newest key for its own place, and nothing wider."""

from typing import Any

import pytest

from tests.admission import Body, plain, review, stored
from tests.builders import NAME, NAMESPACE
from tests.keyrings import keyring, seal
from tests.patches import json_patched
from vaultferry.core.admission import Request, Sealing
from vaultferry.core.errors import (
    InvalidSpec,
    NeedsPerson,
    TokenMalformed,
    TokenNotOpened,
    UnknownKeyId,
)
from vaultferry.core.resealing import ANNOTATION, Wish, is_asked, reseal
from vaultferry.core.sealing import Place, Scope, Token
from vaultferry.core.suites import Suite

OLD, NEW, BOTH = keyring(1), keyring(2), keyring(2, 1)
CANARY = "canary-value"
HERE = Place(NAMESPACE, NAME, "a")


def old(
    place: Place = HERE, scope: Scope = Scope.STRICT, suite: Suite = Suite.HPKE_X25519
) -> str:
    return seal(suite, scope, place, CANARY.encode(), OLD)


def asking(sealed: Any, wish: str = "", **spec: Any) -> Body:
    """Return a VaultSecret that asks for its tokens to be sealed anew."""
    body = stored({}, annotations={ANNOTATION: wish, "other": "kept"})
    body["spec"] |= {"sealed": sealed, **spec}
    return body


def request(body: Body, **more: Any) -> Request:
    return Request.parse(review(body, **{"dryRun": True, **more}))


def sealing(body: Body) -> Sealing:
    return reseal(request(body), BOTH)


def result(body: Body) -> Body:
    """Return the VaultSecret as the dry-run shows it."""
    shown: Body = json_patched(body, sealing(body).operations)
    return shown


def test_tokens_are_sealed_for_the_newest_key_in_the_way_they_were() -> None:
    b = Place(NAMESPACE, NAME, "b")
    body = asking({"a": old(), "b": old(b, Scope.CLUSTER, Suite.FERNET)})

    sealed = result(body)["spec"]["sealed"]

    headers = {field: Token.parse(t, field).header for field, t in sealed.items()}
    assert {h.key_id for h in headers.values()} == {NEW.key_id}
    assert (headers["a"].suite, headers["a"].scope) == (Suite.HPKE_X25519, "strict")
    assert (headers["b"].suite, headers["b"].scope) == (Suite.FERNET, "cluster")
    assert NEW.open(sealed["a"], HERE) == NEW.open(sealed["b"], b) == CANARY.encode()


def test_the_answer_has_no_annotation_that_asks() -> None:
    shown = result(asking({"a": old()}))

    assert shown["metadata"]["annotations"] == {"other": "kept"}


def test_a_token_that_is_as_wanted_stays() -> None:
    new = seal(Suite.FERNET, Scope.STRICT, HERE, CANARY.encode(), NEW)
    body = asking({"a": new, "b": old(Place(NAMESPACE, NAME, "b"))})

    made = sealing(body)

    assert json_patched(body, made.operations)["spec"]["sealed"]["a"] == new
    assert (made.sealed, made.kept) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"secretRef": {"name": "source"}},
        {"connectionRef": {"name": "vault"}, "fieldMappings": [{"fieldName": "a"}]},
        {"connectionRef": {"name": "vault"}, "fieldsFrom": [{"path": "x"}]},
    ],
    ids="+".join,
)
def test_what_lives_with_another_source_is_no_hindrance(other: Body) -> None:
    shown = result(asking({"a": old()}, **other))

    assert shown["spec"].keys() == {"type", "sealed"}


def test_a_suite_can_be_asked_for() -> None:
    [token] = result(asking({"a": old()}, "fernet"))["spec"]["sealed"].values()

    assert token.startswith("vf1.fernet.strict.")


WIDTH = list(Scope)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("asked", Scope)
def test_a_scope_may_stay_or_narrow_and_never_widen(scope: Scope, asked: Scope) -> None:
    body = asking({"a": old(scope=scope)}, asked)

    if WIDTH.index(asked) > WIDTH.index(scope):
        with pytest.raises(InvalidSpec, match="only `vaultferry reseal` with the root"):
            sealing(body)
    else:
        token = result(body)["spec"]["sealed"]["a"]
        assert Token.parse(token, "a").header.scope is asked
        assert NEW.open(token, HERE) == CANARY.encode()


NOT_OPENED: dict[str, tuple[str, type[NeedsPerson]]] = {
    "of another namespace": (old(Place("other", NAME, "a")), TokenNotOpened),
    "of another name": (old(Place(NAMESPACE, "other", "a")), TokenNotOpened),
    "of another field": (old(Place(NAMESPACE, NAME, "b")), TokenNotOpened),
    "of another namespace, in that scope": (
        old(Place("other", NAME, "a"), Scope.NAMESPACE),
        TokenNotOpened,
    ),
    "whose scope was written over": (
        old(Place("other", NAME, "a")).replace(".strict.", ".cluster."),
        TokenNotOpened,
    ),
    "of a key that is not there": (
        seal(Suite.FERNET, Scope.STRICT, HERE, CANARY.encode(), keyring(3)),
        UnknownKeyId,
    ),
    "that is none": (CANARY, TokenMalformed),
}


@pytest.mark.parametrize(("token", "kind"), NOT_OPENED.values(), ids=NOT_OPENED)
def test_a_token_is_answered_only_where_it_opens(
    token: str, kind: type[NeedsPerson]
) -> None:
    with pytest.raises(kind) as refusal:
        sealing(asking({"a": token}))

    assert "field a" in str(refusal.value)
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", Wish()),
        ("fernet", Wish(Suite.FERNET)),
        ("strict", Wish(scope=Scope.STRICT)),
        ("hpke-x25519,namespace", Wish(Suite.HPKE_X25519, Scope.NAMESPACE)),
    ],
)
def test_a_wish_is_written_and_read(text: str, wish: Wish) -> None:
    assert (str(wish), Wish.parse(text)) == (text, wish)


def test_a_wish_is_read_in_any_order() -> None:
    assert Wish.parse("strict,fernet") == Wish(Suite.FERNET, Scope.STRICT)


@pytest.mark.parametrize("wish", ["true", "strict,cluster", "fernet,fernet", ",", " "])
def test_a_wish_that_is_none_is_refused(wish: str) -> None:
    with pytest.raises(InvalidSpec, match="takes one suite"):
        sealing(asking({"a": old()}, wish))


def test_only_sealed_values_of_a_name_are_sealed_anew() -> None:
    nameless = asking({"a": old()})
    del nameless["metadata"]["name"]

    for body in (
        nameless,
        asking(None),
        asking(CANARY),
        asking({"a": old()}, credentials={"a": CANARY}),
    ):
        with pytest.raises(InvalidSpec, match="and without spec") as refusal:
            sealing(body)
        assert CANARY not in str(refusal.value)


def test_no_more_fields_are_opened_than_there_can_be() -> None:
    with pytest.raises(InvalidSpec, match="has 65 fields, at most 64"):
        sealing(asking({f"k{number}": old() for number in range(65)}))


def test_only_a_dry_run_asks() -> None:
    body = asking({"a": old()})

    assert is_asked(request(body))
    for stored_one in (False, None, "true"):
        assert not is_asked(request(body, dryRun=stored_one))
    assert not is_asked(request(plain(a=CANARY)))


def test_no_value_is_in_what_is_answered() -> None:
    made = sealing(asking({"a": old()}))

    assert CANARY not in str(made.operations) + repr(made)
