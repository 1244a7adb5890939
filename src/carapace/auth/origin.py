"""Where a request came from: decided from the socket first, from headers only as allowed.

Pure. Forwarding headers can make a request less trusted, never more: whoever forwards is not
local (advisory B21), and an address in `X-Forwarded-For` counts only as far as trusted
proxies wrote it, read from the right (C24). `refusal` is the check of Host (against DNS
rebinding) and Origin (against foreign web pages) that every upgrade passes first (A09, A10).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from carapace.auth.ports import Headers, OriginSettings
from carapace.auth.types import Origin

__all__ = ["describe", "is_loopback_host", "is_tailnet_address", "refusal"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORWARDING: Final = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Tailscale-User-Login",
)
_TAILNET: Final = (
    ipaddress.ip_network("100.64.0.0/10"),  # RFC 6598, used by tailscale for IPv4
    ipaddress.ip_network("fd7a:115c:a1e0::/48"),
)
_MAX_HOPS: Final = 32
_MAX_FIELD: Final = 512
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def describe(
    peer_ip: str, headers: Headers, settings: OriginSettings, *, is_tls: bool = False
) -> Origin:
    """Judge the socket's other end and the request's headers.

    Args:
        peer_ip: As the socket says; may carry a zone or be IPv4-mapped.
        headers: Case-insensitive, keeping repeated headers apart.
        settings: `gateway`, for `trustedProxies`.
        is_tls: Whether this very socket is encrypted by us.
    """
    peer = _address(peer_ip)
    proxies = _networks(tuple(settings.trusted_proxies))
    is_proxy = peer is not None and _is_in(peer, proxies)
    is_forwarded = any(name in headers for name in _FORWARDING)
    host = _one(headers, "Host").lower()
    is_loopback = peer is not None and peer.is_loopback
    client = _client(peer, headers, proxies) if is_proxy else peer
    login = _one(headers, "Tailscale-User-Login") if is_loopback else ""
    return Origin(
        peer_ip=_text(peer, peer_ip),
        client_ip=_text(client, peer_ip),
        is_local=is_loopback and not is_forwarded and is_loopback_host(host),
        is_private=is_tls or _is_private(peer, headers, settings, is_forwarded=is_forwarded),
        host=host,
        origin=_one(headers, "Origin") if "Origin" in headers else None,
        is_forwarded=is_forwarded,
        via_trusted_proxy=is_proxy and is_forwarded,
        tailscale_login=login or None,
        forwarded_for=_without_port(_last_value(headers, "X-Forwarded-For")) or None,
        user_agent=_one(headers, "User-Agent") or None,
    )


def refusal(
    origin: Origin, settings: OriginSettings, *, own_names: Sequence[str] = ()
) -> str | None:
    """Why this request must not be served to a browser, or None if it may.

    Args:
        origin: From `describe`.
        settings: `gateway`, for `allowedHosts` and `allowedOrigins`.
        own_names: Names this machine is known by, lower case.

    A missing Origin header is a native client. A Host that is an address cannot be rebound;
    a name must be this machine's, the tailnet's, or listed.
    """
    name, port = _split_host(origin.host)
    if not _is_host_allowed(name, origin.host, settings, own_names):
        return (
            f"host {name[:80]!r} is not one of this gateway's names: add it to gateway.allowedHosts"
        )
    if origin.origin is None:
        return None
    if origin.origin in settings.allowed_origins:
        return None
    their_name, their_port = _split_origin(origin.origin)
    if their_name and (their_name, their_port) == (name, port or _port_of(origin.origin)):
        return None
    if origin.is_local and is_loopback_host(their_name):
        return None
    return (
        f"origin {origin.origin[:80]!r} may not open this gateway: "
        "add it to gateway.allowedOrigins if the page is yours"
    )


def is_loopback_host(host: str) -> bool:
    """Whether a Host value (with or without port) names this machine itself."""
    name = _split_host(host.lower())[0]
    if name in ("localhost", "localhost."):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def is_tailnet_address(text: str) -> bool:
    """Whether `text` is an address that only tailscale hands out."""
    address = _address(text)
    return address is not None and _is_in(address, _TAILNET)


def _client(
    peer: _Address | None, headers: Headers, proxies: tuple[_Network, ...]
) -> _Address | None:
    """Walk from the right, over trusted proxies, to the first address that is none."""
    nearest = peer
    chain = ",".join(headers.getall("X-Forwarded-For", []))
    hops = [hop.strip() for hop in chain.split(",") if hop.strip()]
    if not hops and "X-Real-IP" in headers:
        hops = [_one(headers, "X-Real-IP")]
    for hop in reversed(hops[-_MAX_HOPS:]):
        address = _address(_without_port(hop))
        if address is None:
            # What a proxy wrote cannot be read: nothing to its left can be believed either.
            return nearest
        nearest = address
        if not _is_in(address, proxies):
            return address
    return nearest


def _is_private(
    peer: _Address | None, headers: Headers, settings: OriginSettings, *, is_forwarded: bool
) -> bool:
    if peer is None:
        return False
    if not is_forwarded:
        return peer.is_loopback or _is_in(peer, _TAILNET)
    if _is_in(peer, _networks(tuple(settings.trusted_proxies))):
        return _last_value(headers, "X-Forwarded-Proto") in ("https", "wss")
    # `tailscale serve` and `funnel` take TLS off on this machine.
    return peer.is_loopback and settings.tailscale.mode != "off"


def _is_host_allowed(
    name: str, host: str, settings: OriginSettings, own_names: Sequence[str]
) -> bool:
    if not name or _address(name) is not None:
        return bool(name)
    allowed = {entry.lower() for entry in settings.allowed_hosts}
    return (
        is_loopback_host(name)
        or name.endswith(".ts.net")  # tailnet names resolve to tailnet addresses only
        or name in own_names
        or name in allowed
        or host in allowed
    )


@lru_cache(maxsize=16)
def _networks(entries: tuple[str, ...]) -> tuple[_Network, ...]:
    """Entries that are no address or network are skipped here: the config's check names them."""
    out: list[_Network] = []
    for entry in entries:
        try:
            out.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            continue
    return tuple(out)


def _is_in(address: _Address, networks: Sequence[_Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _text(address: _Address | None, fallback: str) -> str:
    return fallback[:64] if address is None else str(address)


def _one(headers: Headers, name: str) -> str:
    """The last value: the one nearest to us was written by whoever we talk to."""
    values = headers.getall(name, [])
    return values[-1].strip()[:_MAX_FIELD] if values else ""


def _last_value(headers: Headers, name: str) -> str:
    return _one(headers, name).rpartition(",")[2].strip().lower()


def _without_port(hop: str) -> str:
    hop = hop.strip().strip('"')
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _split_host(host: str) -> tuple[str, int | None]:
    """Name and port; ("", None) if the text is no host."""
    try:
        parts = urlsplit(f"//{host}")
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            return "", None
        return (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return "", None


def _split_origin(origin: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(origin.lower())
        if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or "@" in parts.netloc:
            return "", None
        return (parts.hostname or "").removesuffix("."), parts.port or _port_of(origin)
    except ValueError:
        return "", None


def _port_of(origin: str) -> int | None:
    return _DEFAULT_PORTS.get(origin.lower().partition(":")[0])
