"""Makes docs/vectors/vf1.json; run once: python -m tests.vectors.generate > FILE.

Sealing draws at random, so every run gives other tokens. What was published stays:
a later version adds vectors and never replaces one.
"""

import json
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from itertools import product

from vaultferry.core.encoding import to_base64url
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope, Token
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite

HERE = Place("backup", "aws-production", "secret_access_key")
VALUE = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

SHORT = b"20 bytes, any suite:"  # all payloads then end in trailing bits

Vector = dict[str, object]

CASES = [
    ("an ordinary value", 1, 1, HERE, VALUE),
    ("an empty value", 1, 1, HERE, b""),
    ("every byte", 1, 1, HERE, bytes(range(256))),
    ("another epoch", 1, 12, HERE, VALUE),
    ("the last epoch", 1, 999_999, HERE, VALUE),
    ("another root key", 2, 1, HERE, VALUE),
    ("names that are not ASCII", 1, 1, Place("é", "日本", "ключ"), VALUE),
    ("names that join alike", 1, 1, Place("a", "b/c", "d"), VALUE),
]


def root_key(number: int) -> str:
    """Return a root key that everybody knows."""
    text = f"vaultferry published test vector, root key {number}"
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode()


def seal(ring: Keyring, suite: Suite, scope: Scope, place: Place, value: bytes) -> str:
    """Seal in the way of the suite."""
    if suite in WITH_PUBLIC_KEY:
        return ring.public_key(suite).seal(value, scope, place)
    return ring.seal_at_rest(value, scope, place)


def opened() -> Iterator[Vector]:
    """Yield tokens that open."""
    for case, suite, scope in product(CASES, Suite, Scope):
        title, number, epoch, place, value = case
        ring = Keyring.parse([root_key(number)], epoch)
        token = seal(ring, suite, scope, place, value)
        yield {
            "title": title,
            "rootKey": root_key(number),
            "epoch": epoch,
            "keyId": ring.key_id,
            "suite": suite,
            "publicKey": public_key(ring, suite),
            "scope": scope,
            "place": asdict(place),
            "info": Token.parse(token, place.field).header.info(place).hex(),
            "plaintext": b64encode(value).decode(),
            "token": token,
        }


def public_key(ring: Keyring, suite: Suite) -> str | None:
    """Return the public key's text; None for a suite that has none."""
    return str(ring.public_key(suite)) if suite in WITH_PUBLIC_KEY else None


def refused() -> Iterator[Vector]:
    """Yield tokens that must not open, and the reason to give."""
    ring = Keyring.parse([root_key(1)])
    for suite in Suite:
        token = seal(ring, suite, Scope.STRICT, HERE, SHORT)
        for reason, cases in (
            ("TokenNotOpened", altered(token, suite)),
            ("TokenMalformed", misspelt(token)),
            ("UnknownKeyId", {"an unknown key id": exchange(token, 3, "0badc0de-1")}),
        ):
            for title, text in cases.items():
                yield refusal(f"{suite}: {title}", HERE, text, reason)
        for title, place in moved().items():
            yield refusal(f"{suite}: {title}", place, token, "TokenNotOpened")


def refusal(title: str, place: Place, token: str, reason: str) -> Vector:
    """Return one vector that must not open."""
    return {
        "title": title,
        "rootKey": root_key(1),
        "place": asdict(place),
        "token": token,
        "reason": reason,
    }


def exchange(token: str, number: int, text: str) -> str:
    """Return the token with one part exchanged."""
    parts = token.split(".")
    return ".".join([*parts[:number], text, *parts[number + 1 :]])


def altered(token: str, suite: Suite) -> dict[str, str]:
    """Return well-formed tokens that were tampered with."""
    other = next(other for other in Suite if other is not suite)
    payload = token.rpartition(".")[2]
    raw = Token.parse(token, HERE.field).payload
    first = "B" if payload[0] == "A" else "A"
    return {
        "scope widened to the namespace": exchange(token, 2, Scope.NAMESPACE),
        "scope widened to the cluster": exchange(token, 2, Scope.CLUSTER),
        "another suite": exchange(token, 1, other),
        "another epoch": token.replace("-1.", "-2.", 1),
        "another first character": exchange(token, 4, first + payload[1:]),
        "cut by a byte": exchange(token, 4, to_base64url(raw[:-1])),
        "cut to three bytes": exchange(token, 4, payload[:4]),
        "lengthened": exchange(token, 4, "AAAA" + payload),
    }


def misspelt(token: str) -> dict[str, str]:
    """Return spellings of a good token that are not the canonical one."""
    payload = token.rpartition(".")[2]
    alphabet = "".join(map(chr, [*range(65, 91), *range(97, 123), *range(48, 58)]))
    alphabet += "-_"
    after = alphabet[alphabet.index(payload[-1]) + 1]
    return {
        "trailing bits": token[:-1] + after,
        "padding": token + "=" * (-len(payload) % 4),
        "a newline at the end": token + "\n",
        "a space in front": " " + token,
        "a newline within": token[:-9] + "\n" + token[-9:],
        "another alphabet": exchange(token, 4, "+/" + payload[2:]),
        "scope in capitals": exchange(token, 2, "STRICT"),
        "an unknown suite": exchange(token, 1, "rot13"),
        "an unknown format": exchange(token, 0, "vf0"),
        "an epoch with a zero in front": token.replace("-1.", "-01.", 1),
        "epoch zero": token.replace("-1.", "-0.", 1),
        "an epoch of seven digits": token.replace("-1.", "-1000000.", 1),
        "an epoch in other digits": token.replace("-1.", "-\u0661.", 1),
        "a sixth part": token + ".",
        "no payload": exchange(token, 4, ""),
    }


def moved() -> dict[str, Place]:
    """Return places where a token of HERE does not belong."""
    return {
        "in another namespace": Place("staging", HERE.name, HERE.field),
        "under another name": Place(HERE.namespace, "aws-staging", HERE.field),
        "in another field": Place(HERE.namespace, HERE.name, "access_key_id"),
        "joined alike": Place("backup/aws-production", "", HERE.field),
    }


def fingerprints() -> Iterator[Vector]:
    """Yield credentials and their fingerprints."""
    cases: list[dict[str, bytes]] = [
        {"access_key_id": b"AKIAIOSFODNN7EXAMPLE", "secret_access_key": VALUE},
        {"a": b"bc"},
        {"ab": b"c"},
        {"b": b"1", "B": b"2", "é": b"3", "": b""},
    ]
    for values, epoch in product(cases, (1, 12)):
        ring = Keyring.parse([root_key(1)], epoch)
        yield {
            "rootKey": root_key(1),
            "epoch": epoch,
            "namespace": HERE.namespace,
            "name": HERE.name,
            "values": {field: b64encode(v).decode() for field, v in values.items()},
            "fingerprint": ring.fingerprint(values, HERE.namespace, HERE.name),
        }


def main() -> None:
    """Write all vectors to stdout."""
    vectors = {
        "about": "Vectors of the vf1 format, docs/sealing.md. These keys are public.",
        "opened": list(opened()),
        "refused": list(refused()),
        "fingerprints": list(fingerprints()),
    }
    json.dump(vectors, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
