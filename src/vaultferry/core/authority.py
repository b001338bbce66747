"""The webhook's certificates and its path, all from the root key.

So replicas need to share nothing else, nothing is stored, and whoever holds the root
key can write the webhook configuration anywhere.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vaultferry.core.keyring import Keyring

LIFETIME = dt.timedelta(days=90)
"""How long a serving certificate is valid."""

RENEWED_AFTER = dt.timedelta(days=30)
"""When it is replaced: long before, so that a clock that is wrong does no harm."""

# Two machines that start within an hour of each other's clock can talk.
_SLACK = dt.timedelta(hours=1)

# For good: the authority ends with its root key.
_BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)

_SERIAL_BYTES = 16

# Every integer below 2^256 - 1, minus a bias of 2^-32, is a key of this curve.
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_SIGNING = x509.KeyUsage(
    digital_signature=False,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, repr=False)
class KeyPair:
    """A certificate and its key, PEM; without a `repr`, because it holds a key."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs the certificates that the webhook serves with.

    Equal keys make equal certificates of it, byte for byte.
    """

    def __init__(self, raw: bytes, serial: bytes, key_id: str) -> None:
        """Make it of 32 random bytes, and of more for its serial number."""
        scalar = int.from_bytes(raw, "big") % (_ORDER - 1) + 1
        self._key = ec.derive_private_key(scalar, _CURVE)
        self.serial = int.from_bytes(serial[:_SERIAL_BYTES], "big") >> 1 | 1
        self.name = _subject(f"vaultferry webhook {key_id}")
        self.public_key = self._key.public_key()
        self.identifier = x509.SubjectKeyIdentifier.from_public_key(self.public_key)
        self.certificate = self.vouch_for(self)

    def vouch_for(self, other: "Authority") -> bytes:
        """Return a certificate, PEM, by which who trusts this one trusts another."""
        below = 1 if other is self else 0
        limits = x509.BasicConstraints(ca=True, path_length=below)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(other.name)
            .issuer_name(self.name)
            .public_key(other.public_key)
            .serial_number(other.serial)
            .not_valid_before(_BEGIN)
            .not_valid_after(_END)
            .add_extension(limits, critical=True)
            .add_extension(_SIGNING, critical=True)
            .add_extension(other.identifier, critical=False)
            .add_extension(_issued_by(self.identifier), critical=False)
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, host: str, now: dt.datetime) -> KeyPair:
        """Return a new key with its certificate for a server of that name."""
        key = ec.generate_private_key(_CURVE)
        names = x509.SubjectAlternativeName([_general_name(host)])
        limits = x509.BasicConstraints(ca=False, path_length=None)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_subject("vaultferry webhook"))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SLACK)
            .not_valid_after(now + LIFETIME)
            .add_extension(limits, critical=True)
            .add_extension(names, critical=False)
            .add_extension(usage, critical=False)
            .add_extension(_issued_by(self.identifier), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return KeyPair(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def issue(issuers: Sequence[Authority], host: str, now: dt.datetime) -> KeyPair:
    """Return a new key with a certificate that any of some authorities stands for.

    While root keys are rotated, the API server may trust the authority of one alone.
    """
    first, *others = issuers
    pair = first.issue(host, now)
    vouchers = (other.vouch_for(first) for other in others)
    return KeyPair(b"".join([pair.certificate, *vouchers]), pair.key)


def authorities(keyring: Keyring) -> tuple[Authority, ...]:
    """Return the authority of each root key, newest first."""
    keys = keyring.derive("webhook", "authority")
    serials = keyring.derive("webhook", "serial")
    ids = keyring.key_ids
    return tuple(Authority(*each) for each in zip(keys, serials, ids, strict=True))


def paths(keyring: Keyring) -> tuple[str, ...]:
    """Return the path of each root key, newest first: 256 bits nobody knows.

    In hex, because the API server takes nothing else as a part of a path.
    """
    return tuple(f"/{raw.hex()}" for raw in keyring.derive("webhook", "path"))


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _issued_by(issuer: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
