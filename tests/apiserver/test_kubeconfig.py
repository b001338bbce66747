"""What a cluster and a user in a kubeconfig mean, by a server that speaks TLS."""

import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from tests.apiserver.files import CANARY, Content, reached
from tests.apiserver.https import Asked, Https, asked
from tests.controlplane import certificates
from tests.controlplane.certificates import Authority, KeyPair, new_key
from tests.controlplane.kubeconfig import encode
from tests.running import run
from vaultferry.apiserver.credentials import Unusable

AUTHORITY, STRANGER = Authority("ours"), Authority("a stranger")
ME = AUTHORITY.issue("me")


@pytest.fixture
def https(tmp_path: Path) -> Https:
    return Https(AUTHORITY, tmp_path)


def data(authority: Authority = AUTHORITY) -> Content:
    return {"certificate-authority-data": encode(authority.certificate)}


def ask(
    https: Https, folder: Path, user: Content | None, cluster: Content | None = None
) -> Asked | None:
    """Ask the server with what a kubeconfig in a folder says of it."""
    trusted = data() if cluster is None else cluster
    return asked(https, lambda url: reached(folder, user, {"server": url, **trusted}))


# Who we are

USERS: dict[str, tuple[Content | None, str | None]] = {
    "nobody": (None, None),
    "somebody of whom nothing is said": ({}, None),
    "a token": ({"token": "made-up"}, "Bearer made-up"),
    "a file": ({"tokenFile": "token"}, "Bearer of-the-file"),
    "a file before a token": (
        {"tokenFile": "token", "token": "made-up"},
        "Bearer of-the-file",
    ),
    "a password": (
        {"username": "me", "password": "päss:word"},
        f"Basic {b64encode('me:päss:word'.encode()).decode()}",
    ),
    "a name only": ({"username": "me"}, f"Basic {b64encode(b'me:').decode()}"),
    "a token before a program": (
        {"token": "made-up", "exec": {"command": "not-there"}},
        "Bearer made-up",
    ),
}


@pytest.mark.parametrize(("user", "header"), USERS.values(), ids=USERS)
def test_a_user_shows_a_header(
    user: Content | None, header: str | None, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("of-the-file\n")

    assert run(reached(tmp_path, user).credentials.authorization()) == header


def as_data(pair: KeyPair, folder: Path) -> Content:
    del folder
    return {
        "client-certificate-data": encode(pair.certificate),
        "client-key-data": encode(pair.key),
    }


def as_files(pair: KeyPair, folder: Path) -> Content:
    (folder / "my.crt").write_text(pair.certificate)
    (folder / "my.key").write_text(pair.key)
    return {"client-certificate": "my.crt", "client-key": "my.key"}


def as_both(pair: KeyPair, folder: Path) -> Content:
    return as_files(KeyPair("wrong", "wrong"), folder) | as_data(pair, folder)


def as_one_of_each(pair: KeyPair, folder: Path) -> Content:
    (folder / "my.crt").write_text(pair.certificate)
    return {"client-certificate": "my.crt", "client-key-data": encode(pair.key)}


@pytest.mark.parametrize("given", [as_data, as_files, as_both, as_one_of_each])
def test_a_user_shows_a_certificate_and_no_file_stays(
    given: Any, https: Https, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))

    seen = ask(https, tmp_path, given(ME, tmp_path))

    assert seen == Asked(None, "me")
    assert list(aside.iterdir()) == []


def test_a_certificate_and_a_token_go_together(https: Https, tmp_path: Path) -> None:
    user = {"token": "made-up", **as_data(ME, tmp_path)}

    assert ask(https, tmp_path, user) == Asked("Bearer made-up", "me")


def encrypted() -> str:
    """Return a key that nobody opens without its password."""
    encryption = BestAvailableEncryption(CANARY.encode())
    pem = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem.decode()


OTHER = AUTHORITY.issue("other")

USELESS: dict[str, tuple[Content, str]] = {
    "a token of two lines": ({"token": f"a\n{CANARY}"}, "token is no token"),
    "a token that is no text": ({"token": [CANARY]}, "token is not what it has to be"),
    "a file that is not there": ({"tokenFile": "absent"}, "tokenFile cannot be read"),
    "a file that is empty": ({"tokenFile": "empty"}, "tokenFile is no token"),
    "a file of bytes": ({"tokenFile": "bytes"}, "tokenFile cannot be read"),
    "a provider": (
        {"auth-provider": {"name": "gcp"}},
        "auth-provider was taken out of kubectl 1.26: use exec",
    ),
    "somebody else": ({"token": CANARY, "as": "admin"}, "as is not known here"),
    "a certificate without a key": (
        {"client-certificate-data": encode(ME.certificate)},
        "client-certificate and client-key belong together",
    ),
    "a key without a certificate": (
        {"client-key-data": encode(ME.key)},
        "client-certificate and client-key belong together",
    ),
    "a certificate and another key": (
        as_data(KeyPair(ME.certificate, OTHER.key), Path()),
        "client-certificate and client-key are no certificate with its key",
    ),
    "an encrypted key": (
        as_data(KeyPair(ME.certificate, encrypted()), Path()),
        "client-certificate and client-key are no certificate with its key",
    ),
    "a certificate that is not there": (
        {"client-certificate": "absent", "client-key": "absent"},
        "client-certificate and client-key are no certificate with its key",
    ),
    "data that are not base64": (
        {"client-certificate-data": f"{CANARY}!", "client-key-data": ""},
        "client-certificate-data is not what it has to be",
    ),
}


