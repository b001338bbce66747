"""The parts of the others that can be had without their binaries."""

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks import doppler, eso, phases, sealedsecrets
from benchmarks.bench import Contestant
from benchmarks.figures import Figures
from benchmarks.objects import Key
from benchmarks.rivals import Program
from benchmarks.usage import has_ended
from benchmarks.watching import is_true
from tests.e2e.tenant import eventually
from tests.running import run

KEY = Key("shop", "database")
CONTENT = {"user": b"alice", "password": b"made up"}
STAND_IN = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def opened(private: rsa.RSAPrivateKey, key: Key, sealed: bytes) -> bytes:
    """Decrypt as the controller of Sealed Secrets does."""
    length = int.from_bytes(sealed[:2], "big")
    label = f"{key.namespace}/{key.name}".encode()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
    session = private.decrypt(sealed[2 : 2 + length], oaep)
    return AESGCM(session).decrypt(bytes(12), sealed[2 + length :], None)


def test_a_sealed_secret_opens_to_the_values_that_ours_have(
    private: rsa.RSAPrivateKey,
) -> None:
    made = sealedsecrets.manifest(private.public_key(), KEY, CONTENT)

    sealed = {
        name: base64.b64decode(text)
        for name, text in made["spec"]["encryptedData"].items()
    }
    assert {n: opened(private, KEY, text) for n, text in sealed.items()} == CONTENT


def test_a_sealed_secret_is_bound_to_its_place(private: rsa.RSAPrivateKey) -> None:
    sealed = sealedsecrets.seal(private.public_key(), KEY, b"made up")

    with pytest.raises(ValueError, match="failed"):
        opened(private, Key("shop", "other"), sealed)


def test_the_controller_finds_the_key_that_was_sealed_for(
    private: rsa.RSAPrivateKey,
) -> None:
    secret = sealedsecrets.key_secret(private)

    pem = base64.b64decode(secret["data"]["tls.key"])
    found = serialization.load_pem_private_key(pem, None)
    assert isinstance(found, rsa.RSAPrivateKey)
    assert found.private_numbers() == private.private_numbers()
    assert list(secret["metadata"]["labels"].values()) == ["active"]


def test_an_external_secret_reads_what_its_store_has() -> None:
    made = eso.manifest(KEY, CONTENT)

    wanted = {each["remoteRef"]["key"] for each in made["spec"]["data"]}
    stored = {each["key"] for each in eso.store()["spec"]["provider"]["fake"]["data"]}
    assert wanted == stored == set(CONTENT)


def test_at_a_doppler_it_reads_what_ours_reads() -> None:
    made = eso.manifest(KEY, doppler.FIELDS)
    store = eso.doppler_store("space", "token")["spec"]["provider"]["doppler"]

    read = {d["secretKey"]: d["remoteRef"]["key"] for d in made["spec"]["data"]}
    assert read == doppler.FIELDS
    assert (store["project"], store["config"]) == (doppler.PROJECT, doppler.CONFIG)


def test_another_program_is_started_and_stopped_more_than_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = Program([sys.executable, "-c", STAND_IN], {}, log)

    pids = [once(program, log) for _ in range(2)]

    assert len(set(pids)) == 2
    assert program.process is None


def once(program: Program, log: Path) -> int:
    """Start it, wait until it is up, stop it; return its process id."""
    before = log.stat().st_size if log.exists() else 0
    program.start()
    pid = program.pid
    eventually(lambda: log.stat().st_size > before)
    program.stop()
    return pid


def test_a_program_that_ended_by_itself_is_noticed(tmp_path: Path) -> None:
    program = Program([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path / "l")

    program.start()
    eventually(lambda: has_ended(program.pid))
    program.stop()

    assert program.process is None


def test_who_ends_by_itself_while_nothing_happens_has_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program([sys.executable, "-c", "exit('no luck')"], {}, tmp_path / "log")
    contestant = Contestant(program, "user", "/apis", is_true("Ready"))

    async def passed(*_: object) -> Figures:
        return {}

    for phase in ("first_sync", "at_rest", "restart"):
        monkeypatch.setattr(phases, phase, passed)
    program.start()
    eventually(lambda: has_ended(program.pid))
    nowhere: Any = None

    with pytest.raises(phases.Ended, match="no luck"):
        run(phases.measure(nowhere, contestant, [], 0.0))

    program.stop()
