"""What is remarked on: a key that has not the shape that is known of its vendor."""

import pytest

from tests.secrettypes.good import GOOD
from tests.secrettypes.values import HEX, pair
from vaultferry import secrettypes

Values = dict[str, bytes]

# The same credential may come in another form.
OTHERS: list[tuple[str, str | None, Values]] = [
    (
        "s3",
        None,
        pair("ASIA" + "Q2" * 8, "s/" * 20, session_token="t+" * 100),
    ),
    ("oracle_object_storage_s3", None, pair("b" * 43 + "=", HEX[:40])),
]

USUAL = [*((*chosen, values) for chosen, values in GOOD.items()), *OTHERS]

UNUSUAL: dict[str, tuple[str, Values, list[tuple[str, str]]]] = {
    name: (
        name,
        pair("Canary-1", "canary_secret"),
        [("access_key_id has 8 bytes", id_), ("secret_access_key has 13 bytes", key)],
    )
    for name, id_, key in (
        ("s3", "20 capitals and digits, beginning with AKIA or ASIA", "40 characters"),
        ("r2", "32 hexadecimal digits", "64 hexadecimal digits"),
        ("wasabi", "20 capitals and digits", "40 letters and digits"),
        ("hetzner", "20 capitals and digits", "40 letters and digits"),
        ("digitalocean_spaces", "20 capitals and digits, begin", "43 characters of"),
        ("tigris", "beginning with tid_", "beginning with tsec_"),
        ("railway", "beginning with tid_", "beginning with tsec_"),
        ("oracle_object_storage_s3", "40 hexadecimal digits", "44 characters of ba"),
    )
} | {
    "a short session token": (
        "s3",
        pair("ASIA" + "Q2" * 8, "s/" * 20, session_token="canary"),
        [("session_token has 6 bytes", "100 characters of base64 or more")],
    ),
    "the master key of b2": (
        "b2",
        {"application_key_id": b"0123456789ab", "application_key": b"K00" + b"5" * 28},
        [("application_key_id has 12 bytes", "25 hexadecimal digits, of which")],
    ),
    "an account in capitals": (
        "azure_blob",
        {"account_name": b"Canary", "account_key": b"x"},
        [("account_name has 6 bytes", "3 to 24 lower-case letters and digits")],
    ),
}


@pytest.mark.parametrize(("name", "method", "values"), USUAL)
def test_a_key_of_the_known_shape_is_taken_without_a_remark(
    name: str, method: str | None, values: Values
) -> None:
    kind = secrettypes.load(name)

    kind.check(method, values)
    assert kind.remarks(method, values) == []


def test_there_is_a_good_credential_for_every_type_and_method() -> None:
    kinds = [secrettypes.load(name) for name in secrettypes.names()]

    pairs = {(kind.name, method) for kind in kinds for method in kind.methods or [None]}

    assert set(GOOD) == pairs


@pytest.mark.parametrize(("name", "values", "words"), UNUSUAL.values(), ids=UNUSUAL)
def test_a_key_of_another_shape_is_remarked_on_and_not_quoted(
    name: str, values: Values, words: list[tuple[str, str]]
) -> None:
    said = secrettypes.load(name).remarks(None, values)

    assert len(said) == len(words)
    for remark, (field, known) in zip(said, words, strict=True):
        assert remark.startswith(f"field {field} that look unusual: known are {known}")
        assert not [v for v in values.values() if len(v) > 1 and v.decode() in remark]


@pytest.mark.parametrize("name", ["s3", "r2", "wasabi", "hetzner", "b2", "tigris"])
def test_every_field_of_a_vendor_with_known_shapes_is_looked_at(name: str) -> None:
    kind = secrettypes.load(name)
    names = next(iter(kind.methods.values())).names

    said = kind.remarks(None, dict.fromkeys(names, b"?"))

    assert len(said) == len(names)
