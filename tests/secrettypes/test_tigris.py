import pytest

from tests.secrettypes.values import pair, refusal
from vaultferry.secrettypes.tigris import TYPE

GOOD = {"tigris_access_key": pair("tid_canary", "tsec_canary")}
NEEDS = ()

KEY_ID = "tid_" + "a_" * 25
SECRET = "tsec_" + "b+" * 32


def test_a_key_is_taken_and_so_is_one_of_a_new_shape() -> None:
    TYPE.check("tigris_access_key", pair(KEY_ID, SECRET))
    TYPE.check(None, pair("new-shape", "of-both"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pair(SECRET, KEY_ID), "field access_key_id has {} bytes that look like sec"),
        (pair(SECRET, SECRET), "field access_key_id has {} bytes that look like sec"),
    ],
    ids=["swapped", "the secret twice"],
)
def test_a_secret_is_no_id(values: dict[str, bytes], words: str) -> None:
    assert refusal(TYPE, values).startswith(words.format(len(SECRET)))


def test_an_id_is_no_secret() -> None:
    said = refusal(TYPE, pair(KEY_ID, KEY_ID))

    assert said.startswith(f"field secret_access_key has {len(KEY_ID)} bytes that look")
