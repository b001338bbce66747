"""Which URLs and addresses a connection may reach."""

import random
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from vaultferry.core.addresses import (
    Address,
    AddressRefused,
    Exceptions,
    Url,
    check_address,
    check_url,
)

NONE = Exceptions()
PUBLIC = Url("https", "vault.example.com", 443, "")

LOCAL = [
    *["alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid"],
    *["lan", "local", "localdomain", "localhost", "mail", "onion", "private", "svc"],
    *["test", "svc.cluster.local", "home.arpa", "in-addr.arpa"],
]

# As wide as a configuration can be.
WIDEST = Exceptions.parse(
    f"{scheme}://{where}:*"
    for scheme in ("http", "https")
    for where in ("0.0.0.0/0", "[::/0]", "vault.example.com", "metadata.goog")
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://vault.example.com", PUBLIC),
        ("https://Vault.EXAMPLE.com", PUBLIC),
        ("https://vault.example.com:443", PUBLIC),
        (
            "https://vault.example.com:8443/a/b%20c/",
            Url("https", "vault.example.com", 8443, "/a/b%20c/"),
        ),
        (
            "https://xn--bcher-kva.example.com/",
            Url("https", "xn--bcher-kva.example.com", 443, "/"),
        ),
        ("https://8.8.8.8/v1", Url("https", "8.8.8.8", 443, "/v1")),
        (
            "https://[2606:4700::1111]:8443",
            Url("https", "2606:4700::1111", 8443, ""),
        ),
        (
            "https://1password.com/a..b/.c",
            Url("https", "1password.com", 443, "/a..b/.c"),
        ),
    ],
)
def test_a_public_url_is_taken_in_its_one_form(text: str, url: Url) -> None:
    assert check_url(text, NONE) == url
    assert check_url(str(url), NONE) == url


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (PUBLIC, "https://vault.example.com"),
        (Url("https", "2606:4700::1111", 443, "/a"), "https://[2606:4700::1111]/a"),
        (Url("http", "connect.vaults.svc", 8080, ""), "http://connect.vaults.svc:8080"),
    ],
)
def test_a_url_is_written_without_what_goes_without_saying(url: Url, text: str) -> None:
    assert str(url) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault.example.com",
        "//vault.example.com",
        "https:vault.example.com",
        "https:/vault.example.com",
        "https:///vault.example.com",
        "https://",
        "https://?",
        "https:\\\\vault.example.com",
        "https://vault.example.com\\@127.0.0.1",
        "HTTPS://vault.example.com",
        " https://vault.example.com",
        "https://vault.example.com ",
        "https://vault.example.com\n",
        "https://vault.example.com/\n",
        "https://vault.example.com/a\r\nHost: b",
        "https://vault.example.com/a\tb",
        "https://vault.example.com/\x00",
        "https://vault.example.com/é",
        "https://vault.example.com/%",
        "https://vault.example.com/%zz",
        "https://vault.example.com/a b",
        "https://vault.example.com/a?b",
        "https://vault.example.com?b",
        "https://vault.example.com/#a",
        "https://vault.example.com#a",
        "https://vault.example.com/..",
        "https://vault.example.com/a/../b",
        "https://vault.example.com/./b",
        "https://vault.example.com/%2e%2E/b",
        "https://vault.example.com/.%2e",
        "https://vault.example.com:",
        "https://vault.example.com:/",
        "https://vault.example.com:0",
        "https://vault.example.com:0443",
        "https://vault.example.com:65536",
        "https://vault.example.com:99999999999",
        "https://vault.example.com:+443",
        "https://vault.example.com:4_43",
        "https://vault.example.com:٤٤٣",
        "https://vault.example.com:443:443",
        "https://user@vault.example.com",
        "https://user:word@vault.example.com",
        "https://@vault.example.com",
        "https://vault.example.com@127.0.0.1",
        "https://127.0.0.1#@vault.example.com",
        "https://127.0.0.1/@vault.example.com",
        "http://vault.example.com",
        "ftp://vault.example.com",
        "file:///etc/passwd",
        "gopher://vault.example.com",
        "unix://vault.example.com",
        "https+unix://vault.example.com",
        "https://vault.example.com.",
        "https://vault..example.com",
        "https://.vault.example.com",
        "https://-vault.example.com",
        "https://vault-.example.com",
        "https://vault_1.example.com",
        "https://vault%2eexample.com",
        "https://vault.example.com%00.evil.com",
        "https://*.example.com",
        f"https://{'a' * 64}.example.com",
        f"https://{'a.' * 130}com",
        f"https://vault.example.com/{'a' * 8192}",
        "https://vàult.example.com",
        "https://vаult.example.com",  # noqa: RUF001 - a Cyrillic letter
        "https://ⓥault.example.com",
        "https://vault。example.com",
        "https://\u212avault.example.com",  # the Kelvin sign, which lowers to a k
        "https://localhost",
        "https://LOCALHOST",
        "https://vault",
        "https://vault.localhost",
        "https://vault.local",
        "https://vault.svc",
        "https://connect.vaults.svc.cluster.local",
        "https://kubernetes.default.svc",
        "https://metadata.google.internal",
        "https://metadata.goog",
        "https://instance-data.ec2.internal",
        "https://1.0.0.127.in-addr.arpa",
        "https://router.home.arpa",
        "https://127.0.0.1",
        "https://127.1",
        "https://127.0.1",
        "https://127.0.0.1.",
        "https://127.0.0.01",
        "https://0127.0.0.1",
        "https://0177.0.0.1",
        "https://0x7f.0.0.1",
        "https://0x7f.1",
        "https://0X7F.1",
        "https://127.0x1",
        "https://0x7f000001",
        "https://2130706433",
        "https://017700000001",
        "https://0",
        "https://0x",
        "https://0.0.0.0",
        "https://8.8.8.256",
        "https://8.8.2056",
        "https://8.8.8",
        "https://8.8.8.8.8",
        "https://①②⑦.0.0.1",
        "https://127。0。0。1",
        "https://10.0.0.1",
        "https://172.16.0.1",
        "https://192.168.0.1",
        "https://100.64.0.1",
        "https://169.254.169.254",
        "https://0xa9fea9fe",
        "https://2852039166",
        "https://255.255.255.255",
        "https://[::]",
        "https://[::1]",
        "https://[0:0:0:0:0:0:0:1]",
        "https://[::1%25lo]",
        "https://[::1%lo]",
        "https://[2606:4700::1111%1]",
        "https://[2606:4700:0::1111]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[::ffff:8.8.8.8]",
        "https://[::ffff:808:808]",
        "https://[::127.0.0.1]",
        "https://[64:ff9b::7f00:1]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[2002:7f00:1::]",
        "https://[2002:a9fe:a9fe::1]",
        "https://[fd00:ec2::254]",
        "https://[fe80::1]",
        "https://[fec0::1]",
        "https://[ff02::1]",
        "https://[fd00::1]",
        "https://[2001:db8::1]",
        "https://[3fff::1]",
        "https://[127.0.0.1]",
        "https://[vault.example.com]",
        "https://[]",
        "https://[::1",
        "https://::1",
        "https://[2606:4700::1111]a",
        "https://[2606:4700::1111][::1]",
    ],
    ids=ascii,
)
def test_any_other_url_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(text, NONE)


