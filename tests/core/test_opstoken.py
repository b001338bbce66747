"""Where a token of a service account says that its server is."""

import base64
import json

import pytest

from vaultferry.core import opstoken
from vaultferry.core.errors import AuthenticationFailed


def token(text: str) -> str:
    return f"ops_{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


def at(address: object) -> str:
    return token(json.dumps({"signInAddress": address, "email": "x"}))


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("my.1password.com", "https://my.1password.com"),
        ("https://my.1password.eu", "https://my.1password.eu"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
def test_the_address_is_that_of_the_token(address: str, url: str) -> None:
    assert opstoken.address(at(address)) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops_",
        "ops_!!!!",
        "ops_a",
        "OPS_" + at("my.1password.com")[4:],
        at("my.1password.com") + "=",
        at("my.1password.com") + "\n",
        at(None),
        at(1),
        token("no JSON"),
        token("[]"),
        token("{}"),
        token('{"signInAddress": "my.1password.com"}')[:-4],
        token(
            '{"signInAddress": "evil.example.com", "signInAddress": "a.1password.com"}'
        ),
        token("[" * 100_000),
        "ops_" + base64.urlsafe_b64encode(b"\xff\xfe").decode().rstrip("="),
    ],
)
def test_what_is_no_token_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        opstoken.address(text)
    assert str(caught.value) == "the token is none of a service account of 1Password"


@pytest.mark.parametrize(
    "address",
    [
        "my.1password.com",
        "https://my.1password.com",
        "https://my.1password.com/",
        "https://my.1password.com:443",
        "MY.1Password.com",
        "team.1password.ca",
        "team.1password.eu",
        "team.ent.1password.com",
    ],
)
def test_the_vendors_addresses_are_known(address: str) -> None:
    assert opstoken.is_vendors(opstoken.address(at(address)))


# The SDK connects to 127.0.0.1 for the first five of these: tried with 0.4.2.
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.0.0.1:8443",
        "http://127.0.0.1",
        "https://my.1password.com@127.0.0.1",
        "127.0.0.1#.1password.com",
        "127.0.0.1?.1password.com",
        "127.0.0.1/.1password.com",
        "127.0.0.1\\.1password.com",
        "169.254.169.254",
        "1password.com",
        ".1password.com",
        "evil1password.com",
        "my.1password.com.evil.example.com",
        "my.1password.com.",
        "my.1password.dev",
        "my.1password.com:8443",
        "my.1password.com/path",
        "my.1password.com?query",
        "http://my.1password.com",
        "HTTPS://my.1password.com ",
        "ftp://my.1password.com",
        "evil.example.com/x://my.1password.com",
        "my.1passw\u03bfrd.com",
        "my.1password.com\n",
        "",
        "https://",
        "://my.1password.com",
    ],
)
def test_all_else_is_not_the_vendors(address: str) -> None:
    assert not opstoken.is_vendors(opstoken.address(at(address)))
