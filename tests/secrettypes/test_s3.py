import pytest

from tests.secrettypes.values import pair, refusal
from vaultferry.secrettypes.s3 import TYPE

GOOD = {"s3_access_key": pair("AKIA" + "Q2" * 8, "s/" * 20)}
NEEDS = ()

PERMANENT = "AKIA" + "Q2" * 8
TEMPORARY = "ASIA" + "Q2" * 8
SECRET = "s/" * 20
SESSION = "t+" * 100


@pytest.mark.parametrize(
    "values",
    [
        pair(PERMANENT, SECRET),
        pair(TEMPORARY, SECRET, session_token=SESSION),
        pair("of-a-new-shape", "of-a-new-shape"),
        pair("of-a-new-shape", "of-a-new-shape", session_token="1"),
    ],
    ids=["permanent", "temporary", "new shape", "new shape with session"],
)
def test_a_key_is_taken(values: dict[str, bytes]) -> None:
    TYPE.check("s3_access_key", values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            pair(TEMPORARY, SECRET),
            "field access_key_id is of a temporary key (ASIA): se",
        ),
        (
            pair(PERMANENT, SECRET, session_token=SESSION),
            "field access_key_id is of a permanent key (AKIA), which has no session_to",
        ),
        (
            pair(SECRET, PERMANENT),
            "field access_key_id has 40 bytes that look like secr",
        ),
        (
            pair(PERMANENT, TEMPORARY),
            "field secret_access_key has 20 bytes that look like access_key_id",
        ),
        (
            pair("AROA" + "Q2" * 8 + "Q", SECRET),
            "field access_key_id has 21 bytes that are the id of a role or user",
        ),
        (
            pair("AIDA" + "Q2" * 8 + "Q", SECRET),
            "field access_key_id has 21 bytes that are the id of a role or user",
        ),
        (
            pair(TEMPORARY, SECRET, session_token=f"{SESSION}\n"),
            "field session_token has 201 bytes that are not one line of text",
        ),
    ],
    ids=[
        "temporary without session",
        "permanent with session",
        "swapped",
        "an id as secret",
        "a role",
        "a user",
        "a line break",
    ],
)
def test_what_contradicts_itself_is_refused(
    values: dict[str, bytes], words: str
) -> None:
    assert refusal(TYPE, values).startswith(words)
