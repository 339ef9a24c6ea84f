"""Where the guarded client may go: which URLs, and which addresses.

Pure: nothing is looked up here. Sources of the ranges: the IANA registries of special-purpose IPv4 and IPv6
addresses (RFC 6890 and its updates), RFC 6052 and 8215 (NAT64), 3056 and 7526 (6to4), 4380 (Teredo),
5214 (ISATAP), and what the large clouds say of their metadata servers.
"""

from __future__ import annotations

import re
from collections.abc import Container
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from mintql.domain.errors import InvalidInput

URL_LENGTH_MAX = 2048
"""What servers commonly take; a longer one is no address of a bank."""
HOST_LENGTH_MAX = 253
"""The longest name there can be (RFC 1035, written with dots)."""
PORT_PRIVILEGED_MAX = 1023
"""Ports up to here belong to services of their own (mail, shells, directories). None but 443 is a bank's, whereas
banks and people's own servers do answer above."""
HTTPS_PORT = 443
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
PORT_MAX = 65535

_DEFAULT_PORTS = {"http": 80, "https": HTTPS_PORT}

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_REFUSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by customers of a carrier; 100.100.100.200 is a cloud's metadata server
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local; 169.254.169.254 is most clouds' metadata server
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata server
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "168.63.129.16/32",  # a cloud's metadata server at a public address
        ),
    )
)
_INTERNET_IPV6 = IPv6Network("2000::/3")
"""The only part of IPv6 that is given out. Loopback, link-local, unique local (fd00:ec2::254 is a cloud's metadata
server), multicast, IPv4-mapped and -compatible addresses and both prefixes of NAT64 lie outside."""
_REFUSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, with Teredo
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
        ),
    )
)
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The upper half of an interface identifier whose lower half is an IPv4 address."""

Origin = tuple[str, str, int]
"""Scheme, host and port."""
AllowList = Container[Origin]
"""Origins that may be plain http and private."""


class Loopback:
    """Allows every server on this machine's loopback, for developing."""

    def __contains__(self, origin: object) -> bool:
        """Tell whether an origin is one."""
        return isinstance(origin, tuple) and origin[:1] == ("http",) and origin[1] in LOOPBACK_HOSTS


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is on the internet itself.

    Addresses that lead through a translator or a tunnel to another one (NAT64, 6to4, Teredo, IPv4-mapped)
    are not, whatever they carry: where such a packet comes out is nothing we can judge.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_IPV4)
    if address not in _INTERNET_IPV6 or any(address in network for network in _REFUSED_IPV6):
        return False
    identifier = int(address) & 0xFFFF_FFFF_FFFF_FFFF
    if identifier >> 32 in _ISATAP and not is_public(IPv4Address(identifier & 0xFFFF_FFFF)):
        return False
    return address.is_global


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host in ASCII, and port."""
    return url.scheme, host_of(url), url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def host_of(url: httpx.URL) -> str:
    """Return the host in ASCII: httpx decodes names, which fails for some and would show look-alikes."""
    return url.raw_host.decode("ascii")


def checked_url(text: str, allowed: AllowList) -> httpx.URL:
    """Return the URL without fragment, and without the dot a host may end in, when it may be asked for.

    Origins in `allowed` may be plain http, at any port and address. An address in place of a name is judged here,
    a name when it is looked up.

    Raises:
        InvalidInput: It may not be reached; the message shows neither path nor query nor login.
    """
    url = _parsed(text)
    if url is None:
        raise InvalidInput(
            "This is not a web address that can be used; it should look like https://example.org/path, with a port up "
            "to 65535 if any, and neither a user nor a password in it.",
            field="url",
        )
    scheme, host, port = origin_of(url)
    if (scheme, host, port) in allowed:
        return url
    if scheme != "https":
        raise InvalidInput(f"The address of {host} must begin with https://.", field="url")
    if port != HTTPS_PORT and port <= PORT_PRIVILEGED_MAX:
        raise InvalidInput(
            f"Port {port} of {host} is not one that web servers answer at; leave it out, or use one above"
            f" {PORT_PRIVILEGED_MAX}.",
            field="url",
        )
    address = literal(host)
    if address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
        # Numbers that are no address by the book, such as 127.1, are read as one by some resolvers.
        raise InvalidInput(f"{host} is not the name of a place on the public internet.", field="url")
    if address is not None and not is_public(address):
        raise not_public(host)
    return url


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that the host is, if it is not a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def not_public(host: str) -> InvalidInput:
    """Return the failure that a host stands for which is not on the internet."""
    return InvalidInput(f"{host} is not on the public internet.", field="url")


def _parsed(text: str) -> httpx.URL | None:
    if len(text) > URL_LENGTH_MAX:
        return None
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None
    host = host_of(url)
    if not url.scheme or url.userinfo or (url.port is not None and not 0 < url.port <= PORT_MAX):
        return None
    if literal(host) is not None:
        return None if "%" in host else url.copy_with(fragment=None)
    host = host.removesuffix(".")
    if len(host) > HOST_LENGTH_MAX or not all(map(_LABEL.fullmatch, host.split("."))):
        return None
    return url.copy_with(host=host, fragment=None)
