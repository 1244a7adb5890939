"""Token buckets and counted caps, pure: time and key are arguments.

Addresses are keyed so that one client cannot look like many: an IPv6 client owns its /64
(advisory A14), an IPv4-mapped address is its IPv4 address.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

__all__ = ["ConnectionCaps", "RateLimit", "address_key"]

_MAX_KEYS: Final = 10_000
_IPV6_CLIENT_PREFIX: Final = 64


def address_key(ip: str) -> str:
    """What an address counts as; text that is no address counts as itself."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = ipaddress.ip_network((address, _IPV6_CLIENT_PREFIX), strict=False)
    return str(network.network_address)


class RateLimit:
    """A token bucket for each key.

    Args:
        per_s: Tokens that flow back each second.
        burst: Tokens a fresh bucket holds.
        max_keys: Buckets remembered; the longest unused are forgotten, which can only make a
            stranger look new.
    """

    __slots__ = ("_buckets", "_burst", "_max_keys", "_per_s")

    def __init__(self, *, per_s: float, burst: int, max_keys: int = _MAX_KEYS) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take a token; 0.0 if there was one, else the seconds until there will be.

        Args:
            key: Whose bucket.
            now: Monotonic seconds.
        """
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - at) * self._per_s)
        wait_s = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._per_s
        self._buckets[key] = (tokens - 1.0 if wait_s == 0.0 else tokens, now)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait_s


class ConnectionCaps:
    """Counts sockets that have not proven who they are, and all sockets.

    Args:
        total: Sockets in all.
        strangers: Unauthenticated ones in all.
        strangers_per_address: Unauthenticated ones of one address.
    """

    __slots__ = ("_by_address", "_open", "_strangers", "_total", "max_per_address", "max_strangers")

    def __init__(self, *, total: int, strangers: int, strangers_per_address: int) -> None:
        self._total = total
        self.max_strangers = strangers
        self.max_per_address = strangers_per_address
        self._open = 0
        self._strangers = 0
        self._by_address: dict[str, int] = {}

    @property
    def strangers(self) -> int:
        """Sockets that are still in their handshake."""
        return self._strangers

    @property
    def open(self) -> int:
        """All sockets."""
        return self._open

    def enter(self, key: str) -> str | None:
        """Let a stranger in, or say why not: `address`, `strangers` or `total`."""
        if self._by_address.get(key, 0) >= self.max_per_address:
            return "address"
        if self._strangers >= self.max_strangers:
            return "strangers"
        if self._open >= self._total:
            return "total"
        self._by_address[key] = self._by_address.get(key, 0) + 1
        self._strangers += 1
        self._open += 1
        return None

    def known(self, key: str) -> None:
        """The stranger from `key` proved who it is; call it once for each `enter`."""
        self._strangers -= 1
        left = self._by_address[key] - 1
        if left:
            self._by_address[key] = left
        else:
            del self._by_address[key]

    def leave(self) -> None:
        """A socket that was `known`, or is made so by its end, is gone."""
        self._open -= 1
