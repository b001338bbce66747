import json
from base64 import urlsafe_b64encode

import pytest

from vaultferry.secrettypes.token import TYPE

GOOD = {"token": {"token": b"canary"}}


def part(content: object) -> bytes:
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")


def jwt(*parts: object) -> bytes:
    return b".".join([*map(part, parts), b"c2lnbmF0dXJl"])


def end(token: bytes) -> float | None:
    return TYPE.end(None, {"token": token})


HEADER = {"alg": "RS256", "typ": "JWT"}
CLAIMS = part({"exp": 7})


def test_a_token_is_one_value() -> None:
    TYPE.check("token", {"token": b"1"})

    assert TYPE.kubernetes_type == "Opaque"


@pytest.mark.parametrize("claim", [7, 7.0])
def test_a_json_web_token_says_its_end(claim: float) -> None:
    assert end(jwt(HEADER, {"sub": "canary", "exp": claim})) == 7


GARBAGE = {
    "no JWT": b"canary",
    "dots": b"..",
    "four parts": jwt(HEADER, {"exp": 7}) + b".x",
    "no end": jwt(HEADER, {"sub": "canary"}),
    "an end in words": jwt(HEADER, {"exp": "tomorrow"}),
    "an end that is true": jwt(HEADER, {"exp": True}),
    "an end out of the calendar": jwt(HEADER, {"exp": 10**30}),
    "no number": jwt(HEADER, {"exp": float("nan")}),
    "no header": jwt({}, {"exp": 7}),
    "a list for a header": jwt(["alg"], {"exp": 7}),
    "a list of claims": jwt(HEADER, [7]),
    "no base64": part(HEADER) + b"." + b"A.c",
    "no text": part(HEADER) + b"." + urlsafe_b64encode(b"\xff\xfe") + b".c",
    "no ASCII": b"\xff.\xff.\xff",
    "a deep claim": part(HEADER) + b"." + urlsafe_b64encode(b"[" * 20_000) + b".c",
    "a long number": part(HEADER)
    + b"."
    + urlsafe_b64encode(b'{"exp":' + b"9" * 20_000 + b"}")
    + b".c",
    "opaque with two dots": b"canary.canary.canary",
}


@pytest.mark.parametrize("token", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_json_web_token_says_none_and_is_taken(token: bytes) -> None:
    TYPE.check(None, {"token": token})

    assert end(token) is None


def test_a_token_past_its_end_is_taken() -> None:
    # Whether one that is over still serves is for those to say who check it.
    TYPE.check_end(None, {"token": jwt(HEADER, {"exp": 7})}, 8.0)
