"""A client that trusts one authority, as the API server does."""

import asyncio
import ssl
from dataclasses import dataclass

from cryptography import x509

from vaultferry.core.authority import Authority

HOST = "127.0.0.1"


def trusting(authority: Authority) -> ssl.SSLContext:
    """Return the TLS context of that client."""
    return ssl.create_default_context(cadata=authority.certificate.decode())


@dataclass(frozen=True)
class Answer:
    """What a server answered, and the certificate that it showed."""

    status: int
    body: bytes
    certificate: x509.Certificate


def request(
    path: str,
    body: bytes = b"",
    method: str = "POST",
    length: int | None = None,
    connection: str = "close",
) -> bytes:
    """Return a request, of a length that may be a lie."""
    claimed = len(body) if length is None else length
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Connection: {connection}"]
    return "\r\n".join([*lines, f"Content-Length: {claimed}", "", ""]).encode() + body


async def ask(port: int, authority: Authority, request: bytes) -> Answer:
    """Send one request and read the answer to its end."""
    reader, writer = await asyncio.open_connection(
        HOST, port, ssl=trusting(authority), server_hostname=HOST
    )
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.write(request)
    try:
        raw = await reader.read()
    finally:
        writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return Answer(status, rest, x509.load_der_x509_certificate(shown))
