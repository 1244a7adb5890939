"""Where a credential may travel without TLS: this machine and private networks (advisory A18)."""

from __future__ import annotations

from typing import Final

__all__ = ["may_be_plain"]

_NEAR: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",  # a tailnet, which encrypts by itself (RFC 6598)
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


def may_be_plain(address: str) -> bool:
    """Whether `address`, a numeric one as the system reports a peer, is near enough."""
    if address.startswith("127."):  # the usual case, without the import
        return True
    from ipaddress import IPv6Address, ip_address, ip_network  # noqa: PLC0415 - as above

    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_loopback or any(found in ip_network(network) for network in _NEAR)
