"""How often a plugin may ask the gateway for something; pure, time is an argument."""

from __future__ import annotations

from typing import Final

from carapace.plugins.ports import Rate, Rates

__all__ = ["SILENT", "Bucket", "RateLimits"]

_GROUPS: Final = {
    "agent": "inbound",
    "config": "kv",
    "credentials": "kv",
    "crypto": "http",
    "http": "http",
    "inbound": "inbound",
    "kv": "kv",
    "log": "log",
    "media": "http",
    "poll": "http",
    "status": "log",
    "timers": "kv",
    "websocket": "http",
}
"""Which budget pays for which import interface."""

SILENT: Final = frozenset({"config", "log", "status"})
"""Interfaces that cannot answer with an error."""


class Bucket:
    """A token bucket."""

    __slots__ = ("_at_s", "_burst", "_per_s", "_tokens")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._per_s = rate.per_s
        self._burst = float(rate.burst)
        self._tokens = self._burst
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Take a token; 0.0 if there was one, else the seconds until there will be."""
        flowed = max(0.0, now_s - self._at_s) * self._per_s
        self._tokens = min(self._burst, self._tokens + flowed)
        self._at_s = max(now_s, self._at_s)
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._per_s
        self._tokens -= 1.0
        return 0.0


class RateLimits:
    """The budgets of one plugin.

    Args:
        rates: How large they are.
        now_s: Monotonic seconds.
    """

    __slots__ = ("_buckets",)

    def __init__(self, rates: Rates, now_s: float) -> None:
        self._buckets = {
            "http": Bucket(rates.http, now_s),
            "inbound": Bucket(rates.inbound, now_s),
            "kv": Bucket(rates.kv, now_s),
            "log": Bucket(rates.log, now_s),
        }

    def take(self, interface: str, now_s: float) -> float:
        """Pay for one call of an import interface.

        Returns:
            0.0 if it may be made, else the seconds until it may.

        Raises:
            KeyError: If the contract has no such interface.
        """
        return self._buckets[_GROUPS[interface]].take(now_s)
