"""Which addresses the gateway may talk to by itself: a table and nothing else.

Pure: no sockets, no resolver. An address is public when no row of the table holds it and
every IPv4 address hidden inside it is public too. `ipaddress.is_global` is not used: it
differs between patch releases of Python and says yes to several ways of writing loopback.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries and the IANA IPv6 address
space registry; metadata addresses from the clouds' own documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from carapace.value import Value

__all__ = [
    "BLOCKS_V4",
    "BLOCKS_V6",
    "Block",
    "IPAddress",
    "embedded_ipv4",
    "is_local_name",
    "is_metadata",
    "is_metadata_host",
    "refusal",
]

IPAddress = IPv4Address | IPv6Address


class Block(Value, frozen=True):
    """A range that is never public.

    Attributes:
        network: The range.
        name: What it is for, as it reads in an error.
        source: RFC or vendor that reserved it.
    """

    network: IPv4Network | IPv6Network
    name: str
    source: str


def _v4(network: str, name: str, source: str) -> Block:
    return Block(IPv4Network(network), name, source)


def _v6(network: str, name: str, source: str) -> Block:
    return Block(IPv6Network(network), name, source)


BLOCKS_V4 = (
    _v4("0.0.0.0/8", "this network", "RFC 791"),
    _v4("10.0.0.0/8", "private network", "RFC 1918"),
    _v4("100.64.0.0/10", "shared address space", "RFC 6598"),
    _v4("127.0.0.0/8", "loopback", "RFC 1122"),
    _v4("168.63.129.16/32", "Azure platform service", "vendor"),
    _v4("169.254.0.0/16", "link-local", "RFC 3927"),
    _v4("172.16.0.0/12", "private network", "RFC 1918"),
    _v4("192.0.0.0/24", "IETF protocol assignments", "RFC 6890"),
    _v4("192.0.2.0/24", "documentation (TEST-NET-1)", "RFC 5737"),
    _v4("192.31.196.0/24", "AS112 sink", "RFC 7535"),
    _v4("192.52.193.0/24", "AMT relay anycast", "RFC 7450"),
    _v4("192.88.99.0/24", "deprecated 6to4 relay anycast", "RFC 7526"),
    _v4("192.168.0.0/16", "private network", "RFC 1918"),
    _v4("192.175.48.0/24", "AS112 sink", "RFC 7534"),
    _v4("198.18.0.0/15", "benchmarking", "RFC 2544"),
    _v4("198.51.100.0/24", "documentation (TEST-NET-2)", "RFC 5737"),
    _v4("203.0.113.0/24", "documentation (TEST-NET-3)", "RFC 5737"),
    _v4("224.0.0.0/4", "multicast", "RFC 5771"),
    _v4("240.0.0.0/4", "reserved", "RFC 1112"),
    _v4("255.255.255.255/32", "limited broadcast", "RFC 919"),
)

# Everything outside 2000::/3 is refused before this table is asked, but the names below make
# a better error than "not global unicast".
BLOCKS_V6 = (
    _v6("::/128", "unspecified", "RFC 4291"),
    _v6("::1/128", "loopback", "RFC 4291"),
    _v6("::/96", "deprecated IPv4-compatible", "RFC 4291"),
    _v6("::ffff:0:0:0/96", "IPv4-translated (SIIT)", "RFC 2765"),
    _v6("64:ff9b:1::/48", "local-use NAT64", "RFC 8215"),
    _v6("100::/64", "discard only", "RFC 6666"),
    _v6("100:0:0:1::/64", "dummy prefix", "RFC 9780"),
    _v6("2001::/32", "Teredo", "RFC 4380"),
    _v6("2001::/23", "IETF protocol assignments", "RFC 2928"),
    _v6("2001:db8::/32", "documentation", "RFC 3849"),
    _v6("2002::/16", "deprecated 6to4", "RFC 7526"),
    _v6("2620:4f:8000::/48", "AS112 sink", "RFC 7534"),
    _v6("3fff::/20", "documentation", "RFC 9637"),
    _v6("5f00::/16", "segment routing identifiers", "RFC 9602"),
    _v6("fc00::/7", "unique local", "RFC 4193"),
    _v6("fe80::/10", "link-local", "RFC 4291"),
    _v6("fec0::/10", "deprecated site-local", "RFC 3879"),
    _v6("ff00::/8", "multicast", "RFC 4291"),
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4, IANA address space registry
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052; what DNS64 answers on IPv6-only networks
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_LOCAL_NAT64_BITS = (48, 56, 64)  # prefixes that fit in it beside /96, RFC 6052 section 2.2
_ISATAP_ID = 0x0000_5EFE  # RFC 5214 section 6.1: upper half of the interface id
_ISATAP_MASK = 0xFCFF_FFFF  # its two flag bits (universal, group) may be either
_LOW_32 = 0xFFFF_FFFF


class _Form(Value, frozen=True):
    """A way to hide an IPv4 address: where it lies, and which of its bits are inverted."""

    name: str
    network: IPv6Network
    shift: int = 0
    inverted: int = 0


_FORMS = (
    _Form("IPv4-mapped", _MAPPED),
    _Form("IPv4-compatible", IPv6Network("::/96")),
    _Form("IPv4-translated", IPv6Network("::ffff:0:0:0/96")),
    _Form("NAT64", _NAT64),
    _Form("local-use NAT64", _LOCAL_NAT64),
    _Form("6to4", IPv6Network("2002::/16"), shift=80),
    _Form("Teredo server", IPv6Network("2001::/32"), shift=64),
    _Form("Teredo client", IPv6Network("2001::/32"), inverted=_LOW_32),  # RFC 4380 section 4
)

_METADATA = frozenset(
    [
        IPv4Address("169.254.169.254"),  # AWS, GCP, Azure, Oracle, OpenStack, DigitalOcean, ...
        IPv4Address("169.254.169.123"),  # AWS time
        IPv4Address("169.254.169.253"),  # AWS resolver
        IPv4Address("169.254.170.2"),  # AWS ECS task credentials
        IPv4Address("169.254.170.23"),  # AWS EKS pod identity
        IPv4Address("169.254.0.23"),  # Tencent
        IPv4Address("169.254.42.42"),  # Scaleway
        IPv4Address("168.63.129.16"),  # Azure wire server
        IPv4Address("100.100.100.200"),  # Alibaba
        IPv4Address("100.96.0.96"),  # Volcano Engine
        IPv4Address("192.0.0.192"),  # Oracle (classic)
        IPv6Address("fd00:ec2::254"),  # AWS
        IPv6Address("fd00:ec2::23"),  # AWS EKS pod identity
        IPv6Address("fd00:ec2::253"),  # AWS resolver
        IPv6Address("fd00:ec2::123"),  # AWS time
        IPv6Address("fd20:ce::254"),  # GCP
        IPv6Address("fd00:c1::a9fe:a9fe"),  # Oracle
        IPv6Address("fd00:42::42"),  # Scaleway
        IPv6Address("fd00:a9fe:a9fe::1"),  # Linode
        IPv6Address("fe80::a9fe:a9fe"),  # OpenStack
    ]
)

_METADATA_HOSTS = frozenset(
    [
        "api.metadata.cloud.ibm.com",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.azure.internal",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.tencentyun.com",
        "rancher-metadata",
        "rancher-metadata.rancher.internal",
    ]
)

# Never delegated in the public tree; what answers them is a router, a cluster or a company.
_LOCAL_SUFFIXES = (
    ".corp",
    ".home",
    ".home.arpa",  # RFC 8375
    ".internal",  # reserved by ICANN for private use
    ".intranet",
    ".lan",
    ".local",  # RFC 6762 section 3
    ".localdomain",
    ".localhost",  # RFC 6761 section 6.3
    ".private",
    ".svc",
)


def embedded_ipv4(address: IPv6Address) -> Iterator[tuple[str, IPv4Address]]:
    """Every IPv4 address that `address` may lead to, with the name of the form.

    `::` and `::1` look like IPv4-compatible addresses but are not. The local-use NAT64 prefix
    is read in each layout of RFC 6052 section 2.2 that fits it: /96, /64, /56 and /48.
    """
    value = int(address)
    if value <= 1:
        return
    for form in _FORMS:
        if address in form.network:
            yield form.name, IPv4Address((value >> form.shift & _LOW_32) ^ form.inverted)
    if address in _LOCAL_NAT64:
        for prefix_bits in _LOCAL_NAT64_BITS:
            yield "local-use NAT64", _behind_prefix(value, prefix_bits)
    if value >> 32 & _ISATAP_MASK == _ISATAP_ID:
        yield "ISATAP", IPv4Address(value & _LOW_32)


def _behind_prefix(value: int, prefix_bits: int) -> IPv4Address:
    """The IPv4 address right behind a prefix, over the reserved byte at bits 64 to 71.

    Source: RFC 6052 section 2.2.
    """
    without_gap = value >> 64 << 56 | value & (1 << 56) - 1
    return IPv4Address(without_gap >> 120 - prefix_bits - 32 & _LOW_32)


def refusal(address: IPAddress) -> str | None:
    """Why `address` is not public, or None if it is.

    A mapped or NAT64 form of a public IPv4 address is public: resolvers hand those out. All
    other wrappings are refused whatever is inside.
    """
    if isinstance(address, IPv4Address):
        return _row(address, BLOCKS_V4)
    for form, inner in embedded_ipv4(address):
        if (reason := _row(inner, BLOCKS_V4)) is not None:
            return f"{form} form of {inner}, {reason}"
    if address in _MAPPED or address in _NAT64:
        return None
    if (reason := _row(address, BLOCKS_V6)) is not None:
        return reason
    return None if address in _GLOBAL_UNICAST else "not global unicast (RFC 4291)"


def _row(address: IPAddress, blocks: tuple[Block, ...]) -> str | None:
    found = [block for block in blocks if address in block.network]
    if not found:
        return None
    narrowest = max(found, key=lambda block: block.network.prefixlen)
    return f"{narrowest.name} ({narrowest.source})"


def is_metadata(address: IPAddress) -> bool:
    """Whether this is a cloud's metadata service, in any wrapping. Never allowed, by no setting."""
    if isinstance(address, IPv4Address):
        return address in _METADATA
    if address.scope_id is not None:
        address = IPv6Address(int(address))
    return address in _METADATA or any(v4 in _METADATA for _, v4 in embedded_ipv4(address))


def is_metadata_host(host: str) -> bool:
    """Whether a host name (lower case, no trailing dot) is a cloud's metadata service."""
    return host in _METADATA_HOSTS


def is_local_name(host: str) -> bool:
    """Whether a host name means this machine or its network, whatever a resolver says.

    A name of one label never belongs to a public service; a resolver completes it with the
    search domain of the machine.
    """
    if ":" in host:  # an IPv6 address is no name
        return False
    return "." not in host or host.endswith(_LOCAL_SUFFIXES) or host == "home.arpa"