@pytest.mark.parametrize(("user", "words"), USELESS.values(), ids=USELESS)
def test_a_user_that_cannot_be_used_is_named_and_not_quoted(
    user: Content, words: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff" + CANARY.encode())

    with pytest.raises(Unusable) as caught:
        reached(tmp_path, user)

    assert str(caught.value) == f"user ours of {tmp_path / 'config'}: {words}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# Whom we trust


def test_a_server_of_the_authority_is_trusted_and_no_other(
    https: Https, tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_text(AUTHORITY.certificate)
    file = {"certificate-authority": "ca.crt"}

    assert ask(https, tmp_path, None, data(STRANGER)) is None
    assert ask(https, tmp_path, None, data()) == Asked(None, None)
    assert ask(https, tmp_path, None, file) == Asked(None, None)
    assert ask(https, tmp_path, None, file | data(STRANGER)) == Asked(None, None)


def test_without_an_authority_it_is_those_of_the_system(
    https: Https, tmp_path: Path
) -> None:
    assert ask(https, tmp_path, None, {}) is None


def test_a_check_that_is_to_be_left_out_is(https: Https, tmp_path: Path) -> None:
    cluster = {"insecure-skip-tls-verify": True}

    assert ask(https, tmp_path, {"token": "t"}, cluster) == Asked("Bearer t", None)


def test_a_server_may_have_another_name_than_its_url(
    https: Https, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (x509.DNSName("api.example.com"),)
    monkeypatch.setattr(certificates, "SERVED_NAMES", names)

    assert ask(https, tmp_path, None, data()) is None
    named = data() | {"tls-server-name": "api.example.com"}
    assert ask(https, tmp_path, None, named) == Asked(None, None)
    assert https.names[-1] == "api.example.com"
    wrong = data() | {"tls-server-name": "another.example.com"}
    https.asked.clear()
    assert ask(https, tmp_path, None, wrong) is None


UNTRUSTED: dict[str, tuple[Content, str]] = {
    "no address": ({"server": ""}, "server is not what it has to be"),
    "no URL": ({"server": "here:6443"}, "server is no URL of http or https"),
    "half an address": ({"server": "https://[::1"}, "server is not what it has to be"),
    "no host": ({"server": "https:///x"}, "server is no URL of http or https"),
    "a proxy of another kind": (
        {"proxy-url": f"socks5://me:{CANARY}@127.0.0.1"},
        "proxy-url is no URL of http or https",
    ),
    "no certificate": (
        {"certificate-authority-data": encode(CANARY)},
        "certificate-authority is no certificate",
    ),
    "a certificate that is not there": (
        {"certificate-authority": "absent"},
        "certificate-authority is no certificate",
    ),
    "nothing to check, and an authority": (
        {"insecure-skip-tls-verify": True, **data()},
        "insecure-skip-tls-verify and an authority exclude each other",
    ),
    "a flag that is none": (
        {"insecure-skip-tls-verify": "no"},
        "insecure-skip-tls-verify is not what it has to be",
    ),
}


@pytest.mark.parametrize(("cluster", "words"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_a_cluster_that_cannot_be_used_is_named_and_not_quoted(
    cluster: Content, words: str, tmp_path: Path
) -> None:
    with pytest.raises(Unusable) as caught:
        reached(tmp_path, None, cluster)

    assert str(caught.value) == f"cluster ours of {tmp_path / 'config'}: {words}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_where_it_is_and_by_which_proxy(tmp_path: Path) -> None:
    cluster = {"server": "http://here/under/", "proxy-url": "http://proxy:3128"}

    server = reached(tmp_path, None, cluster)

    assert (server.url, server.proxy) == ("http://here/under", "http://proxy:3128")
    assert server.tls is None


def test_what_is_known_of_a_server_is_not_shown(tmp_path: Path) -> None:
    server = reached(tmp_path, {"token": CANARY})

    assert CANARY not in f"{server!r} {server.credentials!r}"
