"""What is remarked on: a key that has not the shape that is known of its vendor."""

import pytest

from tests.secrettypes.values import pair
from vaultferry import secrettypes

HEX = "0123456789abcdef" * 4
Values = dict[str, bytes]

USUAL: dict[str, tuple[str, Values]] = {
    "s3": ("s3", pair("AKIA" + "Q2" * 8, "s/" * 20)),
    "s3 for a while": (
        "s3",
        pair("ASIA" + "Q2" * 8, "s/" * 20, session_token="t+" * 100),
    ),
    "r2": ("r2", pair(HEX[:32], HEX)),
    "wasabi": ("wasabi", pair("W1" * 10, "wZ" * 20)),
    "hetzner": ("hetzner", pair("H1" * 10, "hZ" * 20)),
    "digitalocean_spaces": ("digitalocean_spaces", pair("DO" + "D1" * 9, "d" * 43)),
    "tigris": ("tigris", pair("tid_canary", "tsec_canary")),
    "railway": ("railway", pair("tid_canary", "tsec_canary")),
    "oracle": ("oracle_object_storage_s3", pair(HEX[:40], "b" * 43 + "=")),
    "oracle the other way": (
        "oracle_object_storage_s3",
        pair("b" * 43 + "=", HEX[:40]),
    ),
    "b2": (
        "b2",
        {
            "application_key_id": f"00{HEX[:23]}".encode(),
            "application_key": b"K00" + b"5" * 28,
        },
    ),
    "azure_blob": ("azure_blob", {"account_name": b"canary7", "account_key": b"x"}),
    "rabata": ("rabata", pair("any", "any")),
    "s3_compatible": ("s3_compatible", pair("any", "any")),
    "token": ("token", {"token": b"any"}),
    "opaque": ("opaque", {"any": b"any"}),
}

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


@pytest.mark.parametrize(("name", "values"), USUAL.values(), ids=USUAL)
def test_a_key_of_the_known_shape_is_not_remarked_on(name: str, values: Values) -> None:
    assert secrettypes.load(name).remarks(None, values) == []


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
