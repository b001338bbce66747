from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keyrings import HERE, keyring, root_key, seal
from vaultferry.core.errors import PublicKeyInvalid, TokenNotOpened, UnknownKeyId
from vaultferry.core.keyring import Keyring
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
