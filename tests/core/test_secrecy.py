"""Nothing that can be printed holds a value, a token or a key."""

from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterator
from traceback import format_exception

import pytest

from tests.keyrings import HERE, keyring, root_key, seal
from vaultferry.core.errors import Failure, PublicKeyInvalid, RootKeyInvalid
from vaultferry.core.keyring import Keyring
from vaultferry.core.rootkey import RootKey
from vaultferry.core.sealing import Place, PublicKey
from vaultferry.core.suites import Suite

VALUE = b"canary-plaintext"
ELSEWHERE = Place("other", "other", "other")
RAW = urlsafe_b64decode(root_key())
TOKENS = [seal(suite, plaintext=VALUE) for suite in Suite]

CANARIES = {
    VALUE.decode(),
    b64encode(VALUE).decode()[:16],
    VALUE.hex(),
    root_key()[:12],
    RAW.hex()[:16],
    repr(RAW)[2:14],
    *(token.rpartition(".")[2][:16] for token in TOKENS),
}

ANY = (Failure, RootKeyInvalid, PublicKeyInvalid)

FAILING: dict[str, Callable[[], object]] = {
    "moved at rest": lambda: keyring().open(TOKENS[0], ELSEWHERE),
    "moved sealed": lambda: keyring().open(TOKENS[1], ELSEWHERE),
    "cut": lambda: keyring().open(TOKENS[0][:-4], HERE),
    "padded": lambda: keyring().open(TOKENS[0] + "=", HERE),
    "unknown key": lambda: keyring(2).open(TOKENS[1], HERE),
    "plaintext for a token": lambda: keyring().open(VALUE.decode(), HERE),
    "plaintext in a token": lambda: keyring().open(
        f"vf1.fernet.strict.{keyring().key_id}.{VALUE.decode()}!", HERE
    ),
    "a root key with a tail": lambda: Keyring.parse([root_key() + "é"]),
    "a root key cut": lambda: Keyring.parse([root_key()[:40]]),
    "a root key twice": lambda: Keyring.parse([root_key(), root_key()]),
    "a root key's hex as key": lambda: Keyring.parse([RAW.hex()]),
    "a root key for a public one": lambda: PublicKey.parse(root_key()),
    "a root key in a public one": lambda: PublicKey.parse(
        f"vfpk1.hpke-x25519.{root_key()}.{root_key()}"
    ),
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that Python remembers behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("fail", FAILING.values(), ids=FAILING)
def test_no_error_holds_a_value_a_token_or_a_key(fail: Callable[[], object]) -> None:
    with pytest.raises(ANY) as caught:
        fail()

    errors = list(chain(caught.value))
    shown = [f"{e!r} {e} {e.args} {vars(e)}" for e in errors]
    shown += format_exception(caught.value)
    assert not [canary for canary in CANARIES if canary in "\n".join(shown)]
    assert len(errors) == 1


def test_no_key_shows_itself() -> None:
    ring, root = keyring(1, 2), RootKey(RAW)
    shown = f"{ring} {ring!r} {root} {root!r} {ring.public_key()!r} {[ring, root]}"

    assert not [canary for canary in CANARIES if canary in shown]


def test_the_canaries_would_be_found() -> None:
    shown = f"{VALUE!r} {root_key()} {RAW!r} {RAW.hex()} {VALUE.hex()} {TOKENS}"
    shown += b64encode(VALUE).decode()

    assert all(canary in shown for canary in CANARIES)
