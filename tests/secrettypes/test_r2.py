import pytest

from tests.secrettypes.values import HEX, pair, refusal
from vaultferry.secrettypes.r2 import TYPE

GOOD = {"r2_access_key": pair(HEX[:32], HEX)}
NEEDS = ("account",)

KEY_ID = "0123abcd" * 4
SECRET = "4567cdef" * 8
API_TOKEN = "cfut_" + "aB" * 20
ACCOUNT_TOKEN = "cfat_" + "aB" * 20
OLD_API_TOKEN = "a_B-" * 10


def test_a_key_is_taken_and_so_is_a_secret_of_a_new_shape() -> None:
    TYPE.check("r2_access_key", pair(KEY_ID, SECRET))
    TYPE.check(None, pair("g" * 32, "of a new shape"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pair(SECRET, KEY_ID), "field access_key_id has 64 bytes that look like secr"),
        (pair(SECRET, SECRET), "field access_key_id has 64 bytes that look like secr"),
        (pair(KEY_ID, KEY_ID), "field secret_access_key has 32 bytes that look like a"),
        (
            pair(API_TOKEN, SECRET),
            "field access_key_id has 45 bytes that begin like an",
        ),
        (
            pair(ACCOUNT_TOKEN, SECRET),
            "field access_key_id has 45 bytes that begin like",
        ),
        (
            pair(KEY_ID, API_TOKEN),
            "field secret_access_key has 45 bytes that begin lik",
        ),
        (
            pair(OLD_API_TOKEN, SECRET),
            "field access_key_id has 40 bytes, and R2 takes 32",
        ),
        (
            pair(KEY_ID, OLD_API_TOKEN),
            "field secret_access_key has 40 bytes, as an API",
        ),
        (
            pair(KEY_ID[:-1], SECRET),
            "field access_key_id has 31 bytes, and R2 takes 32",
        ),
    ],
    ids=[
        "swapped",
        "the secret twice",
        "the id twice",
        "a token as id",
        "an account's token as id",
        "a token as secret",
        "an old token as id",
        "an old token as secret",
        "cut off",
    ],
)
def test_what_r2_cannot_take_is_refused(values: dict[str, bytes], words: str) -> None:
    assert refusal(TYPE, values).startswith(words)
