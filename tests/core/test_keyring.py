from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keyrings import HERE, keyring, root_key, seal, with_part
from vaultferry.core.errors import PublicKeyInvalid, TokenNotOpened, UnknownKeyId
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Header, Place, Scope, Token
from vaultferry.core.suites import Suite


def opens(ring: Keyring, token: str) -> bool:
    """Tell whether the keyring has the key of a token, and opens it."""
    try:
        return ring.open(token, HERE) == b"canary-plaintext"
    except UnknownKeyId:
        return False


@pytest.mark.parametrize("suite", Suite)
def test_the_newest_key_seals_and_all_open(suite: Suite) -> None:
    before, after = keyring(1), keyring(2, 1)
    old, new = seal(suite, ring=before), seal(suite, ring=after)

    assert before.key_id in old
    assert keyring(2).key_id in new
    assert opens(after, old)
    assert opens(after, new)
    assert not opens(before, new)


KEYS = st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True)


@given(KEYS, KEYS, st.sampled_from(Suite))
def test_a_token_opens_as_long_as_its_key_is_there(
    then: list[int], now: list[int], suite: Suite
) -> None:
    token = seal(suite, ring=keyring(*then))

    assert opens(keyring(*now), token) == (then[0] in now)


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize(("sealed", "opened"), [(1, 7), (7, 1), (999_999, 1)])
def test_any_epoch_opens(suite: Suite, sealed: int, opened: int) -> None:
    token = seal(suite, ring=keyring(epoch=sealed))

    assert opens(keyring(epoch=opened), token)


def test_more_epochs_than_are_kept_open() -> None:
    tokens = [
        seal(Suite.HPKE_X25519, ring=keyring(epoch=epoch)) for epoch in range(1, 100)
    ]
    ring = keyring()

    assert all(opens(ring, token) for token in tokens + tokens)


def test_a_key_id_is_eight_digits_of_the_root_key_and_the_epoch() -> None:
    assert keyring(epoch=12).key_id == keyring(epoch=1).key_id.replace("-1", "-12")
    assert len(keyring(epoch=12).key_id) == 11
    assert keyring(1).key_id != keyring(2).key_id


@pytest.mark.parametrize("suite", Suite)
def test_another_root_key_under_the_same_id_does_not_open(suite: Suite) -> None:
    ours, theirs = keyring(1), keyring(2)
    token = seal(suite, ring=ours).replace(ours.key_id, theirs.key_id)

    with pytest.raises(TokenNotOpened):
        theirs.open(token, HERE)


def test_public_keys_differ_by_root_key_and_epoch() -> None:
    rings = [keyring(1), keyring(2), keyring(1, epoch=2)]

    assert len({ring.public_key().raw for ring in rings}) == 3


def test_the_suite_at_rest_has_no_public_key() -> None:
    with pytest.raises(PublicKeyInvalid, match="suite fernet has no public key"):
        keyring().public_key(Suite.FERNET)


def test_a_keyring_shows_only_its_key_ids() -> None:
    ring = keyring(1, 2)

    assert repr(ring) == f"Keyring({', '.join(ring.key_ids)})"


RING = keyring(2, 1, epoch=7)
KIDS = [key_id.partition("-")[0] for key_id in RING.key_ids]


def test_every_key_has_a_name_of_a_few_and_an_age() -> None:
    new, old = KIDS

    assert RING.ages == {
        f"{new}-7": "newest",
        f"{new}-other": "older",
        f"{old}-7": "older",
        f"{old}-other": "older",
        "unknown": "unknown",
    }


