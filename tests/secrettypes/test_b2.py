import pytest

from tests.secrettypes.values import HEX, refusal
from vaultferry.secrettypes.b2 import TYPE

GOOD = {
    "b2_application_key": {
        "application_key_id": f"00{HEX[:23]}".encode(),
        "application_key": b"K00" + b"5" * 28,
    }
}
NEEDS = ("region",)

KEY_ID = b"001" + b"0f" * 11
KEY = b"K001" + b"aZ/" * 9
MASTER_ID = b"0f" * 6
MASTER_KEY = b"0f" * 20


def pair(key_id: bytes, key: bytes) -> dict[str, bytes]:
    return {"application_key_id": key_id, "application_key": key}


@pytest.mark.parametrize(
    "values",
    [pair(KEY_ID, KEY), pair(MASTER_ID, MASTER_KEY), pair(b"new", b"shape")],
    ids=["application key", "master key", "new shape"],
)
def test_a_key_is_taken(values: dict[str, bytes]) -> None:
    TYPE.check("b2_application_key", values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pair(KEY, KEY_ID), "field application_key_id has 31 bytes that look like app"),
        (pair(KEY_ID, KEY_ID), "field application_key has 25 bytes that look like app"),
        (
            pair(KEY_ID, KEY + b" "),
            "field application_key has 32 bytes that are not one",
        ),
    ],
    ids=["swapped", "the id twice", "a blank"],
)
def test_what_is_mixed_up_is_refused(values: dict[str, bytes], words: str) -> None:
    assert refusal(TYPE, values).startswith(words)
