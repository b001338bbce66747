"""Which addresses a connection may reach: https and public, or as configured.

The address of a vault is a tenant's text, and the process that follows it stands in
the middle of the cluster: https://owasp.org/www-community/attacks/Server_Side_Request_Forgery
So a URL is taken only in the one form that every parser reads alike, and an address is
judged after its name was resolved, just before it is connected to.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORTS = {"http": 80, "https": 443}
_MAX_URL = 8192
_MAX_NAME = 253
_ANY = "*"

_URL = re.compile(
    r"(?P<scheme>[^:/?#]*)://(?P<user>[^/?#]*@)?"
    r"(?P<host>\[[^]/?#]*\]|[^]:/?#[]*)(?::(?P<port>[^/?#]*))?(?P<path>/.*)?"
)
_EXCEPTION = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^]]+\]|[^]:/[]+(?:/[0-9]+)?)(?::(?P<port>.*))?"
)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
# What resolvers take for a number: 127.1, 0x7f.1, 2130706433.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"(?:[-A-Za-z0-9._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"/(?:\.|%2[Ee]){1,2}(?:/|\Z)")


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# The registries of special-purpose addresses (RFC 6890 and after), without what is
# never connected to. The library's own tables are as old as its release.
_NOT_PUBLIC = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2620:4f:8000::/48",
    "3fff::/20",
)
_UNICAST = ip_network("2000::/3")

# No exception opens these: they answer with the credentials of the machine, or are no
# address of one machine at all.
_NEVER = (
    *_networks(
        "0.0.0.0/8",
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # the wire server of Azure
        "169.254.0.0/16",  # link-local, and metadata nearly everywhere
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "224.0.0.0/4",
        "255.255.255.255/32",
        "64:ff9b:1::/48",  # where the IPv4 address stands in it is a local matter
        "fd00:42::42/128",  # metadata of Scaleway
        "fd00:a9fe:a9fe::/48",  # metadata of Akamai
        "fd00:ec2::/32",  # metadata of AWS
        "fd20:ce::254/128",  # metadata of Google Cloud
        "fe80::/10",
        "ff00::/8",
    ),
    # IPv4 in the form that was given up: all but the loopback address.
    *IPv6Network("::/96").address_exclude(IPv6Network("::1/128")),
)
_NEVER_NAMES = frozenset({"metadata.google.internal", "metadata.goog"})

_NAT64 = ip_network("64:ff9b::/96")

# Names that mean something only here: RFC 6761 and after, and those of Kubernetes.
_LOCAL_NAMES = frozenset(
    {
        "alt",
        "arpa",
        "corp",
        "example",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "mail",
        "onion",
        "private",
        "svc",
        "test",
    }
)


class AddressRefused(Exception):
    """An address that a connection must not reach; the words are for the operator."""


@dataclass(frozen=True)
class Url:
    """A URL in its one form.

    `host` is a name in lower case or an IP address without brackets, `path` as it was
    written: empty, or with a slash before it.
    """

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def literal(self) -> Address | None:
        """The IP address that stands in the place of a name."""
        return _literal(self.host)


@dataclass(frozen=True)
class _Exception:
    scheme: str
    where: str | Network
    port: int | None

    def opens(self, url: Url, ip: Address | None, *, resolved: bool = True) -> bool:
        """Tell whether it opens an address, or None: what is not resolved yet."""
        if url.scheme != self.scheme or self.port not in {None, url.port}:
            return False
        if isinstance(self.where, str):
            return self.where == url.host
        return resolved if ip is None else ip in self.where


@dataclass(frozen=True)
class Exceptions:
    """What may be reached besides https and public addresses."""

    _all: tuple[_Exception, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Exceptions":
        """Read exceptions, each a scheme, a host or a network, and a port if need be.

        `http://connect.vaults.svc:8080`, `https://10.0.0.0/8`, `https://[fd00::/8]:*`.
        Without a port it is the scheme's own, `*` is any.

        Raises:
            ValueError: one is none, and what to write.
        """
        return cls(tuple(_exception(text) for text in texts))

    def open_name(self, url: Url, *, resolved: bool) -> bool:
        """Tell whether a name may be opened, if its addresses are; see `check_url`."""
        return any(e.opens(url, None, resolved=resolved) for e in self._all)

    def open_address(self, url: Url, ip: Address) -> bool:
        """Tell whether an address is opened to a URL."""
        return any(e.opens(url, ip) for e in self._all)


def check_url(url: str, exceptions: Exceptions, *, by_proxy: bool = False) -> Url:
    """Read the URL of a vault, if it is one that a connection may name.

    Where it has a name, its addresses are to be checked when they are known. A query
    is refused, since an address has none.

    Args:
        url: the URL.
        exceptions: what the operator's configuration opens.
        by_proxy: a proxy resolves the name, so its addresses will never be known here:
            an exception for a network opens no name then.

    Raises:
        AddressRefused: it may not, and why.
    """
    parsed = _parsed(url)
    literal = parsed.literal
    if literal is None:
        _check_name(parsed, exceptions, resolved=not by_proxy)
    else:
        check_address(literal, parsed, exceptions)
    return parsed


def check_address(ip: Address, url: Url, exceptions: Exceptions) -> None:
    """Check an address that the host of a URL stands for, before connecting to it.

    Where an IPv6 address holds IPv4 ones, it is those that are judged.

    Raises:
        AddressRefused: it must not be connected to.
    """
    for inner in _inside(ip):
        _check_one(inner, url, exceptions)


def _check_one(ip: Address, url: Url, exceptions: Exceptions) -> None:
    if getattr(ip, "scope_id", None) or any(ip in network for network in _NEVER):
        raise AddressRefused(f"{ip} is never connected to")
    if exceptions.open_address(url, ip):
        return
    if url.scheme != "https":
        raise AddressRefused(f"{url.scheme} to {ip} is not among the exceptions")
    if not _is_public(ip):
        raise AddressRefused(f"{ip} is not public, nor among the exceptions")


def _is_public(ip: Address) -> bool:
    special = any(ip in network for network in _NOT_PUBLIC)
    return not special and (isinstance(ip, IPv4Address) or ip in _UNICAST)


def _inside(ip: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses that an IPv6 address leads to, else itself."""
    if isinstance(ip, IPv4Address):
        return (ip,)
    if ip in _NAT64:
        return (IPv4Address(int(ip) & 0xFFFFFFFF),)
    inner = ip.ipv4_mapped or ip.sixtofour
    return (inner,) if inner else ip.teredo or (ip,)


