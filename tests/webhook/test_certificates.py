"""The certificate that is served is replaced in time, without a restart."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keyrings import keyring
from tests.running import run
from tests.webhook.tls import HOST, Answer, ask, request
from vaultferry.core.authority import (
    LIFETIME,
    RENEWED_AFTER,
    Authority,
    KeyPair,
    authorities,
)
from vaultferry.webhook import certificates
from vaultferry.webhook.certificates import (
    Certificates,
    CertificateUnusable,
    Files,
    Own,
)
from vaultferry.webhook.metrics import Metrics
from vaultferry.webhook.server import Handler, serving
from vaultferry.webhook.settings import CertificateFiles

DAY = dt.timedelta(days=1)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        # A client looks at the true time, and every one of these is to be valid then.
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0) - RENEWED_AFTER - DAY

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority() -> Authority:
    [only] = authorities(keyring())
    return only


@pytest.fixture
def files(tmp_path: Path, authority: Authority, clock: Clock) -> CertificateFiles:
    there = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    write(there, authority, clock.now)
    return there


def write(files: CertificateFiles, authority: Authority, now: dt.datetime) -> None:
    pair = authority.issue(HOST, now)
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)


def shown(served: Certificates, authority: Authority, times: int) -> Iterator[Answer]:
    """Yield what is served; between two answers the caller changes something."""
    handler = Handler([], NotImplemented, Metrics())
    with asyncio.Runner() as runner:
        server = serving(0, served.context, handler)
        port = runner.run(server.__aenter__())
        for _ in range(times):
            yield runner.run(ask(port, authority, request("/")))
        runner.run(server.__aexit__(None, None, None))


def test_our_own_is_renewed_long_before_it_expires(
    clock: Clock, authority: Authority
) -> None:
    served = Certificates(Own([authority], HOST, clock))
    answers = shown(served, authority, 3)
    ages = (dt.timedelta(0), RENEWED_AFTER - DAY, RENEWED_AFTER)
    began, serials = clock.now, []

    for age in ages:
        clock.now = began + age
        served.look()
        serials.append(next(answers).certificate.serial_number)
    assert list(answers) == []

    assert serials[0] == serials[1] != serials[2]
    assert served.expiry == (began + RENEWED_AFTER + LIFETIME).timestamp()


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_who_trusts_one_of_several_root_keys_trusts_what_is_served(
    clock: Clock, order: tuple[int, int]
) -> None:
    served = Certificates(Own(authorities(keyring(*order)), HOST, clock))

    for number in order:
        [trusted] = authorities(keyring(number))
        [answer] = shown(served, trusted, 1)
        assert answer.status == 404


def test_one_that_was_issued_in_the_future_is_renewed(
    clock: Clock, authority: Authority
) -> None:
    served = Certificates(Own([authority], HOST, clock))
    clock.now -= 40 * DAY

    served.look()

    assert served.expiry == (clock.now + LIFETIME).timestamp()


def test_files_that_change_are_loaded_while_it_serves(
    files: CertificateFiles, clock: Clock, authority: Authority
) -> None:
    served = Certificates(Files(files))
    answers = shown(served, authority, 3)
    serials = [next(answers).certificate.serial_number]

    served.look()
    serials.append(next(answers).certificate.serial_number)
    write(files, authority, clock.now + DAY)
    served.look()
    serials.append(next(answers).certificate.serial_number)
    assert list(answers) == []

    assert serials[0] == serials[1] != serials[2]
    assert served.expiry == (clock.now + DAY + LIFETIME).timestamp()


@pytest.mark.parametrize("which", ["certificate", "key"])
@pytest.mark.parametrize("content", [b"", b"canary-value", None])
def test_what_is_no_pair_does_not_end_what_is_served(
    files: CertificateFiles,
    clock: Clock,
    authority: Authority,
    which: str,
    content: bytes | None,
) -> None:
    served = Certificates(Files(files))
    was = served.expiry
    path: Path = getattr(files, which)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    served.look()
    assert served.expiry == was

    write(files, authority, clock.now + DAY)
    served.look()
    assert served.expiry == was + DAY.total_seconds()


def test_a_certificate_and_a_key_in_each_others_file_are_no_pair(
    files: CertificateFiles,
) -> None:
    with pytest.raises(CertificateUnusable):
        Certificates(Files(CertificateFiles(files.key, files.certificate)))


def test_halves_of_two_pairs_are_no_pair(
    files: CertificateFiles, authority: Authority, clock: Clock
) -> None:
    files.key.write_bytes(authority.issue(HOST, clock.now).key)

    with pytest.raises(CertificateUnusable):
        Certificates(Files(files))


class Telling(Own):
    """Tells when it is looked at."""

    looked: asyncio.Event

    def newer(self) -> KeyPair | None:
        self.looked.set()
        return super().newer()


def test_it_looks_by_itself(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, authority: Authority
) -> None:
    monkeypatch.setattr(certificates, "LOOK_SECONDS", 0.01)
    source = Telling([authority], HOST, clock)
    served = Certificates(source)
    clock.now += RENEWED_AFTER

    async def look() -> None:
        source.looked = asyncio.Event()
        keeping = asyncio.create_task(served.keep())
        await source.looked.wait()
        keeping.cancel()

    run(look())

    assert served.expiry == (clock.now + LIFETIME).timestamp()


def test_old_versions_of_tls_are_not_spoken(clock: Clock, authority: Authority) -> None:
    context = Certificates(Own([authority], HOST, clock)).context

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
