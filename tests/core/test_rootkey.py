from base64 import urlsafe_b64encode
from fractions import Fraction
from hashlib import sha256
from math import comb

import pytest

from tests.keyrings import root_key
from vaultferry.core.errors import RootKeyInvalid
from vaultferry.core.keyring import Keyring
from vaultferry.core.rootkey import (
    FEWEST_DISTINCT,
    LONGEST_PATTERN,
    LONGEST_RUN,
    TEXT,
    find_weakness,
)
from vaultferry.core.suites import KEY_BYTES

RANDOM = sha256(b"random").digest()

WEAK = {
    "zeros": (bytes(32), "pattern"),
    "ones": (b"\xff" * 32, "pattern"),
    "ascending": (bytes(range(32)), "sequence"),
    "ascending across 255": (bytes(i % 256 for i in range(240, 272)), "sequence"),
    "descending": (bytes(range(200, 168, -1)), "sequence"),
    "steps of seven": (bytes(i * 7 % 256 for i in range(32)), "sequence"),
    "a sentence": (b"correct horse battery staple, ok", "text"),
    "hex digits of 16 bytes": (RANDOM[:16].hex().encode(), "text"),
    "a text with its newline": (b"correct horse battery staple ok\n", "text"),
    "a random half, twice": (RANDOM[:16] * 2, "pattern"),
    "a random byte triple": ((RANDOM[:3] * 11)[:32], "pattern"),
    "a random half, padded": (RANDOM[:16] + bytes(16), "run"),
    "padded in front": (bytes(8) + RANDOM[:24], "run"),
    "two bytes in disorder": (bytes(b & 1 for b in RANDOM), "different"),
}


def chance_of_few_distinct(draws: int) -> Fraction:
    """The chance that so many random bytes hold less than FEWEST_DISTINCT values."""
    chances = {0: Fraction(1)}
    for _ in range(draws):
        drawn: dict[int, Fraction] = {}
        for seen, chance in chances.items():
            for now, share in ((seen, seen), (seen + 1, 256 - seen)):
                drawn[now] = drawn.get(now, Fraction()) + chance * share / 256
        chances = drawn
    return sum((c for seen, c in chances.items() if seen < FEWEST_DISTINCT), Fraction())


@pytest.mark.parametrize(("raw", "words"), WEAK.values(), ids=WEAK)
def test_a_guessable_key_is_refused(raw: bytes, words: str) -> None:
    text = urlsafe_b64encode(raw).decode()

    with pytest.raises(RootKeyInvalid, match=words) as caught:
        Keyring.parse([text])

    assert text not in str(caught.value)


def test_a_random_key_is_refused_less_than_once_in_20_million_million() -> None:
    union = [
        Fraction(len(TEXT), 256) ** KEY_BYTES,
        chance_of_few_distinct(KEY_BYTES),
        chance_of_few_distinct(KEY_BYTES - 1),
        (KEY_BYTES - LONGEST_RUN) * Fraction(1, 256) ** LONGEST_RUN,
        *(Fraction(1, 256) ** (KEY_BYTES - p) for p in range(1, LONGEST_PATTERN + 1)),
    ]

    assert sum(union) < Fraction(5, 10**14)


def test_the_chance_of_few_distinct_bytes_is_under_its_simple_bound() -> None:
    most = FEWEST_DISTINCT - 1
    bound = comb(256, most) * Fraction(most, 256) ** KEY_BYTES

    assert 0 < chance_of_few_distinct(KEY_BYTES) < bound


def test_random_keys_are_accepted() -> None:
    keys = [sha256(b"%d" % number).digest() for number in range(20_000)]

    assert not any(map(find_weakness, keys))


LINES = {
    "nothing": ([], "no root key; `vaultferry keygen` makes one"),
    "twelve bytes": (
        [root_key(1), urlsafe_b64encode(RANDOM[:12]).decode(), root_key(3)],
        "root key 2 of 3: 12 bytes, 32 wanted; `vaultferry keygen` makes one",
    ),
    "thirty-three bytes": (
        [urlsafe_b64encode(RANDOM + b"x").decode()],
        "root key 1 of 1: 33 bytes, 32 wanted; `vaultferry keygen` makes one",
    ),
    "an empty text": (
        [""],
        "root key 1 of 1: 0 bytes, 32 wanted; `vaultferry keygen` makes one",
    ),
    "the same twice": (
        [root_key(1), root_key(2), root_key(1)],
        "root key 3 of 3: given twice; leave one out",
    ),
}


@pytest.mark.parametrize(("texts", "line"), LINES.values(), ids=LINES)
def test_a_refusal_says_which_key_and_why(texts: list[str], line: str) -> None:
    with pytest.raises(RootKeyInvalid) as caught:
        Keyring.parse(texts)

    assert str(caught.value) == line


DASHED = urlsafe_b64encode(b"\xfb\xff" + RANDOM[2:]).decode()

SPELLINGS = {
    "no padding": root_key().rstrip("="),
    "too much padding": root_key() + "=",
    "a space before": " " + root_key(),
    "a newline after": root_key() + "\n",
    "a newline within": root_key()[:20] + "\n" + root_key()[20:],
    "a NUL after": root_key() + "\0",
    "the other alphabet": DASHED.replace("-", "+").replace("_", "/"),
    "trailing bits": root_key()[:42] + chr(ord(root_key()[42]) + 1) + "=",
    "quotes": f'"{root_key()}"',
    "no ASCII": root_key()[:43] + "é",
    "bare hex": RANDOM.hex(),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_only_the_canonical_spelling_of_a_key_is_accepted(text: str) -> None:
    with pytest.raises(RootKeyInvalid) as caught:
        Keyring.parse([text])

    assert "root key 1 of 1: " in str(caught.value)
    assert text[:20] not in str(caught.value)


def test_the_key_of_the_other_alphabet_is_good_in_its_own() -> None:
    assert "-" in DASHED
    assert Keyring.parse([DASHED]).key_id


@pytest.mark.parametrize("epoch", [0, -1, 1_000_000])
def test_an_epoch_out_of_range_is_refused(epoch: int) -> None:
    with pytest.raises(RootKeyInvalid, match="1 to 999999"):
        Keyring.parse([root_key()], epoch)
