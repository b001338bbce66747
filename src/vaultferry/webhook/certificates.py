"""The certificate that is served, replaced in time while connections go on."""

import asyncio
import datetime as dt
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from cryptography import x509

from vaultferry.core.authority import RENEWED_AFTER, Authority, KeyPair, issue
from vaultferry.webhook.settings import CertificateFiles

log = structlog.get_logger()

LOOK_SECONDS = 60.0

Now = Callable[[], dt.datetime]


class CertificateUnusable(Exception):
    """The files hold no certificate with its key."""


class Certificates:
    """Keeps one TLS context right; new connections get what was last loaded."""

    def __init__(self, source: "Own | Files") -> None:
        """Load the first certificate.

        Raises:
            CertificateUnusable: there is none.
        """
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.expiry = 0.0
        """When the present one expires, in seconds since 1970."""
        self._source = source
        self._load(source.read())

    async def keep(self) -> None:
        """Replace the certificate in time, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Load a certificate that is newer than the present one; else keep that."""
        try:
            if pair := self._source.newer():
                self._load(pair)
        except CertificateUnusable:
            # A file may be half written just now; the present one still serves.
            log.warning("new certificate not loaded: the files are no pair")

    def _load(self, pair: KeyPair) -> None:
        # ssl reads files only; nobody else can look into this folder.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pair.pem"
            path.write_bytes(pair.key + b"\n" + pair.certificate)
            try:
                trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                trial.load_cert_chain(path, password="")
                certificate = x509.load_pem_x509_certificate(pair.certificate)
            except (OSError, ValueError):
                raise CertificateUnusable from None
            self.context.load_cert_chain(path)
        self.expiry = certificate.not_valid_after_utc.timestamp()
        log.info("certificate loaded", expires=certificate.not_valid_after_utc.date())


class Own:
    """Certificates that we issue ourselves, with a new key each time."""

    def __init__(self, issuers: Sequence[Authority], host: str, now: Now) -> None:
        self._issuers = issuers
        self._host = host
        self._now = now
        self._issued = now()

    def read(self) -> KeyPair:
        """Return a new one."""
        self._issued = self._now()
        return issue(self._issuers, self._host, self._issued)

    def newer(self) -> KeyPair | None:
        """Return a new one where the present one is old, or is from the future."""
        age = self._now() - self._issued
        return None if dt.timedelta(0) <= age < RENEWED_AFTER else self.read()


class Files:
    """Certificates that somebody else writes into files."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._last = (b"", b"")

    def read(self) -> KeyPair:
        """Return what the files hold.

        Raises:
            CertificateUnusable: they cannot be read.
        """
        try:
            content = (
                self._files.certificate.read_bytes(),
                self._files.key.read_bytes(),
            )
        except OSError:
            raise CertificateUnusable from None
        self._last = content
        return KeyPair(*content)

    def newer(self) -> KeyPair | None:
        """Return what the files hold, if that has changed."""
        last = self._last
        pair = self.read()
        return None if self._last == last else pair
