"""The scanner finds what is there, in every form, and nothing else."""

import os
import secrets

import pytest

from tests.leaks.canary import TAILS, Canary, canary
from tests.leaks.forms import digests, forms
from tests.leaks.scanner import PIECE, Scanner

CANARIES = {
    **{tail: canary(tail, tail) for tail in TAILS},
    "a key": Canary("a key", b"\xff\xfe\x00'" + secrets.token_bytes(28)),
}
NOISE = os.urandom(2**20)

FORMS = [(kind, form) for kind, c in CANARIES.items() for form, _ in forms(c.value)]
DIGESTS = [form for form, _ in digests(b"")]


def found(kind: str, data: bytes) -> set[str]:
    hits = Scanner([CANARIES[kind]]).scan(NOISE[:999] + data + NOISE[999:])
    return {form for hit in hits for form in hit.forms}


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_a_canary_is_found_in_each_form(kind: str, form: str) -> None:
    assert form in found(kind, dict(forms(CANARIES[kind].value))[form])


@pytest.mark.parametrize("kind", CANARIES)
@pytest.mark.parametrize("form", DIGESTS)
def test_an_unsalted_digest_is_found(kind: str, form: str) -> None:
    assert found(kind, dict(digests(CANARIES[kind].value))[form]) == {form}


@pytest.mark.parametrize("kind", CANARIES)
@pytest.mark.parametrize("form", ["raw", "hex", "base64 at 1", "base64url at 2"])
def test_the_first_and_the_last_characters_are_enough(kind: str, form: str) -> None:
    whole = CANARIES[kind].value
    text = whole.decode(errors="replace") if kind != "a key" else None
    first = text[:PIECE].encode() if text else whole[:PIECE]
    last = text[-PIECE:].encode() if text else whole[-PIECE:]

    assert form in found(kind, dict(forms(first))[form])
    assert form in found(kind, dict(forms(last))[form])


def test_nothing_is_found_in_a_megabyte_of_random_bytes() -> None:
    assert Scanner(CANARIES.values()).scan(NOISE) == []


def test_a_hit_names_the_canary_and_what_stands_around_it() -> None:
    one = Canary("the password of db", secrets.token_hex(20).encode())

    hits = Scanner([one]).scan(b'{"error": "' + one.value + b'"}')

    assert {hit.canaries for hit in hits} == {("the password of db",)}
    assert any(b'{"error": "' in hit.around for hit in hits)


def test_canaries_of_one_kind_share_their_traces() -> None:
    one, two = Scanner([canary("a")]), Scanner([canary("a"), canary("b")])

    assert len(two) - len(one) == len(DIGESTS)