def _parsed(text: str) -> Url:
    found = _URL.fullmatch(text) if len(text) <= _MAX_URL else None
    if found is None:
        raise AddressRefused("it is no URL: write https://HOST/PATH")
    scheme, path = found["scheme"], found["path"] or ""
    if scheme not in _PORTS:
        raise AddressRefused("its scheme is not https")
    if found["user"] is not None:
        raise AddressRefused("it has user information, which belongs into a Secret")
    port = _port(found["port"], scheme)
    if port is None:
        raise AddressRefused("its port is none")
    if not _PATH.fullmatch(path) or _DOTS.search(path):
        raise AddressRefused("its path has a query, a fragment, dots or blanks")
    return Url(scheme, _host(found["host"]), port, path)


def _port(text: str | None, scheme: str) -> int | None:
    if text is None:
        return _PORTS[scheme]
    right = _PORT.fullmatch(text) and int(text) < 1 << 16
    return int(text) if right else None


def _host(text: str) -> str:
    host = text.lower() if text.isascii() else text
    if host.startswith("["):
        return _address_6(host[1:-1])
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _address_4(host)
    if len(host) > _MAX_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise AddressRefused(
            "its host is no name: letters, digits, hyphens and dots, all else as xn--"
        )
    return host


def _address_4(text: str) -> str:
    if not isinstance(_literal(text), IPv4Address):
        raise AddressRefused("its host is a number: write an IPv4 address as 192.0.2.1")
    return text


def _address_6(text: str) -> str:
    ip = _literal(text)
    if not isinstance(ip, IPv6Address) or ip.scope_id or ip.ipv4_mapped:
        raise AddressRefused("its host is no IPv6 address without a zone")
    if str(ip) != text:
        raise AddressRefused("its host is no IPv6 address in its shortest form")
    return text


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_name(url: Url, exceptions: Exceptions, *, resolved: bool) -> None:
    if url.host in _NEVER_NAMES:
        raise AddressRefused(f"{url.host} is never connected to")
    if exceptions.open_name(url, resolved=resolved):
        return
    if url.scheme != "https":
        raise AddressRefused(f"{url.scheme} to {url.host} is not among the exceptions")
    labels = url.host.split(".")
    if len(labels) == 1 or labels[-1] in _LOCAL_NAMES:
        raise AddressRefused(
            f"{url.host} is a local name, which is not among the exceptions"
        )


def _exception(text: str) -> _Exception:
    found = _EXCEPTION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no exception: write http:// or https:// with a host or a "
            "network, and a port: http://connect.vaults.svc:8080, https://10.0.0.0/8"
        )
    port = None if found["port"] == _ANY else _port(found["port"], found["scheme"])
    if port is None and found["port"] != _ANY:
        raise ValueError(f"{text!r} has no port after its colon: write 8080, or *")
    return _Exception(found["scheme"], _where(text, found["host"]), port)


def _where(text: str, host: str) -> str | Network:
    bare = host.strip("[]")
    try:
        return bare if _is_name(host) else ip_network(bare)
    except (AddressRefused, ValueError):
        raise ValueError(
            f"{text!r} has no host: write a name in lower case, an IP address, or a "
            "network whose host bits are 0: 10.0.0.0/8, [fd00::/8]"
        ) from None


def _is_name(host: str) -> bool:
    """Tell a name from an address; raises AddressRefused where it is neither."""
    if "/" in host:
        return False
    if host != host.lower():
        raise AddressRefused("upper case")
    return _literal(_host(host)) is None