def test_what_is_refused_of_a_url_is_said_without_its_user_information() -> None:
    with pytest.raises(AddressRefused, match="user information") as caught:
        check_url("https://user:canary@vault.example.com", NONE)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.2.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.175.48.1",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.0",
        "::1",
        "100::1",
        "64:ff9b::a00:1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8:ffff::1",
        "2620:4f:8000::1",
        "2002:a00:1::",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "2001:0:808:808:0:0:f5ff:fffe",  # Teredo: a public server, 10.0.0.1 behind
        "2001:0:a00:1:0:0:f7f7:f7f7",  # Teredo: a private server, 8.8.8.8 behind
    ],
)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused, match="not public"):
        check_address(ip_address(text), PUBLIC, NONE)


@pytest.mark.parametrize(
    "text",
    [
        "0.1.2.3",
        "2001::1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:808:808:0:0:5601:5601",
        "fd00:42::42",
        "fd00:a9fe:a9fe::1",
        "fd00:ec2::23",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "fe80::a9fe:a9fe",
        "febf::1",
        "ff02::1",
        "2606:4700::1111%1",
    ],
)
def test_some_addresses_are_refused_whatever_is_configured(text: str) -> None:
    with pytest.raises(AddressRefused, match="never"):
        check_address(ip_address(text), PUBLIC, WIDEST)


