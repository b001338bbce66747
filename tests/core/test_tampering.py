from collections.abc import Iterator

import pytest

from tests.keyrings import HERE, keyring, seal
from vaultferry.core.encoding import to_base64url
from vaultferry.core.errors import Failure, TokenNotOpened
from vaultferry.core.sealing import Token
from vaultferry.core.suites import Suite

RING = keyring(1, 2)


def refused_by(token: str) -> type[Failure] | None:
    """Return the class of the failure; None if the token opens."""
    try:
        RING.open(token, HERE)
    except Failure as failure:
        return type(failure)
    return None


def flipped(raw: bytes) -> Iterator[bytes]:
    """Yield these bytes with each one of their bits flipped."""
    for place in range(len(raw) * 8):
        bit = (1 << place).to_bytes(len(raw), "little")
        yield bytes(a ^ b for a, b in zip(raw, bit, strict=True))


@pytest.mark.parametrize("suite", Suite)
def test_every_bit_of_the_payload_counts(suite: Suite) -> None:
    token = seal(suite)
    head, _, _ = token.rpartition(".")
    payload = Token.parse(token, "field").payload

    results = [refused_by(f"{head}.{to_base64url(raw)}") for raw in flipped(payload)]

    assert len(results) == len(payload) * 8
    assert set(results) == {TokenNotOpened}


@pytest.mark.parametrize("suite", Suite)
def test_every_bit_of_the_text_counts(suite: Suite) -> None:
    texts = [raw.decode("latin-1") for raw in flipped(seal(suite).encode())]

    assert None not in {refused_by(text) for text in texts}


@pytest.mark.parametrize("suite", Suite)
def test_a_token_cannot_be_cut_or_lengthened(suite: Suite) -> None:
    token = seal(suite)
    head, _, _ = token.rpartition(".")
    payload = Token.parse(token, "field").payload
    cut = [payload[:size] for size in range(1, len(payload))]
    lengthened = [payload + bytes(size) for size in (1, 16, 32)]

    results = [refused_by(f"{head}.{to_base64url(raw)}") for raw in cut + lengthened]

    assert set(results) == {TokenNotOpened}


@pytest.mark.parametrize("suite", Suite)
def test_halves_of_two_tokens_make_no_third(suite: Suite) -> None:
    token = seal(suite)
    head, _, _ = token.rpartition(".")
    one, other = (Token.parse(t, "field").payload for t in (token, seal(suite)))
    mixed = [one[:cut] + other[cut:] for cut in range(20, len(one) - 8)]

    results = [refused_by(f"{head}.{to_base64url(raw)}") for raw in mixed]

    assert set(results) == {TokenNotOpened}


@pytest.mark.parametrize("suite", Suite)
def test_another_key_in_the_header_is_refused(suite: Suite) -> None:
    ours, theirs = RING.key_ids

    assert refused_by(seal(suite).replace(ours, theirs)) is TokenNotOpened


@pytest.mark.parametrize("suite", Suite)
def test_zeros_that_give_no_secret_are_refused(suite: Suite) -> None:
    head, _, payload = seal(suite).rpartition(".")
    zero = to_base64url(bytes(len(payload) * 3 // 4))

    assert refused_by(f"{head}.{zero}") is TokenNotOpened
