"""`make bench-crypto`: how many values a second each suite seals and opens.

Beside them stands what sealing is often done with elsewhere: RSA-4096 with OAEP for a
key of AES-256-GCM. All take turns in short rounds of one process, so what disturbs
the machine disturbs all of them; the middle of the rounds is shown.
"""

import os
import statistics
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.machine import BUSY, load
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, PublicKey, Scope
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite

RIVAL = "RSA-4096 OAEP + AES-256-GCM"
VALUE = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HERE = Place("backup", "aws-production", "secret_access_key")
ROUNDS = 15
ROUND_SECONDS = 0.1
RSA_BITS = 4096
_OAEP = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
_NONCE_BYTES = 12

Act = Callable[[], object]


@dataclass(frozen=True)
class Contestant:
    """A way to seal, ready to be called with everything it may keep from before."""

    seal: Callable[[], str]
    open: Callable[[str], bytes]


@dataclass(frozen=True)
class Rates:
    """Values a second, and how many characters of text a sealed one is longer."""

    seal: float
    open: float
    longer: int


def contestants() -> dict[str, Contestant]:
    """Return all ways by name, the rival last."""
    ring = Keyring.parse([Fernet.generate_key().decode()])
    own = {str(suite): _own(ring, suite) for suite in Suite}
    return {**own, RIVAL: _rival()}


def _own(ring: Keyring, suite: Suite) -> Contestant:
    def opened(token: str) -> bytes:
        return ring.open(token, HERE)

    if suite not in WITH_PUBLIC_KEY:
        return Contestant(lambda: ring.seal_at_rest(VALUE, Scope.STRICT, HERE), opened)
    public: PublicKey = ring.public_key(suite)
    return Contestant(lambda: public.seal(VALUE, Scope.STRICT, HERE), opened)


def _rival() -> Contestant:
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    public = private.public_key()

    def sealed() -> str:
        key, nonce = AESGCM.generate_key(256), os.urandom(_NONCE_BYTES)
        wrapped = public.encrypt(key, _OAEP)
        text = AESGCM(key).encrypt(nonce, VALUE, None)
        return urlsafe_b64encode(wrapped + nonce + text).decode()

    def opened(token: str) -> bytes:
        raw, size = urlsafe_b64decode(token), RSA_BITS // 8
        key = private.decrypt(raw[:size], _OAEP)
        nonce, text = raw[size : size + _NONCE_BYTES], raw[size + _NONCE_BYTES :]
        return AESGCM(key).decrypt(nonce, text, None)

    return Contestant(sealed, opened)


def rate(act: Act, seconds: float) -> float:
    """Return how often something can be done in a second."""
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        act()
        count += 1
    return count / took


def measure(
    all_of_them: Mapping[str, Contestant], rounds: int, seconds: float
) -> dict[str, Rates]:
    """Measure all in turns; return the middle of the rounds."""
    tokens = {name: each.seal() for name, each in all_of_them.items()}
    for name, each in all_of_them.items():
        assert each.open(tokens[name]) == VALUE, name
    seals: dict[str, list[float]] = {name: [] for name in all_of_them}
    opens: dict[str, list[float]] = {name: [] for name in all_of_them}
    for _ in range(rounds):
        for name, each in all_of_them.items():
            seals[name].append(rate(each.seal, seconds))
            opens[name].append(rate(partial(each.open, tokens[name]), seconds))
    return {
        name: Rates(
            statistics.median(seals[name]),
            statistics.median(opens[name]),
            len(tokens[name]) - len(VALUE),
        )
        for name in all_of_them
    }


def render(found: Mapping[str, Rates]) -> str:
    """Return the table for a person, with ratios to the rival."""
    base = found[RIVAL]
    lines = [f"{'':29}{'seal/s':>9}{'':>8}{'open/s':>9}{'':>8}{'longer by':>12}"]
    lines += [
        f"{name:29}{rates.seal:9.0f}{_times(rates.seal, base.seal)}"
        f"{rates.open:9.0f}{_times(rates.open, base.open)}{rates.longer:12}"
        for name, rates in found.items()
    ]
    return "\n".join(lines)


def _times(rate: float, base: float) -> str:
    return f" x{rate / base:<6.3g}"


def main() -> None:
    """Measure, and print the table."""
    before = load()
    if before > BUSY * len(os.sched_getaffinity(0)):
        print(f"WARNING: load average {before:.2f}: the figures are too low")
    print(f"A value of {len(VALUE)} bytes, one core, Python {sys.version.split()[0]}:")
    print(render(measure(contestants(), ROUNDS, ROUND_SECONDS)))


if __name__ == "__main__":
    main()