@pytest.mark.parametrize("name", ["metadata.google.internal", "metadata.goog"])
def test_the_name_of_metadata_is_refused_whatever_is_configured(name: str) -> None:
    with pytest.raises(AddressRefused, match="never"):
        check_url(f"http://{name}", WIDEST)


@pytest.mark.parametrize("scope", LOCAL)
def test_a_local_name_is_refused_unless_it_is_configured(scope: str) -> None:
    url = f"https://vault.{scope}"

    with pytest.raises(AddressRefused, match="local name"):
        check_url(url, NONE)
    check_url(url, Exceptions.parse([url]))


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808:0:0:f7f7:f7f7",
        "::ffff:8.8.8.8",
    ],
)
def test_a_public_address_is_connected_to(text: str) -> None:
    check_address(ip_address(text), PUBLIC, NONE)


def test_nothing_that_the_library_calls_private_is_public_here() -> None:
    chance = random.Random(1)
    ips: list[Address] = []
    ips += [IPv4Address(chance.getrandbits(32)) for _ in range(20_000)]
    ips += [IPv6Address(chance.getrandbits(128)) for _ in range(2_000)]
    found = 0

    for ip in ips:
        if not ip.is_global or ip.is_multicast:
            found += 1
            with pytest.raises(AddressRefused):
                check_address(ip, PUBLIC, NONE)

    assert found > 2_000


@pytest.mark.parametrize(
    ("exception", "url"),
    [
        ("http://connect.vaults.svc:8080", "http://connect.vaults.svc:8080"),
        ("http://connect.vaults.svc:8080", "http://connect.vaults.svc:8080/v1"),
        ("http://connect.vaults.svc", "http://connect.vaults.svc"),
        ("https://connect.vaults.svc", "https://connect.vaults.svc"),
        ("https://vault", "https://vault"),
        ("https://10.0.0.0/8", "https://10.1.2.3"),
        ("https://10.0.0.0/8:8443", "https://10.1.2.3:8443"),
        ("https://10.0.0.0/8:*", "https://10.1.2.3:8443"),
        ("http://10.1.2.3", "http://10.1.2.3"),
        ("https://[fd00::/8]", "https://[fd12::1]"),
        ("https://[fd12::1]:8443", "https://[fd12::1]:8443"),
        ("http://vault.example.com", "http://vault.example.com"),
        ("https://127.0.0.0/8", "https://127.0.0.1"),
    ],
)
def test_an_exception_opens_what_it_says(exception: str, url: str) -> None:
    exceptions = Exceptions.parse([exception])

    assert str(check_url(url, exceptions)) == url
    with pytest.raises(AddressRefused):
        check_url(url, NONE)


