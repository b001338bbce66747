"""The webhook's certificates and paths come from the root key and from nothing else."""

import datetime as dt
import ipaddress

import pytest
from cryptography import x509
from cryptography.x509 import verification

from tests.keyrings import keyring
from vaultferry.core import authority
from vaultferry.core.authority import Authority, authorities, paths
from vaultferry.core.keyring import Keyring

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
HOST = "vaultferry-webhook.vaultferry-system.svc"


def verified(issuer: Authority, pem: bytes, host: str, now: dt.datetime) -> bool:
    """Tell whether a client that trusts an authority trusts a certificate."""
    store = verification.Store([x509.load_pem_x509_certificate(issuer.certificate)])
    subject: x509.GeneralName = x509.DNSName(host)
    if host[0].isdigit():
        subject = x509.IPAddress(ipaddress.ip_address(host))
    leaf, *others = x509.load_pem_x509_certificates(pem)
    builder = verification.PolicyBuilder().store(store).time(now)
    try:
        builder.build_server_verifier(subject).verify(  # type: ignore[arg-type]
            leaf, others
        )
    except verification.VerificationError:
        return False
    return True


def test_equal_root_keys_make_equal_authorities() -> None:
    one, other = (authorities(keyring(1, 2)) for _ in range(2))

    assert [a.certificate for a in one] == [a.certificate for a in other]
    assert len({a.certificate for a in one}) == 2


@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_a_certificate_is_valid_for_its_host_and_time(host: str) -> None:
    [issuer] = authorities(keyring())
    pair = issuer.issue(host, NOW)
    end = NOW + authority.LIFETIME

    assert verified(issuer, pair.certificate, host, NOW)
    assert verified(issuer, pair.certificate, host, NOW - dt.timedelta(minutes=50))
    assert verified(issuer, pair.certificate, host, end - dt.timedelta(seconds=1))
    assert not verified(issuer, pair.certificate, host, end + dt.timedelta(seconds=1))
    assert not verified(issuer, pair.certificate, "example.com", NOW)


def test_an_authority_signs_only_for_its_root_key() -> None:
    newest, oldest = authorities(keyring(1, 2))
    pair = newest.issue(HOST, NOW)

    assert verified(newest, pair.certificate, HOST, NOW)
    assert not verified(oldest, pair.certificate, HOST, NOW)


def test_each_of_several_authorities_stands_for_what_the_first_issues() -> None:
    issuers = authorities(keyring(1, 2, 3))
    pair = authority.issue(issuers, HOST, NOW)

    assert [verified(each, pair.certificate, HOST, NOW) for each in issuers] == [
        True,
        True,
        True,
    ]
    [stranger] = authorities(keyring(4))
    assert not verified(stranger, pair.certificate, HOST, NOW)


def test_each_certificate_has_a_key_of_its_own() -> None:
    [issuer] = authorities(keyring())

    assert issuer.issue(HOST, NOW).key != issuer.issue(HOST, NOW).key


@pytest.mark.parametrize(
    "other", [keyring(2), keyring(1, epoch=2)], ids=["root key", "epoch"]
)
def test_another_root_key_or_epoch_makes_others(other: Keyring) -> None:
    assert set(paths(keyring())).isdisjoint(paths(other))
    assert {a.certificate for a in authorities(keyring())}.isdisjoint(
        a.certificate for a in authorities(other)
    )


def test_a_path_has_256_bits_and_nothing_that_a_url_would_spell_otherwise() -> None:
    [path] = paths(keyring())

    assert path[0] == "/"
    assert len(bytes.fromhex(path[1:])) == 32
    assert paths(keyring(1, 2))[0] == path


def test_a_pair_does_not_show_its_key() -> None:
    [issuer] = authorities(keyring())

    assert "PRIVATE" not in repr(issuer.issue(HOST, NOW))