@pytest.mark.parametrize(
    ("key_id", "name"),
    [
        (f"{KIDS[0]}-7", f"{KIDS[0]}-7"),
        (f"{KIDS[1]}-7", f"{KIDS[1]}-7"),
        (f"{KIDS[0]}-8", f"{KIDS[0]}-other"),
        (f"{KIDS[1]}-999999", f"{KIDS[1]}-other"),
        ("0badc0de-7", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_key_id_of_any_token_gets_one_of_these_names(key_id: str, name: str) -> None:
    assert RING.named(key_id) == name
    assert name in RING.ages


def test_the_oldest_is_by_root_key_and_then_by_epoch() -> None:
    new, old = KIDS
    by_age = ["0badc0de-9", f"{old}-1", f"{old}-12", f"{new}-2", f"{new}-10"]

    for number, key_id in enumerate(by_age):
        assert RING.oldest(reversed(by_age[number:])) == key_id


def test_each_credential_counts_once_by_its_oldest_key() -> None:
    new, old = RING.key_ids
    found = {(new,): 5, (new, old): 3, (old,): 2, ("", new): 1, (): 7}

    assert RING.counted(found) == {new: 5, old: 5, "unknown": 1}


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("scope", Scope)
def test_a_token_is_sealed_again_as_it_was_for_the_newest_key(
    suite: Suite, scope: Scope
) -> None:
    token = seal(suite, scope, ring=keyring(1, epoch=3))

    moved = RING.resealed(token, HERE)

    header = Token.parse(moved, HERE.field).header
    assert header == Header(suite, scope, RING.key_id)
    assert keyring(2).open(moved, HERE) == b"canary-plaintext"


@pytest.mark.parametrize("suite", Suite)
def test_a_token_of_the_newest_key_stays_as_it_is(suite: Suite) -> None:
    token = seal(suite, ring=RING)

    assert RING.resealed(token, HERE) == token
    assert RING.resealed(token, HERE, suite, Scope.STRICT) == token


def test_suite_and_scope_change_where_they_are_asked_for() -> None:
    token = seal(Suite.FERNET, ring=RING)

    moved = RING.resealed(token, HERE, Suite.HPKE_X25519, Scope.NAMESPACE)

    elsewhere = Place(HERE.namespace, "other", "field")
    assert moved.startswith("vf1.hpke-x25519.namespace.")
    assert RING.open(moved, elsewhere) == b"canary-plaintext"


def test_a_token_of_another_place_is_not_sealed_again() -> None:
    token = seal(Suite.FERNET, ring=keyring(1))
    elsewhere = Place(HERE.namespace, "other", HERE.field)

    with pytest.raises(TokenNotOpened):
        RING.resealed(token, elsewhere)


def test_a_scope_written_over_a_token_does_not_widen_it() -> None:
    forged = with_part(2, Scope.CLUSTER, seal(Suite.HPKE_X25519, ring=keyring(1)))

    with pytest.raises(TokenNotOpened):
        RING.resealed(forged, HERE, scope=Scope.CLUSTER)


Credential = Mapping[str, bytes]
FIELDS = st.sampled_from(["", "a", "b", "ab", "\0"])
VALUES = st.sampled_from([b"", b"a", b"b", b"ab", b"\0\0\0\0"])
CREDENTIALS = st.dictionaries(FIELDS, VALUES, max_size=3)
PLACES = st.tuples(*[st.sampled_from(["", "a", "b", "ab"])] * 2)


@given(CREDENTIALS, CREDENTIALS, PLACES, PLACES)
def test_fingerprints_are_equal_only_for_equal_values_at_one_place(
    one: Credential, other: Credential, here: tuple[str, str], there: tuple[str, str]
) -> None:
    same = keyring().fingerprint(one, *here) == keyring().fingerprint(other, *there)

    assert same == ((one, here) == (other, there))


def test_a_fingerprint_does_not_depend_on_the_order() -> None:
    ring, one = keyring(), {"a": b"1", "b": b"2"}
    other = dict(reversed(one.items()))

    assert ring.fingerprint(one, "n", "m") == ring.fingerprint(other, "n", "m")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": b"bc"}, {"ab": b"c"}),
        ({"a": b"b", "c": b"d"}, {"a": b"bcd"}),
        ({"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}),
        ({}, {"": b""}),
    ],
)
def test_credentials_that_join_alike_are_apart(
    one: Credential, other: Credential
) -> None:
    ring = keyring()

    assert ring.fingerprint(one, "n", "m") != ring.fingerprint(other, "n", "m")


def test_a_fingerprint_is_compared_under_the_key_that_made_it() -> None:
    values = {"a": b"1"}
    previous = keyring(1, epoch=3).fingerprint(values, "n", "m")
    rotated = keyring(2, 1, epoch=4)

    assert rotated.fingerprint(values, "n", "m") != previous
    assert rotated.fingerprint_as(previous, values, "n", "m") == previous
    assert rotated.fingerprint_as(previous, {"a": b"2"}, "n", "m") != previous


def test_a_fingerprint_of_a_key_that_is_gone_is_not_compared() -> None:
    previous = keyring(1).fingerprint({"a": b"1"}, "n", "m")

    assert keyring(2).fingerprint_as(previous, {"a": b"1"}, "n", "m") is None


FINGERPRINT = keyring().fingerprint({"a": b"1"}, "n", "m")


NO_FINGERPRINTS = {
    "empty": "",
    "other text": root_key(),
    "with a newline": FINGERPRINT + "\n",
    "cut": FINGERPRINT[:-1],
    "lengthened": FINGERPRINT + "0",
    "in capitals": FINGERPRINT.upper(),
    "with epoch 01": FINGERPRINT.replace("-1", "-01"),
}


@pytest.mark.parametrize("text", NO_FINGERPRINTS.values(), ids=NO_FINGERPRINTS)
def test_what_is_no_fingerprint_is_not_compared(text: str) -> None:
    assert keyring().fingerprint_as(text, {"a": b"1"}, "n", "m") is None
