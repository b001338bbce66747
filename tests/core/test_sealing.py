from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keyrings import HERE, keyring, seal, with_part
from vaultferry.core.errors import (
    Failure,
    TokenNotOpened,
    UnknownKeyId,
)
from vaultferry.core.sealing import Place, Scope, Token, key_ids
from vaultferry.core.suites import ALL, Suite

WAYS = list(product(Suite, Scope))
SEAL_AGAIN = (
    "field secret_access_key: sealed for another place, or altered; seal it again "
    "for namespace backup, name aws-production and field secret_access_key"
)


def refusal(token: str, place: Place = HERE) -> type[Failure]:
    """Return the class of the failure, or fail."""
    with pytest.raises(Failure) as caught:
        keyring().open(token, place)
    return type(caught.value)


def test_every_suite_is_in_the_table() -> None:
    assert set(ALL) == set(Suite)


@pytest.mark.parametrize(("suite", "scope"), WAYS)
@given(plaintext=st.binary(max_size=300), names=st.tuples(*[st.text(max_size=9)] * 3))
def test_what_is_sealed_opens_at_its_place(
    suite: Suite, scope: Scope, plaintext: bytes, names: tuple[str, str, str]
) -> None:
    place = Place(*names)

    token = seal(suite, scope, place, plaintext)

    assert keyring().open(token, place) == plaintext


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32 * 1024, 1024 * 1024])
def test_every_size_opens(suite: Suite, size: int) -> None:
    plaintext = bytes(i % 256 for i in range(size))

    assert keyring().open(seal(suite, plaintext=plaintext), HERE) == plaintext


@pytest.mark.parametrize("suite", Suite)
def test_a_value_at_its_limit_has_room_in_the_manifest(suite: Suite) -> None:
    longest = Place("n" * 63, "n" * 253, "f" * 253)

    assert len(seal(suite, Scope.NAMESPACE, longest, bytes(32 * 1024))) < 48 * 1024


@pytest.mark.parametrize("suite", Suite)
def test_no_two_sealings_are_equal(suite: Suite) -> None:
    assert len({seal(suite) for _ in range(100)}) == 100


@pytest.mark.parametrize(("suite", "scope"), WAYS)
def test_a_token_names_suite_scope_and_key(suite: Suite, scope: Scope) -> None:
    token = seal(suite, scope)

    assert token.startswith(f"vf1.{suite}.{scope}.{keyring().key_id}.")
    assert str(Token.parse(token, "field")) == token


def test_a_token_at_rest_tells_no_time() -> None:
    payload = Token.parse(seal(Suite.FERNET), "field").payload

    assert payload[:9] == b"\x80" + bytes(8)


PLACES = [HERE, Place("a", "", ""), Place("", "", "")]


@pytest.mark.parametrize(("suite", "scope"), WAYS)
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_another_scope_in_the_header_is_refused(
    suite: Suite, scope: Scope, place: Place
) -> None:
    others = [other for other in Scope if other is not scope]
    moved = [with_part(2, other, seal(suite, scope, place)) for other in others]

    assert {refusal(token, place) for token in moved} == {TokenNotOpened}


@pytest.mark.parametrize(("suite", "scope"), WAYS)
def test_another_suite_in_the_header_is_refused(suite: Suite, scope: Scope) -> None:
    others = [other for other in Suite if other is not suite]
    swapped = [with_part(1, other, seal(suite, scope)) for other in others]

    assert {refusal(token) for token in swapped} == {TokenNotOpened}


@pytest.mark.parametrize("suite", Suite)
def test_another_epoch_in_the_header_is_refused(suite: Suite) -> None:
    later = keyring().key_id.replace("-1", "-2")

    assert refusal(with_part(3, later, seal(suite))) is TokenNotOpened


def test_an_unknown_key_is_named_with_those_known() -> None:
    token = with_part(3, "0badc0de-7", seal(Suite.FERNET))

    with pytest.raises(UnknownKeyId) as caught:
        keyring(1, 2, epoch=3).open(token, HERE)

    known = ", ".join(keyring(1, 2, epoch=3).key_ids)
    assert str(caught.value) == (
        "field secret_access_key: sealed for key 0badc0de-7; "
        f"known here, in any epoch: {known}"
    )


def test_wrong_place_and_tampering_give_the_same_words() -> None:
    moved = seal(Suite.HPKE_X25519, place=Place("a", "b", "c"))
    altered = with_part(4, "A" * 80, moved)
    words = set()
    for token in (moved, altered):
        with pytest.raises(TokenNotOpened) as caught:
            keyring().open(token, HERE)
        words.add(str(caught.value))

    assert words == {SEAL_AGAIN}


def test_the_key_ids_of_tokens_are_read_without_opening_them() -> None:
    one, other = keyring(1).key_id, keyring(2, epoch=12).key_id
    sealed = {
        "a": seal(Suite.FERNET),
        "b": seal(Suite.HPKE_X25519),
        "c": seal(Suite.FERNET, ring=keyring(2, epoch=12)),
    }

    assert key_ids(sealed) == tuple(sorted([one, other]))
    assert key_ids({}) == key_ids(None) == key_ids("no map") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        with_part(0, "vf2", seal(Suite.FERNET)),
        with_part(3, "canary", seal(Suite.FERNET)),
        seal(Suite.FERNET).rpartition(".")[0],
    ],
)
def test_what_is_no_token_has_an_empty_key_id(text: str) -> None:
    assert key_ids({"a": text}) == ("",)
