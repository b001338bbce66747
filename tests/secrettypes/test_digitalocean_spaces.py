import pytest

from tests.secrettypes.values import pair, refusal
from vaultferry.secrettypes.digitalocean_spaces import TYPE

GOOD = {"digitalocean_spaces_access_key": pair("DO" + "D1" * 9, "d" * 43)}
NEEDS = ("region",)

KEY_ID = "DO" + "0A" * 9
SECRET = "s" * 42 + "/"
API_TOKEN = "dop_v1_" + "0f" * 32


def test_a_key_is_taken_and_so_is_one_of_a_new_shape() -> None:
    TYPE.check("digitalocean_spaces_access_key", pair(KEY_ID, SECRET))
    TYPE.check(None, pair("new-shape", "of-both"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pair(SECRET, KEY_ID), "field access_key_id has 43 bytes that look like secr"),
        (pair(KEY_ID, KEY_ID), "field secret_access_key has 20 bytes that look like a"),
        (
            pair(API_TOKEN, SECRET),
            "field access_key_id has 71 bytes that begin like an",
        ),
        (
            pair(KEY_ID, API_TOKEN),
            "field secret_access_key has 71 bytes that begin lik",
        ),
    ],
    ids=["swapped", "the id twice", "a token as id", "a token as secret"],
)
def test_what_is_another_thing_is_refused(values: dict[str, bytes], words: str) -> None:
    assert refusal(TYPE, values).startswith(words)
