"""A folder whose files change all at once, as the kubelet has a volume of a Secret."""

import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from tests.e2e.webhook import Webhook


@dataclass(frozen=True)
class Volume:
    """The folder; its files are links through one link that is exchanged."""

    folder: Path

    @property
    def options(self) -> tuple[str, ...]:
        """The options by which the webhook serves what is here."""
        certificate, key = self.folder / "tls.crt", self.folder / "tls.key"
        return (f"--tls-cert={certificate}", f"--tls-key={key}")

    def write(self, files: Mapping[str, bytes]) -> None:
        """Have these files in place of those before."""
        new = self.folder / f"..{secrets.token_hex(4)}"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        following = self.folder / "..data_tmp"
        following.symlink_to(new.name)
        following.rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")

    @property
    def serial(self) -> int:
        """The serial number of the certificate that is here."""
        return _serial((self.folder / "tls.crt").read_bytes())


def served(webhook: Webhook) -> int:
    """Return the serial number of the certificate that is served."""
    return _serial(ssl.get_server_certificate(("127.0.0.1", webhook.port)).encode())


def _serial(certificate: bytes) -> int:
    return x509.load_pem_x509_certificate(certificate).serial_number
