"""One root key: read from text, refused if guessable, the source of all other keys."""

import string
from functools import lru_cache
from itertools import pairwise

from vaultferry.core.encoding import from_fernet_key, pack
from vaultferry.core.errors import RootKeyInvalid
from vaultferry.core.suites import (
    ALL,
    AT_REST,
    KEY_BYTES,
    PRODUCT,
    WITH_PUBLIC_KEY,
    Opener,
    Suite,
    derive,
)

# A random key is refused by mistake with a probability below 5e-14, nearly all of it
# from the rule on text, (98 / 256) ** 32; tests/core/test_rootkey.py computes it.
FEWEST_DISTINCT = 16
LONGEST_PATTERN = 16
LONGEST_RUN = 7
TEXT = frozenset(string.printable.encode()) - frozenset(b"\v\f")

_KID_BYTES = 4
_CACHED_OPENERS = 32
_REMEDY = "`vaultferry keygen` makes one"


class RootKey:
    """A root key; it shows itself only as its id."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.kid = self.derive("kid", length=_KID_BYTES).hex()
        # Who writes a token chooses its epoch, so the cache is bounded.
        self.opener = lru_cache(maxsize=_CACHED_OPENERS)(self._opener)

    def __repr__(self) -> str:
        return f"RootKey({self.kid})"

    @classmethod
    def parse(cls, text: str, which: str) -> "RootKey":
        """Read a Fernet key; `which` names it in messages, which never show it."""
        raw = from_fernet_key(text)
        if raw is None:
            wanted = "a Fernet key is 44 characters of URL-safe base64 with one = last"
            found = f"{len(text)} characters that are no such key"
            raise RootKeyInvalid(f"{which}: {found}; {wanted}; {_REMEDY}")
        if len(raw) != KEY_BYTES:
            found = f"{len(raw)} bytes, {KEY_BYTES} wanted"
            raise RootKeyInvalid(f"{which}: {found}; {_REMEDY}")
        if weakness := find_weakness(raw):
            raise RootKeyInvalid(f"{which}: {weakness}, not random; {_REMEDY}")
        return cls(raw)

    def derive(self, *label: str, length: int = KEY_BYTES) -> bytes:
        """Derive a key for a purpose of our own."""
        return derive(self._raw, pack(PRODUCT, *label), length)

    def public_key(self, suite: Suite, key_id: str) -> bytes:
        """Return the public key of an epoch; the suite must have one."""
        return WITH_PUBLIC_KEY[suite].public_key(self._raw, key_id)

    def seal_at_rest(self, info: bytes, plaintext: bytes) -> bytes:
        """Return the payload of a value sealed with this root key itself."""
        return AT_REST.seal(self._raw, info, plaintext)

    def _opener(self, suite: Suite, key_id: str) -> Opener:
        return ALL[suite].opener(self._raw, key_id)


def find_weakness(raw: bytes) -> str:
    """Say in what way these bytes were not drawn at random; empty if none is seen."""
    steps = [(after - before) % 256 for before, after in pairwise(raw)]
    signs = {
        "text": TEXT.issuperset(raw),
        "a repeated pattern": has_short_period(raw),
        "a long run of one byte": longest_run(raw) > LONGEST_RUN,
        "few different bytes": len(set(raw)) < FEWEST_DISTINCT,
        "a sequence": len(set(steps)) < FEWEST_DISTINCT,
    }
    return next((sign for sign, is_seen in signs.items() if is_seen), "")


def has_short_period(raw: bytes) -> bool:
    """Tell whether the bytes repeat themselves after at most LONGEST_PATTERN."""
    periods = range(1, LONGEST_PATTERN + 1)
    return any(raw[period:] == raw[:-period] for period in periods)


def longest_run(raw: bytes) -> int:
    """Count the longest run of equal bytes, such as padding."""
    lengths = [1]
    for before, after in pairwise(raw):
        lengths.append(lengths[-1] + 1 if before == after else 1)
    return max(lengths)
