"""Certificates made on the spot, for one run of the control plane."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=30)
SERVED_NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    # A fake of AWS is found there by a proxy of the tests.
    x509.DNSName("*.eu-west-1.amazonaws.com"),
)
SIGNING = x509.KeyUsage(
    digital_signature=True,
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
    """A certificate and its key, PEM; it is not shown by accident."""

    certificate: str
    key: str


class Authority:
    """Signs certificates; its key stays in memory."""

    def __init__(self, name: str) -> None:
        self._key = new_key()
        self._name = _subject(name, ())
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(
            self._key.public_key()
        )
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = (
            _unsigned(self._name, self._name, self._key)
            .add_extension(constraints, critical=True)
            .add_extension(self._identifier, critical=False)
            .add_extension(SIGNING, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = _pem(certificate)

    def issue(
        self, name: str, groups: Sequence[str] = (), *, serves: bool = False
    ) -> KeyPair:
        """Sign a certificate for a client, or for a server on this machine."""
        key = new_key()
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _unsigned(_subject(name, groups), self._name, key)
        if serves:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName(SERVED_NAMES)
            builder = builder.add_extension(names, critical=False)
        # Since 3.13 Python refuses certificates that do not name their issuer's key.
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            self._identifier
        )
        certificate = (
            builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return KeyPair(_pem(certificate), private_pem(key))


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key; a P-256 one is made in no time."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a private key as PEM, in the only form that all of Go reads."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public half of a key as PEM."""
    return (
        key.public_key()
        .public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        .decode()
    )


def _subject(name: str, groups: Sequence[str]) -> x509.Name:
    # Kubernetes reads the user from the common name and groups from organizations.
    organizations = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups
    ]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of two processes on one machine agree, but only to the second.
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + LIFETIME)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
