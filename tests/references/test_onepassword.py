"""1Password's own validator and ours agree on what a reference is."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.formats import tools
from vaultferry.core.errors import ReferenceInvalid
from vaultferry.core.opref import parse

COUNT = 5000
VALIDATOR = Path(__file__).parent / "validator.py"

# Mostly what is legal, so that one wrong thing at a time decides.
PARTS = ["v", "Dev Ops", "AWS.Prod-1", "key_id", "a" * 26, "file.txt", "..", "X"]
ODD_PARTS = [
    *PARTS,
    "",
    " ",
    "a ",
    " a",
    "é",
    "a%20b",
    "a+b",
    "a:b",
    "a@b",
    "a\n",
    "a#b",
]
ODD = "/?&=%+@:,;#()\"'\\~^*[]{}<>|!$`\t\n\r\0éßж\uff11\u0663 \xa0"
PREFIXES = ["op://"] * 12 + ["OP://", "op:/", "op:///", " op://", "", "op", "https://"]
QUERIES = [
    *["", "?attribute=otp", "?attribute=totp", "?ssh-format=openssh"] * 5,
    *["?", "??", "?attribute", "?attribute=", "?=otp", "?otp", "?attribute=otp&"],
    *[f"?attribute={name}" for name in ("type", "value", "id", "purpose", "title")],
    *[f"?attribute={name}" for name in ("content", "size", "name", "OTP", "otp ")],
    *["?attr=otp", "?Attribute=otp", "?attribute=otp&attribute=otp", "? attribute=otp"],
    *["?attribute=otp&ssh-format=openssh", "?ssh-format=", "?ssh-format=pkcs8", "#a"],
    *["?attribute=otp?attribute=otp", "?attribute=otp/", "?ssh_format=openssh"],
]


def references() -> list[str]:
    """Return references and what looks like them, the same at each run."""
    chance = random.Random(20261123)
    return [_reference(chance) for _ in range(COUNT)]


def _reference(chance: random.Random) -> str:
    parts = PARTS if chance.random() < 0.7 else ODD_PARTS
    count = chance.choice([2, 3, 3, 3, 3, 4, 4, 4, 5])
    path = "/".join(chance.choice(parts) for _ in range(count))
    text = chance.choice(PREFIXES) + path + chance.choice(QUERIES)
    if chance.random() < 0.2:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(ODD) + text[at + chance.randrange(2) :]
    return text


@pytest.fixture(scope="module")
def theirs() -> list[bool]:
    """What the official validator accepts of the references."""
    done = subprocess.run(
        [sys.executable, str(VALIDATOR)],
        env=tools.environment(),
        input=json.dumps(references()),
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[bool] = json.loads(done.stdout)
    return answers


def ours(text: str) -> bool:
    try:
        parse(text)
    except ReferenceInvalid:
        return False
    return True


def is_stricter(text: str) -> bool:
    """Tell whether we refuse on purpose: a part is empty, or has blanks around it."""
    parts = text.removeprefix("op://").partition("?")[0].split("/")
    return any(not part or part != part.strip(" ") for part in parts)


def test_ours_accepts_what_the_official_one_does_and_means_something(
    theirs: list[bool],
) -> None:
    differing = [
        text
        for text, accepted in zip(references(), theirs, strict=True)
        if ours(text) != (accepted and not is_stricter(text))
    ]

    assert differing == []


def test_the_references_that_are_asked_about_are_of_all_kinds(
    theirs: list[bool],
) -> None:
    pairs = zip(references(), theirs, strict=True)
    kinds = Counter((accepted, ours(text)) for text, accepted in pairs)

    assert kinds[True, True] > 500
    assert kinds[False, False] > 500
    # On purpose, and only there.
    assert kinds[True, False] > 50
    assert kinds[False, True] == 0
