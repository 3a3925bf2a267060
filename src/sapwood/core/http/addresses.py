"""Which addresses a request may go to.

Every rule here stands against request forgery: a feed's address, a redirect or a name server must not be able
to point this process at machines that only it can reach.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from sapwood.core.http.errors import RefusedAddressError, RefusedUrlError, UnreachableError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

MAX_URL_CHARS = 2048
DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_PLAIN_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?", re.ASCII)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LOCAL_SUFFIXES = (
    ".localhost",
    ".local",
    ".localdomain",
    ".internal",
    ".home.arpa",
    ".lan",
    ".intranet",
    ".onion",
)

_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Metadata services that stand inside networks which an administrator may open.
_METADATA = (ipaddress.ip_network("fd00:ec2::/32"), ipaddress.ip_network("100.100.100.200/32"))
_RESERVED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects 0.0.0.0 to itself
        "169.254.0.0/16",  # link-local, and the metadata service of most clouds
        "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # protocols, documentation
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4", "240.0.0.0/4",  # multicast, reserved, broadcast
        "168.63.129.16/32",  # the metadata service of one cloud
        "2001::/23",  # protocols, among them Teredo, which embeds addresses
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4 embeds addresses
        "5f00::/16",  # segment routing
    )
)  # fmt: skip
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
    )
)


@dataclass(frozen=True)
class Leave:
    """What an administrator allowed for one request."""

    private: bool = False
    http: bool = False


@dataclass(frozen=True)
class Target:
    """An address that passed: where to connect and what to ask for."""

    url: httpx.URL
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to."""
        return (self.url.scheme, self.host, self.port)


def judge_url(url: str, leave: Leave) -> Target:
    """The parsed address, or RefusedUrlError or RefusedAddressError with the reason."""
    parsed = _parse(url)
    if parsed.scheme not in DEFAULT_PORTS or (parsed.scheme == "http" and not (leave.http or leave.private)):
        raise RefusedUrlError(f"{_shown(url)} is not an https address.", hint="Use the https form of the address.")
    if parsed.userinfo:
        raise RefusedUrlError(
            f"The address of {parsed.host} carries a name or password.",
            hint="Remove everything before the @.",
        )
    host = parsed.raw_host.decode("ascii").lower()
    port = DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    literal = literal_address(host)
    if literal is None:
        _judge_name(host, leave)
    elif why := refusal(literal, leave):
        raise RefusedAddressError(f"{host} is {why}.", hint=_HINT_PRIVATE)
    if port not in DEFAULT_PORTS.values() and not leave.private:
        raise RefusedUrlError(
            f"Port {port} of {host} is not a web port.",
            hint="Only ports 80 and 443 are open to addresses from outside.",
        )
    return Target(parsed, host, port)


def literal_address(host: str) -> IPAddress | None:
    """The address that a host spells in numbers, or None for a name; odd spellings are refused.

    Decimal, hexadecimal, octal and shortened forms (`2130706433`, `0x7f.1`, `0177.0.0.1`) are refused rather
    than read, because programs differ in what they read (URL Standard, "ends in a number").
    """
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if ":" in host or _NUMERIC_LABEL.fullmatch(last):
            raise RefusedAddressError(
                f"{host} is an address in an unusual spelling.", hint="Use the host's name."
            ) from None
        return None


def names_private_address(url: str) -> bool:
    """Whether an address spells out this machine or a private network, so that whoever typed it meant that."""
    try:
        host = _parse(url).raw_host.decode("ascii").lower()
        literal = literal_address(host)
    except (RefusedUrlError, RefusedAddressError):
        return False
    return host == "localhost" or (literal is not None and any(literal in network for network in _PRIVATE))


def refusal(address: IPAddress, leave: Leave) -> str | None:
    """Why no connection may go to this address, or None when it may."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return "bound to one network card"
        address, leave = _unwrapped(address, leave)
    if any(address in network for network in _METADATA):
        return "a cloud's metadata service"
    if any(address in network for network in _PRIVATE):
        return None if leave.private else "in a private network"
    outside = isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6
    if outside or any(address in network for network in _RESERVED):
        return "in a reserved network"
    return None


def _unwrapped(address: ipaddress.IPv6Address, leave: Leave) -> tuple[IPAddress, Leave]:
    """The IPv4 address inside an IPv6 address, where there is one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped, leave
    if address in _NAT64:  # how a host without IPv4 reaches the IPv4 internet (RFC 6052): only the public part
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), Leave()
    return address, leave


def checked_addresses(host: str, port: int, leave: Leave, resolve: Resolver) -> list[str]:
    """The addresses of a host, after every one of them has passed; one bad address refuses the host."""
    literal = literal_address(host)
    found = [str(literal)] if literal is not None else list(dict.fromkeys(resolve(host, port)))
    if not found:
        raise UnreachableError(f"{host} has no address.", hint="Check the spelling and the name server.")
    for text in found:
        if why := refusal(ipaddress.ip_address(text), leave):
            raise RefusedAddressError(f"{host} leads to {text}, which is {why}.", hint=_HINT_PRIVATE)
    return found


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses that this machine's name service gives."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"{host} cannot be found: {getattr(error, 'strerror', None) or error}.",
            hint="Check the spelling, the name server and the network.",
        ) from error
    return [str(entry[4][0]) for entry in found]


_HINT_PRIVATE = "If this machine is yours and meant, an administrator can allow private addresses for this source."


def _parse(url: str) -> httpx.URL:
    if len(url) > MAX_URL_CHARS:
        raise RefusedUrlError(f"The address is longer than {MAX_URL_CHARS} characters.", hint="Use a shorter address.")
    if any(character <= " " or character == "\\" or "\x7f" <= character <= "\xa0" for character in url):
        raise RefusedUrlError(f"{_shown(url)} holds characters that no address has.", hint="Copy the address again.")
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii").lower()
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise RefusedUrlError(f"{_shown(url)} cannot be read as an address.", hint="Copy the address again.") from error
    if not host or not (":" in host or _PLAIN_HOST.fullmatch(host)):
        raise RefusedUrlError(f"{_shown(url)} has no usable host name.", hint="Write https://host/path.")
    return parsed


def _judge_name(host: str, leave: Leave) -> None:
    name = host.rstrip(".")
    if leave.private:
        return
    if "." not in name or name.endswith(_LOCAL_SUFFIXES):
        raise RefusedAddressError(f"{host} is a name inside a private network.", hint=_HINT_PRIVATE)


def _shown(url: str) -> str:
    """An address as an error may show it: short, printable, without a password."""
    text = re.sub(r"//[^/@]*@", "//…@", url[:120])
    return ascii(text)[1:-1] + ("…" if len(url) > 120 else "")  # noqa: PLR2004 - as long as one line