@pytest.mark.parametrize(
    ("exception", "url"),
    [
        ("http://connect.vaults.svc:8080", "http://connect.vaults.svc"),
        ("http://connect.vaults.svc:8080", "https://connect.vaults.svc:8080"),
        ("http://connect.vaults.svc:8080", "http://connect.vaults.svc:8081"),
        ("https://connect.vaults.svc", "http://connect.vaults.svc"),
        ("https://connect.vaults.svc", "http://connect.vaults.svc:443"),
        ("https://connect.vaults.svc", "https://connect.vaults.svc:8443"),
        ("https://connect.vaults.svc", "https://connect.other.svc"),
        ("https://connect.vaults.svc", "https://a.connect.vaults.svc"),
        ("https://10.0.0.0/8", "https://10.1.2.3:8443"),
        ("https://10.0.0.0/8", "http://10.1.2.3"),
        ("https://10.0.0.0/8", "https://11.1.2.3:80/../"),
        ("https://10.0.0.0/8", "https://192.168.1.1"),
        ("https://10.0.0.0/8", "https://[fd00::1]"),
        ("https://[fd00::/8]", "https://10.1.2.3"),
        ("http://10.0.0.0/8:8080", "http://vault.example.com"),
    ],
)
def test_an_exception_opens_nothing_else(exception: str, url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, Exceptions.parse([exception]))


def test_a_network_opens_the_names_whose_addresses_are_in_it() -> None:
    exceptions = Exceptions.parse(["http://10.0.0.0/8:8080"])

    url = check_url("http://connect.vaults.svc:8080", exceptions)

    check_address(ip_address("10.1.2.3"), url, exceptions)
    check_address(ip_address("64:ff9b::a01:203"), url, exceptions)
    for other in ("192.168.1.1", "8.8.8.8"):
        with pytest.raises(AddressRefused):
            check_address(ip_address(other), url, exceptions)


def test_a_network_opens_no_name_that_a_proxy_resolves() -> None:
    exceptions = Exceptions.parse(["https://10.0.0.0/8", "https://connect.vaults.svc"])

    check_url("https://10.1.2.3", exceptions, by_proxy=True)
    check_url("https://connect.vaults.svc", exceptions, by_proxy=True)
    check_url("https://vault.example.com", exceptions, by_proxy=True)
    check_url("https://other.svc", exceptions)
    with pytest.raises(AddressRefused):
        check_url("https://other.svc", exceptions, by_proxy=True)


def test_an_exception_for_a_name_opens_all_its_addresses() -> None:
    exceptions = Exceptions.parse(["http://connect.vaults.svc"])
    url = Url("http", "connect.vaults.svc", 80, "")

    check_address(ip_address("10.1.2.3"), url, exceptions)
    check_address(ip_address("127.0.0.1"), url, exceptions)
    with pytest.raises(AddressRefused):
        check_address(ip_address("10.1.2.3"), PUBLIC, exceptions)


def test_http_is_refused_even_to_a_public_address() -> None:
    url = Url("http", "vault.example.com", 80, "")

    with pytest.raises(AddressRefused, match="http to 8"):
        check_address(ip_address("8.8.8.8"), url, NONE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0/8",
        "vault.example.com",
        "ftp://vault.example.com",
        "https://",
        "https://vault.example.com/",
        "https://vault.example.com/path",
        "https://*.example.com",
        "https://Vault.example.com",
        "https://vault.example.com.",
        "https://user@vault.example.com",
        "https://10.0.0.1/8",
        "https://10.0.0.0/33",
        "https://10.0.0.0/255.0.0.0",
        "https://010.0.0.0/8",
        "https://10.0.0",
        "https://127.1",
        "https://fd00::/8",
        "https://[fd00::1/8]",
        "https://[fd00::]/8",
        "https://[vault.example.com]",
        "https://[10.0.0.0/8",
        "https://vault.example.com:",
        "https://vault.example.com:0",
        "https://vault.example.com:https",
        "https://vault.example.com:65536",
        "https://10.0.0.0/8:**",
        " https://10.0.0.0/8",
        "https://10.0.0.0/8\n",
    ],
    ids=repr,
)
def test_an_exception_that_is_none_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write") as caught:
        Exceptions.parse(["https://10.0.0.0/8", text])

    assert repr(text) in str(caught.value)
