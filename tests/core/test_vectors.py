"""The published vectors, against this code and against a second implementation."""

import json
import os
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import golang
from tests.controlplane.binaries import cache_folder
from tests.vectors import generate
from vaultferry.core.errors import Failure
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, PublicKey, Scope, Token
from vaultferry.core.suites import Suite

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "vectors" / "vf1.json"
CHECKER = ROOT / "tests" / "vectors"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))

Vector = dict[str, Any]


def title(vector: Vector) -> str:
    """Name a vector in the test's id."""
    return " ".join(str(vector.get(key, "")) for key in ("title", "suite", "scope"))


@pytest.mark.parametrize("vector", VECTORS["opened"], ids=title)
def test_a_published_token_opens(vector: Vector) -> None:
    ring, place = Keyring.parse([vector["rootKey"]]), Place(**vector["place"])

    assert ring.open(vector["token"], place) == b64decode(vector["plaintext"])
    header = Token.parse(vector["token"], place.field).header
    assert header.info(place).hex() == vector["info"]


@pytest.mark.parametrize("vector", VECTORS["opened"], ids=title)
def test_a_published_key_is_derived(vector: Vector) -> None:
    ring = Keyring.parse([vector["rootKey"]], vector["epoch"])

    assert ring.key_id == vector["keyId"]
    if vector["publicKey"] is not None:
        assert PublicKey.parse(vector["publicKey"]) == ring.public_key(
            Suite(vector["suite"])
        )


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=title)
def test_a_published_refusal_holds(vector: Vector) -> None:
    ring = Keyring.parse([vector["rootKey"]])

    with pytest.raises(Failure) as caught:
        ring.open(vector["token"], Place(**vector["place"]))

    assert caught.value.reason == vector["reason"]


@pytest.mark.parametrize("vector", VECTORS["fingerprints"])
def test_a_published_fingerprint_is_made(vector: Vector) -> None:
    ring = Keyring.parse([vector["rootKey"]], vector["epoch"])
    values = {field: b64decode(text) for field, text in vector["values"].items()}

    made = ring.fingerprint(values, vector["namespace"], vector["name"])

    assert made == vector["fingerprint"]


def test_the_vectors_cover_every_suite_scope_and_reason() -> None:
    ways = {(v["suite"], v["scope"]) for v in VECTORS["opened"]}
    reasons = {v["reason"] for v in VECTORS["refused"]}

    assert ways == {(suite, scope) for suite in Suite for scope in Scope}
    assert reasons == {"TokenMalformed", "TokenNotOpened", "UnknownKeyId"}


def without_tokens(vectors: Iterable[Vector]) -> list[Vector]:
    """Return what is not drawn at random, as JSON would give it back."""
    texts = [json.dumps({**vector, "token": None}) for vector in vectors]
    return [json.loads(text) for text in texts]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("opened", generate.opened),
        ("refused", generate.refused),
        ("fingerprints", generate.fingerprints),
    ],
)
def test_the_generator_gives_what_was_published_but_for_chance(
    kind: str, made: Callable[[], Iterator[Vector]]
) -> None:
    assert without_tokens(made()) == without_tokens(VECTORS[kind])


@pytest.fixture(scope="module")
def second_implementation() -> Vector:
    """What the Go program says after it has checked all vectors."""
    environ = {name: text for name, text in os.environ.items() if name != "GOFLAGS"}
    done = subprocess.run(
        [golang.find(cache_folder()), "run", ".", str(FILE)],
        cwd=CHECKER,
        env={**environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: Vector = json.loads(done.stdout)
    return answer


def test_a_second_implementation_agrees(second_implementation: Vector) -> None:
    counts = {kind: len(VECTORS[kind]) for kind in ("opened", "refused")}
    counts["fingerprints"] = len(VECTORS["fingerprints"])

    assert second_implementation["checked"] == counts


def test_what_a_second_implementation_seals_opens_here(
    second_implementation: Vector,
) -> None:
    sealed = second_implementation["sealed"]

    for vector in sealed:
        ring, place = Keyring.parse([vector["rootKey"]]), Place(**vector["place"])
        assert ring.open(vector["token"], place) == b64decode(vector["plaintext"])

    assert len(sealed) == len(VECTORS["opened"])
