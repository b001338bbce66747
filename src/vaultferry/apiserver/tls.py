"""TLS contexts of clients, made from files or from what was read before."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

Material = Path | bytes
"""A file, or what one would hold: PEM."""


def trusting(authority: Material | None) -> ssl.SSLContext:
    """Return a context that trusts an authority; None: those of the system.

    It is as strict as Python is: since 3.13 certificates have to keep RFC 5280, which
    those of some clusters do not.

    Raises:
        OSError, ValueError: that is no certificate.
    """
    if isinstance(authority, bytes):
        return ssl.create_default_context(cadata=authority.decode("ascii"))
    return ssl.create_default_context(cafile=authority)


def trusting_anybody() -> ssl.SSLContext:
    """Return a context that takes every certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def show(context: ssl.SSLContext, certificate: Material, key: Material) -> None:
    """Show a certificate on new connections.

    Raises:
        OSError, ValueError: that is none, or not its key, or the key is encrypted.
    """
    with _file(certificate) as of_certificate, _file(key) as of_key:
        # Without a password OpenSSL asks for one at the terminal.
        context.load_cert_chain(of_certificate, of_key, password="")


@contextmanager
def _file(material: Material) -> Iterator[Path]:
    """Have a file of it: Python reads keys from nothing else."""
    if isinstance(material, Path):
        yield material
        return
    # Its mode is 0600, and it is gone right after.
    with NamedTemporaryFile() as file:
        file.write(material)
        file.flush()
        yield Path(file.name)
